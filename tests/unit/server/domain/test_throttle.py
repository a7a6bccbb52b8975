"""Guessers are slowed, owners are not locked out."""

from dataclasses import replace

import pytest
from tests.support.rfc import standard
from tests.unit.server.domain.build import DAY, NOW

from watchword.server.domain.lifetimes import HOUR, MINUTE
from watchword.server.domain.login import CLOCKS_APART
from watchword.server.domain.throttle import (
    ACCOUNT_FROM_KNOWN,
    ACCOUNT_FROM_NETWORK,
    ACCOUNT_FROM_STRANGERS,
    FORGOTTEN_FROM_NETWORK,
    KNOWN_NETWORK,
    MAILS,
    NETWORK,
    PROOFS_FROM_NETWORK,
    SIGN_UPS,
    SIGN_UPS_FROM_ANYWHERE,
    Bucket,
    Limit,
    after_failure,
    after_success,
    wait,
    without_one,
)

FORGETFUL = [ACCOUNT_FROM_NETWORK, ACCOUNT_FROM_KNOWN, ACCOUNT_FROM_STRANGERS]
LEAKY = [NETWORK, SIGN_UPS, SIGN_UPS_FROM_ANYWHERE, FORGOTTEN_FROM_NETWORK, PROOFS_FROM_NETWORK, MAILS]
LIMITS = [*FORGETFUL, *LEAKY]


def fail(bucket: Bucket | None, limit: Limit, times: int, now: float = NOW) -> Bucket:
    for _ in range(times):
        bucket = after_failure(bucket, b"k", limit, now=now)
    assert bucket is not None
    return bucket


@pytest.mark.parametrize("limit", LIMITS)
def test_the_first_failures_cost_nothing_and_each_later_one_twice_the_last(limit: Limit) -> None:
    bucket = fail(None, limit, limit.free)
    assert wait(bucket, now=NOW) == 0
    for power in range(3):
        bucket = fail(bucket, limit, 1)
        assert wait(bucket, now=NOW) == min(limit.most, limit.first * 2**power)
    assert wait(bucket, now=NOW + limit.first * 4) == 0


@pytest.mark.parametrize("limit", LIMITS)
def test_a_wait_has_a_bound_and_no_number_of_failures_breaks_it(limit: Limit) -> None:
    longest = limit.most if limit.stop is None else limit.memory
    assert wait(fail(None, limit, 1500), now=NOW) == longest


@pytest.mark.parametrize("limit", LIMITS)
def test_what_a_fast_clock_noted_costs_nothing_at_a_slow_one(limit: Limit) -> None:
    """Two nodes may be so far apart, and a try that costs nothing on one of them costs nothing on the other."""
    fast, slow = NOW + CLOCKS_APART, NOW
    bucket = None
    for times in range(1, limit.free + 1):
        bucket = after_failure(bucket, b"k", limit, now=slow if times % 2 == 0 else fast)
        assert (bucket.failures, wait(bucket, now=slow)) == (times, 0)
    # One more, and the penalty is due: on both.
    bucket = after_failure(bucket, b"k", limit, now=fast)
    assert wait(bucket, now=fast) == limit.first
    assert limit.first <= wait(bucket, now=slow) <= limit.first + CLOCKS_APART


def test_a_penalty_that_is_due_is_not_shortened_by_a_slip_without_one() -> None:
    blocked = Bucket(key=b"k", failures=1, blocked_until=NOW + 9, until=NOW + DAY)
    assert after_failure(blocked, b"k", ACCOUNT_FROM_NETWORK, now=NOW).blocked_until == NOW + 9


def test_no_bucket_and_a_forgotten_bucket_mean_no_wait() -> None:
    assert wait(None, now=NOW) == 0
    assert wait(Bucket(key=b"k", failures=9, blocked_until=NOW + 9, until=NOW), now=NOW) == 0


@pytest.mark.parametrize("limit", FORGETFUL)
def test_a_count_is_kept_beyond_the_end_of_its_wait(limit: Limit) -> None:
    """Whoever waits as told must not find the count at nothing again."""
    bucket = fail(None, limit, limit.free + 30)
    over = bucket.blocked_until
    assert wait(bucket, now=over) == 0
    assert after_failure(bucket, b"k", limit, now=over + limit.memory - 1).failures == limit.free + 31
    assert after_failure(bucket, b"k", limit, now=over + limit.memory).failures == 1


