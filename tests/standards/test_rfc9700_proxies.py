"""Where a request comes from, as far as it can be known: "No evidence, no caller" (DESIGN section 5), and R085.

Whether two requests are of the same caller is seen from outside by a redeemed refresh token that comes again after the
overlap: it converges for the same caller, and forks for anybody else.
"""

import pytest
from tests.standards.conftest import OpenDoor
from tests.support.chains import PAST_OVERLAP
from tests.support.door import ISSUER, PUBLIC_ISSUER, Door
from tests.support.rfc import rfc

PUBLIC_PEER = "203.0.113.5"
OTHER_PEER = "198.51.100.7"
PRIVATE_PEER = "10.1.2.3"
LOOPBACK_PEER = "127.0.0.1"
PROXIES = ["10.0.0.0/8", "fd00::/8", "192.0.2.1"]
Sent = tuple[str, dict[str, str]]


async def same(door: Door, first: Sent, second: Sent) -> bool:
    """Whether two requests, each a peer's address and headers, count as the same caller's."""
    one, other = (door.caller((peer, 1), **headers) for peer, headers in (first, second))
    token = (await door.sign_in(one))["refresh_token"]
    successor = (await door.refreshed(one, token))["refresh_token"]
    door.clock.advance(PAST_OVERLAP)
    again = (await door.refreshed(other, token))["refresh_token"]
    assert (await door.kinds())[0] == ("session.started" if again == successor else "refresh.fork")
    return bool(again == successor)


def forwarded_for(*hops: str) -> dict[str, str]:
    return {"x-forwarded-for": ", ".join(hops)}


@pytest.mark.parametrize(
    ("first", "second", "expected"),
    [
        pytest.param(("203.0.113.5", {}), ("203.0.113.5", {}), True, id="same address"),
        pytest.param(("203.0.113.5", {}), ("203.0.113.250", {}), True, id="same /24"),
        pytest.param(("203.0.113.5", {}), ("203.0.112.5", {}), False, id="the next /24"),
        pytest.param(("2001:db8:0:1::1", {}), ("2001:db8:0:ff::9", {}), True, id="same /56"),
        pytest.param(("2001:db8:0:1::1", {}), ("2001:db8:0:100::1", {}), False, id="the next /56"),
        pytest.param(("::ffff:203.0.113.5", {}), ("203.0.113.9", {}), True, id="mapped IPv4"),
        pytest.param(("203.0.113.5", {}), ("203.0.113.5", {"user-agent": "curl/8"}), False, id="another agent"),
        pytest.param(("203.0.113.5", {"user-agent": ""}), ("203.0.113.5", {"user-agent": ""}), True, id="no agent"),
        pytest.param(
            ("203.0.113.5", {"user-agent": "a\nb"}), ("203.0.113.5", {"user-agent": "a"}), False, id="a line more"
        ),
    ],
)
async def test_network_and_user_agent_make_the_caller(door: Door, first: Sent, second: Sent, expected: bool) -> None:
    assert await same(door, _clean(first), _clean(second)) is expected


def _clean(sent: Sent) -> Sent:
    # A header cannot hold a line break; a tab is as odd as one.
    peer, headers = sent
    return peer, {name: value.replace("\n", "\t") for name, value in headers.items()}


