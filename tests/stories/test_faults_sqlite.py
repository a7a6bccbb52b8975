"""SQLite in trouble under a running server: writing waits, everything else goes on, and nobody is signed out."""

import asyncio
import errno
import os
import resource as limits
import shutil
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import Any, Protocol

import pytest
from tests.support.cast import basic, bearer
from tests.support.players import Player, all_served, heard, playing, refresh, sign_in
from tests.support.ready_made import ORDERS, SECRET, database_of, furnished_sqlite, sqlite_server
from tests.support.running_server import PASSWORD, RunningServer
from tests.support.wire import Reply, ask

from watchword.resource import ResourceServer
from watchword.server.storage.sqlite_driver import driver

AWAY = (503, "temporarily_unavailable")
GOOD = (200, None)
ALARMS = ("refresh.superseded", "refresh.fork", "refresh.regressed", "refresh.reused", "server.error")
# Mounts something on $DISK that nobody else sees, puts the database there, and becomes the server, whose log is there.
_ON_A_SMALL_DISK = """
mount -t tmpfs -o size=8m,mode=700 tmpfs "$DISK" && cp "$SEED" "$DISK/watchword.db" && exec "$@" 2>>"$DISK/serve.log"
"""


@cache
def private_mounts() -> tuple[str, ...] | None:
    """The command that lets a program mount what nobody else sees; None where the system lets nobody."""
    for command in (("unshare", "--mount"), ("unshare", "--user", "--map-root-user", "--mount")):
        trial = [*command, "mount", "-t", "tmpfs", "tmpfs", "/mnt"]
        if shutil.which("unshare") and subprocess.run(trial, capture_output=True, check=False).returncode == 0:
            return command
    return None


class Disk(Protocol):
    """Where the database is. ``log`` is what the server wrote, ``trouble`` what it tells there while it is full."""

    server: RunningServer
    trouble: str | None

    @property
    def log(self) -> str: ...

    def fill(self) -> None:
        """Let nothing be written any more."""

    def free(self) -> None:
        """Let it be written again."""


class SmallDisk:
    """A disk of 8 MB, with the log on it, which has no room for the trouble either."""

    trouble: str | None = None

    def __init__(self, folder: Path, mounts: tuple[str, ...]) -> None:
        self.server = RunningServer(folder, WATCHWORD_SECRET=SECRET)
        place = folder / "data"
        place.mkdir()
        self.server.environment |= {"DISK": str(place), "SEED": str(furnished_sqlite().database.path)}  # type: ignore[union-attr]
        self.server.program = [*mounts, "sh", "-c", _ON_A_SMALL_DISK, "sh", *self.server.program]
        self.server.start()
        # The mount as the server sees it.
        self._seen = Path(f"/proc/{self.server.pid}/root{place}")

    @property
    def log(self) -> str:
        return (self._seen / "serve.log").read_text()

    def fill(self) -> None:
        descriptor = os.open(self._seen / "ballast", os.O_WRONLY | os.O_CREAT)
        try:
            while True:
                os.write(descriptor, bytes(4096))
        except OSError as full:
            if full.errno != errno.ENOSPC:
                raise
        finally:
            os.close(descriptor)

    def free(self) -> None:
        (self._seen / "ballast").unlink()


class LimitedFiles:
    """A disk whose files cannot grow: the system refuses with another error than a full one."""

    trouble: str | None = "SQLite: input or output failed"

    def __init__(self, folder: Path) -> None:
        self.server = sqlite_server(folder).start()
        self._before = limits.prlimit(self.server.pid, limits.RLIMIT_FSIZE)

    @property
    def log(self) -> str:
        return self.server.log.read_text()

    def fill(self) -> None:
        size = database_of(self.server).with_name("watchword.db-wal").stat().st_size
        assert size > 2 * self.server.log.stat().st_size
        limits.prlimit(self.server.pid, limits.RLIMIT_FSIZE, (size, self._before[1]))

    def free(self) -> None:
        limits.prlimit(self.server.pid, limits.RLIMIT_FSIZE, self._before)


# Where the system lets nobody mount, the limit alone stands for all disks.
@pytest.fixture(params=["limit", *(["small disk"] if private_mounts() else [])])
def disk(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Disk]:
    mounts = private_mounts()
    found: Disk = LimitedFiles(tmp_path) if request.param == "limit" else SmallDisk(tmp_path, mounts or ())
    yield found
    if found.server.process is not None and found.server.process.poll() is None:
        found.server.kill()


@pytest.fixture
def server(tmp_path: Path) -> Iterator[RunningServer]:
    found = sqlite_server(tmp_path).start()
    yield found
    if found.process is not None and found.process.poll() is None:
        found.kill()


@contextmanager
def locked(server: RunningServer) -> Iterator[None]:
    """Another program holds the file's write lock."""
    connection = driver.connect(str(database_of(server)), isolation_level=None)
    try:
        connection.execute("BEGIN IMMEDIATE")
        yield
        connection.execute("ROLLBACK")
    finally:
        connection.close()


