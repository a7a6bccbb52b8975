"""The revocation feed's work: signed batches of the log, the same bytes for all readers at one place.

A batch says: as of the moment ``iat``, at which the primary was read, nothing else was revoked between ``from`` and
``to``. A node that cannot read the primary says nothing.
"""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Final

from watchword.protocol import revocation_feed as wire
from watchword.protocol.errors import AccessDenied, InvalidClient, TemporarilyUnavailable
from watchword.protocol.metadata import issuer_is_loopback
from watchword.server.domain.time import Instant
from watchword.server.flows.client_authentication import ClientCredentials, authenticate
from watchword.server.flows.parts import Parts
from watchword.server.ports.signing import NoSigningKey
from watchword.server.ports.storage import StorageUnavailable

_KEPT: Final = 64


@dataclass(frozen=True, slots=True)
class Message:
    """A signed batch and the number that it ends at. ``complete`` is False when more follows at once."""

    sequence: int
    batch: str
    complete: bool


async def may_read(parts: Parts, credentials: ClientCredentials | None) -> None:
    """Return if the asker may read the feed: anybody on loopback, elsewhere a client that serves an API.

    Raises:
        InvalidClient: no client, or it did not prove to be itself.
        AccessDenied: the client serves no API.
    """
    if issuer_is_loopback(parts.issuer):
        return
    if credentials is None:
        raise InvalidClient("the feed is for clients that serve an API", slug="feed.anonymous")
    client = await authenticate(parts, credentials, now=parts.clock.now())
    if client.serves is None:
        raise AccessDenied("the feed is for clients that serve an API", slug="feed.not_a_server")


class RevocationFeed:
    """Makes messages, and keeps the newest, so that a thousand readers cost one read and one signature."""

    def __init__(self, parts: Parts) -> None:
        self._parts = parts
        self._lock = asyncio.Lock()
        self._made: dict[tuple[str, int, int, Instant], Message] = {}

    async def message(self, after: int) -> Message:
        """The batch that begins after ``after``; one without entries is a heartbeat.

        Raises:
            StorageUnavailable: nothing can be vouched for now.
            TemporarilyUnavailable: there is no signing key.
        """
        tail = self._parts.log_tail
        await tail.fresh()
        async with self._lock:
            key = (tail.log, after, tail.head, tail.read_at)
            known = self._made.get(key)
            if known is None:
                known = await self._make(after, read_at=tail.read_at)
                if len(self._made) >= _KEPT:
                    self._made.clear()
                self._made[key] = known
        return known

    async def follow(self, after: int, credentials: ClientCredentials | None = None) -> AsyncIterator[Message]:
        """Messages from ``after`` on, until the node stops: at once, whenever the log grows, and every 5 s.

        While the primary cannot be read, nothing is said; the reader notices the silence. Before each message it is
        asked anew whether he who offered ``credentials`` may read: the stream of a client that was disabled, deleted
        or given another secret ends.
        """
        position = after
        while not self._parts.log_tail.stopped:
            try:
                await may_read(self._parts, credentials)
                message = await self.message(position)
            except (StorageUnavailable, TemporarilyUnavailable):
                await self._parts.log_tail.changed(seconds=1)
                continue
            except (InvalidClient, AccessDenied) as refused:
                self._parts.telemetry.tell(refused.slug, error=refused.code, detail=refused.detail)
                return
            yield message
            position = message.sequence
            if message.complete:
                await self._parts.log_tail.changed(seconds=wire.HEARTBEAT_SECONDS)

    async def _make(self, after: int, *, read_at: Instant) -> Message:
        parts, tail = self._parts, self._parts.log_tail
        if after == tail.head and after > 0:
            batch = wire.Batch(
                iss=parts.issuer,
                iat=read_at,
                log=tail.log,
                from_=after,
                to=after,
                from_link=tail.link,
                link=tail.link,
                entries=[],
            )
            return self._sign(batch, complete=True)
        now = parts.clock.now()
        page = await parts.storage.log_after(after, now=now, limit=wire.MAX_BATCH_ENTRIES)
        if page.log != tail.log or page.head > tail.head:
            # The page may revoke the very key that is about to sign it: the tail's read loads the ring that is without.
            await tail.caught_up()
        batch = wire.Batch(
            iss=parts.issuer,
            iat=now,
            log=page.log,
            from_=page.after,
            to=page.last,
            from_link=page.after_link,
            link=page.last_link,
            entries=list(page.entries),
        )
        return self._sign(batch, complete=page.last >= page.head)

    def _sign(self, batch: wire.Batch, *, complete: bool) -> Message:
        try:
            signed = self._parts.signer.sign(batch.claims(), typ=wire.TYP, alg="ES256")
        except NoSigningKey:
            raise TemporarilyUnavailable(slug="keys.none", retry_after=2) from None
        return Message(batch.to, signed, complete)
