"""A lock between processes and between threads, on a file.

The operating system holds it (``flock``), so it ends with its holder, however that dies. It never waits: callers try,
pause and try again, which works the same for threads and tasks. The file stays; removing it would let two in.
"""

import errno
import os
import sys
import threading
from pathlib import Path
from typing import Final

from watchword.client.errors import Misconfigured
from watchword.client.fork_safety import begin_anew_after_fork

if sys.platform != "win32":
    import fcntl


# Rights, and names that are something else than they should be. What is not in here may pass: a full disk, a network
# file system that is away, too many open files.
_LASTING: Final = frozenset(
    {errno.EACCES, errno.EPERM, errno.EROFS, errno.ELOOP, errno.EISDIR, errno.ENOTDIR, errno.ENAMETOOLONG, errno.ENXIO}
)


def needs_a_hand(error: OSError) -> bool:
    """Whether trouble with a file lasts until somebody mends it."""
    return error.errno in _LASTING


class FileLock:
    """Locks ``path``, a file of its own beside what it protects.

    One object serves many threads: whoever got True from ``try_acquire`` holds it until ``release``.

    Raises:
        Misconfigured: this system has no ``flock``.
    """

    def __init__(self, path: Path) -> None:
        if sys.platform == "win32":
            raise Misconfigured("file locks need flock, which this system does not have", reason="no_flock")
        self._path = path
        self._fd: int | None = None
        self._guard = threading.Lock()
        begin_anew_after_fork(self._begin_anew)

    def try_acquire(self) -> bool:
        """Whether the lock was free and is now held.

        Raises:
            Misconfigured: the file cannot be made or opened here.
            OSError: trouble that may pass.
        """
        with self._guard:
            if self._fd is not None:
                return False
            try:
                fd = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
            except OSError as error:
                if error.errno == errno.ELOOP:
                    why, reason = "it is a symbolic link", "store_unusable"
                elif needs_a_hand(error) or isinstance(error, FileNotFoundError):
                    why, reason = error.strerror or type(error).__name__, "store_unwritable"
                else:
                    raise
                raise Misconfigured(f"cannot lock {self._path}: {why}", reason=reason) from None
            try:
                if not _flock(fd):
                    os.close(fd)
                    return False
            except BaseException:
                os.close(fd)
                raise
            self._fd = fd
            return True

    def release(self) -> None:
        """Give it back; nothing happens if it is not held."""
        with self._guard:
            fd, self._fd = self._fd, None
            if fd is not None:
                # Unlocked, not just closed: a child forked meanwhile may still have the same open file.
                _unlock(fd)
                os.close(fd)

    def _begin_anew(self) -> None:
        # Closing (not unlocking) the inherited copy leaves the parent its lock, and lets it die with the parent.
        fd, self._fd = self._fd, None
        self._guard = threading.Lock()
        if fd is not None:
            os.close(fd)


def _flock(fd: int) -> bool:
    if sys.platform != "win32":
        try:
            fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
    return True


def _unlock(fd: int) -> None:
    if sys.platform != "win32":
        fcntl.flock(fd, fcntl.LOCK_UN)
