"""Servers that are stopped, killed and started again under their clients' hands; several processes of one server."""

import asyncio
import signal
import time
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest
from tests.support.players import all_served, heard, playing, refresh, sign_in
from tests.support.ready_made import ORDERS, SECRET, postgres_database, sqlite_server
from tests.support.running_server import PASSWORD, RunningServer, wait_until
from tests.support.wire import Gone, Wire, ask

from watchword.resource import ResourceServer, TokenRejected

KINDS = ["sqlite", pytest.param("postgres", marks=pytest.mark.postgres)]
# A connection that the system took but the server did not is reset when the server stops listening.
NOT_THERE = {"ConnectionRefusedError", "ConnectionResetError", "Gone"}
GOOD = (200, None)
ALARMS = ("refresh.superseded", "refresh.fork", "refresh.regressed", "refresh.reused", "server.error")


@pytest.fixture(params=KINDS)
def server(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[RunningServer]:
    if request.param == "sqlite":
        found = sqlite_server(tmp_path)
    else:
        found = RunningServer(tmp_path, database_url=postgres_database().dsn, WATCHWORD_SECRET=SECRET)
    found.start()
    yield found
    if found.process is not None and found.process.poll() is None:
        found.kill()


def refusal(resource: ResourceServer, token: str) -> str | None:
    try:
        resource.verify(token)
    except TokenRejected as rejected:
        return rejected.reason
    return None


async def ended(wire: Wire, *, seconds: float) -> None:
    """Return when the server has closed the connection."""
    async with asyncio.timeout(seconds):
        while await wire.reader.read(65536):
            pass


async def following(port: int) -> Wire:
    """A reader of the feed, which has got its first batch."""
    wire = await Wire.open(port)
    wire.send("GET", "/revocations?after=0", headers={"accept": "text/event-stream"})
    async with asyncio.timeout(5):
        await wire.reader.readuntil(b"event: revocations\n")
    return wire


async def test_sigterm_finishes_what_was_begun_and_ends_streams_at_once(server: RunningServer) -> None:
    readers = [await following(server.port) for _ in range(3)]
    idle = await Wire.open(server.port)
    token = (await sign_in(server.port))["refresh_token"]
    body = f"grant_type=refresh_token&client_id=web&refresh_token={token}"
    begun = await Wire.open(server.port)
    head = "POST /token HTTP/1.1\r\nhost: x\r\ncontent-type: application/x-www-form-urlencoded\r\n"
    begun.writer.write(f"{head}content-length: {len(body)}\r\n\r\n{body[:30]}".encode())
    await begun.writer.drain()
    async with playing(server.port, count=8) as players:
        await all_served(players, seconds=10)
        assert server.process is not None
        server.process.send_signal(signal.SIGTERM)
        stopped_at = time.monotonic()
        await asyncio.gather(*(ended(wire, seconds=1.5) for wire in (*readers, idle)))
        assert server.process.poll() is None
        begun.writer.write(body[30:].encode())
        assert (await begun.read(seconds=5)).status == 200
        assert await asyncio.to_thread(server.process.wait, 10) == 0
        assert time.monotonic() - stopped_at < 10
        await asyncio.to_thread(server.start)
        await all_served(players, seconds=10)
    # One who retries has heard nothing but that nobody was there.
    assert heard(players) <= {GOOD} | NOT_THERE
    assert not any(alarm in server.log.read_text() for alarm in ALARMS)
    for wire in (*readers, idle, begun):
        wire.close()
    assert server.stop() == 0


@pytest.mark.slow
async def test_a_request_that_never_ends_does_not_hold_up_the_end(tmp_path: Path) -> None:
    server = sqlite_server(tmp_path).start()
    wire = await Wire.open(server.port)
    wire.writer.write(b"POST /token HTTP/1.1\r\nhost: x\r\ncontent-length: 99\r\n")
    wire.writer.write(b"content-type: application/x-www-form-urlencoded\r\n\r\na=")
    await wire.writer.drain()
    await refresh(server.port, "wwr_not-a-token")
    began = time.monotonic()
    assert await asyncio.to_thread(server.stop) == 0
    assert time.monotonic() - began < 10
    wire.close()


def test_after_a_clean_stop_the_database_is_one_file(tmp_path: Path) -> None:
    server = sqlite_server(tmp_path).start()
    assert server.stop() == 0
    assert sorted(path.name for path in (tmp_path / "data").iterdir()) == ["watchword.db", "watchword.db.serve.lock"]


def test_an_interrupt_from_the_keyboard_is_a_clean_stop_too(tmp_path: Path) -> None:
    server = sqlite_server(tmp_path).start()
    assert server.process is not None
    server.process.send_signal(signal.SIGINT)
    assert server.process.wait(10) == 0
    assert "Traceback" not in server.log.read_text()


async def test_feed_readers_lose_nothing_when_the_server_is_killed(server: RunningServer) -> None:
    tokens = [(await sign_in(server.port, user))["access_token"] for user in ("ada", "grace")]
    resources = [ResourceServer(issuer=server.issuer, audience=ORDERS) for _ in range(3)]
    for resource in resources:
        assert [refusal(resource, token) for token in tokens] == [None, None]
    server.command("sessions", "revoke", "--user", "ada")
    server.kill()
    # Nobody is there to tell of this one until the server is back.
    server.command("users", "disable", "grace")
    for resource in resources:
        assert refusal(resource, tokens[1]) is None
    await asyncio.to_thread(server.start)
    try:
        for resource in resources:
            for token in tokens:
                gone = lambda resource=resource, token=token: refusal(resource, token) == "token.revoked"  # noqa: E731
                await asyncio.to_thread(wait_until, gone, seconds=10, what="the revocation")
    finally:
        for resource in resources:
            resource.close()


def children(server: RunningServer) -> dict[int, psutil.Process]:
    """The workers that answer, by process id; not the one that multiprocessing keeps for itself."""
    found = psutil.Process(server.pid).children()
    return {one.pid: one for one in found if "spawn_main" in " ".join(one.cmdline())}


@pytest.mark.postgres
async def test_workers_share_the_work_are_replaced_and_end_together(tmp_path: Path) -> None:
    server = RunningServer(tmp_path, database_url=postgres_database().dsn, WATCHWORD_SECRET=SECRET)
    await asyncio.to_thread(server.start, "--workers", "2")
    first = await asyncio.to_thread(wait_until, lambda: children(server), what="workers")
    assert len(first) == 2
    async with playing(server.port, count=6) as players:
        await all_served(players, seconds=10)
        victim, survivor = first.values()
        victim.kill()
        await all_served(players, seconds=10)

        def replaced() -> bool:
            now = children(server)
            return len(now) == 2 and victim.pid not in now and survivor.pid in now

        await asyncio.to_thread(wait_until, replaced, seconds=10, what="a new worker")
        survivor.kill()
        # Now only the new one can answer.
        await all_served(players, seconds=10)
    assert heard(players) <= {GOOD} | NOT_THERE
    await asyncio.to_thread(wait_until, lambda: len(children(server)) == 2, seconds=10, what="two workers")
    family = psutil.Process(server.pid).children(recursive=True)
    assert await asyncio.to_thread(server.stop) == 0
    assert not psutil.wait_procs(family, timeout=3)[1]
    with pytest.raises((OSError, Gone)):
        await ask(server.port, "GET", "/healthz")
    assert not any(alarm in server.log.read_text() for alarm in ALARMS)


async def test_sign_ins_under_way_are_answered_before_the_end(tmp_path: Path) -> None:
    server = sqlite_server(tmp_path).start()
    wires = [await Wire.open(server.port) for _ in range(4)]
    for wire in wires:
        asked = {"client_id": "web", "username": "ada", "password": PASSWORD}
        wire.send("POST", "/session", members=asked)
        await wire.writer.drain()
    # One answer is there, so the others are being worked on.
    await wires[0].read()
    assert server.process is not None
    server.process.send_signal(signal.SIGTERM)
    assert [(await wire.read()).status for wire in wires[1:]] == [201] * 3
    assert await asyncio.to_thread(server.process.wait, 10) == 0
    for wire in wires:
        wire.close()
