"""Who presents a refresh token, as far as the network tells."""

from ipaddress import ip_address

import pytest

from watchword.server.domain.caller import caller_of, network_of, parse_address

KEYS = [b"a" * 32, b"b" * 32]


@pytest.mark.parametrize(
    ("address", "network"),
    [
        ("192.0.2.77", "192.0.2.0/24"),
        ("192.0.2.255", "192.0.2.0/24"),
        ("192.0.3.0", "192.0.3.0/24"),
        ("::ffff:192.0.2.77", "192.0.2.0/24"),
        ("2001:db8:1:2ff:a:b:c:d", "2001:db8:1:200::/56"),
        ("2001:db8:1:300::1", "2001:db8:1:300::/56"),
    ],
)
def test_a_network_is_what_stays_when_an_address_changes_a_little(address: str, network: str) -> None:
    assert network_of(ip_address(address)) == network


@pytest.mark.parametrize(
    ("text", "address"),
    [
        (" 192.0.2.1 ", "192.0.2.1"),
        ("[2001:db8::1]", "2001:db8::1"),
        ("fe80::1%eth0", "fe80::1"),
        ("192.0.2.1:80", None),
        ("unknown", None),
        ("", None),
        ("192.0.2.01", None),
        ("192.0.2", None),
        ("١٩٢.0.2.1", None),
    ],
)
def test_an_address_is_read_or_is_none(text: str, address: str | None) -> None:
    assert parse_address(text) == (None if address is None else ip_address(address))


def test_the_same_network_and_agent_are_the_same_caller() -> None:
    assert caller_of("192.0.2.0/24", "agent", KEYS).is_(caller_of("192.0.2.0/24", "agent", KEYS).mark)


@pytest.mark.parametrize(("network", "agent"), [("192.0.3.0/24", "agent"), ("192.0.2.0/24", "Agent"), ("", "")])
def test_another_network_or_agent_is_another_caller(network: str, agent: str) -> None:
    assert not caller_of("192.0.2.0/24", "agent", KEYS).is_(caller_of(network, agent, KEYS).mark)


def test_a_caller_is_known_under_every_listed_secret_and_stored_under_the_newest() -> None:
    before = caller_of("192.0.2.0/24", "agent", KEYS[1:])
    after = caller_of("192.0.2.0/24", "agent", KEYS)
    assert after.is_(before.mark)
    assert not before.is_(after.mark)
    assert after.mark == caller_of("192.0.2.0/24", "agent", KEYS[:1]).mark


def test_nobody_is_the_same_as_no_mark() -> None:
    assert not caller_of("192.0.2.0/24", "agent", KEYS).is_(None)
    assert not caller_of("192.0.2.0/24", "agent", KEYS).is_(b"")


def test_an_agent_of_broken_text_is_a_caller_too() -> None:
    assert caller_of("192.0.2.0/24", "\udcff", KEYS).is_(caller_of("192.0.2.0/24", "\udcff", KEYS).mark)
