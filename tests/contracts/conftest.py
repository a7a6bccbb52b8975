"""Three databases, one suite: ``database`` opens as many storages on one database as a test wants."""

import shutil
from collections.abc import AsyncIterator
from pathlib import Path

import anyio
import pytest
from tests.support.builders import NOW
from tests.support.memory_storage import MemoryDatabase, MemoryStorage
from tests.support.postgres import PostgresServer, running_postgres

from watchword.server.ports.storage import Storage
from watchword.server.storage.database_url import Database, PostgresDatabase, SqliteDatabase
from watchword.server.storage.opening import open_storage
from watchword.server.storage.schema import upgrade


class StoppedClock:
    """It is always NOW."""

    def now(self) -> float:
        return NOW


class Nodes:
    """Opens storages on one database, each one a node of its own, and closes them at the end."""

    def __init__(self, database: MemoryDatabase | Database) -> None:
        self.database = database
        self._opened: list[Storage] = []

    @property
    def in_memory(self) -> bool:
        return isinstance(self.database, MemoryDatabase)

    async def open(self) -> Storage:
        storage: Storage
        if isinstance(self.database, MemoryDatabase):
            storage = MemoryStorage(StoppedClock(), self.database)
        else:
            storage = await open_storage(self.database, clock=StoppedClock())
        self._opened.append(storage)
        return storage

    async def close(self) -> None:
        for storage in self._opened:
            await storage.close()


@pytest.fixture(scope="session")
def sqlite_template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A SQLite file of the wanted revision, to be copied."""
    path = tmp_path_factory.mktemp("template") / "template.db"
    anyio.run(upgrade, SqliteDatabase(path))
    return path


@pytest.fixture
def sqlite_database(sqlite_template: Path, tmp_path: Path) -> SqliteDatabase:
    """A SQLite database of the wanted revision."""
    path = tmp_path / "watchword.db"
    shutil.copy(sqlite_template, path)
    return SqliteDatabase(path)


@pytest.fixture(scope="session")
def postgres_server() -> PostgresServer:
    return running_postgres()


@pytest.fixture(scope="session")
def postgres_template(postgres_server: PostgresServer) -> PostgresDatabase:
    """A PostgreSQL database of the wanted revision, to be copied."""
    database = postgres_server.create_database()
    anyio.run(upgrade, database)
    return database


@pytest.fixture
def postgres_database(postgres_server: PostgresServer, postgres_template: PostgresDatabase) -> PostgresDatabase:
    """A PostgreSQL database of the wanted revision."""
    return postgres_server.create_database(template=postgres_template)


@pytest.fixture(params=["memory", "sqlite", pytest.param("postgres", marks=pytest.mark.postgres)])
def database(request: pytest.FixtureRequest) -> MemoryDatabase | Database:
    """One database of each kind, of the wanted revision."""
    if request.param == "memory":
        return MemoryDatabase()
    found: Database = request.getfixturevalue(f"{request.param}_database")
    return found


@pytest.fixture
async def nodes(database: MemoryDatabase | Database) -> AsyncIterator[Nodes]:
    """Nodes on that database."""
    found = Nodes(database)
    yield found
    await found.close()


@pytest.fixture
async def storage(nodes: Nodes) -> Storage:
    """The first node."""
    return await nodes.open()
