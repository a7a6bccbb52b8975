"""The lock of a server on its SQLite file, and whose file it is."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from watchword.server.storage.database_url import SqliteDatabase
from watchword.server.storage.sqlite_lock import AlreadyServed, ServeLock, WrongUser, check_owner

_HOLD = """
import sys
from pathlib import Path
from watchword.server.storage.database_url import SqliteDatabase
from watchword.server.storage.sqlite_lock import ServeLock
lock = ServeLock(SqliteDatabase(Path(sys.argv[1])))
print("held", flush=True)
sys.stdin.read()
"""


@pytest.fixture
def database(tmp_path: Path) -> SqliteDatabase:
    return SqliteDatabase(tmp_path / "w.db")


def test_a_second_server_on_the_file_is_refused_and_told_which_is_the_first(database: SqliteDatabase) -> None:
    with ServeLock(database), pytest.raises(AlreadyServed, match=str(os.getpid())):
        ServeLock(database)


def test_a_released_lock_can_be_taken_and_released_again(database: SqliteDatabase) -> None:
    first = ServeLock(database)
    first.release()
    first.release()
    with ServeLock(database):
        pass


def test_a_killed_server_leaves_no_lock_behind(database: SqliteDatabase) -> None:
    command = [sys.executable, "-c", _HOLD, str(database.path)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as other:
        assert other.stdout is not None
        assert other.stdout.readline() == "held\n"
        with pytest.raises(AlreadyServed, match=str(other.pid)):
            ServeLock(database)
        other.kill()
        other.wait(10)
        with ServeLock(database):
            pass


def test_servers_on_different_files_do_not_meet(database: SqliteDatabase, tmp_path: Path) -> None:
    with ServeLock(database), ServeLock(SqliteDatabase(tmp_path / "other.db")):
        pass


def test_the_owner_and_a_missing_file_are_fine(database: SqliteDatabase) -> None:
    check_owner(database)
    database.path.touch()
    check_owner(database)


def test_somebody_elses_file_is_refused(database: SqliteDatabase, monkeypatch: pytest.MonkeyPatch) -> None:
    database.path.touch()
    monkeypatch.setattr(os, "geteuid", lambda: 54321)
    with pytest.raises(WrongUser, match="54321"):
        check_owner(database)
