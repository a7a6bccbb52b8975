"""A storage between the flows and a real one: it notes what is asked of it, and fails when it is told to."""

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any, TypeVar

from watchword.server.domain.grant import Grant, Standing
from watchword.server.domain.time import Instant
from watchword.server.ports.storage import Decision, LogPage, Storage, StorageUnavailable
from watchword.server.ports.transaction import Reading, Writing

T = TypeVar("T")


@dataclass
class Trouble:
    """What shall go wrong, and what was asked.

    Attributes:
        down: nothing works.
        fails_at: the operation of this number (from 0) fails, and all after it.
        loses_answers: what is written is written, and then the wire is cut.
        operations: what was asked since ``listen``, in order.
    """

    down: bool = False
    fails_at: int | None = None
    loses_answers: bool = False
    operations: list[str] = field(default_factory=list)

    def listen(self, *, fails_at: int | None = None) -> None:
        """Forget what was asked, and fail from that operation on."""
        self.operations.clear()
        self.fails_at = fails_at

    def step(self, name: str) -> None:
        """One operation."""
        self.operations.append(name)
        broken = self.fails_at is not None and len(self.operations) > self.fails_at
        if self.down or broken:
            raise StorageUnavailable("the test cut the wire")

    def answer(self) -> None:
        """Something was written, and its answer is on the way."""
        if self.loses_answers:
            raise StorageUnavailable("the test cut the wire behind the commit")


class TroubledStorage:
    """The port over ``inner``."""

    def __init__(self, inner: Storage, trouble: Trouble) -> None:
        self.inner = inner
        self._trouble = trouble

    async def redeem(self, grant_id: bytes, decide: Callable[[Grant, Standing], Decision[T]]) -> T | None:
        self._trouble.step("redeem")
        outcome = await self.inner.redeem(grant_id, decide)
        self._trouble.answer()
        return outcome

    @asynccontextmanager
    async def write(self) -> AsyncIterator[Writing]:
        self._trouble.step("begin")
        async with self.inner.write() as tx:
            noted: Any = _Noted(tx, self._trouble)
            yield noted
            # Trouble at the commit: what was written in the block is rolled back.
            self._trouble.step("commit")
        self._trouble.answer()

    @asynccontextmanager
    async def read(self) -> AsyncIterator[Reading]:
        self._trouble.step("read")
        async with self.inner.read() as reading:
            noted: Any = _Noted(reading, self._trouble)
            yield noted

    async def log_head(self) -> tuple[str, int]:
        self._trouble.step("log_head")
        return await self.inner.log_head()

    async def log_after(self, sequence: int, *, now: Instant, limit: int) -> LogPage:
        self._trouble.step("log_after")
        return await self.inner.log_after(sequence, now=now, limit=limit)

    async def clock(self) -> Instant:
        self._trouble.step("clock")
        return await self.inner.clock()

    async def sweep(self, *, now: Instant, limit: int) -> int:
        self._trouble.step("sweep")
        return await self.inner.sweep(now=now, limit=limit)

    async def wait_for_log(self, sequence: int, *, seconds: float) -> None:
        await self.inner.wait_for_log(sequence, seconds=seconds)

    async def close(self) -> None:
        await self.inner.close()


class _Noted:
    """A transaction whose every call is noted."""

    def __init__(self, tx: Any, trouble: Trouble) -> None:
        self._tx = tx
        self._trouble = trouble

    def __getattr__(self, name: str) -> Any:
        method = getattr(self._tx, name)

        async def noted(*arguments: Any, **named: Any) -> Any:
            self._trouble.step(name)
            return await method(*arguments, **named)

        return noted
