"""Where tokens are kept: the socket that every store fills, and the simplest one.

Write your own for a database or a vault: five methods over bytes that mean nothing to the store.
"""

import threading
from typing import Protocol

from watchword.client.fork_safety import begin_anew_after_fork


class TokenStore(Protocol):
    """Keeps one sign-in, and lets one caller at a time change it.

    All methods may be called from any thread. They raise ``Misconfigured`` for what needs a hand (rights, ownership)
    and ``OSError`` for trouble that may pass.
    """

    def load(self) -> bytes | None:
        """What was saved last, or None where there is nothing."""
        ...

    def save(self, text: bytes) -> None:
        """Keep ``text`` instead of what was kept.

        It survives a crash once this returns; a crash on the way leaves the old or the new, whole.
        """
        ...

    def clear(self) -> None:
        """Keep nothing; nothing happens if there is nothing."""
        ...

    def try_lock(self) -> bool:
        """Whether the store was unlocked and is now locked by the caller. Never waits.

        The lock holds against all threads and processes that use the same store, and ends with its holder's process.
        """
        ...

    def unlock(self) -> None:
        """Give the lock back. Only its holder calls this. Never waits."""
        ...


class MemoryTokenStore:
    """Keeps tokens for the life of the process, for all sources that share the object.

    A program that forks workers wants a store that they share: a file.
    """

    def __init__(self) -> None:
        self._text: bytes | None = None
        self._lock = threading.Lock()
        begin_anew_after_fork(self._begin_anew)

    def __repr__(self) -> str:
        return f"MemoryTokenStore({'empty' if self._text is None else 'filled'})"

    def load(self) -> bytes | None:
        """See ``TokenStore``."""
        return self._text

    def save(self, text: bytes) -> None:
        """See ``TokenStore``."""
        self._text = text

    def clear(self) -> None:
        """See ``TokenStore``."""
        self._text = None

    def try_lock(self) -> bool:
        """See ``TokenStore``."""
        return self._lock.acquire(blocking=False)

    def unlock(self) -> None:
        """See ``TokenStore``."""
        self._lock.release()

    def _begin_anew(self) -> None:
        self._lock = threading.Lock()
