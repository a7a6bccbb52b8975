"""Tokens in a file that only its owner may read.

Written beside, flushed to the disk, then renamed over the old one: whoever is killed at any moment leaves the old
file or the new one, whole. The lock is a second file, ``<name>.lock``, since the first is replaced each time.
"""

import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Final

from watchword.client.errors import Misconfigured
from watchword.client.file_lock import FileLock, needs_a_hand

_LARGEST: Final = 4 * 1024 * 1024


class FileTokenStore:
    """Keeps one sign-in in ``path`` (mode 0600), for all processes of one user.

    Args:
        path: the file; its folder is made, with mode 0700, where it is missing.

    Raises:
        Misconfigured: this system has no file locks.
    """

    def __init__(self, path: str | os.PathLike[str]) -> None:
        self._path = Path(path).expanduser().absolute()
        self._new = self._path.with_name(f".{self._path.name}.new")
        self._lock = FileLock(self._path.with_name(f"{self._path.name}.lock"))

    def __repr__(self) -> str:
        return f"FileTokenStore({str(self._path)!r})"

    def load(self) -> bytes | None:
        """See ``TokenStore``.

        Raises:
            Misconfigured: others may read the file, it is somebody else's, or it is no plain file.
        """
        with self._as_it_lasts():
            try:
                # Without waiting, so that a named pipe cannot hold us up.
                fd = os.open(self._path, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC | os.O_NONBLOCK)
            except FileNotFoundError:
                return None
            except OSError:
                if self._path.is_symlink():
                    raise self._unusable("it is a symbolic link") from None
                raise
            try:
                self._require_private(os.fstat(fd))
                with open(fd, "rb", closefd=False) as file:
                    return file.read(_LARGEST)
            finally:
                os.close(fd)

    def save(self, text: bytes) -> None:
        """See ``TokenStore``. The caller holds the lock."""
        with self._as_it_lasts():
            self._make_folder()
            with suppress(FileNotFoundError):
                self._new.unlink()  # left by one who was killed
            fd = os.open(self._new, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
            try:
                with os.fdopen(fd, "wb") as file:
                    file.write(text)
                    file.flush()
                    os.fsync(fd)
                self._new.replace(self._path)
            except BaseException:
                with suppress(OSError):
                    self._new.unlink()
                raise
            self._flush_folder()

    def clear(self) -> None:
        """See ``TokenStore``."""
        with self._as_it_lasts():
            for path in (self._new, self._path):
                with suppress(FileNotFoundError):
                    path.unlink()
            with suppress(FileNotFoundError):
                self._flush_folder()

    def try_lock(self) -> bool:
        """See ``TokenStore``."""
        self._make_folder()
        return self._lock.try_acquire()

    def unlock(self) -> None:
        """See ``TokenStore``."""
        self._lock.release()

    def _make_folder(self) -> None:
        try:
            self._path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        except OSError as error:
            if needs_a_hand(error) or isinstance(error, FileExistsError):
                raise self._unusable("its folder cannot be made") from None
            raise

    def _flush_folder(self) -> None:
        # The rename itself must reach the disk too.
        fd = os.open(self._path.parent, os.O_RDONLY | os.O_CLOEXEC)
        try:
            os.fsync(fd)
        finally:
            os.close(fd)

    def _require_private(self, found: os.stat_result) -> None:
        if not stat.S_ISREG(found.st_mode):
            raise self._unusable("it is no plain file")
        if found.st_uid != os.geteuid():
            # Writing it would make it ours, and shut its owner out.
            raise self._unusable("it belongs to another user")
        if found.st_mode & 0o077:
            raise self._unusable("others may read it: chmod 600, and sign in anew if they may have done so")

    @contextmanager
    def _as_it_lasts(self) -> Iterator[None]:
        """Tell trouble that waits for a hand from trouble that may pass."""
        try:
            yield
        except OSError as error:
            if needs_a_hand(error):
                raise self._unusable(error.strerror or type(error).__name__) from None
            raise

    def _unusable(self, why: str) -> Misconfigured:
        return Misconfigured(f"the token file {self._path} is not used: {why}", reason="store_unusable")
