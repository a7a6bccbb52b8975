"""What an application with ``offline_access`` hears of sign-outs: its grant outlives the browser's session, and its own
session of the user need not.

R017; OpenID Connect Back-Channel Logout 1.0.
"""

from dataclasses import replace
from typing import Any, Final

import pytest
from tests.support.cast import PASSWORD, SHOP_HOME
from tests.support.door import ELSEWHERE, Door
from tests.support.fake_outgoing import FakeOutgoing
from tests.support.logout_stage import courier_of
from tests.support.rfc import standard
from tests.support.visitor import View, Visitor, read_id_token, refresh

from watchword.server.domain.session import Session
from watchword.server.flows import account
from watchword.server.flows.admin import sessions
from watchword.server.flows.browser_session import SignedIn, find

LOGOUT = "OpenID Connect Back-Channel Logout 1.0"
OFFLINE: Final = "openid offline_access orders.read"


class Hearing:
    """The shop hears of ended sessions: what it is told, node after node."""

    def __init__(self, door: Door) -> None:
        self.door = door
        self.outgoing = FakeOutgoing()

    async def told(self) -> list[tuple[str, str | None]]:
        """Client and session of each message that is brought now."""
        before = len(self.outgoing.posted)
        await courier_of(self.door, self.outgoing).bring()
        return [(claims["aud"], claims.get("sid")) for claims in self.outgoing.claims()[before:]]


@pytest.fixture
async def hearing(everywhere: Door) -> Hearing:
    async with everywhere.parts.storage.write() as tx:
        shop = await tx.client("shop")
        assert shop is not None
        await tx.put_client(replace(shop, backchannel_logout_uri="https://shop.example/out"))
    await everywhere.restart()
    return Hearing(everywhere)


async def signed_in(visitor: Visitor) -> SignedIn:
    found = await find(visitor.door.parts, visitor.session, now=visitor.door.clock.now())
    assert found is not None
    return found


async def sid_of(visitor: Visitor) -> str:
    return (await signed_in(visitor)).session.sid


async def own_session(door: Door, tokens: dict[str, Any]) -> Session:
    """The session that the grant stands on."""
    async with door.parts.storage.read() as reading:
        session = await reading.session(door.read(tokens["access_token"]).sid or "")
    assert session is not None
    return session


async def lives(visitor: Visitor) -> bool:
    return "password-form" in (await visitor.open("/account")).forms


@standard(LOGOUT, "2.4")
async def test_the_id_token_names_the_browsers_session_whichever_session_the_grant_stands_on(everywhere: Door) -> None:
    visitor = Visitor(everywhere)
    online, offline = await visitor.tokens(), await visitor.tokens(scope=OFFLINE)
    browsers = await sid_of(visitor)
    later = (await refresh(everywhere, offline)).json()
    assert [read_id_token(everywhere, one)["sid"] for one in (online, offline, later)] == [browsers] * 3
    # What is verified and revoked by the access token is the session that the grant lives as long as.
    own = everywhere.read(offline["access_token"]).sid
    assert own not in (None, browsers)
    assert everywhere.read(later["access_token"]).sid == own
    assert everywhere.read(online["access_token"]).sid == browsers


@standard(LOGOUT, "2.7")
@standard("OpenID Connect Core 1.0", "11")
@pytest.mark.parametrize("also_online", [False, True], ids=["offline alone", "and online"])
async def test_the_end_of_the_browsers_session_is_told_and_the_offline_grant_goes_on(
    everywhere: Door, hearing: Hearing, also_online: bool
) -> None:
    visitor = Visitor(everywhere)
    offline = [await visitor.tokens(scope=OFFLINE) for _ in range(2)]
    if also_online:
        await visitor.tokens()
    await Visitor(everywhere, ELSEWHERE).tokens(scope=OFFLINE)
    browsers = await sid_of(visitor)
    answer = await visitor.post((await visitor.open("/end_session")).forms["sign-out-form"])
    assert answer.status_code == 200
    assert await hearing.told() == [("shop", browsers)]
    for tokens in offline:
        assert (await refresh(everywhere, tokens)).status_code == 200
    assert await hearing.told() == []


