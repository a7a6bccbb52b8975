"""What an application may ask of a sign-in: that it is silent, new, recent, somebody's, strong enough.

R017-R019; R008.
"""

from typing import Any

import pytest
from tests.support.door import ELSEWHERE, ISSUER, Door
from tests.support.rfc import rfc, standard
from tests.support.visitor import View, Visitor, read_id_token, request_of

from watchword.protocol.authentication_class import ACR_PASSWORD

CORE = "OpenID Connect Core 1.0"


@standard(CORE, "3.1.2.1")
@standard(CORE, "3.1.2.6")
async def test_a_silent_request_never_shows_anything(everywhere: Door) -> None:
    visitor = Visitor(everywhere)
    view = await visitor.ask(prompt="none")
    assert (view.status, view.answer["error"]) == (303, "login_required")
    assert "sign-in-form" not in view.forms
    await visitor.signed_in()
    view = await visitor.ask(prompt="none")
    assert (view.status, view.answer["error"]) == (303, "consent_required")
    await visitor.arrive()
    view = await visitor.ask(prompt="none")
    assert (view.status, "code" in view.answer) == (303, True)
    view = await visitor.ask(prompt="none", max_age="0")
    assert "code" in view.answer
    everywhere.clock.advance(2)
    view = await visitor.ask(prompt="none", max_age="1")
    assert view.answer["error"] == "login_required"
    view = await visitor.ask(prompt="none", scope="openid", response_type="token")
    assert (view.status, view.answer["error"]) == (303, "unsupported_response_type")


@standard(CORE, "3.1.2.1")
@pytest.mark.parametrize("prompt", ["none login", "none consent", "none none", "login unheard-of"])
async def test_a_prompt_that_contradicts_itself_is_refused(door: Door, prompt: str) -> None:
    visitor = Visitor(door)
    await visitor.signed_in()
    view = await visitor.ask(prompt=prompt)
    if prompt == "none none":
        assert view.answer["error"] in ("invalid_request", "consent_required")
    else:
        assert view.answer["error"] == "invalid_request"


@standard(CORE, "3.1.2.1")
@standard(CORE, "2")
@pytest.mark.parametrize("fields", [{"prompt": "login"}, {"prompt": "select_account"}, {"max_age": "60"}], ids=str)
async def test_a_new_sign_in_is_demanded_and_its_time_is_told(everywhere: Door, fields: dict[str, Any]) -> None:
    # R018
    visitor = Visitor(everywhere)
    first = read_id_token(everywhere, await visitor.tokens())
    everywhere.clock.advance(100)
    view = await visitor.visit(**fields)
    assert "sign-in-form" in view.forms
    view = await visitor.sign_in(view)
    tokens = await visitor.redeem(view.answer["code"])
    second = read_id_token(everywhere, tokens.json())
    assert second["auth_time"] == first["auth_time"] + 100 == int(everywhere.clock.now())
    assert isinstance(second["auth_time"], int)


@standard(CORE, "3.1.2.1")
async def test_a_sign_in_that_is_recent_enough_is_taken(everywhere: Door) -> None:
    visitor = Visitor(everywhere)
    first = read_id_token(everywhere, await visitor.tokens())
    everywhere.clock.advance(60)
    view = await visitor.ask(max_age="60")
    second = read_id_token(everywhere, (await visitor.redeem(view.answer["code"])).json())
    assert second["auth_time"] == first["auth_time"]


@standard(CORE, "3.1.2.1")
@rfc("9470", "5")
@pytest.mark.parametrize("fields", [{"prompt": "login"}, {"max_age": "10"}], ids=str)
async def test_a_demanded_sign_in_cannot_be_skipped(everywhere: Door, fields: dict[str, str]) -> None:
    visitor = Visitor(everywhere)
    await visitor.arrive()
    everywhere.clock.advance(100)
    view = await visitor.visit(**fields)
    request = view.forms["sign-in-form"].fields["request"]
    # Going on without signing in ends at the sign-in page again.
    assert "sign-in-form" in (await visitor.open("/authorize/resume", request=request)).forms
    # Nor does a request help that was begun in another browser, where no session was,
    stranger = Visitor(everywhere, ELSEWHERE)
    begun = (await stranger.visit(**fields)).forms["sign-in-form"].fields["request"]
    assert "sign-in-form" in (await visitor.open("/authorize/resume", request=begun)).forms
    # nor one that came as a form of another site, without the cookie.
    posted = await everywhere.caller().post("/authorize", data=request_of(**fields))
    assert "sign-in-form" in (await visitor.open(posted.headers["location"])).forms
    # A consent form of before is not taken for it either.
    asked = await visitor.visit(prompt="consent")
    form = asked.forms["consent-form"]
    view = await visitor.send(form, request=begun, decision="allow")
    assert "sign-in-form" in view.forms


@standard(CORE, "3.1.2.1")
async def test_a_sign_in_of_the_same_second_is_new_all_the_same(everywhere: Door) -> None:
    visitor = Visitor(everywhere)
    await visitor.arrive()
    view = await visitor.visit(prompt="login")
    assert "sign-in-form" in view.forms
    assert "code" in (await visitor.sign_in(view)).answer


@standard(CORE, "3.1.2.1")
@rfc("9470", "5")
@pytest.mark.parametrize("fields", [{"prompt": "login"}, {"max_age": "0"}], ids=str)
async def test_a_sign_in_of_just_before_is_not_new_to_a_form_of_another_site(
    everywhere: Door, fields: dict[str, str]
) -> None:
    visitor = Visitor(everywhere)
    await visitor.arrive()
    everywhere.clock.advance(1)
    # SameSite=Lax: the cookie does not come along with such a form, but the redirect that answers it brings it.
    answer = await everywhere.caller().post("/authorize", data=request_of(**fields))
    view = await visitor.open(answer.headers["location"])
    assert "sign-in-form" in view.forms
    # Nor is it when the address is opened once more.
    assert "sign-in-form" in (await visitor.open(answer.headers["location"])).forms
    everywhere.clock.advance(1)
    view = await visitor.sign_in(view)
    assert "code" in view.answer
    claims = read_id_token(everywhere, (await visitor.redeem(view.answer["code"])).json())
    assert claims["auth_time"] == int(everywhere.clock.now())


