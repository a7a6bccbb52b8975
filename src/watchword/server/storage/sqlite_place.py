"""Whether the file that is open is still the one at its place.

The system lets a process go on with a file that others have moved or deleted: what is written there would be
acknowledged, and nobody could open it again.
"""

import os
from pathlib import Path
from typing import Final, TypeAlias

from watchword.server.ports.storage import StorageUnavailable

Identity: TypeAlias = tuple[int, int] | None

_ELSEWHERE: Final = (
    "SQLite: the file at its path is not the one that is open: put that one back, with its -wal and -shm, or restart"
)


class SqlitePlace:
    """A database's path, and which files were there when it was opened. Shared by the threads of a storage."""

    def __init__(self, path: Path) -> None:
        # As text, which is what is asked for at every write; ``..`` behind a symbolic link is left to the system.
        self._path = os.path.join(os.getcwd(), path)  # noqa: PTH109, PTH118
        self._opened: tuple[Identity, ...] | None = None
        self._astray = False

    def remember(self) -> None:
        """To be called by each connection once it has read: from now on these are the files.

        Raises:
            StorageUnavailable: another connection has opened others.
        """
        if self._opened is None:
            found = self._whole()
            if found[0] is None:
                raise StorageUnavailable(_ELSEWHERE)
            self._opened = found
        self.check_whole()

    def check(self) -> None:
        """Return if the file is at its place: one question to the system, for each write.

        Raises:
            StorageUnavailable: it is not, or some of its company was missing and is still.
        """
        if self._astray:
            self.check_whole()
        elif self._opened is None or _identity(self._path) != self._opened[0]:
            self._astray = True
            raise StorageUnavailable(_ELSEWHERE)

    def check_whole(self) -> None:
        """As ``check``, with log and index beside the file: without them it is another one for whoever opens it.

        Raises:
            StorageUnavailable: one of them is not at its place.
        """
        self._astray = self._whole() != self._opened
        if self._astray:
            raise StorageUnavailable(_ELSEWHERE)

    def _whole(self) -> tuple[Identity, ...]:
        # SQLite names them after what a symbolic link leads to.
        real = os.path.realpath(self._path)
        return tuple(map(_identity, (self._path, f"{real}-wal", f"{real}-shm")))


def _identity(path: str) -> Identity:
    try:
        found = os.stat(path)  # noqa: PTH116 # a Path costs as much again
    except OSError:
        return None
    return found.st_dev, found.st_ino
