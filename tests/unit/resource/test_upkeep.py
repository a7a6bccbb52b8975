"""The upkeep, over a door in memory: silence, courses of the log, bad batches, backing off."""

import asyncio
import logging
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from pathlib import Path

import msgspec
import pytest
from tests.unit.resource.builders import API

from watchword.protocol import jwk_set, metadata
from watchword.protocol.metadata import Metadata
from watchword.protocol.rejection import TokenRejected
from watchword.protocol.scope import Scope
from watchword.resource.issuer_door import IssuerTrouble, KeySet, PositionRefused
from watchword.resource.memory import Memory
from watchword.resource.policy import DEFAULT_POLICY
from watchword.resource.snapshot import SnapshotFile
from watchword.resource.upkeep import Pace, Upkeep
from watchword.resource.verifier import Verifier
from watchword.testing import FrozenClock, TestIssuer

QUICK = Pace(start=0.5, silence=0.15, again=0.01, again_most=0.05)


class Door:
    """An issuer in memory that sends what it is given."""

    def __init__(self, issuer: TestIssuer) -> None:
        self.issuer = issuer
        self.messages: asyncio.Queue[str] = asyncio.Queue()
        self.connections: list[int] = []
        self.fetches = 0
        self.pages = 0
        self.most = 10**18
        self.broken = False
        self.closed = False

    async def metadata(self) -> Metadata:
        if self.broken:
            raise IssuerTrouble("away")
        return metadata.parse(self.issuer.metadata(), issuer=self.issuer.issuer)

    async def key_set(self, url: str) -> KeySet:
        self.fetches += 1
        await asyncio.sleep(0)
        if self.broken:
            raise IssuerTrouble("away")
        return KeySet(jwk_set.parse(self.issuer.key_set()), None)

    async def page(self, url: str, *, after: int) -> str:
        self.pages += 1
        if self.broken:
            raise IssuerTrouble("away")
        self.judge(after)
        return self.issuer.batch(after)

    @asynccontextmanager
    async def follow(self, url: str, *, after: int) -> AsyncIterator[AsyncIterator[str]]:
        self.connections.append(after)
        if self.broken:
            raise IssuerTrouble("away")
        self.judge(after)
        yield self._all()

    def judge(self, after: int) -> None:
        if not 0 <= after <= self.most:
            raise PositionRefused("the issuer answers 400")

    async def _all(self) -> AsyncIterator[str]:
        while True:
            yield await self.messages.get()

    async def introspect(self, url: str, token: str) -> bool:
        return self.issuer.active(token)

    async def close(self) -> None:
        self.closed = True


class World:
    """An issuer, its door, a verifier, and the upkeep that is tested."""

    def __init__(self, *, pace: Pace = QUICK, snapshot: Path | None = None) -> None:
        self.clock = FrozenClock()
        self.issuer = TestIssuer(audience=API, clock=self.clock)
        self.door = Door(self.issuer)
        self.verifier = Verifier(
            issuer=self.issuer.issuer, audiences=frozenset([API]), leeway=10, policy=DEFAULT_POLICY, cache_size=10
        )
        memory = None
        if snapshot is not None:
            memory = Memory(self.verifier, SnapshotFile(snapshot, issuer=self.issuer.issuer), clock=self.clock)
        self.upkeep = Upkeep(self.verifier, self.door, clock=self.clock, chance=lambda: 0.5, memory=memory, pace=pace)

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        work = asyncio.ensure_future(self.upkeep.run())
        await self.upkeep.attend("start", "")
        try:
            yield
        finally:
            work.cancel()
            with suppress(asyncio.CancelledError):
                await work
        assert self.door.closed

    def send(self, after: int) -> None:
        self.door.messages.put_nowait(self.issuer.batch(after))


async def until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(5):
        while not condition():
            await asyncio.sleep(0.005)  # polling


async def test_a_silent_feed_is_cut_and_followed_anew() -> None:
    world = World()
    async with world.running():
        await until(lambda: len(world.door.connections) >= 3)


async def test_a_feed_that_only_chatters_counts_as_silent() -> None:
    world = World()
    world.issuer.revoke(session="a")
    old = world.issuer.batch(0)
    world.clock.advance(1)
    world.issuer.revoke(session="b")
    async with world.running():
        await until(lambda: len(world.door.connections) == 1)
        async with asyncio.timeout(5):
            while len(world.door.connections) < 3:
                world.door.messages.put_nowait(old)
                await asyncio.sleep(0.01)  # chatter


