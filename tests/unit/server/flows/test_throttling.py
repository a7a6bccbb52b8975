"""Keys of throttle buckets: they tell who is counted together, and nothing else."""

from tests.support.databases import SECRETS

from watchword.server.domain.secret_ring import parse_secrets
from watchword.server.flows.throttling import ThrottleKeys, sign_up_key


def keys(account: str = "ada", network: str = "203.0.113.0/24") -> ThrottleKeys:
    return ThrottleKeys.of(SECRETS, account=account, network=network)


def test_the_three_buckets_differ_and_each_counts_what_it_says() -> None:
    here, elsewhere, other = keys(), keys(network="198.51.100.0/24"), keys(account="bob")
    assert len(set(here.all)) == 3
    assert here.account == elsewhere.account != other.account
    assert here.network == other.network != elsewhere.network
    assert len({here.account_from_network, elsewhere.account_from_network, other.account_from_network}) == 3


def test_no_account_can_be_named_so_that_it_is_counted_as_another_one() -> None:
    assert keys(account="ada\n203.0.113.0/24").account_from_network != keys().account_from_network
    assert keys(account="from network\nada").account != keys().account_from_network
    assert keys(account="network\n203.0.113.0/24").account != keys().network


def test_keys_are_locked_in_one_order_whoever_locks_them() -> None:
    for made in (keys(), keys(account="bob"), keys(network="x")):
        assert list(made.all) == sorted(made.all)


def test_neither_name_nor_network_can_be_read_off_a_key() -> None:
    for key in (*keys().all, sign_up_key(SECRETS, "203.0.113.0/24")):
        assert len(key) == 16
        assert b"ada" not in key
    other = parse_secrets("another-secret-of-the-tests-0123456789abcdef")
    assert set(ThrottleKeys.of(other, account="ada", network="203.0.113.0/24").all).isdisjoint(keys().all)


def test_a_name_that_is_no_text_is_counted_too() -> None:
    assert keys(account="\ud800").account != keys(account="\ud801").account