@pytest.mark.parametrize("limit", LEAKY)
def test_what_many_share_forgets_one_failure_after_the_other(limit: Limit) -> None:
    each = limit.memory / limit.free
    bucket = fail(None, limit, limit.free + 9)
    assert after_failure(bucket, b"k", limit, now=NOW + 3 * each).failures == limit.free + 9 - 3 + 1
    assert after_failure(bucket, b"k", limit, now=NOW + (limit.free + 8) * each).failures == 2
    assert after_failure(bucket, b"k", limit, now=NOW + (limit.free + 9) * each).failures == 1


@pytest.mark.parametrize("limit", LEAKY)
def test_slips_now_and_then_never_add_up_to_a_wait(limit: Limit) -> None:
    bucket, now = None, NOW + 0.1
    for _ in range(10 * limit.free):
        bucket = after_failure(bucket, b"k", limit, now=now)
        assert (bucket.failures, wait(bucket, now=now)) == (1, 0)
        now += limit.memory / limit.free + 0.1


def test_whoever_guesses_through_one_network_gets_a_try_every_five_minutes() -> None:
    assert guesses(NETWORK, 1) < 50 + 320


def guesses(limit: Limit, days: int, *, known: bool = False) -> int:
    """How often somebody who tries at every allowed moment gets to guess."""
    bucket = Bucket(key=b"k", known=known, until=NOW + KNOWN_NETWORK) if known else None
    now, count = NOW, 0
    while now < NOW + days * DAY:
        bucket = after_failure(bucket, b"k", limit, now=now)
        count += 1
        now += wait(bucket, now=now)
    return count


@standard("NIST SP 800-63B-4", "3.2.2")
def test_an_account_is_guessed_at_a_hundred_times_running_by_all_together() -> None:
    assert guesses(ACCOUNT_FROM_STRANGERS, 3) < 50
    assert guesses(ACCOUNT_FROM_STRANGERS, 48) == 60
    assert guesses(ACCOUNT_FROM_KNOWN, 29) == 40
    for limit, stop in ((ACCOUNT_FROM_STRANGERS, 60), (ACCOUNT_FROM_KNOWN, 40)):
        assert guesses(limit, 365) <= stop + 12
        assert wait(fail(None, limit, stop), now=NOW) == 30 * DAY


def test_a_name_that_strangers_tried_a_few_times_is_forgotten_soon_and_patience_gains_nothing() -> None:
    one = fail(None, ACCOUNT_FROM_STRANGERS, 1)
    assert one.until == NOW + DAY
    for times in range(1, 90):
        kept = fail(None, ACCOUNT_FROM_STRANGERS, times).until - NOW
        # Whoever lets his count be forgotten has had a try a day at most.
        assert kept / DAY >= min(times, 30)
    assert fail(None, ACCOUNT_FROM_STRANGERS, 30).until == NOW + 30 * DAY


def test_a_guesser_in_the_owners_own_network_leaves_tries_for_his_other_ones() -> None:
    assert guesses(ACCOUNT_FROM_NETWORK, 1, known=True) <= 24
    assert guesses(ACCOUNT_FROM_NETWORK, 1) <= 24


def test_the_count_of_a_known_network_is_forgotten_and_the_network_is_not() -> None:
    home = after_success(None, b"k", now=NOW)
    mistyped = fail(home, ACCOUNT_FROM_NETWORK, 4)
    later = after_failure(mistyped, b"k", ACCOUNT_FROM_NETWORK, now=NOW + DAY - 1)
    assert (later.failures, later.known) == (5, True)
    later = after_failure(mistyped, b"k", ACCOUNT_FROM_NETWORK, now=NOW + DAY)
    assert (later.failures, later.known) == (1, True)


