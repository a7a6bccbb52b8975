"""Both kinds of sources driven the same way, and a clock that a test sets."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from watchword.client import AsyncTokenSource, SecondStep, TokenSource

PASSWORD = "correct horse battery"


@dataclass
class Clock:
    """A clock that a test sets."""

    now: float = 1_800_000_000.0

    def __call__(self) -> float:
        return self.now


@dataclass
class Driven:
    """One of the two sources, called the same way."""

    source: TokenSource | AsyncTokenSource

    def _run(self, name: str, *args: Any, **options: Any) -> Any:
        method = getattr(self.source, name)
        if isinstance(self.source, TokenSource):
            return method(*args, **options)

        async def call() -> Any:
            return await method(*args, **options)

        return asyncio.run(call())

    def token(self) -> str:
        return str(self._run("token"))

    def renew(self, refused: str) -> str:
        return str(self._run("renew", refused))

    def sign_in(self, username: str = "alice", password: str = PASSWORD, **options: Any) -> None:
        self._run("sign_in", username, password, **options)

    def take_second_step(self, step: SecondStep, **code: str) -> None:
        self._run("take_second_step", step, **code)

    def sign_out(self) -> None:
        self._run("sign_out")


Make = Callable[..., Driven]


async def until(condition: Callable[[], bool]) -> None:
    """Poll until it holds; ten seconds at most."""
    async with asyncio.timeout(10):
        while not condition():
            await asyncio.sleep(0.005)
