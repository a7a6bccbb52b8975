"""The node's own view of the revocation log: followed in the background, caught up on demand.

The feed tells it on; introspection and userinfo judge by it.
"""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Final

from watchword.protocol.revocation_feed import HEARTBEAT_SECONDS, RevocationSet
from watchword.server.domain.time import Instant
from watchword.server.flows.shared_round import SharedRound
from watchword.server.ports.clock import Clock
from watchword.server.ports.storage import Storage, StorageUnavailable
from watchword.server.ports.telemetry import Telemetry

_PAGE: Final = 1000
# Tokens of unknown keys, which anybody can make up, cost no more reads of the ring than one in this time.
_KEYS_PAUSE: Final = 0.1


class LogTail:
    """Follows the log.

    Attributes:
        log, head, link: the log's name, newest number and the chain's link there.
        read_at: when the primary was last read, in seconds since the epoch.
    """

    def __init__(
        self, storage: Storage, clock: Clock, telemetry: Telemetry, *, keys_revoked: Callable[[], Awaitable[None]]
    ) -> None:
        """``keys_revoked`` loads the key ring anew; it runs before anybody hears of a revoked key from here."""
        self._storage = storage
        self._clock = clock
        self._telemetry = telemetry
        self._lock = asyncio.Lock()
        self._reading: asyncio.Task[None] | None = None
        self._changed = asyncio.Event()
        self._known = RevocationSet()
        self._keys_revoked = keys_revoked
        self._keys_anew = SharedRound(keys_revoked, pause=_KEYS_PAUSE)
        self.log = ""
        self.link = ""
        self.head = 0
        self.read_at: Instant = 0
        self.stopped = False

    def stop(self) -> None:
        """The node is going down: wake all who wait, so that their streams end."""
        self.stopped = True
        self._changed.set()

    async def caught_up(self) -> RevocationSet:
        """The revocations as of now: nothing committed before this call is missing.

        Raises:
            StorageUnavailable: what is revoked now cannot be known.
        """
        log, head = await self._storage.log_head()
        if (log, head) != (self.log, self.head):
            await self._read()
        return self._known

    async def keys_anew(self) -> None:
        """Load the key ring as it is now: another node may have made a key that is not known here yet.

        Raises:
            StorageUnavailable: the ring cannot be read.
        """
        await self._keys_anew()

    async def fresh(self) -> None:
        """Return if the primary was read within a heartbeat; else read it now.

        Raises:
            StorageUnavailable: it cannot be read.
        """
        if not self.log or not 0 <= self._clock.now() - self.read_at < HEARTBEAT_SECONDS:
            await self._read_together()

    async def follow(self) -> None:
        """Follow the log for ever; trouble is told and waited out, whatever it is. Ends when cancelled."""
        told: type[Exception] | None = None
        while True:
            try:
                await self._read_together()
                told = None
                # Half the heartbeat, so that one failed read does not cost one.
                await self._storage.wait_for_log(self.head, seconds=HEARTBEAT_SECONDS / 2)
            except Exception as error:  # noqa: BLE001 # without a follower nobody would hear of a revocation again
                if type(error) is not told:
                    self._tell(error)
                told = type(error)
                await asyncio.sleep(HEARTBEAT_SECONDS / 5)

    async def changed(self, *, seconds: float) -> None:
        """Return when the log was read anew and has grown, after ``seconds`` at the latest."""
        event = self._changed
        if self.stopped:
            return
        try:
            async with asyncio.timeout(seconds):
                await event.wait()
        except TimeoutError:
            return

    def _tell(self, error: Exception) -> None:
        if isinstance(error, StorageUnavailable):
            self._telemetry.warn("feed.database_away", detail=str(error))
        else:
            # Without its text: a driver's message may quote values of a row.
            self._telemetry.warn(
                "maintenance.failed", exception=type(error).__name__, detail="the log cannot be followed"
            )

    async def _read_together(self) -> None:
        """Read; whoever asks meanwhile shares the read and its failure: a silent database is waited for once."""
        if self._reading is None:
            self._reading = asyncio.create_task(self._read(), name="read the log")
            self._reading.add_done_callback(self._read_over)
        await asyncio.shield(self._reading)

    def _read_over(self, task: asyncio.Task[None]) -> None:
        self._reading = None
        # Nobody may be left who waits for it.
        if not task.cancelled():
            task.exception()

    async def _read(self) -> None:
        async with self._lock:
            log, after = self.log, self.head if self.log else 0
            restored = False
            while True:
                # The clock first: what was committed after this instant may be missing, what was before is not.
                now = self._clock.now()
                page = await self._storage.log_after(after, now=now, limit=_PAGE)
                renamed = log not in ("", page.log)
                log = page.log
                if renamed:
                    restored = True
                    self._telemetry.warn("feed.log_renamed", detail="the database was restored")
                    if page.after > 0:
                        # Its numbers mean other entries than those known here, down to the first.
                        after = 0
                        continue
                after = page.last
                grew = page.last != self.head or page.log != self.log
                if restored or any(entry.kid is not None for entry in page.entries):
                    await self._keys_revoked()
                for entry in page.entries:
                    self._known.add(entry)
                self.log, self.head, self.link, self.read_at = page.log, page.last, page.last_link, now
                if grew and not self.stopped:
                    self._changed.set()
                    self._changed = asyncio.Event()
                if page.last >= page.head:
                    break
            self._known.forget(self._clock.now())
