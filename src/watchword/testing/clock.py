"""A clock that stands still until it is told to move."""


class FrozenClock:
    """Seconds since the epoch, moved by hand. Call it, or its ``now``, wherever a clock is wanted.

    Args:
        now: where it stands at first, in seconds since the epoch.
    """

    def __init__(self, now: float = 1_800_000_000.0) -> None:
        self._now = now

    def __call__(self) -> float:
        """Seconds since the epoch."""
        return self._now

    def __repr__(self) -> str:
        return f"FrozenClock({self._now!r})"

    def now(self) -> float:
        """Seconds since the epoch."""
        return self._now

    def advance(self, seconds: float) -> None:
        """Move on by ``seconds``; back, if negative."""
        self._now += seconds
