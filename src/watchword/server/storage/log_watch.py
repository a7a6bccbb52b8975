"""Waiting for the log: own commits wake at once, those of other processes are seen by polling.

Also the read that simultaneous callers share. Both are the same on every database.
"""

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import Final, Generic, TypeVar

T = TypeVar("T")

POLL_SECONDS: Final = 0.15


class LogWatch:
    """Knows who waits for which number. Polls only while somebody waits."""

    def __init__(self, peek: Callable[[], Awaitable[int]]) -> None:
        self._peek = peek
        self._newest = 0
        self._waiters: dict[asyncio.Future[None], int] = {}
        self._poller: asyncio.Task[None] | None = None

    def grown(self, newest: int) -> None:
        """The log has grown to ``newest``, or was read and ends there."""
        self._newest = newest
        for waiter, sequence in self._waiters.items():
            if newest > sequence and not waiter.done():
                waiter.set_result(None)

    async def wait(self, sequence: int, *, seconds: float) -> None:
        """Return when the log is longer than ``sequence``, or after ``seconds``."""
        if self._newest > sequence:
            return
        waiter = asyncio.get_running_loop().create_future()
        self._waiters[waiter] = sequence
        if self._poller is None or self._poller.done():
            self._poller = asyncio.create_task(self._poll())
        try:
            async with asyncio.timeout(seconds):
                await waiter
        except TimeoutError:
            pass
        finally:
            self._waiters.pop(waiter, None)

    async def close(self) -> None:
        """Wake all that wait, and stop."""
        for waiter in self._waiters:
            if not waiter.done():
                waiter.set_result(None)
        if self._poller is not None:
            self._poller.cancel()
            with suppress(asyncio.CancelledError):
                await self._poller

    async def _poll(self) -> None:
        while self._waiters:
            # A hint may fail; the reads that follow a wait say what is wrong.
            with suppress(Exception):
                self.grown(await self._peek())
            await asyncio.sleep(POLL_SECONDS)


class SharedRead(Generic[T]):
    """A read that all callers share who came before it began. Nobody is answered by a read older than his question."""

    def __init__(self, read: Callable[[], Awaitable[T]]) -> None:
        self._read = read
        self._current: asyncio.Task[T] | None = None
        self._next: asyncio.Task[T] | None = None

    async def __call__(self) -> T:
        """The result of a read that began after this call."""
        if self._next is None:
            self._next = asyncio.create_task(self._after(self._current))
            self._next.add_done_callback(_noticed)
        return await asyncio.shield(self._next)

    async def _after(self, previous: asyncio.Task[T] | None) -> T:
        if previous is not None and not previous.done():
            await asyncio.wait([previous])
        self._current, self._next = self._next, None
        return await self._read()


def _noticed(task: asyncio.Task[T]) -> None:
    # If all callers are gone, nobody else asks for the exception.
    if not task.cancelled():
        task.exception()