async def test_heartbeats_keep_the_connection_and_move_the_time() -> None:
    world = World(pace=Pace(start=0.5, silence=5, again=0.01, again_most=0.05))
    async with world.running():
        for _ in range(5):
            world.clock.advance(5)
            world.send(0)
            await until(lambda: world.verifier.view.vouched_at == world.clock())
        assert world.door.connections == [0]


async def test_another_course_of_the_log_is_read_from_the_beginning(caplog: pytest.LogCaptureFixture) -> None:
    world = World(pace=Pace(start=0.5, silence=5, again=0.01, again_most=0.05))
    world.issuer.revoke(session="a")
    async with world.running():
        await until(lambda: world.door.connections == [1])
        world.clock.advance(1)
        world.issuer.rename_log()
        world.issuer.revoke(session="b")
        world.issuer.revoke(session="c")
        world.send(1)
        await until(lambda: world.door.connections[-1] == 0)
        world.send(0)
        await until(lambda: world.verifier.view.sequence == 2)
        assert len(world.verifier.view.revoked) == 3
    assert "another course" in caplog.text


async def test_a_feed_that_never_fits_is_asked_ever_more_rarely() -> None:
    world = World(pace=Pace(start=0.5, silence=5, again=0.01, again_most=10))
    async with world.running():
        await until(lambda: len(world.door.connections) == 1)
        world.issuer.revoke(session="a")
        world.issuer.revoke(session="b")
        for _ in range(100):
            world.clock.advance(1)
            world.send(1)
        loop = asyncio.get_running_loop()
        end = loop.time() + 0.3
        await until(lambda: loop.time() > end)
        assert len(world.door.connections) <= 6


async def test_a_batch_with_a_new_key_makes_it_fetch_the_keys() -> None:
    world = World(pace=Pace(start=0.5, silence=5, again=0.01, again_most=0.05))
    async with world.running():
        world.issuer.rotate_key()
        world.clock.advance(1)
        world.send(0)
        await until(lambda: world.verifier.view.vouched_at == world.clock())
        assert world.door.fetches == 2


async def test_a_token_with_a_junk_kid_delays_neither_revocations_nor_tokens_under_a_new_key() -> None:
    world = World(pace=Pace(start=0.5, silence=5, again=0.01, again_most=0.05))
    revoked = world.issuer.token(sid="a")
    async with world.running():
        await world.upkeep.attend("keys", "a token whose key nobody has")
        world.issuer.rotate_key()
        world.issuer.revoke(session="a")
        world.clock.advance(1)
        world.send(0)
        await until(lambda: world.verifier.view.sequence == 1)
        with pytest.raises(TokenRejected, match=r"token\.revoked"):
            world.verifier.verify(revoked, Scope(), now=world.clock())
        world.verifier.verify(world.issuer.token(), Scope(), now=world.clock())


async def test_a_key_that_no_set_has_makes_the_feed_ask_once_in_a_second() -> None:
    world = World(pace=Pace(start=0.5, silence=5, again=0.01, again_most=0.01))
    async with world.running():
        world.issuer.rotate_key()
        stray = world.issuer.signing_key.kid
        stray_key = world.issuer.published.pop(stray)
        for _ in range(20):
            world.send(0)
        await until(lambda: len(world.door.connections) > 20)
        assert world.door.fetches == 2
        world.issuer.published[stray] = stray_key
        world.clock.advance(1)
        world.send(0)
        await until(lambda: world.verifier.view.vouched_at == world.clock())


async def test_an_emergency_revoke_of_the_signing_key_takes_effect_and_the_feed_goes_on() -> None:
    world = World(pace=Pace(start=0.5, silence=5, again=0.01, again_most=0.05))
    token = world.issuer.token()
    async with world.running():
        world.verifier.verify(token, Scope(), now=world.clock())
        world.issuer.revoke(key=world.issuer.signing_key.kid)
        world.send(0)
        await until(lambda: world.verifier.view.sequence == 1)
        with pytest.raises(TokenRejected, match=r"token\.revoked"):
            world.verifier.verify(token, Scope(), now=world.clock())
        await world.upkeep.attend("keys", "")
        world.verifier.verify(world.issuer.token(), Scope(), now=world.clock())


async def test_simultaneous_needs_for_keys_share_one_fetch() -> None:
    world = World()
    async with world.running():
        await asyncio.gather(*(world.upkeep.attend("keys", "") for _ in range(20)))
        assert world.door.fetches == 2


async def test_a_fetch_that_fails_leaves_the_keys_and_says_so_once(caplog: pytest.LogCaptureFixture) -> None:
    world = World()
    async with world.running():
        world.door.broken = True
        with caplog.at_level(logging.WARNING):
            for _ in range(3):
                world.clock.advance(31)
                await world.upkeep.attend("keys", "")
        assert len(world.verifier.keys) == 1
    assert len([record for record in caplog.records if ": keys: " in record.getMessage()]) == 1


