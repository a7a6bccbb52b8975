"""The key cache, by a clock that obeys."""

import pytest
from tests.support.rfc import rfc

from watchword.protocol import jwk_set
from watchword.resource.key_cache import KEPT_SECONDS, KeyCache
from watchword.testing import TestIssuer

NOW = 1_800_000_000.0
KEYS = jwk_set.parse(TestIssuer().key_set())
OTHERS = jwk_set.parse(TestIssuer().key_set())


def filled() -> KeyCache:
    cache = KeyCache()
    cache.take(KEYS, now=NOW)
    return cache


def test_an_empty_set_never_replaces_good_keys() -> None:
    cache = filled()
    with pytest.raises(ValueError, match="no key"):
        cache.take({}, now=NOW + 1)
    assert {key.kid for key in cache.listed()} == set(KEYS)
    assert cache.fetched_at == NOW


def test_keys_are_kept_for_a_day_without_being_renewed() -> None:
    assert filled().kept_until == NOW + KEPT_SECONDS == NOW + 24 * 3600


def test_without_any_key_a_fetch_is_due_at_once() -> None:
    assert KeyCache().wait(NOW) == 0


def test_keys_are_due_after_five_minutes_unless_the_issuer_says_otherwise() -> None:
    cache = filled()
    assert cache.wait(NOW) == 300
    cache.take(KEYS, now=NOW, max_age=900)
    assert cache.wait(NOW) == 900
    assert cache.wait(NOW + 901) == 0


@pytest.mark.parametrize(("said", "kept"), [(0, 60), (59, 60), (10**9, 3600)])
def test_the_issuers_word_on_freshness_is_kept_within_bounds(said: float, kept: float) -> None:
    cache = KeyCache()
    cache.take(KEYS, now=NOW, max_age=said)
    assert cache.wait(NOW) == kept


def test_after_failures_the_pause_doubles_up_to_half_a_minute() -> None:
    cache = filled()
    pauses = []
    for _ in range(8):
        cache.failed(NOW)
        pauses.append(cache.wait(NOW))
    assert pauses == [1, 2, 4, 8, 16, 30, 30, 30]


def test_a_clock_that_was_set_back_does_not_put_the_next_fetch_off() -> None:
    assert filled().wait(NOW - 7 * 24 * 3600) <= 300


@rfc("8725", "3.10")
def test_unknown_kids_may_cause_one_fetch_in_thirty_seconds() -> None:
    cache = filled()
    assert cache.may_ask_for_unknown(NOW)
    cache.asked_for_unknown(NOW)
    assert not cache.may_ask_for_unknown(NOW + 29.9)
    assert cache.may_ask_for_unknown(NOW + 30)


def test_the_feed_may_ask_each_second_whatever_tokens_have_used_up() -> None:
    cache = filled()
    cache.asked_for_unknown(NOW)
    assert cache.may_ask_for_unknown(NOW, asker="feed")
    cache.asked_for_unknown(NOW, asker="feed")
    assert not cache.may_ask_for_unknown(NOW + 0.9, asker="feed")
    assert cache.may_ask_for_unknown(NOW + 1, asker="feed")
    assert not cache.may_ask_for_unknown(NOW + 1), "nor does the feed make room for tokens"


def test_the_version_rises_only_when_keys_change() -> None:
    cache = filled()
    version = cache.version
    assert not cache.take(jwk_set.parse(jwk_set.render(KEYS.values())), now=NOW + 1)
    assert cache.version == version
    assert cache.take(OTHERS, now=NOW + 2)
    assert cache.version > version


def test_an_older_snapshot_does_not_replace_newer_keys() -> None:
    cache = filled()
    cache.restore(OTHERS, fetched_at=NOW - 1, now=NOW)
    assert {key.kid for key in cache.listed()} == set(KEYS)


def test_restored_keys_age_from_when_they_were_fetched_and_never_from_the_future() -> None:
    cache = KeyCache()
    cache.restore(KEYS, fetched_at=NOW + 10**6, now=NOW)
    assert cache.kept_until == NOW + KEPT_SECONDS
    assert cache.wait(NOW) == 0
