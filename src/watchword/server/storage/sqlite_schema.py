"""Inspecting and upgrading a SQLite file."""

import os
from collections.abc import Callable
from typing import Any

from sqlalchemy import create_engine
from sqlalchemy.exc import DBAPIError
from sqlalchemy.pool import NullPool

from watchword.server.ports.storage import StorageUnavailable
from watchword.server.storage.database_url import SqliteDatabase
from watchword.server.storage.sqlite_driver import connect, driver, unavailable


def inspect_sqlite(database: SqliteDatabase) -> tuple[set[str], str | None]:
    """Names of the tables, and the revision."""
    if not database.path.exists():
        return set(), None
    try:
        connection = driver.connect(
            f"file:{database.path.absolute().as_uri().removeprefix('file://')}?mode=ro", uri=True, timeout=5
        )
    except driver.Error as error:
        raise unavailable(error) from error
    try:
        names = {name for (name,) in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")}
        names = {name for name in names if not name.startswith("sqlite_")}
        row = connection.execute("SELECT version_num FROM alembic_version").fetchone() if _VERSIONED in names else None
    except driver.Error as error:
        raise unavailable(error) from error
    finally:
        connection.close()
    return names - {_VERSIONED}, None if row is None else row[0]


def upgrade_sqlite(database: SqliteDatabase, run_migrations: Callable[[Any], list[str]]) -> list[str]:
    """Run the migrations in one transaction. Who upgrades meanwhile waits, and finds nothing to do."""
    _make(database)
    engine = create_engine("sqlite://", module=driver, creator=lambda: connect(database), poolclass=NullPool)
    try:
        with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
            # SQLite takes tables back on ROLLBACK like rows, if the transaction is begun by hand.
            connection.exec_driver_sql("BEGIN IMMEDIATE")
            try:
                applied = run_migrations(connection)
                connection.exec_driver_sql("COMMIT")
            except BaseException:
                connection.exec_driver_sql("ROLLBACK")
                raise
            return applied
    except DBAPIError as error:
        known = unavailable(error.orig) if isinstance(error.orig, Exception) else error
        raise known from error
    finally:
        engine.dispose()


_VERSIONED = "alembic_version"


def _make(database: SqliteDatabase) -> None:
    # What is in the file is for its owner alone, from the first byte on.
    try:
        database.path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        os.close(os.open(database.path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600))
    except OSError as error:
        raise StorageUnavailable(f"SQLite: {database.path}: {error.strerror}") from error