@rfc("9700", "4.13")
@pytest.mark.parametrize(
    ("issuer", "trusted", "peer", "expected"),
    [
        pytest.param(ISSUER, None, LOOPBACK_PEER, True, id="development, loopback"),
        pytest.param(ISSUER, None, PRIVATE_PEER, True, id="development, private"),
        pytest.param(PUBLIC_ISSUER, None, PUBLIC_PEER, False, id="public issuer, documentation range"),
        pytest.param(PUBLIC_ISSUER, None, "8.8.8.8", True, id="public issuer, public peer"),
        pytest.param(PUBLIC_ISSUER, None, PRIVATE_PEER, False, id="public issuer, private peer, nothing said"),
        pytest.param(PUBLIC_ISSUER, None, LOOPBACK_PEER, False, id="public issuer, loopback peer, nothing said"),
        pytest.param(PUBLIC_ISSUER, None, "::1", False, id="public issuer, IPv6 loopback, nothing said"),
        pytest.param(PUBLIC_ISSUER, None, "fd00::1", False, id="public issuer, unique local, nothing said"),
        pytest.param(PUBLIC_ISSUER, None, "::ffff:10.1.2.3", False, id="public issuer, mapped private"),
        pytest.param(PUBLIC_ISSUER, [], PRIVATE_PEER, True, id="directly reachable, private peer"),
        pytest.param(PUBLIC_ISSUER, [], LOOPBACK_PEER, True, id="directly reachable, loopback peer"),
        pytest.param(PUBLIC_ISSUER, PROXIES, PRIVATE_PEER, False, id="the proxy itself"),
        pytest.param(PUBLIC_ISSUER, PROXIES, "8.8.8.8", True, id="past the proxies"),
        pytest.param(PUBLIC_ISSUER, PROXIES, "192.168.1.1", True, id="a private peer that is no proxy"),
        pytest.param(PUBLIC_ISSUER, PROXIES, "not an address", False, id="a socket without an address"),
    ],
)
async def test_without_forwarding_headers_the_peer_counts_unless_it_may_be_a_proxy(
    open_door: OpenDoor, issuer: str, trusted: list[str] | None, peer: str, expected: bool
) -> None:
    door = await open_door(issuer=issuer, trusted=trusted)
    assert await same(door, (peer, {}), (peer, {})) is expected


@rfc("9700", "4.13")
@rfc("7239", "8.1")
@pytest.mark.parametrize(
    ("issuer", "trusted", "peer"),
    [
        pytest.param(ISSUER, None, LOOPBACK_PEER, id="development"),
        pytest.param(PUBLIC_ISSUER, None, "8.8.8.8", id="nothing said"),
        pytest.param(PUBLIC_ISSUER, [], "8.8.8.8", id="directly reachable"),
        pytest.param(PUBLIC_ISSUER, PROXIES, "8.8.8.8", id="past the proxies"),
        pytest.param(PUBLIC_ISSUER, PROXIES, "192.0.2.2", id="beside the proxy"),
    ],
)
@pytest.mark.parametrize("headers", [forwarded_for("8.8.4.4"), {"forwarded": "for=8.8.4.4"}], ids=["xff", "forwarded"])
async def test_forwarding_headers_of_a_stranger_make_nobody_of_him_and_are_warned_of_once(
    open_door: OpenDoor, issuer: str, trusted: list[str] | None, peer: str, headers: dict[str, str]
) -> None:
    door = await open_door(issuer=issuer, trusted=trusted)
    assert not await same(door, (peer, headers), (peer, headers))
    ((_, fields),) = [said for said in door.heard.said if said[0] == "network.untrusted_proxy"]
    assert fields["peer"] == peer
    assert "8.8.4.4" not in str(fields)


async def test_who_hides_behind_a_header_gains_nothing_from_another_ones_refresh(open_door: OpenDoor) -> None:
    # The owner came directly; the thief claims the owner's address.
    door = await open_door(issuer=PUBLIC_ISSUER, trusted=[])
    assert not await same(door, (PUBLIC_PEER, {}), (OTHER_PEER, forwarded_for(PUBLIC_PEER)))


