"""The directory: clients, APIs and roles, as fresh as a second.

Commands change them in the database beside a running server; within a second every node goes by the new ones. What a
node does with a client in that second is caught by the feed: a client's cut reaches 60 s past its moment.
"""

import asyncio
from collections.abc import Awaitable, Callable, Coroutine
from dataclasses import dataclass
from typing import Any, Final, Generic, TypeVar

from watchword.protocol.redirect_uri import origin_of
from watchword.server.domain.api import Catalog
from watchword.server.domain.client import Client
from watchword.server.domain.time import Instant, Seconds
from watchword.server.ports.storage import Storage

T = TypeVar("T")

FRESH_SECONDS: Final = 1.0
_MOST_CLIENTS: Final = 10_000
# Ids that nobody has are for the asker to choose: they must not drive out the clients that there are.
_MOST_UNKNOWN: Final = 1_000


@dataclass(frozen=True, slots=True)
class Offer:
    """APIs and roles, and the longest access-token lifetime that was ever in force, of one moment."""

    catalog: Catalog
    longest: Seconds


class Directory:
    """Reads through a cache whose entries are believed for a second, and not at all when the database is away.

    That a client is not there is believed for as long. Whoever asks while an answer is being read shares the read.
    """

    def __init__(self, storage: Storage) -> None:
        self._storage = storage
        self._clients: dict[str, tuple[Instant, Client]] = {}
        self._unknown: dict[str, Instant] = {}
        self._reading: dict[str, asyncio.Task[Client | None]] = {}
        self._catalog = Catalog(apis={}, roles={})
        self._offer = _Believed(self._read_offer)
        self._origins = _Believed(self._read_origins)

    async def client(self, client_id: str, *, now: Instant) -> Client | None:
        """The client with that id; None if there is none.

        Raises:
            StorageUnavailable: it must be read, and cannot be.
        """
        known = self._clients.get(client_id)
        if known is not None and _fresh(known[0], now):
            return known[1]
        missed = self._unknown.get(client_id)
        if missed is not None and _fresh(missed, now):
            return None
        reading = self._reading.get(client_id)
        if reading is None:
            reading = self._reading[client_id] = _begun(self._read_client(client_id, now))
            reading.add_done_callback(lambda _: self._reading.pop(client_id, None))
        return await asyncio.shield(reading)

    async def offer(self, *, now: Instant) -> Offer:
        """All APIs and roles.

        Raises:
            StorageUnavailable: they must be read, and cannot be.
        """
        return await self._offer.get(now)

    async def origins(self, *, now: Instant) -> frozenset[str]:
        """Every web origin that some client may call from.

        Raises:
            StorageUnavailable: they must be read, and cannot be.
        """
        return await self._origins.get(now)

    async def _read_client(self, client_id: str, now: Instant) -> Client | None:
        async with self._storage.read() as reading:
            client = await reading.client(client_id)
        self._clients.pop(client_id, None)
        self._unknown.pop(client_id, None)
        if client is None:
            if len(self._unknown) >= _MOST_UNKNOWN:
                self._unknown.clear()
            self._unknown[client_id] = now
            return None
        if len(self._clients) >= _MOST_CLIENTS:
            self._clients.clear()
        self._clients[client_id] = (now, client)
        # A client that was just made may name an API that was made just before: what was believed is then too old.
        self._offer.doubt(unless=lambda offer: offer.catalog.apis.keys() >= set(client.apis))
        return client

    async def _read_offer(self) -> Offer:
        async with self._storage.read() as reading:
            catalog, longest = await reading.catalog(), await reading.longest_access_token()
        if not catalog.says_the_same(self._catalog):
            self._catalog = catalog
        # The same object for as long as it says the same: what was worked out from it stays known.
        return Offer(self._catalog, longest)

    async def _read_origins(self) -> frozenset[str]:
        async with self._storage.read() as reading:
            return frozenset(origin for client in await reading.clients() for origin in origins_of(client))


class _Believed(Generic[T]):
    """One thing that is read, and believed for a second from the beginning of the read."""

    def __init__(self, read: Callable[[], Awaitable[T]]) -> None:
        self._read = read
        self._known: tuple[Instant, T] | None = None
        self._reading: asyncio.Task[T] | None = None

    async def get(self, now: Instant) -> T:
        if self._known is not None and _fresh(self._known[0], now):
            return self._known[1]
        if self._reading is None:
            self._reading = _begun(self._read_at(now))
            self._reading.add_done_callback(self._over)
        return await asyncio.shield(self._reading)

    def doubt(self, *, unless: Callable[[T], bool]) -> None:
        """Read anew at the next question, unless what is known will do."""
        if self._known is not None and not unless(self._known[1]):
            self._known = None

    async def _read_at(self, now: Instant) -> T:
        found = await self._read()
        self._known = (now, found)
        return found

    def _over(self, _: object) -> None:
        self._reading = None


def origins_of(client: Client) -> frozenset[str]:
    """The web origins that may use ``client`` from a browser: those registered, and those of its redirect URIs."""
    of_redirects = (origin_of(uri) for uri in client.redirect_uris)
    return frozenset(client.origins) | {origin for origin in of_redirects if origin is not None}


def _fresh(read_at: Instant, now: Instant) -> bool:
    return 0 <= now - read_at < FRESH_SECONDS


def _begun(work: Coroutine[Any, Any, T]) -> "asyncio.Task[T]":
    """A task of its own: whoever asked first and goes away takes nothing from the others."""
    task = asyncio.create_task(work)
    task.add_done_callback(_noticed)
    return task


def _noticed(task: "asyncio.Task[Any]") -> None:
    # If all who waited are gone, nobody else asks for the exception.
    if not task.cancelled():
        task.exception()
