"""Signed batches: one read and one signature for all readers at one place, and silence when nothing can be known."""

import asyncio
from dataclasses import replace
from typing import Any

import pytest
from tests.support.cast import CLIENT_SECRET
from tests.support.door import PUBLIC_ISSUER, Door
from tests.unit.server.flows.conftest import OpenNodes

from watchword.protocol import jws
from watchword.protocol.errors import TemporarilyUnavailable
from watchword.protocol.revocation_feed import HEARTBEAT_SECONDS, TYP, parse_batch
from watchword.server.domain import revocation
from watchword.server.flows import key_ring
from watchword.server.flows.client_authentication import ClientCredentials
from watchword.server.ports.storage import StorageUnavailable

PATIENCE = 5


async def revoke(door: Door, *sids: str) -> None:
    async with door.parts.storage.write() as tx:
        for sid in sids:
            await tx.revoke(revocation.of_session(sid, now=door.clock.now(), longest=900))


@pytest.fixture
def signatures(door: Door, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The kinds of what was signed."""
    made: list[str] = []
    sign = door.parts.signer.sign

    def counted(claims: Any, *, typ: str, alg: Any) -> str:
        made.append(typ)
        return sign(claims, typ=typ, alg=alg)

    monkeypatch.setattr(door.parts.signer, "sign", counted)
    return made


async def test_a_thousand_readers_cost_one_read_and_one_signature(door: Door, signatures: list[str]) -> None:
    await revoke(door, "a", "b")
    feed = door.nodes[0].feed
    await door.parts.log_tail.fresh()
    door.trouble.listen()
    messages = await asyncio.gather(*(feed.message(0) for _ in range(1000)))
    assert len({message.batch for message in messages}) == 1
    assert len(signatures) == 1
    assert door.trouble.operations == ["log_after"]


async def test_readers_at_other_places_get_other_batches(door: Door, signatures: list[str]) -> None:
    await revoke(door, "a", "b", "c")
    feed = door.nodes[0].feed
    ends = [(await feed.message(after)).sequence for after in (0, 1, 2, 3)]
    assert ends == [3, 3, 3, 3]
    assert len(signatures) == 4


async def test_who_waits_at_the_end_is_served_without_the_database(door: Door) -> None:
    await revoke(door, "a")
    await door.parts.log_tail.fresh()
    door.trouble.down = True
    message = await door.nodes[0].feed.message(1)
    assert (message.sequence, message.complete) == (1, True)
    with pytest.raises(StorageUnavailable):
        await door.nodes[0].feed.message(0)


async def test_following_outlives_trouble_and_goes_on_where_it_was(door: Door) -> None:
    await revoke(door, "a")
    stream = door.nodes[0].feed.follow(0)
    assert (await anext(stream)).sequence == 1
    door.trouble.down = True
    door.clock.advance(60)
    following = asyncio.ensure_future(anext(stream))
    door.parts.log_tail._changed.set()
    async with asyncio.timeout(PATIENCE):
        door.trouble.listen()
        while not door.trouble.operations:
            await asyncio.sleep(0)
    assert not following.done()
    door.trouble.down = False
    await revoke(door, "b")
    async with asyncio.timeout(PATIENCE):
        assert (await following).sequence == 2
    await stream.aclose()  # type: ignore[attr-defined]


async def test_without_a_signing_key_it_is_trouble_that_passes(door: Door) -> None:
    door.parts.signer.load([])
    with pytest.raises(TemporarilyUnavailable):
        await door.nodes[0].feed.message(0)


async def test_what_is_kept_of_old_batches_is_bounded(door: Door) -> None:
    await revoke(door, *(f"session-{n}" for n in range(200)))
    feed = door.nodes[0].feed
    for after in range(200):
        await feed.message(after)
    assert len(feed._made) <= 64


async def test_when_the_node_stops_streams_end(door: Door) -> None:
    stream = door.nodes[0].feed.follow(0)
    await anext(stream)
    ending = asyncio.ensure_future(anext(stream, None))
    door.parts.log_tail.stop()
    async with asyncio.timeout(PATIENCE):
        assert await ending is None


async def test_a_node_that_has_not_heard_of_a_revoked_key_does_not_sign_its_revocation_with_it(
    two_nodes: Door,
) -> None:
    here, there = two_nodes.nodes
    await revoke(two_nodes, "a", "b")
    message = await here.feed.message(0)
    header, _ = jws.verify(message.batch, here.parts.signer.find, typ=TYP)
    published = {key.kid for key in here.parts.signer.published()}
    await key_ring.revoke(there.parts.storage, there.parts.signer, header.kid, now=two_nodes.clock.now())
    # Another reader comes, while the last read of the log still counts.
    two_nodes.clock.advance(1)
    message = await here.feed.message(1)
    anew, batch = parse_batch(message.batch, there.parts.signer.find, issuer=two_nodes.plan.issuer)
    assert [entry.kid for entry in batch.entries] == [None, header.kid]
    assert anew in published - {header.kid}


@pytest.mark.parametrize(
    ("changes", "slug"),
    [
        ({"enabled": False}, "client.disabled"),
        ({"secret_hash": b"\0" * 32}, "client.secret"),
        ({"serves": None}, "feed.not_a_server"),
    ],
)
async def test_a_stream_ends_when_its_reader_may_not_read_any_more(
    open_nodes: OpenNodes, changes: dict[str, Any], slug: str
) -> None:
    door = await open_nodes(issuer=PUBLIC_ISSUER)
    offered = ClientCredentials("orders", "client_secret_basic", CLIENT_SECRET)
    stream = door.nodes[0].feed.follow(0, offered)
    await anext(stream)
    async with door.parts.storage.write() as tx:
        client = await tx.lock_client("orders")
        assert client is not None
        await tx.put_client(replace(client, **changes))
    door.clock.advance(HEARTBEAT_SECONDS)
    ending = asyncio.ensure_future(anext(stream, None))
    await asyncio.sleep(0)
    door.parts.log_tail._changed.set()
    async with asyncio.timeout(PATIENCE):
        assert await ending is None
    assert door.heard.count(slug) == 1


async def test_a_stream_goes_on_while_its_reader_may_read(open_nodes: OpenNodes) -> None:
    door = await open_nodes(issuer=PUBLIC_ISSUER)
    offered = ClientCredentials("orders", "client_secret_basic", CLIENT_SECRET)
    stream = door.nodes[0].feed.follow(0, offered)
    for number in range(1, 4):
        await revoke(door, f"session-{number}")
        door.clock.advance(HEARTBEAT_SECONDS)
        following = asyncio.ensure_future(anext(stream))
        await asyncio.sleep(0)
        door.parts.log_tail._changed.set()
        async with asyncio.timeout(PATIENCE):
            assert (await following).sequence == number
    await stream.aclose()  # type: ignore[attr-defined]
