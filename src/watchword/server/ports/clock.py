"""The clock, read once per request."""

from typing import Protocol

from watchword.server.domain.time import Instant


class Clock(Protocol):
    """Tells the time of this node."""

    def now(self) -> Instant:
        """Seconds since the epoch."""
        ...