async def all_that_reads_goes_on(port: int, tokens: dict[str, Any]) -> None:
    """Everything that has no need to write is answered."""
    secret = furnished_sqlite().secrets["orders-api"]
    asked: list[tuple[str, str, dict[str, Any]]] = [
        ("GET", "/jwks", {}),
        ("GET", "/.well-known/openid-configuration", {}),
        ("GET", "/healthz", {}),
        ("GET", "/revocations?after=0", {}),
        ("POST", "/introspect", {"form": {"token": tokens["access_token"]}, "headers": basic("orders-api", secret)}),
    ]
    began = time.monotonic()
    replies = await asyncio.gather(*(ask(port, method, path, **request) for method, path, request in asked))
    assert [reply.status for reply in replies] == [200] * len(asked)
    assert replies[-1].json["active"] is True
    assert time.monotonic() - began < 3


async def all_that_writes_waits(port: int, tokens: dict[str, Any]) -> list[Reply]:
    """Everything that must write is put off, and told for how long; no word that a client would sign out upon."""
    user = {"client_id": "web", "username": "ada", "password": PASSWORD}
    renewal = {"client_id": "web", "refresh_token": tokens["refresh_token"]}
    return list(
        await asyncio.gather(
            refresh(port, tokens["refresh_token"]),
            ask(port, "POST", "/session/refresh", members=renewal),
            ask(port, "POST", "/session", members=user),
            ask(port, "POST", "/revoke", form={"client_id": "web", "token": tokens["refresh_token"]}),
            ask(port, "POST", "/session/end", members=renewal),
            ask(port, "POST", "/session/end", headers=bearer(tokens["access_token"])),
        )
    )


def assert_put_off(replies: list[Reply]) -> None:
    assert [reply.verdict for reply in replies] == [AWAY] * len(replies)
    assert all(1 <= int(reply.headers["retry-after"]) <= 10 for reply in replies)


async def test_on_a_full_disk_everything_but_writing_goes_on_and_it_recovers_by_itself(disk: Disk) -> None:
    port = disk.server.port
    tokens = await sign_in(port)
    with ResourceServer(issuer=disk.server.issuer, audience=ORDERS) as resource:
        assert resource.verify(tokens["access_token"]).client_id == "web"
        async with playing(port, count=4) as players:
            await all_served(players, seconds=10)
            disk.fill()
            assert_put_off(await all_that_writes_waits(port, tokens))
            await all_that_reads_goes_on(port, tokens)
            assert_put_off(await all_that_writes_waits(port, tokens))
            assert resource.verify(tokens["access_token"]).client_id == "web"
            assert disk.server.process is not None
            assert disk.server.process.poll() is None
            disk.free()
            await all_served(players, seconds=5)
        # What was refused was not half done: the session lives, with the token that it had.
        assert resource.verify(tokens["access_token"]).client_id == "web"
        assert (await refresh(port, tokens["refresh_token"])).status == 200
    assert heard(players) == {GOOD, AWAY}
    # The log goes on as well, where it lies on the same disk.
    assert (await ask(port, "GET", "/nowhere")).status == 404
    assert "request.no_such_path" in disk.log
    assert disk.trouble is None or disk.trouble in disk.log
    assert not any(alarm in disk.log for alarm in ALARMS)
    assert disk.server.stop() == 0


async def test_while_another_program_holds_the_lock_writing_waits_and_nobody_is_signed_out(
    server: RunningServer,
) -> None:
    tokens = await sign_in(server.port)
    player = Player(server.port, (await sign_in(server.port))["refresh_token"])
    with locked(server):
        began = time.monotonic()
        waiting = asyncio.ensure_future(all_that_writes_waits(server.port, tokens))
        await all_that_reads_goes_on(server.port, tokens)
        assert not waiting.done()
        # Sooner than a client that waits 10 s gives up, though they wait one behind the other.
        assert_put_off(await waiting)
        assert 4 < time.monotonic() - began < 9
        assert await player.turn() is False
        assert time.monotonic() - began < 10
    assert await player.turn() is True
    assert (await refresh(server.port, tokens["refresh_token"])).status == 200
    log = server.log.read_text()
    assert "SQLite: locked by another process" in log
    assert not any(alarm in log for alarm in ALARMS)
    assert server.stop() == 0


async def test_a_short_lock_is_waited_for_without_a_word(server: RunningServer) -> None:
    token = (await sign_in(server.port))["refresh_token"]
    with locked(server):
        asked = asyncio.ensure_future(refresh(server.port, token))
        await ask(server.port, "GET", "/healthz")
        await asyncio.wait([asked], timeout=0.3)
        assert not asked.done()
    assert (await asked).status == 200
    assert server.stop() == 0


def test_a_disk_that_cannot_be_written_stops_the_start_with_a_sentence(tmp_path: Path) -> None:
    server = sqlite_server(tmp_path)
    remount = 'mount --bind "$0" "$0" && mount -o remount,bind,ro "$0" && exec "$@"'
    done = subprocess.run(
        [*(private_mounts() or ()), "sh", "-c", remount, str(tmp_path / "data"), *server.program, "serve"],
        env=server.environment,
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )
    assert (done.returncode, done.stdout, len(done.stderr.splitlines())) == (1, "", 1)
    assert f"cannot work on {database_of(server)}: read-only file system; its folder must be writable" in done.stderr
