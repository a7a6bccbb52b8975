"""A challenge: what travels sealed comes back whole, for one browser, for ten minutes."""

import pytest
from tests.support.rfc import standard

from watchword.server.domain.passkey_challenge import LIFETIME, Challenge, unpack

NOW = 1_800_000_000.25
CHALLENGE = Challenge(value=bytes(range(32)), made_at=NOW, browser=b"b" * 32)


def test_it_comes_back_as_it_went() -> None:
    assert unpack(CHALLENGE.packed()) == CHALLENGE
    with pytest.raises(ValueError, match="otherwise"):
        unpack(CHALLENGE.packed() + b"x")


@standard("W3C Web Authentication Level 3", "13.4.3")
def test_it_lives_for_ten_minutes_also_where_the_next_node_is_a_little_behind() -> None:
    assert CHALLENGE.lives(now=NOW)
    assert CHALLENGE.lives(now=NOW - 4)
    assert CHALLENGE.lives(now=NOW + LIFETIME - 1)
    assert not CHALLENGE.lives(now=NOW + LIFETIME)
    assert not CHALLENGE.lives(now=NOW - 5)
    # Nobody takes it any more when it is forgotten that it was used, not even by a clock that is behind.
    assert not CHALLENGE.lives(now=CHALLENGE.remembered_until - 8)


def test_it_is_one_browsers() -> None:
    assert CHALLENGE.is_of(b"b" * 32)
    assert not CHALLENGE.is_of(b"c" * 32)


def test_it_does_not_show_when_it_is_printed_and_its_mark_does_not_give_it_away() -> None:
    assert CHALLENGE.value not in CHALLENGE.key
    assert repr(CHALLENGE) == f"Challenge(made_at={NOW!r})"
