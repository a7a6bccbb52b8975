"""Who may work on a SQLite file: one ``serve`` at a time, and only the file's owner.

Commands run beside a server and take no lock; they wait for its transactions.
"""

import fcntl
import os
from pathlib import Path

from watchword.server.storage.database_url import SqliteDatabase


class AlreadyServed(Exception):
    """Another ``watchword serve`` works on the file."""


class WrongUser(Exception):
    """The process runs as somebody else than the file's owner, and would leave files that the owner cannot use."""


class ServeLock:
    """Held for as long as a server runs; the system lets go of it when the process ends, however it ends."""

    def __init__(self, database: SqliteDatabase) -> None:
        self._path = _lock_path(database)
        descriptor = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            owner = os.read(descriptor, 32).decode("ascii", "replace").strip()
            os.close(descriptor)
            whose = f" (process {owner})" if owner else ""
            raise AlreadyServed(
                f"another watchword serve{whose} works on {database.path}: stop it, or use PostgreSQL for several"
            ) from None
        os.ftruncate(descriptor, 0)
        os.write(descriptor, str(os.getpid()).encode())
        self._descriptor: int | None = descriptor

    def release(self) -> None:
        """Let another server have the file. Idempotent. The lock's own file stays: removing it would be a race."""
        if self._descriptor is not None:
            os.close(self._descriptor)
            self._descriptor = None

    def __enter__(self) -> "ServeLock":
        return self

    def __exit__(self, *_: object) -> None:
        self.release()


def check_owner(database: SqliteDatabase) -> None:
    """Return if the file is this process's user's, or is not there yet.

    Raises:
        WrongUser: it is somebody else's.
    """
    try:
        owner = database.path.stat().st_uid
    except FileNotFoundError:
        return
    if owner != os.geteuid():
        raise WrongUser(f"{database.path} belongs to user {owner}, and this is user {os.geteuid()}: run as its owner")


def _lock_path(database: SqliteDatabase) -> Path:
    return database.path.with_name(database.path.name + ".serve.lock")
