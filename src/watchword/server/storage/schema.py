"""The schema's revision: which one a database has, and bringing it to the one that this version wants.

``inspect`` is quick and imports no migration tool; ``upgrade`` runs alembic inside one transaction, so that a killed
upgrade has either happened or not, and two at once end as one.
"""

import asyncio
import threading
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Literal

from watchword.server.ports.storage import StorageUnavailable
from watchword.server.storage.database_url import Database, SqliteDatabase

# Oldest first. A test says that these are the migrations there are.
REVISIONS: Final = ("0001", "0002", "0003", "0004")
_TRIES: Final = 5
_alone: Final = threading.Lock()

Verdict = Literal["current", "empty", "older", "unknown"]


@dataclass(frozen=True, slots=True)
class SchemaState:
    """What a database holds, and what is wanted.

    Attributes:
        current: its revision; None without one.
        wanted: the revision that this version works with.
        foreign: it has no revision, but tables of somebody else.
    """

    current: str | None
    wanted: str
    foreign: bool = False

    @property
    def verdict(self) -> Verdict:
        """``current``; ``empty`` (or not there); ``older``; ``unknown``: somebody else's, or of a newer version."""
        if self.current == self.wanted:
            return "current"
        if self.current is None:
            return "unknown" if self.foreign else "empty"
        return "older" if self.current in REVISIONS else "unknown"


class ForeignDatabase(Exception):
    """The database holds somebody else's tables, or those of a newer version; nothing was changed."""


async def inspect(database: Database) -> SchemaState:
    """The state of the schema. A SQLite file that is not there is not made.

    Raises:
        StorageUnavailable: the database does not answer.
    """
    if isinstance(database, SqliteDatabase):
        from watchword.server.storage.sqlite_schema import inspect_sqlite  # noqa: PLC0415

        tables, revision = await asyncio.to_thread(inspect_sqlite, database)
    else:
        from watchword.server.storage.postgres_schema import inspect_postgres  # noqa: PLC0415

        tables, revision = await inspect_postgres(database)
    return SchemaState(revision, REVISIONS[-1], foreign=revision is None and bool(tables))


async def upgrade(database: Database) -> list[str]:
    """Bring the database to the wanted revision, making it if it is a SQLite file that is not there.

    Returns:
        The revisions applied, oldest first; empty if there was nothing to do.

    Raises:
        ForeignDatabase: it is no database of this version's or an older one's.
        StorageUnavailable: the database does not answer.
    """
    for attempt in range(_TRIES):
        state = await inspect(database)
        if state.verdict == "current":
            return []
        if state.verdict == "unknown":
            raise ForeignDatabase(
                "the database holds tables of something else"
                if state.foreign
                else f"the database is of revision {state.current}, which a newer version made"
            )
        try:
            return await asyncio.to_thread(_upgrade, database)
        except StorageUnavailable:
            raise
        except Exception:
            # Another node upgraded at the same moment, and its tables were there first: look again.
            if attempt == _TRIES - 1 or isinstance(database, SqliteDatabase):
                raise
            await asyncio.sleep(0.1 * (attempt + 1))
    raise AssertionError("unreachable")  # pragma: no cover


def _upgrade(database: Database) -> list[str]:
    # alembic keeps what it works on in globals of its modules, so there is one upgrade at a time in a process.
    with _alone:
        if isinstance(database, SqliteDatabase):
            from watchword.server.storage.sqlite_schema import upgrade_sqlite  # noqa: PLC0415

            return upgrade_sqlite(database, run_migrations)
        from watchword.server.storage.postgres_schema import upgrade_postgres  # noqa: PLC0415

        return asyncio.run(upgrade_postgres(database, run_migrations))


def run_migrations(connection: Any, *, to: str = "head") -> list[str]:
    """Run what is missing on a connection that is inside a transaction; the revisions applied.

    Args:
        connection: a ``sqlalchemy.Connection``.
        to: the revision to stop at; the newest otherwise.
    """
    from alembic import command  # noqa: PLC0415
    from alembic.config import Config  # noqa: PLC0415

    applied: list[str] = []
    config = Config(attributes={"connection": connection, "applied": applied})
    config.set_main_option("script_location", str(Path(__file__).parent / "migrations").replace("%", "%%"))
    config.set_main_option("path_separator", "os")
    command.upgrade(config, to)
    return applied
