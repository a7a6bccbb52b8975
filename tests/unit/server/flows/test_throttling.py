"""Keys of throttle buckets: they tell who is counted together, and nothing else."""

import asyncio

import pytest
from tests.support.databases import SECRETS

from watchword.protocol.errors import TooManyTries
from watchword.server.domain.secret_ring import parse_secrets
from watchword.server.flows.throttling import ThrottleKeys, Turns, account_keys, sign_up_key


def keys(account: str = "ada", network: str | None = "203.0.113.0/24") -> ThrottleKeys:
    return ThrottleKeys.of(SECRETS, account=account, network=network)


def of(made: ThrottleKeys) -> set[bytes | None]:
    return {made.account_from_network, made.network, made.account_from_known, made.account} - {None}


def test_the_buckets_differ_and_each_counts_what_it_says() -> None:
    here, elsewhere, other = keys(), keys(network="198.51.100.0/24"), keys(account="bob")
    assert len(of(here)) == 4
    assert here.account == elsewhere.account != other.account
    assert here.account_from_known == elsewhere.account_from_known != other.account_from_known
    assert here.network == other.network != elsewhere.network
    assert len({here.account_from_network, elsewhere.account_from_network, other.account_from_network}) == 3


def test_without_evidence_nothing_is_counted_by_network() -> None:
    nowhere = keys(network=None)
    assert (nowhere.network, nowhere.account_from_network) == (None, None)
    assert of(nowhere) == {keys().account, keys().account_from_known} == set(account_keys(SECRETS, "ada"))
    assert sign_up_key(SECRETS, None) != sign_up_key(SECRETS, "203.0.113.0/24")


async def test_turns_are_taken_one_at_a_time_and_for_each_key_apart() -> None:
    turns, here, most = Turns(), 0, 0

    async def take(key: bytes) -> None:
        nonlocal here, most
        async with turns.turn(key):
            here += 1
            most = max(most, here)
            await asyncio.sleep(0)
            here -= 1

    await asyncio.gather(*(take(b"k") for _ in range(20)))
    assert most == 1
    await asyncio.gather(take(b"k"), take(b"l"))
    assert most == 2


async def test_a_turn_is_waited_for_by_so_many_and_given_up_by_who_is_cancelled() -> None:
    turns, go = Turns(), asyncio.Event()

    async def take() -> None:
        async with turns.turn(b"k"):
            await go.wait()

    waiting = [asyncio.create_task(take()) for _ in range(33)]
    await asyncio.sleep(0)
    with pytest.raises(TooManyTries) as refused:
        await take()
    assert refused.value.retry_after == 1
    for task in waiting[:-1]:
        task.cancel()
    go.set()
    await asyncio.gather(*waiting, return_exceptions=True)
    assert waiting[-1].exception() is None
    async with asyncio.timeout(1):
        await take()


def test_no_account_can_be_named_so_that_it_is_counted_as_another_one() -> None:
    assert keys(account="ada\n203.0.113.0/24").account_from_network != keys().account_from_network
    assert keys(account="from network\nada").account != keys().account_from_network
    assert keys(account="network\n203.0.113.0/24").account != keys().network


def test_neither_name_nor_network_can_be_read_off_a_key() -> None:
    for key in (*of(keys()), sign_up_key(SECRETS, "203.0.113.0/24")):
        assert key is not None
        assert len(key) == 16
        assert b"ada" not in key
    other = parse_secrets("another-secret-of-the-tests-0123456789abcdef")
    assert of(ThrottleKeys.of(other, account="ada", network="203.0.113.0/24")).isdisjoint(of(keys()))


def test_a_name_that_is_no_text_is_counted_too() -> None:
    assert keys(account="\ud800").account != keys(account="\ud801").account
