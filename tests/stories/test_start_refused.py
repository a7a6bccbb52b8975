"""A server that cannot do its work does not start: one line says why and what to do, and nothing was changed.

And what a change of the secret, or an older copy of the database, does to those who are signed in.
"""

import asyncio
import re
import shutil
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from tests.support.players import refresh, sign_in
from tests.support.postgres import running_postgres
from tests.support.ready_made import ORDERS, SECRET, database_of, sqlite_server
from tests.support.running_server import WATCHWORD, RunningServer
from tests.support.wire import ask

from watchword.protocol import base64url
from watchword.resource import ResourceServer
from watchword.server.storage.sqlite_driver import driver

NEWER = "another-secret-of-the-server-4Zt8mB1nQ5Yc0Kd6"


def complaint(server: RunningServer, *arguments: str) -> str:
    """What ``serve`` says when it does not start."""
    done = subprocess.run(
        [WATCHWORD, "serve", *arguments],
        env=server.environment,
        cwd=server.folder,
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )
    assert (done.returncode, done.stdout) == (1, "")
    assert SECRET not in done.stderr
    lines = done.stderr.splitlines()
    assert len(lines) == 1, done.stderr
    assert lines[0].startswith("watchword: ")
    return lines[0]


@pytest.fixture
def server(tmp_path: Path) -> Iterator[RunningServer]:
    """A furnished server, not started; stopped at the end if the test did."""
    found = sqlite_server(tmp_path)
    yield found
    if found.process is not None and found.process.poll() is None:
        assert found.stop() == 0


def kept_secret(server: RunningServer) -> Path:
    """Have the secret come from the file in the data folder, as in development."""
    del server.environment["WATCHWORD_SECRET"]
    path = server.folder / "data" / "secret"
    path.write_text(f"{SECRET}\n")
    path.chmod(0o600)
    return path


def execute(server: RunningServer, sql: str) -> list[Any]:
    connection = driver.connect(str(database_of(server)), isolation_level=None)
    try:
        found: list[Any] = connection.execute(sql).fetchall()
        return found
    finally:
        connection.close()


def test_a_second_server_on_one_file_is_refused_and_the_first_goes_on(server: RunningServer) -> None:
    server.start()
    server.environment["WATCHWORD_PORT"] = "1"
    said = complaint(server)
    assert f"another watchword serve (process {server.pid}) works on {database_of(server)}" in said
    assert "stop it, or use PostgreSQL for several" in said
    assert server.records("users", "list")
    with server.http() as http:
        assert http.get("/readyz").status_code == 200


def test_a_lock_that_a_killed_server_left_behind_holds_up_nobody(server: RunningServer) -> None:
    server.start()
    server.kill()
    server.start()


def test_workers_on_sqlite_are_refused(server: RunningServer) -> None:
    assert "take --workers 1, or PostgreSQL by WATCHWORD_DATABASE_URL" in complaint(server, "--workers", "2")


def short(path: Path) -> None:
    path.write_text("too short\n")


def empty(path: Path) -> None:
    path.write_bytes(b"")


def corrupt(path: Path) -> None:
    path.write_bytes(b"\xff\xfe" * 30)


def wrong(path: Path) -> None:
    path.write_text(NEWER)


def readable(path: Path) -> None:
    path.chmod(0o644)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (
            short,
            r"a secret has at least 32 bytes of text; put back the one from your backup, or make one with: openssl",
        ),
        (empty, r"the secret is empty; put back the one from your backup"),
        (corrupt, r"data/secret is not text: put back the one from your backup"),
        (
            wrong,
            r"made, or last served, under another secret than WATCHWORD_SECRET lists: take the server's own settings",
        ),
        (Path.unlink, r"data/secret is missing but \S+ needs it: put it back from your backup, set WATCHWORD_SECRET"),
        (readable, r"others may read \S+: chmod 600 it"),
    ],
)
def test_a_damaged_secret_stops_the_start(server: RunningServer, change: Callable[[Path], None], said: str) -> None:
    path = kept_secret(server)
    change(path)
    content = path.read_bytes() if path.exists() else None
    assert re.search(said, complaint(server))
    assert (path.read_bytes() if path.exists() else None) == content
    # It was the secret and nothing else.
    path.write_text(SECRET)
    path.chmod(0o600)
    server.start()


def of_a_newer_version(server: RunningServer) -> None:
    execute(server, "UPDATE alembic_version SET version_num = '9999'")


