from watchword.testing.clock import FrozenClock as FrozenClock
from watchword.testing.issuer import TestIssuer as TestIssuer

__all__ = ["FrozenClock", "TestIssuer"]
