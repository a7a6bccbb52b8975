"""Two nodes on one PostgreSQL behind a load balancer: what one does holds at the other, at once."""

import asyncio
import os
import signal
import struct
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import dataclass
from threading import Event
from typing import Any

import pytest
from tests.support.ready_made import ORDERS, SECRET, postgres_database
from tests.support.relay import Address, Link, Relay
from tests.support.running_server import PASSWORD, RunningServer, wait_until
from tests.support.wire import Reply, Wire, ask, renewal

from watchword.protocol import base64url
from watchword.resource import ResourceServer, TokenRejected, fail_closed_after
from watchword.server.storage.database_url import PostgresDatabase

pytestmark = pytest.mark.postgres

ALARMS = ("refresh.superseded_elsewhere", "refresh.fork", "refresh.regressed", "refresh.reused", "server.error")
# A row of one column of eight bytes, as the database's time comes.
_ONE_DOUBLE = b"D\x00\x00\x00\x12\x00\x01\x00\x00\x00\x08"
_IDLE = b"idle_in_transaction_session_timeout\x0015000\x00"


class Line(Relay):
    """The line of a node to its database.

    It can stop the node once that holds the lock of a grant, and set the database's clock ahead. The database ends the
    transactions of a node that froze after 15 s; here after 2, as no test waits that long.
    """

    def __init__(self, target: Address) -> None:
        super().__init__(target)
        self.hurried = False
        self.ahead = 0.0
        self.struck = Event()
        self._victim: tuple[int, bytes] | None = None

    def strike(self, node: RunningServer, *, at: bytes) -> None:
        """Freeze ``node`` as soon as the database has locked the grant for it."""
        self._victim = (node.pid, at)
        self.struck.clear()

    async def up(self, link: Link, chunk: bytes) -> bytes:
        self.hurried |= _IDLE in chunk
        return chunk.replace(_IDLE, _IDLE.replace(b"15000", b" 2000"))

    async def down(self, link: Link, chunk: bytes) -> bytes:
        if self._victim is not None and self._victim[1] in chunk:
            os.kill(self._victim[0], signal.SIGSTOP)
            self._victim = None
            self.struck.set()
        if self.ahead and _ONE_DOUBLE in chunk:
            begin = chunk.index(_ONE_DOUBLE) + len(_ONE_DOUBLE)
            (now,) = struct.unpack_from(">d", chunk, begin)
            return chunk[:begin] + struct.pack(">d", now + self.ahead) + chunk[begin + 8 :]
        return chunk


@dataclass(frozen=True)
class Pair:
    """Nodes ``a``, which has a ``line`` to the database, and ``b``, which is connected directly."""

    a: RunningServer
    b: RunningServer
    line: Line
    balancer: Relay
    database: PostgresDatabase

    @property
    def issuer(self) -> str:
        return self.a.issuer

    def log(self) -> str:
        return self.a.log.read_text() + self.b.log.read_text()


@pytest.fixture(scope="module")
def pair(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Pair]:
    database = postgres_database()
    with Line.before(database) as line, Relay(0) as balancer:
        nodes = [
            RunningServer(
                tmp_path_factory.mktemp("node"),
                database_url=url,
                issuer=f"http://127.0.0.1:{balancer.port}",
                WATCHWORD_SECRET=SECRET,
            )
            for url in (line.dsn(database), database.dsn)
        ]
        with ThreadPoolExecutor(2) as pool:
            a, b = pool.map(RunningServer.start, nodes)
        try:
            yield Pair(a, b, line, balancer, database)
        finally:
            assert [node.stop() for node in nodes] == [0, 0]


async def signed_in(node: RunningServer, user: str = "ada") -> dict[str, Any]:
    asked = {"client_id": "web", "username": user, "password": PASSWORD}
    reply = await ask(node.port, "POST", "/session", members=asked)
    assert reply.status == 201, reply
    return reply.json


async def renewed(node: RunningServer, refresh_token: str, **options: Any) -> Reply:
    return await ask(node.port, "POST", "/token", form=renewal(refresh_token), **options)


