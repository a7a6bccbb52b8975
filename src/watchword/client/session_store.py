"""Where a web application keeps the sessions of its users: the socket, in memory, and in a folder.

A session store is a set of named places, and each place is a ``TokenStore``: what keeps one sign-in for a program
keeps one for each user of a web application. Names are hashes; the cookie itself is kept nowhere.
"""

import os
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from watchword.client.file_store import FileTokenStore
from watchword.client.fork_safety import begin_anew_after_fork
from watchword.client.token_store import TokenStore


class SessionStore(Protocol):
    """Keeps sessions by name, for all processes that serve the application. Methods may be called from any thread."""

    def place(self, name: str) -> TokenStore:
        """The place of that name: letters, digits and ``-``. The same name is the same place; nothing is made yet."""
        ...

    def sweep(self, *, older_than: float) -> None:
        """Forget every place that was last saved more than ``older_than`` seconds ago."""
        ...


@dataclass(slots=True)
class _Slot:
    text: bytes | None = None
    saved_at: float = 0.0
    lock: threading.Lock = field(default_factory=threading.Lock)


class MemorySessionStore:
    """Keeps sessions for the life of one process: for tests, and for applications of one process.

    Args:
        clock: seconds since the epoch.
    """

    def __init__(self, *, clock: Callable[[], float] = time.time) -> None:
        self.clock = clock
        self._slots: dict[str, _Slot] = {}
        begin_anew_after_fork(self._begin_anew)

    def __repr__(self) -> str:
        return f"MemorySessionStore({len(self._slots)} places)"

    def place(self, name: str) -> TokenStore:
        """See ``SessionStore``."""
        return _MemoryPlace(self, name)

    def sweep(self, *, older_than: float) -> None:
        """See ``SessionStore``."""
        before = self.clock() - older_than
        for name, slot in list(self._slots.items()):
            if slot.saved_at < before and not slot.lock.locked():
                self._slots.pop(name, None)

    def slot(self, name: str, *, make: bool) -> _Slot:
        """For its places: what is kept under a name; an empty one, made if ``make`` says so, where nothing is."""
        found = self._slots.get(name)
        if found is None:
            found = _Slot(saved_at=self.clock())
            if make:
                found = self._slots.setdefault(name, found)
        return found

    def _begin_anew(self) -> None:
        for slot in self._slots.values():
            slot.lock = threading.Lock()


class _MemoryPlace:
    def __init__(self, store: MemorySessionStore, name: str) -> None:
        self._store = store
        self._name = name

    def load(self) -> bytes | None:
        return self._store.slot(self._name, make=False).text

    def save(self, text: bytes) -> None:
        slot = self._store.slot(self._name, make=True)
        slot.text, slot.saved_at = text, self._store.clock()

    def clear(self) -> None:
        self._store.slot(self._name, make=False).text = None

    def try_lock(self) -> bool:
        return self._store.slot(self._name, make=True).lock.acquire(blocking=False)

    def unlock(self) -> None:
        self._store.slot(self._name, make=True).lock.release()


class FileSessionStore:
    """Keeps sessions in a folder of files (mode 0600), for all processes of one user on one host.

    Args:
        folder: made, with mode 0700, where it is missing; nothing else lives in it.
        clock: seconds since the epoch, as the file system counts them.
    """

    def __init__(self, folder: str | os.PathLike[str], *, clock: Callable[[], float] = time.time) -> None:
        self._folder = Path(folder).expanduser().absolute()
        self._clock = clock

    def __repr__(self) -> str:
        return f"FileSessionStore({str(self._folder)!r})"

    def place(self, name: str) -> TokenStore:
        """See ``SessionStore``.

        Raises:
            ValueError: a name that is none.
        """
        if not name.isascii() or not name.replace("-", "").isalnum():
            raise ValueError("a name of letters, digits and -")
        return FileTokenStore(self._folder / f"{name}.json")

    def sweep(self, *, older_than: float) -> None:
        """See ``SessionStore``."""
        before = self._clock() - older_than
        for kept in {
            path.with_name(path.name.partition(".json")[0] + ".json") for path in self._folder.glob("*.json*")
        }:
            lock = kept.with_name(f"{kept.name}.lock")
            with suppress(FileNotFoundError, ValueError):
                # A lock is older than what it protects, so the newest of the two counts.
                newest = max(path.stat().st_mtime for path in (lock, kept) if path.exists())
                if newest < before:
                    kept.unlink(missing_ok=True)
                    lock.unlink(missing_ok=True)
