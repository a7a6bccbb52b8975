"""Migrations: they make what tables.py says, whole or not at all, also when several do it at once."""

import asyncio
import os
import stat
import subprocess
import sys
from pathlib import Path
from typing import Any
from urllib.parse import quote

import anyio
import pytest
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import create_engine
from sqlalchemy.ext.asyncio import create_async_engine
from sqlalchemy.pool import NullPool
from tests.contracts.conftest import StoppedClock
from tests.support.postgres import PostgresServer

from watchword.server.storage import schema
from watchword.server.storage.database_url import Database, PostgresDatabase, SqliteDatabase
from watchword.server.storage.opening import open_storage
from watchword.server.storage.schema import REVISIONS, ForeignDatabase, SchemaState, inspect, upgrade
from watchword.server.storage.sqlite_driver import connect, driver
from watchword.server.storage.tables import metadata

_UPGRADE = """
import asyncio, os, signal, sys
from alembic import op
from watchword.server.storage.database_url import parse_database_url
from watchword.server.storage.schema import upgrade

if sys.argv[2] == "die":
    op.create_index = lambda *_, **__: os.kill(os.getpid(), signal.SIGKILL)
print(asyncio.run(upgrade(parse_database_url(sys.argv[1]))))
"""


def url_of(database: Database) -> str:
    return database.dsn if isinstance(database, PostgresDatabase) else f"sqlite:///{quote(str(database.path))}"


def upgrade_elsewhere(database: Database, how: str = "live") -> "subprocess.CompletedProcess[str]":
    command = [sys.executable, "-c", _UPGRADE, url_of(database), how]
    return subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)


@pytest.fixture(params=["sqlite", pytest.param("postgres", marks=pytest.mark.postgres)])
def empty(request: pytest.FixtureRequest, tmp_path: Path) -> Database:
    """A database without anything in it; a SQLite file is not even there."""
    if request.param == "sqlite":
        return SqliteDatabase(tmp_path / "folder" / "watch word #1?.db")
    server: PostgresServer = request.getfixturevalue("postgres_server")
    return server.create_database()


def differences(connection: Any) -> list[Any]:
    return list(compare_metadata(MigrationContext.configure(connection, opts={"compare_type": True}), metadata))


async def test_an_empty_database_is_brought_to_the_wanted_revision_once(empty: Database) -> None:
    assert await inspect(empty) == SchemaState(None, REVISIONS[-1])
    assert await upgrade(empty) == list(REVISIONS)
    assert await inspect(empty) == SchemaState(REVISIONS[-1], REVISIONS[-1])
    assert await upgrade(empty) == []


async def test_each_database_gets_a_log_name_of_its_own(tmp_path: Path) -> None:
    names = set()
    for number in range(2):
        await upgrade(database := SqliteDatabase(tmp_path / f"{number}.db"))
        storage = await open_storage(database, clock=StoppedClock())
        names.add((await storage.log_head())[0])
        await storage.close()
    assert len(names) == 2


