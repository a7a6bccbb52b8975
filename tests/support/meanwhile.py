"""A storage in which something else happens right behind a read: the race that a lock afterwards has to settle."""

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

from watchword.server.ports.storage import Storage
from watchword.server.ports.transaction import Reading


class MeanwhileStorage:
    """The port over ``inner``. Behind the first read ``meanwhile`` happens, once."""

    def __init__(self, inner: Storage, meanwhile: Callable[[], Awaitable[object]]) -> None:
        self._inner = inner
        self._meanwhile: Callable[[], Awaitable[object]] | None = meanwhile

    @asynccontextmanager
    async def read(self) -> AsyncIterator[Reading]:
        async with self._inner.read() as reading:
            yield reading
        meanwhile, self._meanwhile = self._meanwhile, None
        if meanwhile is not None:
            await meanwhile()

    def __getattr__(self, name: str) -> Any:
        return getattr(self._inner, name)
