"""The node's clock."""

import time

from watchword.server.domain.time import Instant


class SystemClock:
    """``time.time``: wall-clock seconds since the epoch."""

    def now(self) -> Instant:
        """Seconds since the epoch."""
        return time.time()
