"""Which signing key is in which state, and when it moves on."""

from collections.abc import Sequence
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.support.rfc import standard
from tests.unit.server.domain.build import NOW

from watchword.server.domain.key_ring import PUBLISHED_AHEAD, ROTATION, KeyState, Plan, RingKey, advance, revoke

LONGEST = 900.0


def key(state: KeyState, kid: str = "", since: float = NOW, until: float | None = None) -> RingKey:
    return RingKey(
        kid=kid or state,
        alg="ES256",
        state=state,
        public_jwk="{}",
        sealed=b"sealed",
        created_at=NOW,
        since=since,
        published_until=until,
    )


def carry_out(keys: Sequence[RingKey], plan: Plan, now: float) -> list[RingKey]:
    ring = {one.kid: one for one in keys} | {one.kid: one for one in plan.changed}
    if plan.wants is not None:
        ring[f"made-{len(ring)}"] = key(plan.wants, f"made-{len(ring)}", since=now)
    return list(ring.values())


def settle(keys: Sequence[RingKey], now: float, *, force: bool = False) -> list[RingKey]:
    """Carry out plans until nothing is due, as the flow does."""
    plan = advance(keys, now=now, longest=LONGEST, force=force)
    for _ in range(10):
        keys = carry_out(keys, plan, now)
        plan = advance(keys, now=now, longest=LONGEST)
        if plan == Plan():
            return list(keys)
    raise AssertionError("the ring never comes to rest")


def states(keys: Sequence[RingKey]) -> list[str]:
    return sorted(one.state for one in keys)


def test_an_empty_ring_gets_a_signing_key_and_one_to_follow() -> None:
    assert states(settle([], NOW)) == ["next", "signing"]


def test_a_ring_in_order_is_left_alone() -> None:
    assert advance([key("signing"), key("next")], now=NOW + ROTATION - 1, longest=LONGEST) == Plan()


@standard("OpenID Connect Core 1.0", "10.1.1")
def test_after_thirty_days_the_next_key_signs_and_the_old_one_stays_published() -> None:
    ring = {one.kid: one for one in settle([key("signing", "old"), key("next", "new")], NOW + ROTATION)}
    assert ring["new"].state == "signing"
    assert (ring["old"].state, ring["old"].published_until) == ("retiring", NOW + ROTATION + LONGEST + 120)
    assert ring["old"].published
    assert states(list(ring.values())) == ["next", "retiring", "signing"]


def test_a_key_does_not_sign_by_the_calendar_before_it_was_published_for_an_hour() -> None:
    late = key("next", since=NOW + ROTATION)
    assert advance([key("signing"), late], now=NOW + ROTATION + PUBLISHED_AHEAD - 1, longest=LONGEST) == Plan()
    assert advance([key("signing"), late], now=NOW + ROTATION + PUBLISHED_AHEAD, longest=LONGEST).changed


def test_a_command_rotates_at_once() -> None:
    ring = settle([key("signing", "old"), key("next", "new")], NOW + 1, force=True)
    assert {one.kid: one.state for one in ring if one.kid in ("old", "new")} == {"old": "retiring", "new": "signing"}


def test_a_retiring_key_goes_when_its_last_token_is_dead_and_its_private_part_is_destroyed() -> None:
    ring = [key("signing"), key("next"), key("retiring", until=NOW + 5)]
    assert advance(ring, now=NOW + 4.9, longest=LONGEST) == Plan()
    (gone,) = advance(ring, now=NOW + 5, longest=LONGEST).changed
    assert (gone.state, gone.sealed, gone.published, gone.public_jwk) == ("gone", None, False, "{}")


@pytest.mark.parametrize("state", ["next", "signing", "retiring"])
def test_a_revoked_key_is_unpublished_at_once_and_another_takes_over(state: KeyState) -> None:
    ring = [key("next"), key("signing"), key("retiring", until=NOW + 99)]
    ring = [revoke(one, now=NOW) if one.state == state else one for one in ring]
    revoked = next(one for one in ring if one.state == "revoked")
    assert (revoked.sealed, revoked.published) == (None, False)
    after = settle(ring, NOW)
    assert states(after).count("signing") == 1
    assert states(after).count("next") == 1
    if state == "signing":
        assert next(one for one in after if one.state == "signing").kid == "next", "the key that was published before"


@given(
    gaps=st.lists(st.floats(1, 40 * 86400), max_size=12),
    forces=st.lists(st.booleans(), min_size=12, max_size=12),
)
@settings(max_examples=40, deadline=None)
def test_there_is_always_one_signing_key_and_one_to_follow(gaps: list[float], forces: list[bool]) -> None:
    ring, now = settle([], NOW), NOW
    for gap, force in zip(gaps, forces, strict=False):
        now += gap
        before = {one.kid for one in ring if one.published}
        ring = settle(ring, now, force=force)
        assert states(ring).count("signing") == states(ring).count("next") == 1
        assert next(one for one in ring if one.state == "signing").kid in before, "never one that nobody has seen"


def test_a_repr_shows_no_key() -> None:
    assert "sealed" not in repr(replace(key("signing"), sealed=b"sealed private key"))
