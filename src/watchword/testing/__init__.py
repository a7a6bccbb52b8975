"""For our users' tests: an issuer without a server, a clock that obeys, a pytest plugin.

The issuer is loaded when it is first asked for: pytest imports this package in every project that has Watchword. The
types stand in ``__init__.pyi``.
"""

from importlib import import_module

from watchword.testing.clock import FrozenClock

__all__ = ["FrozenClock", "TestIssuer"]


def __getattr__(name: str) -> object:
    if name == "TestIssuer":
        return import_module("watchword.testing.issuer").TestIssuer
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
