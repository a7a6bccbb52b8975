"""PostgreSQL stopped under load, and lines that break right at a commit: 503 while it lasts, nobody is signed out."""

import asyncio
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import pytest
from tests.support.players import all_served, heard, playing, refresh, sign_in
from tests.support.postgres import running_postgres
from tests.support.ready_made import ORDERS, SECRET, postgres_database
from tests.support.relay import Address, Broken, Link, Relay
from tests.support.running_server import PASSWORD, RunningServer
from tests.support.wire import ask

from watchword.protocol import base64url
from watchword.resource import ResourceServer

pytestmark = pytest.mark.postgres

AWAY = (503, "temporarily_unavailable")
GOOD = (200, None)
ALARMS = ("refresh.superseded", "refresh.fork", "refresh.regressed", "refresh.reused", "server.error")

Moment = Literal["before", "with", "after"]


class BreakingLine(Relay):
    """A line to the database that breaks once, at the commit of a transaction that writes.

    ``before``: the commit does not arrive. ``with``: it was sent, and nobody waits for what becomes of it. ``after``:
    it is done, and the word of it is lost.
    """

    def __init__(self, target: Address) -> None:
        super().__init__(target)
        self.breaks: Moment | None = None

    @property
    def waits(self) -> bool:
        """Whether it has yet to break."""
        return self.breaks is not None

    async def up(self, link: Link, chunk: bytes) -> bytes:
        if b"READ WRITE\0" in chunk:
            link.notes["writes"] = True
        elif b"READ ONLY\0" in chunk:
            link.notes["writes"] = False
        elif b"COMMIT\0" in chunk and link.notes.get("writes") and self.breaks is not None:
            moment, self.breaks = self.breaks, None
            if moment == "after":
                link.notes["deaf"] = True
                return chunk
            if moment == "with":
                link.server.write(chunk)
                await link.server.drain()
            raise Broken
        return chunk

    async def down(self, link: Link, chunk: bytes) -> bytes:
        if link.notes.get("deaf"):
            assert b"COMMIT\0" in chunk
            raise Broken
        return chunk


@dataclass(frozen=True)
class Stage:
    server: RunningServer
    line: BreakingLine


@pytest.fixture(scope="module")
def stage(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stage]:
    database = postgres_database()
    with BreakingLine.before(database) as line:
        folder = tmp_path_factory.mktemp("node")
        server = RunningServer(folder, database_url=line.dsn(database), WATCHWORD_SECRET=SECRET).start()
        yield Stage(server, line)
        assert server.stop() == 0


def generation(token: str) -> int:
    """Version, key and grant stand before it."""
    return int.from_bytes(base64url.decode(token.removeprefix("wwr_"))[18:22])


@pytest.mark.parametrize("moment", ["before", "with", "after"])
async def test_a_refresh_whose_commit_was_cut_off_is_answered_with_the_same_successor(
    stage: Stage, moment: Moment
) -> None:
    port = stage.server.port
    token = (await sign_in(port))["refresh_token"]
    for _ in range(15):
        stage.line.breaks = moment
        lost = await refresh(port, token)
        assert not stage.line.waits
        assert lost.verdict == AWAY
        assert int(lost.headers["retry-after"]) >= 1
        found = [await refresh(port, token) for _ in range(2)]
        assert [reply.status for reply in found] == [200, 200]
        (newer,) = {reply.json["refresh_token"] for reply in found}
        # No more than one step, whether the first one was taken or not.
        assert generation(newer) == generation(token) + 1
        token = newer
    assert not any(alarm in stage.server.log.read_text() for alarm in ALARMS)


async def test_a_commit_that_was_done_unheard_is_found_out_by_the_retry(stage: Stage) -> None:
    token = (await sign_in(stage.server.port))["refresh_token"]
    before = stage.server.log.read_text().count("refresh.converged")
    stage.line.breaks = "after"
    assert (await refresh(stage.server.port, token)).verdict == AWAY
    assert (await refresh(stage.server.port, token)).status == 200
    assert stage.server.log.read_text().count("refresh.converged") == before + 1


@pytest.mark.parametrize("moment", ["before", "after"])
@pytest.mark.parametrize("path", ["/revoke", "/session/end"])
async def test_an_ending_that_may_not_have_happened_is_not_called_done(stage: Stage, path: str, moment: Moment) -> None:
    port = stage.server.port
    token = (await sign_in(port))["refresh_token"]
    asked: dict[str, Any] = {"form": {"client_id": "web", "token": token}}
    if path == "/session/end":
        asked = {"members": {"client_id": "web", "refresh_token": token}}
    stage.line.breaks = moment
    assert (await ask(port, "POST", path, **asked)).verdict == AWAY
    assert (await ask(port, "POST", path, **asked)).status in (200, 204)
    assert (await refresh(port, token)).verdict == (400, "invalid_grant")


async def test_a_sign_in_whose_commit_was_cut_off_is_tried_again(stage: Stage) -> None:
    asked = {"client_id": "web", "username": "ada", "password": PASSWORD}
    stage.line.breaks = "after"
    assert (await ask(stage.server.port, "POST", "/session", members=asked)).verdict == AWAY
    assert (await ask(stage.server.port, "POST", "/session", members=asked)).status == 201


@pytest.mark.slow
async def test_a_database_that_is_stopped_for_a_while_under_load_signs_nobody_out(tmp_path: Path) -> None:
    server = RunningServer(tmp_path, database_url=postgres_database().dsn, WATCHWORD_SECRET=SECRET).start()
    try:
        tokens = await sign_in(server.port)
        with ResourceServer(issuer=server.issuer, audience=ORDERS) as resource:
            assert resource.verify(tokens["access_token"]).client_id == "web"
            async with playing(server.port, count=8) as players:
                await all_served(players, seconds=10)
                await asyncio.to_thread(running_postgres().stop)
                stopped_at = time.monotonic()
                try:
                    while time.monotonic() < stopped_at + 5.5:
                        # With the database away, services verify and keys are to be had.
                        assert resource.verify(tokens["access_token"]).client_id == "web"
                        for path in ("/jwks", "/.well-known/openid-configuration", "/healthz"):
                            assert (await ask(server.port, "GET", path)).status == 200
                        await asyncio.sleep(0.25)
                    put_off = await asyncio.gather(
                        ask(server.port, "POST", "/revoke", form={"client_id": "web", "token": "wwr_x"}),
                        refresh(server.port, tokens["refresh_token"]),
                        ask(server.port, "GET", "/revocations?after=0"),
                    )
                    assert [reply.verdict for reply in put_off] == [AWAY] * 3
                    assert (await ask(server.port, "GET", "/readyz")).status == 503
                finally:
                    await asyncio.to_thread(running_postgres().start)
                await all_served(players, seconds=8)
                await all_served(players, seconds=3)
            assert (await ask(server.port, "GET", "/readyz")).status == 200
            assert (await refresh(server.port, tokens["refresh_token"])).status == 200
        assert heard(players) == {GOOD, AWAY}
        assert not any(alarm in server.log.read_text() for alarm in ALARMS)
    finally:
        assert server.stop() == 0