def test_an_attacker_elsewhere_does_not_lock_out_the_owner() -> None:
    """What counts for the owner's network, where he signed in before, is a bucket that no stranger reaches."""
    attacked = fail(None, ACCOUNT_FROM_STRANGERS, 5000)
    home = after_success(None, b"home", now=NOW)
    assert wait(attacked, now=NOW) > 0
    assert home is not None
    assert home.known
    assert wait(home, now=NOW + 1) == 0
    slip = after_failure(home, b"home", ACCOUNT_FROM_NETWORK, now=NOW + 1)
    assert (slip.known, wait(slip, now=NOW + 1)) == (True, 0)


def test_a_network_stays_known_for_ninety_days_whatever_is_mistyped() -> None:
    home = after_success(None, b"k", now=NOW)
    assert home is not None
    mistyped = fail(home, ACCOUNT_FROM_NETWORK, 8, now=NOW + 60)
    assert mistyped.known
    assert mistyped.until >= NOW + 60 + KNOWN_NETWORK
    assert after_failure(home, b"k", ACCOUNT_FROM_NETWORK, now=NOW + KNOWN_NETWORK).known is False


def test_a_success_clears_the_count_and_is_written_again_only_when_needed() -> None:
    again = after_success(fail(None, ACCOUNT_FROM_NETWORK, 9), b"k", now=NOW)
    assert again == Bucket(key=b"k", known=True, until=NOW + KNOWN_NETWORK)
    assert after_success(again, b"k", now=NOW + KNOWN_NETWORK / 3) is None
    assert after_success(again, b"k", now=NOW + KNOWN_NETWORK / 2) is not None


def test_a_try_that_turned_out_right_is_taken_back_and_blocks_nobody() -> None:
    for failures in (1, 30, 31):
        counted = fail(None, ACCOUNT_FROM_STRANGERS, failures)
        back = without_one(counted, ACCOUNT_FROM_STRANGERS, counted=counted)
        assert back.failures == failures - 1
        assert wait(back, now=NOW) == 0
    counted = fail(None, ACCOUNT_FROM_STRANGERS, 1)
    assert without_one(Bucket(key=b"k"), ACCOUNT_FROM_STRANGERS, counted=counted).failures == 0


def test_a_try_that_is_taken_back_leaves_no_stop_behind() -> None:
    before = replace(fail(None, ACCOUNT_FROM_STRANGERS, 59), blocked_until=NOW)
    counted = after_failure(before, b"k", ACCOUNT_FROM_STRANGERS, now=NOW)
    assert wait(counted, now=NOW) == 30 * DAY
    back = without_one(counted, ACCOUNT_FROM_STRANGERS, counted=counted)
    assert (back.failures, wait(back, now=NOW)) == (59, 0)


def test_a_try_that_is_taken_back_does_not_end_the_wait_that_another_one_brought() -> None:
    counted = fail(None, NETWORK, 50)
    later = after_failure(counted, b"k", NETWORK, now=NOW)
    back = without_one(later, NETWORK, counted=counted)
    assert wait(back, now=NOW) == 1
    assert after_failure(back, b"k", NETWORK, now=NOW + 1).failures == 51


def test_nobody_gets_more_than_a_few_mails_an_hour_that_anybody_could_cause() -> None:
    bucket, sent = None, []
    for second in range(0, 24 * HOUR, 30):
        now = NOW + second
        if wait(bucket, now=now) == 0:
            bucket = after_failure(bucket, b"key", MAILS, now=now)
            sent.append(now)
    assert sent[2] - sent[0] == 60
    assert sent[3] - sent[2] >= 20 * MINUTE
    assert max(sum(start <= at < start + HOUR for at in sent) for start in sent) <= 4
    assert len(sent) <= 2 + 2 * 24


def test_a_try_that_was_none_leaves_no_row_behind_unless_there_is_something_to_remember() -> None:
    only = fail(None, ACCOUNT_FROM_STRANGERS, 1)
    assert without_one(only, ACCOUNT_FROM_STRANGERS, counted=only).until == 0
    second = fail(only, ACCOUNT_FROM_STRANGERS, 1)
    assert without_one(second, ACCOUNT_FROM_STRANGERS, counted=second).until == second.until
    home = after_success(None, b"k", now=NOW)
    slip = fail(home, ACCOUNT_FROM_NETWORK, 1)
    assert without_one(slip, ACCOUNT_FROM_NETWORK, counted=slip).until == slip.until