def test_inspecting_makes_no_file_and_loads_no_migration_tool(tmp_path: Path) -> None:
    script = (
        "import asyncio, sys; from watchword.server.storage.database_url import parse_database_url as parse;"
        "from watchword.server.storage.schema import inspect; asyncio.run(inspect(parse(sys.argv[1])));"
        "from watchword.server.storage import opening; print(sorted({'alembic', 'asyncpg'} & set(sys.modules)))"
    )
    path = tmp_path / "none.db"
    done = subprocess.run(
        [sys.executable, "-c", script, f"sqlite:///{path}"], capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == "[]"
    assert not path.exists()


def test_storage_on_sqlite_loads_nothing_of_postgresql() -> None:
    script = "import sys, watchword.server.storage.sqlite; print([n for n in sys.modules if 'postgresql' in n])"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


async def test_a_new_file_is_its_owners_alone(tmp_path: Path) -> None:
    before = os.umask(0)
    try:
        await upgrade(database := SqliteDatabase(tmp_path / "new" / "w.db"))
    finally:
        os.umask(before)
    assert stat.S_IMODE(database.path.stat().st_mode) == 0o600
    assert stat.S_IMODE(database.path.parent.stat().st_mode) == 0o700


def test_migrations_and_tables_agree_on_sqlite(tmp_path: Path) -> None:
    database = SqliteDatabase(tmp_path / "w.db")
    anyio.run(upgrade, database)
    engine = create_engine("sqlite://", module=driver, creator=lambda: connect(database), poolclass=NullPool)
    with engine.connect() as connection:
        assert differences(connection) == []
    engine.dispose()


@pytest.mark.postgres
async def test_migrations_and_tables_agree_on_postgresql(postgres_database: PostgresDatabase) -> None:
    import asyncpg

    dsn = postgres_database.dsn
    engine = create_async_engine(
        "postgresql+asyncpg://", async_creator=lambda: asyncpg.connect(dsn), poolclass=NullPool
    )
    async with engine.connect() as connection:
        assert await connection.run_sync(differences) == []
    await engine.dispose()


def test_the_known_revisions_are_the_migrations_that_there_are() -> None:
    config = Config()
    config.set_main_option("script_location", str(Path(schema.__file__).parent / "migrations"))
    config.set_main_option("path_separator", "os")
    walked = [script.revision for script in ScriptDirectory.from_config(config).walk_revisions()]
    assert tuple(reversed(walked)) == REVISIONS


async def test_an_upgrade_that_is_killed_half_way_leaves_nothing_behind(empty: Database) -> None:
    dead = await asyncio.to_thread(upgrade_elsewhere, empty, "die")
    assert dead.returncode == -9
    assert (await inspect(empty)).verdict == "empty"
    assert await upgrade(empty) == list(REVISIONS)
    assert (await inspect(empty)).verdict == "current"


async def test_nodes_that_upgrade_at_once_do_not_break(empty: Database) -> None:
    done = await asyncio.gather(*(asyncio.to_thread(upgrade_elsewhere, empty) for _ in range(3)))
    assert [one.stderr for one in done] == ["", "", ""]
    assert sorted(one.stdout.strip() for one in done) == sorted([str(list(REVISIONS)), "[]", "[]"])
    storage = await open_storage(empty, clock=StoppedClock())
    assert (await storage.log_head())[1] == 0
    await storage.close()


async def test_tables_of_somebody_else_are_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "theirs.db"
    theirs = driver.connect(str(path))
    theirs.execute("CREATE TABLE users (name TEXT)")
    theirs.commit()
    theirs.close()
    before = path.read_bytes()
    assert await inspect(SqliteDatabase(path)) == SchemaState(None, REVISIONS[-1], foreign=True)
    with pytest.raises(ForeignDatabase, match="something else"):
        await upgrade(SqliteDatabase(path))
    assert path.read_bytes() == before


async def test_a_newer_database_is_left_alone(sqlite_database: SqliteDatabase) -> None:
    newer = connect(sqlite_database)
    newer.execute("UPDATE alembic_version SET version_num = '9999'")
    newer.close()
    assert (await inspect(sqlite_database)).verdict == "unknown"
    with pytest.raises(ForeignDatabase, match="9999"):
        await upgrade(sqlite_database)


def test_an_older_revision_is_older() -> None:
    assert SchemaState(REVISIONS[0], "a later one").verdict == "older"


@pytest.mark.postgres
def test_an_empty_database_is_told_of_by_a_command_and_stays_empty(
    postgres_server: PostgresServer, tmp_path: Path
) -> None:
    database = postgres_server.create_database()
    environment = {name: value for name, value in os.environ.items() if not name.startswith("WATCHWORD_")}
    environment |= {"WATCHWORD_DATABASE_URL": database.dsn, "WATCHWORD_SECRET": "not-a-real-secret-but-long-enough-012"}
    command = [str(Path(sys.executable).with_name("watchword")), "users", "list"]
    refused = subprocess.run(
        command, cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=60, check=False
    )
    assert (refused.returncode, refused.stdout) == (1, "")
    said = f"watchword: there is nothing of Watchword's at {database.shown}: start `watchword serve` once, "
    assert refused.stderr.startswith(said)
    assert anyio.run(inspect, database) == SchemaState(None, REVISIONS[-1])
    assert list(tmp_path.iterdir()) == []