async def test_without_the_issuer_it_starts_all_the_same_and_goes_on_trying() -> None:
    world = World()
    world.door.broken = True
    async with world.running():
        assert world.verifier.started
        assert len(world.verifier.keys) == 0
        world.door.broken = False
        await until(lambda: len(world.verifier.keys) == 1)


async def test_pages_are_read_to_the_end_before_the_first_answer(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("watchword.resource.revocation_view.MAX_BATCH_ENTRIES", 10)
    world = World()
    for n in range(25):
        world.issuer.revoke(session=f"s{n}")
    full = world.issuer.batch
    monkeypatch.setattr(world.issuer, "batch", lambda after: full(after, limit=10))
    async with world.running():
        assert (world.verifier.view.sequence, len(world.verifier.view.revoked), world.door.pages) == (25, 25, 3)


async def test_a_position_that_the_feed_refuses_is_given_up_and_what_was_seen_stays() -> None:
    world = World(pace=Pace(start=0.5, silence=0.15, again=0.01, again_most=0.05))
    for name in "abc":
        world.issuer.revoke(session=name)
    async with world.running():
        await until(lambda: world.door.connections[-1:] == [3])
        world.door.most = 1
        await until(lambda: world.door.connections[-1] == 0)
        assert len(world.verifier.view.revoked) == 3
        world.door.most = 10**18
        world.clock.advance(1)
        world.issuer.revoke(session="d")
        world.send(0)
        await until(lambda: world.verifier.view.sequence == 4)
        assert len(world.verifier.view.revoked) == 4


async def test_a_feed_that_refuses_its_own_beginning_is_in_trouble(caplog: pytest.LogCaptureFixture) -> None:
    world = World()
    world.door.most = -1
    async with world.running():
        await until(lambda: len(world.door.connections) >= 3)
        assert set(world.door.connections) == {0}
        assert world.door.pages == 1
    assert "the issuer answers 400" in caplog.text


@pytest.mark.parametrize("sequence", [-5, 2**70, 10**18, 10**18 - 1])
async def test_a_kept_position_that_cannot_be_does_not_cut_the_feed(tmp_path: Path, sequence: int) -> None:
    path = tmp_path / "kept"
    first = World(snapshot=path)
    first.issuer.revoke(session="a")
    async with first.running():
        await until(lambda: first.verifier.view.sequence == 1)
    file = SnapshotFile(path, issuer=first.issuer.issuer)
    kept = file.load()
    assert kept is not None
    file.save(msgspec.structs.replace(kept, view=msgspec.structs.replace(kept.view, sequence=sequence)))
    second = World(snapshot=path)
    second.issuer = second.door.issuer = first.issuer
    second.door.most = 10**12
    first.issuer.revoke(session="b")
    async with second.running():
        assert (second.verifier.view.sequence, len(second.verifier.view.revoked)) == (2, 2)
        assert set(second.door.connections) <= {2}


async def test_processes_that_share_a_snapshot_never_unsee_for_each_other(tmp_path: Path) -> None:
    path = tmp_path / "kept"
    ours, theirs = World(snapshot=path), World(snapshot=path)
    theirs.issuer = theirs.door.issuer = ours.issuer
    async with ours.running():
        ours.issuer.revoke(session="seen-by-them-alone")
        theirs.verifier.keys.take(jwk_set.parse(ours.issuer.key_set()), now=ours.clock())
        async with theirs.running():
            pass
        assert len(ours.verifier.view.revoked) == 0
    kept = SnapshotFile(path, issuer=ours.issuer.issuer).load()
    assert kept is not None
    assert [entry.sid for entry in kept.view.entries] == ["seen-by-them-alone"]


async def test_heartbeats_put_off_the_end_of_patience() -> None:
    world = World()
    loop = asyncio.get_running_loop()
    async with world.running():
        end = loop.time() + 4 * QUICK.silence
        while loop.time() < end:
            world.clock.advance(1)
            world.send(0)
            await asyncio.sleep(QUICK.silence / 10)  # the pace of the heartbeats
        assert world.door.connections == [0]


async def test_a_key_that_left_the_set_takes_remembered_tokens_with_it() -> None:
    world = World()
    token = world.issuer.token()
    async with world.running():
        world.verifier.verify(token, Scope(), now=world.clock())
        old = world.issuer.signing_key.kid
        world.issuer.rotate_key()
        del world.issuer.published[old]
        await world.upkeep.attend("keys", "")
        with pytest.raises(TokenRejected, match="unknown_key"):
            world.verifier.verify(token, Scope(), now=world.clock())
