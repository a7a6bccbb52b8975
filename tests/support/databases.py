"""Databases with the cast and a key ring in them, made once and given to each test as good as new."""

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TypeAlias

from tests.support.cast import START, write_cast
from tests.support.fake_ports import TestClock
from tests.support.postgres import running_postgres

from watchword.server.adapters.local_signer import LocalSigner
from watchword.server.adapters.sealing import Sealing
from watchword.server.adapters.system_entropy import SystemEntropy
from watchword.server.domain.secret_ring import parse_secrets
from watchword.server.flows import key_ring
from watchword.server.storage import schema
from watchword.server.storage.database_url import Database, PostgresDatabase, SqliteDatabase
from watchword.server.storage.opening import open_storage
from watchword.server.storage.tables import metadata

SECRETS = parse_secrets("not-a-real-secret-but-long-enough-0123456789")
Fresh: TypeAlias = Callable[[], Database]


async def furnish(database: Database) -> None:
    """Make the tables, the key ring and the cast."""
    await schema.upgrade(database)
    storage = await open_storage(database, clock=TestClock())
    try:
        await key_ring.ensure(storage, LocalSigner(Sealing(SECRETS, SystemEntropy())), now=START)
        await write_cast(storage)
    finally:
        await storage.close()


def _furnished(database: Database) -> None:
    # In a thread, so that a test whose loop runs may be the first to ask.
    with ThreadPoolExecutor(1) as pool:
        pool.submit(lambda: asyncio.run(furnish(database))).result()


class SqliteTemplate:
    """A furnished SQLite file, to be copied. Kept in memory: a worker of a parallel run ends without tidying up."""

    def __init__(self) -> None:
        with TemporaryDirectory(prefix="ww-sqlite-") as folder:
            path = Path(folder) / "template.db"
            _furnished(SqliteDatabase(path))
            self._content = path.read_bytes()

    def copy(self, folder: Path) -> SqliteDatabase:
        """A database of its own in ``folder``."""
        path = folder / "watchword.db"
        path.write_bytes(self._content)
        return SqliteDatabase(path)


@dataclass(frozen=True)
class PostgresTemplate:
    """A furnished PostgreSQL database, to be put back as it was. For one test at a time."""

    database: PostgresDatabase
    name: str

    def restore(self) -> PostgresDatabase:
        """The database as it was furnished."""
        names = [table.name for table in metadata.sorted_tables]
        emptied = "".join(f"DELETE FROM {name};" for name in reversed(names))
        filled = "".join(f"INSERT INTO {name} OVERRIDING SYSTEM VALUE TABLE furnished.{name};" for name in names)
        running_postgres().command(f"BEGIN; {emptied} {filled} COMMIT;", database=self.name)
        return self.database


@cache
def sqlite_template() -> SqliteTemplate:
    """The template of this test process."""
    return SqliteTemplate()


@cache
def postgres_template() -> PostgresTemplate:
    """The template of this test process. Skips the test where there is no PostgreSQL."""
    postgres = running_postgres()
    database = postgres.create_database()
    _furnished(database)
    name = database.shown.rpartition("/")[2]
    kept = "".join(f"CREATE TABLE furnished.{t.name} AS TABLE public.{t.name};" for t in metadata.sorted_tables)
    postgres.command(f"CREATE SCHEMA furnished; {kept}", database=name)
    return PostgresTemplate(database, name)