def of_something_else(server: RunningServer) -> None:
    execute(server, "DROP TABLE alembic_version")


def no_database(server: RunningServer) -> None:
    database_of(server).write_bytes(b"This is a letter, and no database at all. " * 100)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (of_a_newer_version, "the database is of revision 9999, which a newer Watchword made: run that one"),
        (of_something_else, "the database holds somebody else's tables: give Watchword a database of its own"),
        (no_database, "the database does not answer, and nothing was changed: SQLite: the file is not a database"),
    ],
)
def test_a_database_that_it_does_not_know_stops_the_start(
    server: RunningServer, change: Callable[[RunningServer], None], said: str
) -> None:
    change(server)
    before = database_of(server).read_bytes()
    assert said in complaint(server)
    assert database_of(server).read_bytes() == before


@pytest.mark.postgres
def test_a_database_that_is_away_stops_the_start(tmp_path: Path) -> None:
    database = running_postgres().create_database()
    running_postgres().command(f"DROP DATABASE {database.shown.rpartition('/')[2]}")
    server = RunningServer(tmp_path, database_url=database.dsn, WATCHWORD_SECRET=SECRET)
    assert "the database does not answer, and nothing was changed: PostgreSQL: " in complaint(server)


def test_a_port_that_is_taken_stops_the_start(server: RunningServer, tmp_path: Path) -> None:
    server.start()
    (tmp_path / "other").mkdir()
    other = sqlite_server(tmp_path / "other", port=server.port)
    assert f"port {server.port}: Address already in use; choose another with --port" in complaint(other)


async def test_a_new_secret_in_front_keeps_everybody_signed_in_and_the_old_one_can_go(server: RunningServer) -> None:
    async def restarted(secret: str) -> None:
        server.environment["WATCHWORD_SECRET"] = secret
        assert await asyncio.to_thread(server.stop) == 0
        await asyncio.to_thread(server.start)

    server.start()
    keys = (await ask(server.port, "GET", "/jwks")).json
    active, asleep = [await sign_in(server.port) for _ in range(2)]
    with ResourceServer(issuer=server.issuer, audience=ORDERS) as resource:
        await restarted(f"{NEWER} {SECRET}")
        renewed = await refresh(server.port, active["refresh_token"])
        assert renewed.status == 200
        # The lost answer is given again, byte for byte, though the token that is asked with is under the old secret.
        again = await refresh(server.port, active["refresh_token"])
        assert again.json["refresh_token"] == renewed.json["refresh_token"]
        await restarted(NEWER)
        assert (await ask(server.port, "GET", "/jwks")).json == keys
        last = await refresh(server.port, renewed.json["refresh_token"])
        assert last.status == 200
        # Who did not come by between the two changes has to sign in again.
        assert (await refresh(server.port, asleep["refresh_token"])).verdict == (400, "invalid_grant")
        for token in (active["access_token"], last.json["access_token"]):
            assert resource.verify(token).client_id == "web"
    assert server.stop() == 0
    server.environment["WATCHWORD_SECRET"] = SECRET
    assert "made, or last served, under another secret" in complaint(server)


async def test_a_client_goes_on_where_the_database_went_back_in_time(server: RunningServer, tmp_path: Path) -> None:
    server.start()
    active, asleep = [(await sign_in(server.port))["refresh_token"] for _ in range(2)]
    assert await asyncio.to_thread(server.stop) == 0
    shutil.copyfile(database_of(server), tmp_path / "older.db")
    await asyncio.to_thread(server.start)
    for _ in range(3):
        active = (await refresh(server.port, active)).json["refresh_token"]
    assert "refresh.regressed" not in server.log.read_text()
    assert await asyncio.to_thread(server.stop) == 0
    shutil.copyfile(tmp_path / "older.db", database_of(server))
    await asyncio.to_thread(server.start)
    for generation in (5, 6):
        answer = await refresh(server.port, active)
        assert answer.status == 200
        active = answer.json["refresh_token"]
        # Version, key and grant stand before the generation.
        assert int.from_bytes(base64url.decode(active.removeprefix("wwr_"))[18:22]) == generation
    assert (await refresh(server.port, asleep)).status == 200
    log = server.log.read_text()
    assert log.count('"slug": "refresh.regressed"') == 1
    assert "refresh.fork" not in log
    assert "superseded" not in log
