"""Where the database is: the URL that an operator writes."""

from dataclasses import dataclass
from pathlib import Path
from typing import Final, TypeAlias
from urllib.parse import unquote, urlsplit

from watchword.server.storage.postgres_url import check_postgres_url

_EXAMPLES: Final = "write sqlite:///path/to/watchword.db or postgresql://user:password@host/database"


@dataclass(frozen=True, slots=True)
class SqliteDatabase:
    """A file on this machine."""

    path: Path


@dataclass(frozen=True, slots=True)
class PostgresDatabase:
    """A server that speaks PostgreSQL's protocol. ``dsn`` may hold a password; the repr does not."""

    dsn: str

    def __repr__(self) -> str:
        return f"PostgresDatabase({self.shown!r})"

    @property
    def shown(self) -> str:
        """Where it is, without user, password and options."""
        parts = urlsplit(self.dsn)
        return f"postgresql://{parts.netloc.rpartition('@')[2]}{parts.path}"


Database: TypeAlias = SqliteDatabase | PostgresDatabase


def parse_database_url(text: str) -> Database:
    """The database that ``text`` names.

    ``sqlite:///name`` is relative to the working directory, ``sqlite:////name`` is absolute.

    Raises:
        ValueError: another scheme, no path or database, or what no driver would understand. The text is not repeated:
            it may hold a password.
    """
    try:
        parts = urlsplit(text.strip())
    except ValueError:
        raise ValueError(f"the database URL cannot be read: {_EXAMPLES}") from None
    if parts.scheme == "sqlite":
        return _parse_sqlite(text.strip())
    if parts.scheme in ("postgresql", "postgres"):
        if not parts.path.strip("/"):
            raise ValueError(f"the database URL names no database: {_EXAMPLES}")
        check_postgres_url(parts)
        return PostgresDatabase("postgresql" + text.strip()[len(parts.scheme) :])
    if parts.scheme.startswith(("postgresql+", "sqlite+")):
        raise ValueError(f"the database URL names a driver, which Watchword chooses itself: {_EXAMPLES}")
    raise ValueError(f"the database URL is of no kind that Watchword knows: {_EXAMPLES}")


def _parse_sqlite(text: str) -> SqliteDatabase:
    rest = text[len("sqlite:") :]
    if not rest.startswith("///"):
        raise ValueError("a SQLite URL has three slashes before a relative path, four before an absolute one")
    path = unquote(rest[3:])
    if path in ("", ":memory:") or path.endswith("/"):
        raise ValueError(f"the SQLite URL names no file: {_EXAMPLES}")
    # Written %3F and %23, both may be part of a name.
    if "?" in rest or "#" in rest or "\0" in path:
        raise ValueError("a SQLite URL takes no options: only a path")
    return SqliteDatabase(Path(path))
