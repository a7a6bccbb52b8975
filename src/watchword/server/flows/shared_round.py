"""Work that many ask for at once: who asks before a round begins shares it, and rounds keep a distance."""

import asyncio
from collections.abc import Awaitable, Callable

from watchword.server.domain.time import Seconds


class SharedRound:
    """Calls ``work`` in rounds. A call returns after a round that began later than the call.

    Args:
        work: what a round does.
        pause: seconds between the end of a round and the beginning of the next, however many ask.
    """

    def __init__(self, work: Callable[[], Awaitable[None]], *, pause: Seconds) -> None:
        self._work = work
        self._pause = pause
        self._turn = asyncio.Lock()
        self._not_before = 0.0
        self._next: asyncio.Task[None] | None = None

    async def __call__(self) -> None:
        """Take part in the next round. What ``work`` raises is raised to all who share it."""
        if self._next is None:
            self._next = asyncio.create_task(self._round())
            self._next.add_done_callback(_noticed)
        # Whoever goes away takes nothing from the others.
        await asyncio.shield(self._next)

    async def _round(self) -> None:
        loop = asyncio.get_running_loop()
        async with self._turn:
            await asyncio.sleep(max(0.0, self._not_before - loop.time()))
            # Who asks from here on may want what this round does not see.
            self._next = None
            try:
                await self._work()
            finally:
                self._not_before = loop.time() + self._pause


def _noticed(task: asyncio.Task[None]) -> None:
    # If all callers are gone, nobody else asks for the exception.
    if not task.cancelled():
        task.exception()
