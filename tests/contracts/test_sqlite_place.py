"""The SQLite file goes from its place under an open storage: nothing is acknowledged that nobody can open again."""

import shutil
from collections.abc import AsyncIterator, Iterable
from pathlib import Path
from typing import Any

import pytest
from tests.contracts.conftest import StoppedClock
from tests.contracts.test_redeem import rotate, seed
from tests.support.builders import NOW

from watchword.server.domain.grant import Grant
from watchword.server.ports.storage import StorageUnavailable
from watchword.server.storage.database_url import SqliteDatabase
from watchword.server.storage.sqlite import SqliteStorage, open_sqlite


@pytest.fixture
async def storage(sqlite_database: SqliteDatabase, anyio_backend: Any) -> AsyncIterator[SqliteStorage]:
    opened = await open_sqlite(sqlite_database, clock=StoppedClock())
    yield opened
    await opened.close()


def files_of(database: SqliteDatabase) -> list[Path]:
    """The file, its log and its index."""
    return [database.path.with_name(database.path.name + end) for end in ("", "-wal", "-shm")]


def move(database: SqliteDatabase, folder: Path, which: Iterable[int] = range(3)) -> None:
    folder.mkdir()
    for number in which:
        files_of(database)[number].rename(folder / files_of(database)[number].name)


def move_back(database: SqliteDatabase, folder: Path) -> None:
    for path in folder.iterdir():
        path.replace(database.path.with_name(path.name))


async def refuse_everything(storage: SqliteStorage, grant: Grant) -> None:
    with pytest.raises(StorageUnavailable):
        await storage.redeem(grant.id, rotate)
    with pytest.raises(StorageUnavailable):
        async with storage.write() as tx:
            await tx.put_meta("never", "written")
    with pytest.raises(StorageUnavailable):
        async with storage.read() as reading:
            await reading.meta("never")
    asking = (
        storage.log_head(),
        storage.log_after(0, now=NOW, limit=1),
        storage.clock(),
        storage.sweep(now=0, limit=1),
    )
    for one in asking:
        with pytest.raises(StorageUnavailable):
            await one


@pytest.mark.parametrize("which", [(0,), (0, 1, 2)], ids=["file", "all"])
async def test_a_file_that_is_moved_away_is_unavailable_until_it_is_back(
    sqlite_database: SqliteDatabase, storage: SqliteStorage, tmp_path: Path, which: tuple[int, ...]
) -> None:
    *_, (grant,) = await seed(storage)
    assert await storage.redeem(grant.id, rotate) == 0
    move(sqlite_database, tmp_path / "elsewhere", which)
    await refuse_everything(storage, grant)
    assert not sqlite_database.path.exists()
    move_back(sqlite_database, tmp_path / "elsewhere")
    assert await storage.redeem(grant.id, rotate) == 1
    assert (await storage.log_head())[1] == 0
    assert await storage.clock() == NOW


async def test_a_file_that_was_deleted_acknowledges_nothing(
    sqlite_database: SqliteDatabase, storage: SqliteStorage
) -> None:
    *_, (grant,) = await seed(storage)
    for path in files_of(sqlite_database):
        path.unlink()
    await refuse_everything(storage, grant)


async def test_another_file_in_its_place_is_not_taken_for_it(
    sqlite_database: SqliteDatabase, sqlite_template: Path, storage: SqliteStorage
) -> None:
    *_, (grant,) = await seed(storage)
    shutil.copy(sqlite_template, sqlite_database.path.with_name("older.db"))
    sqlite_database.path.with_name("older.db").replace(sqlite_database.path)
    await refuse_everything(storage, grant)


@pytest.mark.parametrize("lost", [1, 2], ids=["log", "index"])
async def test_a_file_that_comes_back_without_its_company_stays_unavailable(
    sqlite_database: SqliteDatabase, storage: SqliteStorage, tmp_path: Path, lost: int
) -> None:
    *_, (grant,) = await seed(storage)
    move(sqlite_database, tmp_path / "elsewhere")
    await refuse_everything(storage, grant)
    (tmp_path / "elsewhere" / files_of(sqlite_database)[lost].name).unlink()
    move_back(sqlite_database, tmp_path / "elsewhere")
    await refuse_everything(storage, grant)


@pytest.mark.parametrize("lost", [1, 2], ids=["log", "index"])
async def test_a_log_or_index_that_is_deleted_is_found_out_by_the_next_look_at_the_log(
    sqlite_database: SqliteDatabase, storage: SqliteStorage, lost: int
) -> None:
    *_, (grant,) = await seed(storage)
    files_of(sqlite_database)[lost].unlink()
    with pytest.raises(StorageUnavailable, match="not the one that is open"):
        await storage.log_head()
    await refuse_everything(storage, grant)


async def test_a_file_behind_a_link_is_the_one_that_the_link_leads_to(
    sqlite_database: SqliteDatabase, tmp_path: Path
) -> None:
    link = SqliteDatabase(tmp_path / "link.db")
    link.path.symlink_to(sqlite_database.path)
    storage = await open_sqlite(link, clock=StoppedClock())
    *_, (grant,) = await seed(storage)
    assert await storage.redeem(grant.id, rotate) == 0
    assert (await storage.log_head())[1] == 0
    link.path.unlink()
    await refuse_everything(storage, grant)
    await storage.close()


async def test_two_dots_behind_a_link_lead_where_the_system_has_them_lead(
    sqlite_database: SqliteDatabase, tmp_path: Path
) -> None:
    below = sqlite_database.path.parent / "below"
    below.mkdir()
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "elsewhere" / "link").symlink_to(below)
    roundabout = SqliteDatabase(tmp_path / "elsewhere" / "link" / ".." / sqlite_database.path.name)
    storage = await open_sqlite(roundabout, clock=StoppedClock())
    *_, (grant,) = await seed(storage)
    assert await storage.redeem(grant.id, rotate) == 0
    assert (await storage.log_head())[1] == 0
    move(sqlite_database, tmp_path / "gone")
    await refuse_everything(storage, grant)
    await storage.close()
