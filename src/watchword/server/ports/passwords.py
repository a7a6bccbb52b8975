"""Passwords: slow hashes in a bounded pool, and an estimate of strength."""

from typing import Protocol


class PasswordsBusy(Exception):
    """The pool's queue is full: answer 503 rather than let logins hold up everything else."""


class Passwords(Protocol):
    """Hashes and checks passwords, off the event loop, a few at a time."""

    async def hash(self, password: str) -> str:
        """A salted hash that carries its own parameters.

        Raises:
            PasswordsBusy: too many are waiting.
        """
        ...

    async def verify(self, password: str, hashed: str | None) -> "Verdict":
        """Whether ``password`` is the one behind ``hashed``. With None it takes as long, and the answer is no.

        Raises:
            PasswordsBusy: too many are waiting.
        """
        ...

    async def score(self, password: str, *, context: tuple[str, ...]) -> int:
        """How hard to guess, from 0 (at once) to 4 (very).

        Raises:
            PasswordsBusy: too many are waiting.
        """
        ...


class Verdict(Protocol):
    """The answer of ``verify``."""

    @property
    def right(self) -> bool:
        """The password fits."""
        ...

    @property
    def outdated(self) -> bool:
        """The hash was made with weaker parameters than today's and should be made anew."""
        ...
