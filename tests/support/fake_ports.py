"""Fakes of ports for tests of the edge: a clock that obeys, cheap passwords, telemetry that is heard."""

from dataclasses import dataclass
from typing import Any

from tests.support.cast import START, cheap_hash

from watchword.server.ports.passwords import PasswordsBusy


class TestClock:
    """Tells the time that the test set."""

    __test__ = False

    def __init__(self, now: float = START) -> None:
        self.time = now

    def now(self) -> float:
        return self.time

    def advance(self, seconds: float) -> None:
        """Let ``seconds`` pass."""
        self.time += seconds


@dataclass(frozen=True)
class CheapVerdict:
    right: bool
    outdated: bool = False


class CheapPasswords:
    """The port without the work. ``verified`` counts how often it was asked; ``busy`` fills its queue."""

    def __init__(self) -> None:
        self.verified = 0
        self.busy = False

    async def hash(self, password: str) -> str:
        self._check()
        return cheap_hash(password)

    async def verify(self, password: str, hashed: str | None) -> CheapVerdict:
        self._check()
        self.verified += 1
        return CheapVerdict(right=hashed == cheap_hash(password))

    async def score(self, password: str, *, context: tuple[str, ...]) -> int:
        return 0 if len(set(password)) < 5 else 4

    def _check(self) -> None:
        if self.busy:
            raise PasswordsBusy


class HeardTelemetry:
    """Keeps what was said."""

    def __init__(self) -> None:
        self.said: list[tuple[str, dict[str, Any]]] = []

    def note(self, slug: str, **fields: Any) -> None:
        self.said.append((slug, fields))

    tell = warn = note

    def slugs(self) -> list[str]:
        """The slugs, in order."""
        return [slug for slug, _ in self.said]

    def count(self, slug: str) -> int:
        """How often ``slug`` was said."""
        return self.slugs().count(slug)
