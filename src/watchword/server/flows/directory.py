"""The directory: clients, APIs and roles, as fresh as a second.

Commands change them in the database beside a running server; within a second every node goes by the new ones. What a
node does with a client in that second is caught by the feed: a client's cut reaches 60 s past its moment.
"""

from dataclasses import dataclass
from typing import Final

from watchword.protocol.redirect_uri import origin_of
from watchword.server.domain.api import Catalog
from watchword.server.domain.client import Client
from watchword.server.domain.time import Instant, Seconds
from watchword.server.ports.storage import Storage

FRESH_SECONDS: Final = 1.0
_MOST_CLIENTS: Final = 10_000


@dataclass(frozen=True, slots=True)
class Offer:
    """APIs and roles, and the longest access-token lifetime that was ever in force, of one moment."""

    catalog: Catalog
    longest: Seconds


class Directory:
    """Reads through a cache whose entries are believed for a second, and not at all when the database is away."""

    def __init__(self, storage: Storage) -> None:
        self._storage = storage
        self._clients: dict[str, tuple[Instant, Client]] = {}
        self._offer: tuple[Instant, Offer] | None = None
        self._origins: tuple[Instant, frozenset[str]] | None = None

    async def client(self, client_id: str, *, now: Instant) -> Client | None:
        """The client with that id; None if there is none.

        Raises:
            StorageUnavailable: it must be read, and cannot be.
        """
        known = self._clients.get(client_id)
        if known is not None and 0 <= now - known[0] < FRESH_SECONDS:
            return known[1]
        async with self._storage.read() as reading:
            client = await reading.client(client_id)
        if client is None:
            self._clients.pop(client_id, None)
            return None
        if len(self._clients) >= _MOST_CLIENTS:
            self._clients.clear()
        self._clients[client_id] = (now, client)
        return client

    async def offer(self, *, now: Instant) -> Offer:
        """All APIs and roles.

        Raises:
            StorageUnavailable: they must be read, and cannot be.
        """
        if self._offer is not None and 0 <= now - self._offer[0] < FRESH_SECONDS:
            return self._offer[1]
        async with self._storage.read() as reading:
            offer = Offer(await reading.catalog(), await reading.longest_access_token())
        self._offer = (now, offer)
        return offer

    async def origins(self, *, now: Instant) -> frozenset[str]:
        """Every web origin that some client may call from."""
        if self._origins is not None and 0 <= now - self._origins[0] < FRESH_SECONDS:
            return self._origins[1]
        async with self._storage.read() as reading:
            found = frozenset(origin for client in await reading.clients() for origin in origins_of(client))
        self._origins = (now, found)
        return found


def origins_of(client: Client) -> frozenset[str]:
    """The web origins that may use ``client`` from a browser: those registered, and those of its redirect URIs."""
    of_redirects = (origin_of(uri) for uri in client.redirect_uris)
    return frozenset(client.origins) | {origin for origin in of_redirects if origin is not None}