def refusal(resource: ResourceServer, token: str) -> str | None:
    try:
        resource.verify(token)
    except TokenRejected as rejected:
        return rejected.reason
    return None


async def until_refused(resource: ResourceServer, token: str, reason: str, *, seconds: float) -> None:
    refused = lambda: refusal(resource, token) == reason  # noqa: E731
    await asyncio.to_thread(wait_until, refused, seconds=seconds, what=reason)


def following(pair: Pair, node: RunningServer, **options: Any) -> ResourceServer:
    """A service that knows the issuer by way of ``node``."""
    pair.balancer.target = node.port
    return ResourceServer(issuer=pair.issuer, audience=ORDERS, **options)


async def test_a_hundred_redemptions_of_one_token_over_both_nodes_give_one_successor(pair: Pair) -> None:
    token = (await signed_in(pair.a))["refresh_token"]
    wires = [await Wire.open(node.port) for node in (pair.a, pair.b) for _ in range(50)]
    for round_ in range(3):
        for number, wire in enumerate(wires):
            # Within the overlap it does not matter from where they come.
            wire.send("POST", "/token", form=renewal(token), headers={"user-agent": f"app {number % (round_ + 1)}"})
        replies = await asyncio.gather(*(wire.read() for wire in wires))
        assert {reply.status for reply in replies} == {200}
        successors = {reply.json["refresh_token"] for reply in replies}
        assert len(successors) == 1
        (token,) = successors
    for wire in wires:
        wire.close()
    assert not any(alarm in pair.log() for alarm in ALARMS)


async def test_a_sign_out_at_one_node_reaches_a_service_that_follows_the_other(pair: Pair) -> None:
    tokens = await signed_in(pair.a)
    with following(pair, pair.b) as resource:
        assert refusal(resource, tokens["access_token"]) is None
        ended = await ask(pair.a.port, "POST", "/revoke", form={"client_id": "web", "token": tokens["refresh_token"]})
        assert ended.status == 200
        # At the nodes it holds at once, at connected services within about a second.
        assert (await renewed(pair.b, tokens["refresh_token"])).verdict == (400, "invalid_grant")
        await until_refused(resource, tokens["access_token"], "token.revoked", seconds=3)


async def test_a_user_disabled_beside_one_node_is_refused_at_both_at_once(pair: Pair) -> None:
    tokens = await signed_in(pair.a, "grace")
    assert (await renewed(pair.b, tokens["refresh_token"])).status == 200
    pair.a.command("users", "disable", "grace")
    for node in (pair.b, pair.a):
        assert (await renewed(node, tokens["refresh_token"])).verdict == (400, "invalid_grant")
        asked = {"client_id": "web", "username": "grace", "password": PASSWORD}
        refused = await ask(node.port, "POST", "/session", members=asked)
        assert refused.verdict == (401, "invalid_credentials")


async def test_after_a_rotation_of_keys_services_take_the_tokens_of_both_nodes(pair: Pair) -> None:
    token = (await signed_in(pair.a))["refresh_token"]
    with following(pair, pair.a) as resource:
        old = (await renewed(pair.b, token)).json["access_token"]
        assert refusal(resource, old) is None
        pair.a.command("keys", "rotate")
        for node in (pair.b, pair.a):
            async with asyncio.timeout(5):
                while (new := (await renewed(node, token)).json["access_token"]).split(".")[0] == old.split(".")[0]:
                    await asyncio.sleep(0.05)
                    assert refusal(resource, new) is None
            assert refusal(resource, new) is None
        assert refusal(resource, old) is None