@rfc("7239", "5.2")
@rfc("7239", "7.4")
@pytest.mark.parametrize(
    ("headers", "expected"),
    [
        pytest.param(forwarded_for("203.0.113.5"), True, id="the client"),
        pytest.param(forwarded_for("203.0.113.77"), True, id="the client's network"),
        pytest.param(forwarded_for("198.51.100.7"), False, id="another client"),
        pytest.param(forwarded_for("1.2.3.4", "203.0.113.5"), True, id="an invention in front"),
        pytest.param(forwarded_for("203.0.113.5", "198.51.100.7"), False, id="the owner's address as an invention"),
        pytest.param(forwarded_for("203.0.113.5", "10.9.9.9"), True, id="through two proxies"),
        pytest.param(forwarded_for("203.0.113.5", "192.0.2.1", "10.9.9.9"), True, id="through three proxies"),
        pytest.param(forwarded_for("203.0.113.5:4711"), True, id="with a port"),
        pytest.param(forwarded_for("garbage", "203.0.113.5"), True, id="garbage in front"),
        pytest.param(forwarded_for("203.0.113.5", "garbage"), False, id="garbage behind"),
        pytest.param(forwarded_for(""), False, id="empty"),
        pytest.param(forwarded_for("unknown"), False, id="unknown"),
        pytest.param(forwarded_for("10.1.1.1", "10.2.2.2"), False, id="proxies alone"),
        pytest.param({"forwarded": "for=203.0.113.5;proto=https;by=10.0.0.1"}, True, id="Forwarded"),
        pytest.param({"forwarded": 'For="203.0.113.5:4711"'}, True, id="Forwarded, quoted with a port"),
        pytest.param({"forwarded": "for=1.2.3.4, for=203.0.113.5"}, True, id="Forwarded, an invention in front"),
        pytest.param({"forwarded": "for=203.0.113.5, for=198.51.100.7"}, False, id="Forwarded, the owner in front"),
        pytest.param({"forwarded": "for=_hidden"}, False, id="Forwarded, obfuscated"),
        pytest.param({"forwarded": "for=unknown"}, False, id="Forwarded, unknown"),
        pytest.param({"forwarded": "proto=https"}, False, id="Forwarded, without an address"),
        pytest.param(
            {"forwarded": "for=198.51.100.7", **forwarded_for("203.0.113.5")}, False, id="both, and they differ"
        ),
        pytest.param({}, False, id="the proxy says nothing"),
        pytest.param({"x-real-ip": "203.0.113.5"}, False, id="another header"),
    ],
)
async def test_from_a_trusted_proxy_the_nearest_address_that_is_no_proxy_counts(
    open_door: OpenDoor, headers: dict[str, str], expected: bool
) -> None:
    door = await open_door(issuer=PUBLIC_ISSUER, trusted=PROXIES)
    owner = ("10.0.0.1", forwarded_for("203.0.113.5"))
    assert await same(door, owner, ("10.3.3.3", headers)) is expected
    assert "network.untrusted_proxy" not in door.heard.slugs()


@rfc("7239", "6")
async def test_ipv6_clients_and_proxies_are_read_in_both_headers(open_door: OpenDoor) -> None:
    door = await open_door(issuer=PUBLIC_ISSUER, trusted=PROXIES)
    owner = ("fd00::1", forwarded_for("2001:db8::1"))
    for headers in (
        forwarded_for("[2001:db8::2]"),
        forwarded_for("[2001:db8::2]:4711"),
        {"forwarded": 'for="[2001:db8::2]:4711"'},
        {"forwarded": 'for="[2001:db8::2]"'},
        forwarded_for("2001:db8::2", "fd00::2"),
    ):
        assert await same(door, owner, ("::ffff:10.0.0.1", headers)), headers
    assert not await same(door, owner, ("fd00::1", forwarded_for("2001:db9::1")))


async def test_several_header_lines_are_one_list(open_door: OpenDoor) -> None:
    door = await open_door(issuer=PUBLIC_ISSUER, trusted=PROXIES)
    http = door.caller(("10.0.0.1", 1))
    lines = [("x-forwarded-for", "203.0.113.5"), ("x-forwarded-for", "198.51.100.7")]
    body = {"client_id": "web", "username": "ada", "password": "wrong"}
    # Counted for the last line's network: the owner's own is not slowed by who claims it.
    for n in range(60):
        await http.post("/session", json={**body, "username": f"user{n}"}, headers=lines)
    slowed = await http.post("/session", json=body, headers=forwarded_for("198.51.100.99"))
    assert slowed.status_code == 429
    assert (await http.post("/session", json=body, headers=forwarded_for("203.0.113.5"))).status_code == 401


async def test_without_evidence_an_old_token_is_theft_whoever_brings_it(open_door: OpenDoor) -> None:
    door = await open_door(issuer=PUBLIC_ISSUER)
    http = door.caller((PRIVATE_PEER, 1))
    first = (await door.sign_in(http))["refresh_token"]
    second = (await door.refreshed(http, first))["refresh_token"]
    # Within the overlap an answer may have been lost all the same.
    assert (await door.refreshed(http, first))["refresh_token"] == second
    third = (await door.refreshed(http, second))["refresh_token"]
    assert (await door.refresh(http, first)).status_code == 400
    assert (await door.refresh(http, third)).status_code == 400
    assert (await door.kinds())[0] == "refresh.theft"
