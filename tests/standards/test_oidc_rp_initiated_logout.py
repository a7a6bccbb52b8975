"""Sign-out begun by an application: proved by an ID token or confirmed by the user, and nobody else's.

R097, R101.
"""

from typing import Any

import pytest
from tests.support.cast import SHOP_HOME, basic
from tests.support.door import ELSEWHERE, Door
from tests.support.rfc import standard
from tests.support.visitor import View, Visitor, refresh

from watchword.server.domain.lifetimes import DAY
from watchword.server.flows.admin import sessions

LOGOUT = "OpenID Connect RP-Initiated Logout 1.0"


async def lives(visitor: Visitor) -> bool:
    return "password-form" in (await visitor.open("/account")).forms


async def end(visitor: Visitor, **params: Any) -> View:
    return View(await visitor.http.get("/end_session", params=params))


@standard(LOGOUT, "2")
@standard(LOGOUT, "3")
@pytest.mark.parametrize("method", ["GET", "POST"])
async def test_with_its_id_token_the_application_signs_its_user_out(everywhere: Door, method: str) -> None:
    visitor = Visitor(everywhere)
    tokens = await visitor.tokens()
    cookies = dict(visitor.http.cookies)
    fields = {"id_token_hint": tokens["id_token"], "post_logout_redirect_uri": SHOP_HOME, "state": "a b&c=\u00e9"}
    sent: dict[str, Any] = {"params": fields} if method == "GET" else {"data": fields}
    view = View(await visitor.http.request(method, "/end_session", **sent))
    assert (view.status, view.target, view.answer) == (303, SHOP_HOME, {"state": "a b&c=\u00e9"})
    assert visitor.session is None
    assert not await lives(visitor)
    # The cookie is dead, also for who kept a copy of it; so is what the session had given.
    visitor.http.cookies.update(cookies)
    assert not await lives(visitor)
    assert (await visitor.ask(prompt="none")).answer["error"] == "login_required"
    assert (await refresh(everywhere, tokens)).json()["error"] == "invalid_grant"
    answer = await everywhere.caller().post(
        "/introspect", data={"token": tokens["access_token"]}, headers=basic("orders")
    )
    assert answer.json() == {"active": False}


@standard(LOGOUT, "2")
async def test_an_expired_id_token_is_proof_enough(everywhere: Door) -> None:
    visitor = Visitor(everywhere)
    tokens = await visitor.tokens()
    everywhere.clock.advance(3600)
    view = await end(visitor, id_token_hint=tokens["id_token"])
    assert (view.status, view.forms) == (200, {})
    assert not await lives(visitor)


@standard(LOGOUT, "2")
@standard(LOGOUT, "6")
async def test_without_proof_the_user_is_asked(everywhere: Door) -> None:
    visitor = Visitor(everywhere)
    await visitor.tokens()
    other = Visitor(everywhere, ELSEWHERE)
    another_session = (await other.tokens())["id_token"]
    for params in (
        {},
        {"client_id": "shop"},
        {"client_id": "shop", "post_logout_redirect_uri": SHOP_HOME, "state": "s"},
        {"id_token_hint": another_session, "post_logout_redirect_uri": SHOP_HOME},
    ):
        view = await end(visitor, **params)
        assert (view.status, "sign-out-form" in view.forms) == (200, True)
        assert await lives(visitor)
    view = await end(visitor, client_id="shop", post_logout_redirect_uri=SHOP_HOME, state="s")
    answer = await visitor.post(view.forms["sign-out-form"])
    assert (answer.status_code, answer.headers["location"]) == (303, f"{SHOP_HOME}?state=s")
    assert not await lives(visitor)
    assert await lives(other)


@standard(LOGOUT, "6")
async def test_a_confirmation_that_was_made_elsewhere_is_none(everywhere: Door) -> None:
    visitor, thief = Visitor(everywhere), Visitor(everywhere, ELSEWHERE, username="bob")
    await visitor.signed_in()
    await thief.signed_in()
    form = (await visitor.open("/end_session")).forms["sign-out-form"]
    theirs = (await thief.open("/end_session")).forms["sign-out-form"]
    for answer in (
        await visitor.post(form, csrf=None),
        await visitor.post(form, csrf=""),
        await visitor.post(form, csrf=theirs.fields["csrf"]),
        await visitor.post(form, headers={"sec-fetch-site": "cross-site"}),
        await visitor.post(form, headers={"origin": "https://evil.example"}),
    ):
        assert "location" not in answer.headers
        assert await lives(visitor)


@standard(LOGOUT, "6")
async def test_a_form_of_another_site_neither_ends_the_session_nor_takes_the_cookie(everywhere: Door) -> None:
    visitor = Visitor(everywhere)
    tokens = await visitor.tokens()
    location = ""
    # SameSite=Lax: the cookie does not come along with such a form, but the redirect that answers it brings it.
    for fields in ({"ui_locales": "en"}, {"client_id": "shop"}, {"id_token_hint": tokens["id_token"]}):
        answer = await everywhere.caller().post("/end_session", data=fields)
        assert answer.status_code == 303
        assert "set-cookie" not in answer.headers
        location = answer.headers["location"]
    assert await lives(visitor)
    # With its proof the sign-out is done by the second step.
    await visitor.open(location)
    assert not await lives(visitor)