@standard("OpenID Connect RP-Initiated Logout 1.0", "2")
async def test_its_id_token_signs_out_the_browser_unasked_and_ends_no_offline_grant(
    everywhere: Door, hearing: Hearing
) -> None:
    visitor = Visitor(everywhere)
    offline, online = await visitor.tokens(scope=OFFLINE), await visitor.tokens()
    renewed = (await refresh(everywhere, offline)).json()
    browsers = await sid_of(visitor)
    hinted = {"id_token_hint": renewed["id_token"], "post_logout_redirect_uri": SHOP_HOME}
    view = View(await visitor.http.get("/end_session", params=hinted))
    assert (view.status, view.location) == (303, SHOP_HOME)
    assert not await lives(visitor)
    assert await hearing.told() == [("shop", browsers)]
    assert (await refresh(everywhere, online)).json()["error"] == "invalid_grant"
    assert (await refresh(everywhere, renewed)).status_code == 200


@standard(LOGOUT, "2.3")
async def test_the_end_of_the_grants_own_session_is_told_by_the_name_that_the_application_knows(
    everywhere: Door, hearing: Hearing
) -> None:
    visitor = Visitor(everywhere)
    first, second = await visitor.tokens(scope=OFFLINE), await visitor.tokens(scope=OFFLINE)
    browsers = await sid_of(visitor)
    # Each of several sessions that were opened in one is told of.
    own = await own_session(everywhere, first)
    now = everywhere.clock.now()
    await account.end_one_session(everywhere.parts, await signed_in(visitor), own.sid, now=now)
    assert await hearing.told() == [("shop", browsers)]
    assert (await refresh(everywhere, first)).json()["error"] == "invalid_grant"
    await sessions.revoke(everywhere.parts, (await own_session(everywhere, second)).sid)
    assert await hearing.told() == [("shop", browsers)]
    assert (await refresh(everywhere, second)).json()["error"] == "invalid_grant"
    assert await lives(visitor)
    # Nothing is left to tell of.
    await sessions.revoke(everywhere.parts, browsers)
    assert await hearing.told() == []


@standard(LOGOUT, "2.3")
async def test_log_out_everywhere_tells_it_once(everywhere: Door, hearing: Hearing) -> None:
    visitor, elsewhere = Visitor(everywhere), Visitor(everywhere, ELSEWHERE)
    tokens = [await visitor.tokens(), *[await visitor.tokens(scope=OFFLINE) for _ in range(2)]]
    tokens.append(await elsewhere.tokens(scope=OFFLINE))
    expected = sorted([("shop", await sid_of(visitor)), ("shop", await sid_of(elsewhere))])
    await account.log_out_everywhere(everywhere.parts, await signed_in(visitor), now=everywhere.clock.now())
    assert sorted(await hearing.told()) == expected
    for one in tokens:
        assert (await refresh(everywhere, one)).json()["error"] == "invalid_grant"


@standard(LOGOUT, "2.3")
async def test_a_password_change_ends_it_and_tells_it_also_where_the_browsers_session_goes_on(
    everywhere: Door, hearing: Hearing
) -> None:
    visitor = Visitor(everywhere)
    offline = await visitor.tokens(scope=OFFLINE)
    online = await visitor.tokens("hostile")
    browsers = await sid_of(visitor)
    wanted = account.NewPassword(current=PASSWORD, wanted="another four words in a row", network="203.0.113.0/24")
    await account.change_password(everywhere.parts, await signed_in(visitor), wanted, now=everywhere.clock.now())
    assert await hearing.told() == [("shop", browsers)]
    assert (await refresh(everywhere, offline)).json()["error"] == "invalid_grant"
    assert (await refresh(everywhere, online, client_id="hostile")).status_code == 200


@standard("OpenID Connect Core 1.0", "3.1.2.1")
async def test_its_id_token_is_a_good_hint_for_a_silent_sign_in(everywhere: Door) -> None:
    visitor = Visitor(everywhere)
    offline = await visitor.tokens(scope=OFFLINE)
    assert "code" in (await visitor.ask(prompt="none", id_token_hint=offline["id_token"])).answer
    other = await Visitor(everywhere, ELSEWHERE, username="bob").tokens(scope=OFFLINE)
    assert (await visitor.ask(prompt="none", id_token_hint=other["id_token"])).answer["error"] == "login_required"


async def test_a_session_of_the_simple_door_stands_for_itself(everywhere: Door) -> None:
    tokens = await everywhere.sign_in(everywhere.caller(), scope=OFFLINE)
    assert read_id_token(everywhere, tokens)["sid"] == tokens["sid"] == everywhere.read(tokens["access_token"]).sid
