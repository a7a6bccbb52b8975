"""What a child process must not inherit: locks that are held, flights under way.

A lock that some thread held in the moment of a fork is never released in the child, for the thread is not there. So
whatever owns one registers how to begin anew.
"""

import os
import threading
import weakref
from collections.abc import Callable
from typing import Any

_anew: "list[weakref.WeakMethod[Callable[[], Any]]]" = []
_guard = threading.Lock()


def begin_anew_after_fork(method: Callable[[], None]) -> None:
    """Call the bound ``method`` in each child process, as long as its object lives."""
    with _guard:
        _anew[:] = [known for known in _anew if known() is not None]
        _anew.append(weakref.WeakMethod(method))


def _in_child() -> None:
    global _guard  # noqa: PLW0603 (the old one may be held by a thread that is not here)
    _guard = threading.Lock()
    for known in _anew:
        method = known()
        if method is not None:
            method()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_in_child)
