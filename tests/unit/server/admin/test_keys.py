"""The key ring's work: made at the start, moved by the calendar, rotated and revoked by command."""

from collections import Counter

import pytest
from tests.support.rfc import rfc
from tests.unit.server.admin.conftest import ToldClock, log_of, told

from watchword.protocol import jws
from watchword.server.domain.api import Algorithm
from watchword.server.domain.key_ring import PUBLISHED_AHEAD, ROTATION, RingKey
from watchword.server.domain.lifetimes import ACCESS_TOKEN
from watchword.server.flows import key_ring
from watchword.server.flows.admin import keys
from watchword.server.flows.admin.refusal import Refused
from watchword.server.flows.parts import Parts

ES256: tuple[Algorithm, ...] = ("ES256",)


async def ensure(parts: Parts) -> list[RingKey]:
    return await key_ring.ensure(parts.storage, parts.signer, now=parts.clock.now(), algs=ES256)


def by_state(ring: list[RingKey]) -> dict[str, str]:
    """The kid of each state, of which there must be one."""
    assert max(Counter(key.state for key in ring).values()) == 1
    return {key.state: key.kid for key in ring}


async def test_an_empty_ring_gets_a_signing_and_a_next_key_of_each_algorithm(parts: Parts) -> None:
    ring = await key_ring.ensure(parts.storage, parts.signer, now=parts.clock.now())

    assert Counter((key.alg, key.state) for key in ring) == {
        ("ES256", "signing"): 1,
        ("ES256", "next"): 1,
        ("RS256", "signing"): 1,
        ("RS256", "next"): 1,
    }
    assert await keys.listed(parts) == ring
    assert {key.kid for key in parts.signer.published()} == {key.kid for key in ring}
    for alg in key_ring.ALGORITHMS:
        token = parts.signer.sign({"iss": "x"}, typ="at+jwt", alg=alg)
        assert jws.verify(token, parts.signer.find, typ="at+jwt")[1] == {"iss": "x"}


async def test_a_ring_at_rest_is_only_loaded(parts: Parts, clock: ToldClock) -> None:
    ring = await ensure(parts)
    events = await told(parts)
    clock.at += 60

    assert await ensure(parts) == ring
    assert await told(parts) == events


async def test_another_node_takes_over_the_ring_that_is_there(parts: Parts) -> None:
    ring = await ensure(parts)
    parts.signer.load([])

    assert await ensure(parts) == ring
    assert {key.kid for key in parts.signer.published()} == {key.kid for key in ring}


@rfc("7517", "5")
async def test_the_calendar_lets_the_next_key_sign_and_keeps_the_old_one_published(
    parts: Parts, clock: ToldClock
) -> None:
    before = by_state(await ensure(parts))
    clock.at += ROTATION
    after = by_state(await ensure(parts))

    assert after["signing"] == before["next"]
    assert after["retiring"] == before["signing"]
    assert {key.kid for key in parts.signer.published()} == set(after.values())
    clock.at += ACCESS_TOKEN + 121
    assert by_state(await ensure(parts))["gone"] == before["signing"]
    assert before["signing"] not in {key.kid for key in parts.signer.published()}


async def test_a_key_that_is_gone_keeps_no_private_part(parts: Parts, clock: ToldClock) -> None:
    await ensure(parts)
    clock.at += ROTATION
    await ensure(parts)
    clock.at += ACCESS_TOKEN + 121

    assert [key.sealed for key in await ensure(parts) if key.state == "gone"] == [None]


async def test_rotation_by_command_needs_no_calendar(parts: Parts, clock: ToldClock) -> None:
    before = by_state(await ensure(parts))
    clock.at += PUBLISHED_AHEAD / 2
    ring = await key_ring.rotate(parts.storage, parts.signer, now=clock.at, algs=ES256)

    after = by_state(ring)
    assert (after["signing"], after["retiring"]) == (before["next"], before["signing"])
    assert after["next"] not in before.values()
    assert await log_of(parts) == []


async def test_rotation_of_an_empty_ring_makes_one_first(parts: Parts) -> None:
    ring = await key_ring.rotate(parts.storage, parts.signer, now=parts.clock.now(), algs=ES256)

    assert set(by_state(ring)) == {"retiring", "signing", "next"}


async def test_a_revoked_key_is_destroyed_and_its_published_successor_signs(parts: Parts) -> None:
    before = by_state(await ensure(parts))
    ring = await key_ring.revoke(parts.storage, parts.signer, before["signing"], now=parts.clock.now(), algs=ES256)

    after = by_state(ring)
    assert after["revoked"] == before["signing"]
    assert after["signing"] == before["next"]
    assert [key.sealed for key in ring if key.state == "revoked"] == [None]
    assert parts.signer.find(before["signing"]) is None
    (entry,) = await log_of(parts)
    assert entry.kid == before["signing"]
    # The batch that carries the entry is signed by a key that was published before the revocation.
    batch = parts.signer.sign({"iss": "x"}, typ="revocations+jwt", alg="ES256")
    assert jws.verify(batch, parts.signer.find, typ="revocations+jwt")[0].kid == before["next"]


async def test_revoking_every_key_still_leaves_one_that_signs(parts: Parts) -> None:
    before = await ensure(parts)
    for key in before:
        await key_ring.revoke(parts.storage, parts.signer, key.kid, now=parts.clock.now(), algs=ES256)

    left = by_state([key for key in await keys.listed(parts) if key.state != "revoked"])
    assert set(left) == {"signing", "next"}
    assert not set(left.values()) & {key.kid for key in before}


async def test_revoking_a_key_twice_writes_once(parts: Parts) -> None:
    before = by_state(await ensure(parts))
    for _ in range(2):
        await key_ring.revoke(parts.storage, parts.signer, before["next"], now=parts.clock.now(), algs=ES256)

    assert [entry.kid for entry in await log_of(parts)] == [before["next"]]


async def test_a_key_that_is_not_there_is_refused(parts: Parts) -> None:
    await ensure(parts)

    with pytest.raises(Refused, match="no key 'nothing'"):
        await keys.revoke(parts, "nothing")
    assert await log_of(parts) == []


async def test_commands_keep_both_algorithms(parts: Parts) -> None:
    ring = await keys.rotate(parts)
    assert Counter(key.alg for key in ring) == {"ES256": 3, "RS256": 3}

    ring = await keys.revoke(parts, ring[0].kid)
    assert {key.alg for key in ring if key.state == "signing"} == {"ES256", "RS256"}
    assert "key.revoked" in await told(parts)
