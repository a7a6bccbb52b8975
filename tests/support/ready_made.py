"""Servers whose database is furnished already: made once by commands, then copied for each story."""

import atexit
import json
import shutil
import subprocess
import sys
import tempfile
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any, Final

from tests.support.postgres import running_postgres
from tests.support.running_server import PASSWORD, RunningServer

from watchword.server.storage.database_url import PostgresDatabase, SqliteDatabase

ORDERS: Final = "https://orders.example"
SECRET: Final = "canary-secret-of-the-server-7Hq2xW9vLk3TzRp8"
USERS: Final = ("ada", "grace")

# One process for all commands: starting it is most of what a command takes.
_COMMANDS: Final = """
import io, json, sys
from watchword.server.cli import main
for arguments, stdin in json.load(sys.stdin):
    sys.stdin = io.TextIOWrapper(io.BytesIO(stdin.encode()))
    status = main(arguments)
    if status:
        sys.exit(status)
"""


@dataclass(frozen=True)
class Furnished:
    """A database with people in it. ``secrets``: the client secrets of ``billing`` and ``orders-api``."""

    database: SqliteDatabase | PostgresDatabase
    secrets: dict[str, str] = field(repr=False)


def _furnished(url: str) -> dict[str, str]:
    scopes = ["--scope", "orders.read", "--scope", "orders.write"]
    commands: list[tuple[list[str], str]] = [
        (["apis", "create", ORDERS, *scopes], ""),
        (["clients", "create", "web", "--first-party", "--api", ORDERS, *scopes, "--scope", "openid"], ""),
        (["clients", "create", "billing", "--grant-type", "client_credentials", "--api", ORDERS, *scopes], ""),
        (["clients", "create", "orders-api", "--serves", ORDERS], ""),
        *((["users", "create", name, "--password-stdin"], PASSWORD) for name in USERS),
    ]
    folder = tempfile.mkdtemp(prefix="ww-furnish-")
    environment = RunningServer(Path(folder), database_url=url, WATCHWORD_SECRET=SECRET).environment
    done = subprocess.run(
        [sys.executable, "-c", _COMMANDS],
        env=environment,
        cwd=folder,
        input=json.dumps(commands),
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    shutil.rmtree(folder)
    return {
        made["client_id"]: made["client_secret"]
        for made in _objects(done.stdout)
        if made.get("client_secret") is not None
    }


def _objects(text: str) -> list[dict[str, Any]]:
    """The JSON objects among other lines."""
    decoder, found, at = json.JSONDecoder(), [], text.find("{")
    while at >= 0:
        one, end = decoder.raw_decode(text, at)
        found.append(one)
        at = text.find("{", end)
    return found


@cache
def furnished_sqlite() -> Furnished:
    """The SQLite template of this test process."""
    folder = Path(tempfile.mkdtemp(prefix="ww-ready-"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    path = folder / "watchword.db"
    secrets = _furnished(f"sqlite:///{path}")
    # The last to leave writes the log back into the file, so the file is all there is.
    assert not path.with_name("watchword.db-wal").exists()
    return Furnished(SqliteDatabase(path), secrets)


@cache
def furnished_postgres() -> Furnished:
    """The PostgreSQL template of this test process. Skips the test where there is no PostgreSQL."""
    database = running_postgres().create_database()
    return Furnished(database, _furnished(database.dsn))


def sqlite_server(folder: Path, **options: Any) -> RunningServer:
    """A server, not started, on a furnished SQLite file of its own, which is ``database_of(server)``."""
    made = furnished_sqlite().database
    assert isinstance(made, SqliteDatabase)
    server = RunningServer(folder, **{"WATCHWORD_SECRET": SECRET, **options})
    database_of(server).parent.mkdir(mode=0o700)
    shutil.copyfile(made.path, database_of(server))
    return server


def database_of(server: RunningServer) -> Path:
    """The SQLite file of a server."""
    return Path(server.environment["WATCHWORD_DATA_DIR"], "watchword.db")


def postgres_database() -> PostgresDatabase:
    """A furnished PostgreSQL database of its own."""
    made = furnished_postgres().database
    assert isinstance(made, PostgresDatabase)
    return running_postgres().create_database(template=made)