@standard(CORE, "3.1.2.2")
async def test_a_hint_names_who_is_meant(everywhere: Door) -> None:
    ada = Visitor(everywhere)
    token = (await ada.tokens())["id_token"]
    assert "code" in (await ada.ask(id_token_hint=token)).answer
    everywhere.clock.advance(100 * 86400)
    # Expired is fine, as a hint.
    view = await ada.visit(id_token_hint=token)
    assert "code" in (await ada.sign_in(view)).answer
    bob = Visitor(everywhere, ELSEWHERE, username="bob")
    await bob.arrive()
    assert (await bob.ask(prompt="none", id_token_hint=token)).answer["error"] == "login_required"
    view = await bob.visit(id_token_hint=token)
    assert "sign-in-form" in view.forms
    # Somebody else signed in after all: the application hears that it was not who it meant.
    assert (await bob.sign_in(view)).answer["error"] == "login_required"


@standard(CORE, "3.1.2.2")
async def test_a_hint_that_is_none_of_our_id_tokens_is_refused(door: Door) -> None:
    visitor = Visitor(door)
    tokens = await visitor.tokens()
    id_token = tokens["id_token"]
    head, body, signature = id_token.split(".")
    for hint in (tokens["access_token"], f"{head}.{body}.", f"{head}.{body}.{signature[:-4]}AAAA", "x", "a.b.c"):
        assert (await visitor.ask(id_token_hint=hint)).answer["error"] == "invalid_request"


@standard(CORE, "3.1.2.1")
async def test_a_hint_of_the_name_is_filled_in(door: Door) -> None:
    view = await Visitor(door).visit(login_hint="ada@example.org")
    assert view.forms["sign-in-form"].fields["username"] == "ada@example.org"


@standard(CORE, "3.1.2.1")
@rfc("9470", "4")
@rfc("9470", "5")
async def test_a_strength_that_nobody_here_has_is_refused(everywhere: Door) -> None:
    # R019
    visitor = Visitor(everywhere)
    assert (await visitor.ask(acr_values="phr", prompt="none")).answer["error"] == "unmet_authentication_requirements"
    tokens = await visitor.tokens(acr_values=f"phr {ACR_PASSWORD}")
    claims = read_id_token(everywhere, tokens)
    assert (claims["acr"], claims["amr"]) == (ACR_PASSWORD, ["pwd"])
    view = await visitor.ask(acr_values="phr phrh")
    assert view.answer["error"] == "unmet_authentication_requirements"


@standard(CORE, "2")
@standard(CORE, "3.1.3.6")
async def test_the_id_token_is_for_this_request(everywhere: Door) -> None:
    visitor = Visitor(everywhere)
    claims = read_id_token(everywhere, await visitor.tokens(nonce="n-0S6_WzA2Mj"))
    assert (claims["iss"], claims["aud"], claims["nonce"]) == (ISSUER, "shop", "n-0S6_WzA2Mj")
    assert claims["exp"] > claims["iat"] == int(everywhere.clock.now())
    assert "nonce" not in read_id_token(everywhere, await visitor.tokens(nonce=None))
    assert "id_token" not in await visitor.tokens(scope="orders.read")


@standard(CORE, "3.1.2.1")
async def test_the_language_that_is_asked_for_is_spoken(door: Door) -> None:
    view = await Visitor(door).visit(ui_locales="de en")
    assert view.response.headers["content-language"] == "de"
    assert isinstance(view, View)


async def test_asking_for_a_new_account_leads_there_where_the_door_is_open(sign_up_everywhere: Door) -> None:
    visitor = Visitor(sign_up_everywhere)
    view = await visitor.visit(prompt="create")
    form = view.forms["sign-up-form"]
    view = await visitor.send(form, username="grace", email="", password="a long enough passphrase")
    assert "code" in (await visitor.decide(view)).answer


async def test_asking_for_a_new_account_is_not_answered_from_the_old_ones_session(sign_up_everywhere: Door) -> None:
    visitor = Visitor(sign_up_everywhere)
    ada = read_id_token(sign_up_everywhere, await visitor.tokens())["sub"]
    assert "code" in (await visitor.ask()).answer
    view = await visitor.visit(prompt="create")
    form = view.forms["sign-up-form"]
    # Nor by going on without signing up.
    resumed = await visitor.open("/authorize/resume", request=form.fields["request"])
    assert "sign-up-form" in resumed.forms
    view = await visitor.send(form, username="grace", email="", password="a long enough passphrase")
    view = await visitor.decide(view)
    tokens = (await visitor.redeem(view.answer["code"])).json()
    assert read_id_token(sign_up_everywhere, tokens)["sub"] != ada


async def test_where_the_door_is_closed_a_session_answers_although_a_new_account_was_asked_for(
    everywhere: Door,
) -> None:
    visitor = Visitor(everywhere)
    await visitor.arrive()
    assert "code" in (await visitor.ask(prompt="create")).answer


async def test_where_the_door_is_closed_it_is_the_sign_in_page(everywhere: Door) -> None:
    visitor = Visitor(everywhere)
    assert "sign-in-form" in (await visitor.visit(prompt="create")).forms
    closed = await visitor.open("/sign-up")
    assert (closed.status, closed.problem) == (404, "not_found")
