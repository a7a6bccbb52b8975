"""Too much at once: strangers who hold connections, and floods of sign-ins. Who has a token is served all the same."""

import asyncio
import resource as limits
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from statistics import median

import psutil
import pytest
from tests.support.players import Player, refresh, sign_in
from tests.support.ready_made import sqlite_server
from tests.support.running_server import PASSWORD, RunningServer
from tests.support.wire import Gone, Wire, ask

IDLE = 1000
SLOW = 60
# How much slower the usual may become; generous, for the clients are on the same machine. Behind the queue of passwords
# a refresh would take half a second and more.
FACTOR, FLOOR = 25, 0.3


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningServer]:
    # The clients' own side wants as many files; the server sees to itself.
    before = limits.getrlimit(limits.RLIMIT_NOFILE)
    found = sqlite_server(tmp_path_factory.mktemp("server")).start()
    limits.setrlimit(limits.RLIMIT_NOFILE, (before[1], before[1]))
    yield found
    limits.setrlimit(limits.RLIMIT_NOFILE, before)
    assert found.stop() == 0


async def pace(port: int, token: str, *, count: int = 20) -> tuple[float, str]:
    """The median of so many refreshes in seconds, and the token at the end."""
    player, took = Player(port, token), []
    for _ in range(count):
        began = time.perf_counter()
        assert await player.turn(), player.verdicts
        took.append(time.perf_counter() - began)
    return median(took), player.token


async def slowly(port: int) -> None:
    """A client that sends its head a byte at a time and never comes to an end."""
    wire = await Wire.open(port)
    with suppress(OSError, asyncio.CancelledError):
        for byte in b"POST /token HTTP/1.1\r\nx-slow: " + b"z" * 10_000:
            wire.writer.write(bytes([byte]))
            await wire.writer.drain()
            await asyncio.sleep(0.1)
    wire.close()


async def test_a_thousand_idle_connections_and_slow_ones_keep_nobody_from_being_served(server: RunningServer) -> None:
    token = (await sign_in(server.port))["refresh_token"]
    usual, token = await pace(server.port, token)
    idle = [await Wire.open(server.port) for _ in range(IDLE)]
    slow = [asyncio.ensure_future(slowly(server.port)) for _ in range(SLOW)]
    try:
        crowded, token = await pace(server.port, token)
        assert crowded < max(FACTOR * usual, FLOOR)
        assert (await ask(server.port, "GET", "/jwks")).status == 200
        await sign_in(server.port)
        # Those who waited are served as well, once they say something.
        assert (await idle[0].ask("GET", "/healthz")).status == 200
        assert (await idle[-1].ask("GET", "/healthz")).status == 200
    finally:
        for task in slow:
            task.cancel()
        for wire in idle:
            wire.close()
        await asyncio.gather(*slow, return_exceptions=True)
    assert (await refresh(server.port, token)).status == 200


async def test_a_server_that_runs_out_of_files_turns_newcomers_away_and_comes_back(tmp_path: Path) -> None:
    server = sqlite_server(tmp_path).start()
    try:
        player = Player(server.port, (await sign_in(server.port))["refresh_token"])
        limits.prlimit(server.pid, limits.RLIMIT_NOFILE, (100, limits.prlimit(server.pid, limits.RLIMIT_NOFILE)[1]))
        crowd = [await Wire.open(server.port) for _ in range(200)]
        async with asyncio.timeout(5):
            while await player.turn():
                await asyncio.sleep(0.01)
        process = psutil.Process(server.pid)
        before = process.cpu_times().user
        await asyncio.wait([asyncio.ensure_future(crowd[0].reader.read(1))], timeout=0.5)
        # It does not run in circles meanwhile.
        assert process.cpu_times().user - before < 0.3
        for wire in crowd:
            wire.close()
        async with asyncio.timeout(5):
            while not await player.turn():
                await asyncio.sleep(0.05)
        assert player.verdicts.keys() <= {(200, None), "Gone", "ConnectionResetError"}
    finally:
        assert server.stop() == 0


async def test_a_flood_of_sign_ins_is_turned_away_and_refreshes_go_on(server: RunningServer) -> None:
    token = (await sign_in(server.port))["refresh_token"]
    usual, token = await pace(server.port, token)
    heard: set[tuple[int, str | None]] = set()

    async def guess(number: int) -> None:
        asked = {"client_id": "web", "username": f"guest{number}", "password": PASSWORD}
        while True:
            with suppress(Gone, OSError):
                reply = await ask(server.port, "POST", "/session", members=asked)
                assert reply.status not in (429, 503) or int(reply.headers["retry-after"]) >= 1
                heard.add(reply.verdict)
            await asyncio.sleep(0.01)

    flood = [asyncio.ensure_future(guess(number)) for number in range(100)]
    try:
        async with asyncio.timeout(10):
            # Until it is in full spate: some are turned away.
            while not any(status in (429, 503) for status, _ in heard):
                await asyncio.sleep(0.01)
        flooded, token = await pace(server.port, token)
        assert flooded < max(FACTOR * usual, FLOOR)
        began = time.perf_counter()
        assert (await ask(server.port, "GET", "/jwks")).status == 200
        assert time.perf_counter() - began < 2
    finally:
        for task in flood:
            task.cancel()
        ends = await asyncio.gather(*flood, return_exceptions=True)
    assert all(isinstance(end, asyncio.CancelledError) for end in ends)
    # Wrong, or not now; never a word that loses tokens.
    assert {status for status, _ in heard} <= {401, 429, 503}
    assert (await refresh(server.port, token)).status == 200
