"""Where a request comes from: senders are remembered, and told apart by all that tells senders apart."""

import secrets
from ipaddress import ip_network

import pytest
from starlette.requests import Request
from tests.support.fake_ports import HeardTelemetry

from watchword.server.domain.secret_ring import parse_secrets
from watchword.server.web.network import Network, Origin

RING = parse_secrets(secrets.token_urlsafe(32))


def network(**changes: object) -> Network:
    given: dict[str, object] = {"issuer": "https://auth.example", "trusted": (), "secrets": RING}
    return Network(**(given | {"telemetry": HeardTelemetry()} | changes))  # type: ignore[arg-type]


def sent_from(host: str | None, *, agent: str = "app/1", by: Network, **headers: str) -> Origin:
    raw = [
        (name.replace("_", "-").encode(), value.encode()) for name, value in {"user_agent": agent, **headers}.items()
    ]
    client = None if host is None else (host, 50_000)
    return by.origin(Request({"type": "http", "method": "POST", "path": "/token", "headers": raw, "client": client}))


def test_the_same_sender_is_the_same_caller_each_time() -> None:
    by = network()
    assert sent_from("203.0.113.7", by=by) == sent_from("203.0.113.7", by=by) == sent_from("203.0.113.7", by=network())


@pytest.mark.parametrize(("host", "agent"), [("198.51.100.7", "app/1"), ("203.0.113.7", "app/2")])
def test_another_network_or_user_agent_is_another_caller(host: str, agent: str) -> None:
    by = network()
    assert sent_from(host, agent=agent, by=by).caller != sent_from("203.0.113.7", by=by).caller


def test_user_agents_that_differ_beyond_what_is_shown_are_different_callers() -> None:
    by, long = network(), "x" * 300
    one, other = sent_from("203.0.113.7", agent=long + "1", by=by), sent_from("203.0.113.7", agent=long + "2", by=by)
    assert one.caller != other.caller
    assert one.device == other.device == "x" * 200


def test_a_remembered_sender_with_forwarding_headers_is_judged_anew() -> None:
    by = network()
    assert sent_from("203.0.113.7", by=by).caller is not None
    assert sent_from("203.0.113.7", by=by, x_forwarded_for="192.0.2.1").caller is None
    assert sent_from("203.0.113.7", by=by).caller is not None


def test_a_trusted_proxy_speaks_for_its_clients_and_not_for_itself() -> None:
    by = network(trusted=(ip_network("10.0.0.0/8"),))
    assert sent_from("10.0.0.1", by=by).caller is None
    through = sent_from("10.0.0.1", by=by, x_forwarded_for="203.0.113.9")
    assert through.caller == sent_from("203.0.113.7", by=by).caller


def test_a_private_peer_is_no_evidence_where_nothing_was_said_about_proxies() -> None:
    assert sent_from("10.0.0.1", by=network(trusted=None)).caller is None
    assert sent_from("10.0.0.1", by=network(trusted=None, issuer="http://127.0.0.1:8000")).caller is not None


def test_the_throttle_counts_by_network_only_where_the_network_is_known() -> None:
    proxies = (ip_network("10.0.0.0/8"),)
    # Nothing was said: the peer may be a proxy, and everybody would be in its network.
    assert sent_from("10.0.0.1", by=network(trusted=None)).network is None
    assert sent_from("8.8.8.8", by=network(trusted=None), x_forwarded_for="192.0.2.1").network is None
    assert sent_from("10.0.0.1", by=network(trusted=proxies)).network is None
    assert sent_from("10.0.0.1", by=network(trusted=proxies), x_forwarded_for="8.8.4.4").network == "8.8.4.0/24"
    # Something was said, and this peer is no proxy: with a header of his own he is not rid of the throttle.
    for trusted in ((), proxies):
        assert sent_from("8.8.8.8", by=network(trusted=trusted), x_forwarded_for="1.2.3.4").network == "8.8.8.0/24"


def test_with_both_headers_the_throttle_counts_by_the_one_that_most_proxies_write_and_nobody_is_a_caller() -> None:
    by = network(trusted=(ip_network("10.0.0.0/8"),))
    for own in ("for=1.2.3.4", "for=8.8.4.4", "x", ""):
        both = sent_from("10.0.0.1", by=by, x_forwarded_for="1.1.1.1, 8.8.4.4, 10.2.2.2", forwarded=own)
        assert (both.caller, both.network, both.device) == (None, "8.8.4.0/24", "app/1")
    assert sent_from("10.0.0.1", by=by, x_forwarded_for="unknown", forwarded="for=1.2.3.4").network is None
    # From a peer that is no proxy, both are as good as one.
    assert sent_from("9.9.9.9", by=by, x_forwarded_for="8.8.4.4", forwarded="for=1.2.3.4").network == "9.9.9.0/24"


def test_without_a_peer_there_is_no_caller() -> None:
    assert sent_from(None, by=network()) == Origin(None, None, "app/1")


def test_a_device_shows_nothing_that_cannot_be_printed() -> None:
    assert sent_from("203.0.113.7", agent="app\x1b[2J\x7f/1", by=network()).device == "app[2J/1"