async def test_a_node_that_froze_between_check_and_write_loses(pair: Pair) -> None:
    token = (await signed_in(pair.a))["refresh_token"]
    pair.line.strike(pair.a, at=base64url.decode(token.removeprefix("wwr_"))[2:18])
    try:
        late = await Wire.open(pair.a.port)
        with closing(late):
            late.send("POST", "/token", form=renewal(token))
            assert await asyncio.to_thread(pair.line.struck.wait, 5)
            # The frozen node holds the grant's row, but not for ever.
            won = await renewed(pair.b, token)
            assert won.status == 200
            os.kill(pair.a.pid, signal.SIGCONT)
            lost = await late.read()
    finally:
        os.kill(pair.a.pid, signal.SIGCONT)
    assert pair.line.hurried
    assert lost.verdict == (503, "temporarily_unavailable")
    assert int(lost.headers["retry-after"]) >= 1
    again = await renewed(pair.a, token)
    assert (again.status, again.json["refresh_token"]) == (200, won.json["refresh_token"])
    assert not any(alarm in pair.log() for alarm in ALARMS)


async def test_a_node_whose_clock_is_not_the_databases_is_not_ready(pair: Pair) -> None:
    assert (await ask(pair.a.port, "GET", "/readyz")).status == 200
    pair.line.ahead = 5.0
    try:
        reply = await ask(pair.a.port, "GET", "/readyz")
        assert reply.status == 503
        assert reply.json["checks"]["clock"].startswith(("4.9", "5.0"))
        assert reply.json["checks"]["database"] == "ok"
        pair.line.ahead = 1.5
        assert (await ask(pair.a.port, "GET", "/readyz")).status == 200
    finally:
        pair.line.ahead = 0.0


@pytest.mark.slow
@pytest.mark.parametrize("fault", ["cut", "freeze"])
async def test_a_node_that_lost_its_database_vouches_for_nothing_and_the_other_goes_on(pair: Pair, fault: str) -> None:
    tokens = await signed_in(pair.b)
    clock = ShiftedClock()
    with following(pair, pair.a, revocations=fail_closed_after(15), clock=clock) as resource:
        assert refusal(resource, tokens["access_token"]) is None
        # As many connections as a node ever has, all of which are about to be dead.
        await asyncio.gather(*(ask(pair.a.port, "GET", "/readyz") for _ in range(20)))
        getattr(pair.line, fault)()
        cut_at = time.time()
        try:
            refused, unready = await asyncio.gather(
                renewed(pair.a, tokens["refresh_token"]), ask(pair.a.port, "GET", "/readyz")
            )
            # Sooner than a client that waits 10 s gives up.
            assert time.time() - cut_at < 9
            assert refused.verdict == (503, "temporarily_unavailable")
            assert int(refused.headers["retry-after"]) >= 1
            assert unready.status == 503
            assert (await renewed(pair.b, tokens["refresh_token"])).status == 200
            for path in ("/jwks", "/.well-known/openid-configuration", "/healthz"):
                assert (await ask(pair.a.port, "GET", path)).status == 200
            # For longer than a heartbeat: what is known does not get younger, and serves until the policy's end.
            while time.time() < cut_at + 7:
                await asyncio.sleep(0.1)
            assert (await ask(pair.a.port, "GET", "/revocations?after=0")).verdict == (503, "temporarily_unavailable")
            known_at = resource.status.revocations_known_at
            assert known_at is not None
            assert known_at <= cut_at
            assert refusal(resource, tokens["access_token"]) is None
            clock.ahead = 15.0
            assert refusal(resource, tokens["access_token"]) == "token.revocation_unknown"
            clock.ahead = 0.0
        finally:
            pair.line.heal()

        def trusted_again() -> bool:
            known = resource.status.revocations_known_at
            return known is not None and known > cut_at

        await asyncio.to_thread(wait_until, trusted_again, seconds=15, what="the feed's return")
        assert refusal(resource, tokens["access_token"]) is None
    async with asyncio.timeout(15):
        while (await renewed(pair.a, tokens["refresh_token"])).status != 200:
            await asyncio.sleep(0.1)


class ShiftedClock:
    """A service's clock that can be set ahead."""

    def __init__(self) -> None:
        self.ahead = 0.0

    def __call__(self) -> float:
        return time.time() + self.ahead
