"""What outlives a browser's session, and what must not."""

import pytest
from tests.support.cast import PASSWORD
from tests.support.door import Door
from tests.support.visitor import AGENT, Visitor, refresh

from watchword.server.flows.end_session import sign_out_browser

DAY = 86_400
NEW_PASSWORD = "quilt zebra forge mandolin"


async def sid_of(door: Door) -> str:
    """The newest session of ada."""
    async with door.parts.storage.read() as reading:
        user = await reading.user_by_name("ada")
        assert user is not None
        return (await reading.sessions_of(user.sub))[0].sid


async def test_signing_out_by_hint_ends_the_grants_of_a_session_that_has_rested_too_long(everywhere: Door) -> None:
    visitor = Visitor(everywhere)
    await visitor.signed_in()
    tokens = await visitor.tokens()
    everywhere.clock.advance(2 * DAY)
    assert (await visitor.http.get("/account")).status_code == 303
    await visitor.http.get("/end_session", params={"id_token_hint": tokens["id_token"]})
    assert (await refresh(everywhere, tokens)).json()["error"] == "invalid_grant"


@pytest.mark.parametrize("scope", ["openid", "openid offline_access"])
async def test_a_code_is_worth_nothing_once_its_user_signed_out(everywhere: Door, scope: str) -> None:
    visitor = Visitor(everywhere)
    await visitor.signed_in()
    code = await visitor.code(scope=scope)
    await sign_out_browser(everywhere.parts, await sid_of(everywhere), now=everywhere.clock.now())
    assert (await visitor.redeem(code)).json()["error"] == "invalid_grant"


async def test_who_comes_back_after_a_long_rest_goes_on_in_his_session(everywhere: Door) -> None:
    visitor = Visitor(everywhere)
    await visitor.signed_in()
    tokens = await visitor.tokens()
    everywhere.clock.advance(2 * DAY)
    await visitor.signed_in()
    assert (await refresh(everywhere, tokens)).status_code == 200


async def test_a_password_change_makes_a_copied_cookie_worthless(everywhere: Door) -> None:
    visitor = Visitor(everywhere)
    view = await visitor.signed_in()
    copied = dict(visitor.http.cookies)
    form = view.forms["password-form"]
    answer = await visitor.post(
        form, current_password=PASSWORD, new_password=NEW_PASSWORD, repeated_password=NEW_PASSWORD
    )
    assert answer.status_code == 303
    thief = everywhere.caller(agent=AGENT)
    thief.cookies.update(copied)
    assert (await thief.get("/account")).status_code == 303
    assert (await visitor.http.get("/account")).status_code == 200