@standard(LOGOUT, "3")
@pytest.mark.parametrize(
    "uri",
    [
        "https://evil.example/",
        SHOP_HOME + "/",
        SHOP_HOME + "?x=1",
        SHOP_HOME.upper(),
        "https://shop.example/callback",
        "https://shop.example@evil.example/goodbye",
        "https://shop.example:443/goodbye",
        "http://shop.example/goodbye",
        "javascript:alert(1)",
    ],
)
async def test_an_address_that_is_not_registered_is_an_error_page_and_nothing_ends(door: Door, uri: str) -> None:
    visitor = Visitor(door)
    tokens = await visitor.tokens()
    for params in ({"id_token_hint": tokens["id_token"]}, {"client_id": "shop"}, {}):
        view = await end(visitor, post_logout_redirect_uri=uri, **params)
        assert (view.status, view.problem, view.location) == (400, "bad_redirect_uri", None)
        assert await lives(visitor)


@standard(LOGOUT, "3")
async def test_an_address_needs_its_client(door: Door) -> None:
    visitor = Visitor(door)
    tokens = await visitor.tokens()
    assert (await end(visitor, post_logout_redirect_uri=SHOP_HOME)).problem == "bad_redirect_uri"
    assert (await end(visitor, post_logout_redirect_uri=SHOP_HOME, client_id="spa")).problem == "bad_redirect_uri"
    mixed = await end(visitor, id_token_hint=tokens["id_token"], client_id="spa")
    assert mixed.problem == "bad_request"
    assert await lives(visitor)


@standard(LOGOUT, "2")
async def test_a_hint_that_is_none_of_our_id_tokens_is_refused(door: Door) -> None:
    visitor = Visitor(door)
    tokens = await visitor.tokens()
    head, body, signature = tokens["id_token"].split(".")
    for hint in (tokens["access_token"], f"{head}.{body}.", f"{head}.{body}.{signature[:-4]}AAAA", "x"):
        view = await end(visitor, id_token_hint=hint, post_logout_redirect_uri=SHOP_HOME)
        assert (view.problem, view.location) == ("bad_request", None)
    assert await lives(visitor)


@standard(LOGOUT, "2")
async def test_who_is_not_signed_in_is_signed_out_already(door: Door) -> None:
    visitor = Visitor(door)
    view = await end(visitor)
    assert (view.status, view.forms) == (200, {})
    view = await end(visitor, client_id="shop", post_logout_redirect_uri=SHOP_HOME, state="s")
    assert view.location == f"{SHOP_HOME}?state=s"


@standard(LOGOUT, "6")
@pytest.mark.parametrize("cookie", [None, "of-nobody"], ids=["no cookie", "an unknown cookie"])
@pytest.mark.parametrize("age", [0, 3 * DAY], ids=["fresh", "expired"])
async def test_an_id_token_in_another_browser_ends_nothing(everywhere: Door, cookie: str | None, age: float) -> None:
    visitor = Visitor(everywhere)
    tokens = await visitor.tokens()
    everywhere.clock.advance(age)
    stranger = Visitor(everywhere, ELSEWHERE)
    if cookie is not None:
        stranger.http.cookies.set("ww-session", cookie)
    for params, status, location in (
        ({}, 200, None),
        ({"post_logout_redirect_uri": SHOP_HOME, "state": "s"}, 303, f"{SHOP_HOME}?state=s"),
    ):
        view = await end(stranger, id_token_hint=tokens["id_token"], **params)
        assert (view.status, view.location, view.forms) == (status, location, {})
    assert (await refresh(everywhere, tokens)).status_code == 200
    assert "session.ended" not in await everywhere.kinds()
    assert age or await lives(visitor)


@standard(LOGOUT, "2")
@pytest.mark.parametrize("rest", [2 * DAY, 20 * DAY], ids=["idle", "past its end"])
@pytest.mark.parametrize("hint", [True, False], ids=["with its ID token", "asked"])
async def test_signing_out_ends_a_session_that_rests_too(everywhere: Door, rest: float, hint: bool) -> None:
    visitor = Visitor(everywhere)
    tokens = await visitor.tokens()
    everywhere.clock.advance(rest / 2)
    tokens = (await refresh(everywhere, tokens)).json()
    everywhere.clock.advance(rest / 2)
    assert not await lives(visitor)
    view = await end(visitor, **({"id_token_hint": tokens["id_token"]} if hint else {}))
    if not hint:
        view = View(await visitor.post(view.forms["sign-out-form"]))
    assert (view.status, view.forms) == (200, {})
    assert (await refresh(everywhere, tokens)).json()["error"] == "invalid_grant"
    assert (await everywhere.kinds()).count("session.ended") == 1


@standard(LOGOUT, "2")
async def test_of_a_session_that_was_ended_elsewhere_nobody_is_asked(everywhere: Door) -> None:
    visitor = Visitor(everywhere)
    await visitor.signed_in()
    await sessions.revoke_all(everywhere.parts, "ada")
    view = await end(visitor)
    assert (view.status, view.forms) == (200, {})
    assert visitor.session is None
    assert "session.ended" not in await everywhere.kinds()


@standard("OpenID Connect Core 1.0", "11")
async def test_offline_access_outlives_the_browsers_session(everywhere: Door) -> None:
    visitor = Visitor(everywhere)
    online = await visitor.tokens()
    offline = await visitor.tokens(scope="openid offline_access orders.read")
    await end(visitor, id_token_hint=online["id_token"])
    assert not await lives(visitor)
    assert (await refresh(everywhere, online)).json()["error"] == "invalid_grant"
    assert (await refresh(everywhere, offline)).status_code == 200


async def test_a_code_that_is_still_under_way_dies_with_the_session(everywhere: Door) -> None:
    visitor = Visitor(everywhere)
    tokens = await visitor.tokens()
    code = await visitor.code()
    await end(visitor, id_token_hint=tokens["id_token"])
    assert (await visitor.redeem(code)).json()["error"] == "invalid_grant"
