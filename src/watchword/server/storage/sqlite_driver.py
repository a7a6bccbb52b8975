"""SQLite's library and how we use it: the pragmas, and which of its errors mean that storage is unavailable."""

import importlib
import sqlite3
from contextlib import closing
from types import ModuleType
from typing import Any, Final, NamedTuple
from urllib.parse import quote

from watchword.server.ports.storage import StorageUnavailable
from watchword.server.storage.database_url import SqliteDatabase


def _load() -> ModuleType:
    # The wheel carries a newer SQLite than most systems have.
    try:
        return importlib.import_module("pysqlite3.dbapi2")
    except ImportError:
        return sqlite3


driver: Final[Any] = _load()
# For a value of any type but a few the driver asks first whether somebody adapts it, by two attributes that are not
# there; the answer for what it binds as it is anyway takes a third of the time of the whole UPDATE of a refresh.
driver.register_adapter(bytes, bytes)
driver.register_adapter(type(None), lambda none: none)

# Below this, a race between a checkpoint and a writer of another process can lose committed data in WAL mode.
SAFE_VERSION: Final = (3, 51, 3)
BUSY_SECONDS: Final = 5

_PRAGMAS: Final = (
    "PRAGMA journal_mode = WAL",
    "PRAGMA synchronous = FULL",
    "PRAGMA foreign_keys = ON",
    "PRAGMA trusted_schema = OFF",
    "PRAGMA journal_size_limit = 67108864",
)
# Primary result codes of trouble with the file, the disk or another process; the others are mistakes in a statement.
_BUSY: Final = 5
_UNAVAILABLE: Final = {
    3: "no permission",
    _BUSY: "locked by another process",
    6: "locked",
    7: "out of memory",
    8: "read-only",
    10: "input or output failed",
    11: "the file is damaged",
    13: "the disk is full",
    14: "the file cannot be opened",
    15: "locking failed",
    22: "the file is too large for this system",
    26: "the file is not a database",
}
_NOT_OURS: Final = "SQLite: the file does not hold the tables any more"


class SqliteLibrary(NamedTuple):
    """Which SQLite is in use."""

    module: str
    version: tuple[int, ...]

    @property
    def safe(self) -> bool:
        """Whether it is free of the WAL bug that loses data."""
        return self.version >= SAFE_VERSION


def sqlite_library() -> SqliteLibrary:
    """The library that this process uses."""
    return SqliteLibrary(driver.__name__.partition(".")[0], tuple(driver.sqlite_version_info))


def connect(database: SqliteDatabase, *, read_only: bool = False) -> Any:
    """A connection of the driver's own, in autocommit mode: transactions are begun by hand.

    Raises:
        StorageUnavailable: there is no such file, or it is none of SQLite's.
    """
    try:
        connection = _open(database, mode="rw")
    except driver.Error as error:
        raise unavailable(error) from error
    try:
        for pragma in _PRAGMAS:
            connection.execute(pragma).fetchall()
        if read_only:
            connection.execute("PRAGMA query_only = ON")
    except driver.Error as error:
        connection.close()
        raise unavailable(error) from error
    return connection


def probe(database: SqliteDatabase) -> None:
    """Return if the file is there and can be read, from its beginning to the log's head.

    On a connection of its own: one that was open before goes on with what it remembers, and with a file that others
    have deleted.

    Raises:
        StorageUnavailable: it cannot.
    """
    try:
        with closing(_open(database, mode="ro")) as connection:
            found = connection.execute("SELECT count(*) FROM log_head").fetchone()[0]
    except driver.Error as error:
        known = unavailable(error)
        raise known if isinstance(known, StorageUnavailable) else StorageUnavailable(_NOT_OURS) from error
    if not found:
        raise StorageUnavailable(_NOT_OURS)


def _open(database: SqliteDatabase, *, mode: str) -> Any:
    return driver.connect(
        f"file:{quote(str(database.path))}?mode={mode}", uri=True, timeout=BUSY_SECONDS, isolation_level=None
    )


def is_busy(error: Exception) -> bool:
    """Whether another process holds a lock that is needed."""
    return getattr(error, "sqlite_errorcode", 0) & 0xFF == _BUSY


def unavailable(error: Exception) -> Exception:
    """``error`` as StorageUnavailable if that is what it means, else itself."""
    code = getattr(error, "sqlite_errorcode", None)
    if code is None:
        return error
    reason = _UNAVAILABLE.get(code & 0xFF)
    return error if reason is None else StorageUnavailable(f"SQLite: {reason}")
