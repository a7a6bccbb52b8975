"""Fixtures for projects that use Watchword; pytest finds them by itself.

This module is imported by every pytest run of such a project, so what takes time is imported when a fixture is used.
"""

import pytest

import watchword.testing
from watchword.testing.clock import FrozenClock


@pytest.fixture
def watchword_clock() -> FrozenClock:
    """A clock that stands still; ``watchword_issuer`` goes by it."""
    return FrozenClock()


@pytest.fixture
def watchword_issuer(watchword_clock: FrozenClock) -> "watchword.testing.TestIssuer":
    """An issuer in memory, fresh for each test: ``watchword_issuer.token(sub="alice", scope="orders:read")``."""
    return watchword.testing.TestIssuer(clock=watchword_clock)
