"""The authorization endpoint and the code that comes of it.

R004-R012, R015, R016, R019-R021, R025-R033; faults 18-22 of the table of peers.
"""

import re
from secrets import token_urlsafe
from typing import Any
from urllib.parse import urlencode

import pytest
from tests.support.cast import HOSTILE, SHOP
from tests.support.codes import VERIFIER
from tests.support.door import ISSUER, Door
from tests.support.rfc import rfc, standard
from tests.support.visitor import View, Visitor, refresh, request_of

from watchword.protocol.pkce import challenge_of

OWN_SCRIPT = re.compile(r'<script src="/static/(?:forms|passkeys)-[0-9a-f]{16}\.js" defer></script>')
STATES = [
    pytest.param(state, id=name)
    for name, state in {
        "1 character": "x",
        "384 characters": "0123456789abcdef" * 24,
        "1000 characters": "stateful--" * 100,
        "2048 characters": "x" * 2048,
        "reserved": "+ & = % \" ' # ? ; / \\ < > %20 %2B",
        "non-ASCII": "\u0441\u043e\u0441\u0442\u043e\u044f\u043d\u0438\u0435 \u72b6\u614b \U0001f512 \u00e9",
        "another iss": "x&iss=https://evil.example&code=stolen",
        "HTML": "<script>alert(1)</script>",
        "JSON": '{"a":[1,"b"]}',
    }.items()
]


@rfc("6749", "4.1.1")
@rfc("6749", "4.1.2")
async def test_a_user_signs_in_consents_and_the_application_gets_tokens(everywhere: Door) -> None:
    visitor = Visitor(everywhere)
    view = await visitor.visit()
    assert "sign-in-form" in view.forms
    view = await visitor.sign_in(view)
    assert "consent-form" in view.forms
    view = await visitor.decide(view)
    assert view.target == SHOP
    assert set(view.answer) == {"code", "state", "iss"}
    answer = await visitor.redeem(view.answer["code"], redirect_uri=SHOP)
    assert answer.status_code == 200, answer.text
    assert answer.json()["scope"] == "openid orders.read"
    assert (await refresh(everywhere, answer.json())).status_code == 200


@rfc("6749", "4.1.2")
@pytest.mark.parametrize("state", STATES)
@pytest.mark.parametrize("mode", ["query", "form_post"])
async def test_the_state_comes_back_unchanged(door: Door, state: str, mode: str) -> None:
    # R011
    visitor = Visitor(door)
    view = await visitor.arrive(state=state, response_mode=mode)
    assert view.answer["state"] == state
    assert view.answer["iss"] == ISSUER
    assert "code" in view.answer
    view = await visitor.ask(state=state, response_mode=mode, response_type="token")
    assert view.answer["state"] == state
    assert view.answer["error"] == "unsupported_response_type"


@rfc("6749", "4.1.2")
async def test_without_a_state_none_comes_back(door: Door) -> None:
    visitor = Visitor(door)
    assert set((await visitor.arrive(state=None)).answer) == {"code", "iss"}
    assert set((await visitor.arrive(state="")).answer) == {"code", "iss"}


@rfc("6749", "4.1.2.1")
@pytest.mark.parametrize("state", ["x" * 2049, "line\nend", "carriage\rreturn", "escape\x1b", "\u202eright to left"])
async def test_a_state_that_cannot_be_carried_is_refused_and_not_sent(door: Door, state: str) -> None:
    visitor = Visitor(door)
    await visitor.signed_in()
    view = await visitor.ask(state=state)
    assert view.answer == {
        "error": "invalid_request",
        "error_description": view.answer["error_description"],
        "iss": ISSUER,
    }


REFUSED: list[tuple[dict[str, Any], str]] = [
    ({"response_type": None}, "invalid_request"),
    ({"response_type": ""}, "invalid_request"),
    ({"response_type": "token"}, "unsupported_response_type"),
    ({"response_type": "id_token"}, "unsupported_response_type"),
    ({"response_type": "id_token token"}, "unsupported_response_type"),
    ({"response_type": "code token"}, "unsupported_response_type"),
    ({"response_type": "code id_token"}, "unsupported_response_type"),
    ({"response_type": "none"}, "unsupported_response_type"),
    ({"response_type": "CODE"}, "unsupported_response_type"),
    ({"response_mode": "fragment"}, "invalid_request"),
    ({"response_mode": "web_message"}, "invalid_request"),
    ({"response_mode": "jwt"}, "invalid_request"),
    ({"scope": '"'}, "invalid_scope"),
    ({"scope": "nobody.knows"}, "invalid_scope"),
    ({"scope": "inventory.read"}, "invalid_scope"),
    ({"resource": "https://inventory.example"}, "invalid_target"),
    ({"resource": "https://nobody.example"}, "invalid_target"),
    ({"resource": "not a URI"}, "invalid_target"),
    ({"resource": "https://orders.example#x"}, "invalid_target"),
    ({"code_challenge": None}, "invalid_request"),
    ({"code_challenge": None, "code_challenge_method": None}, "invalid_request"),
    ({"code_challenge_method": None}, "invalid_request"),
    ({"code_challenge_method": "plain"}, "invalid_request"),
    ({"code_challenge": VERIFIER, "code_challenge_method": "plain"}, "invalid_request"),
    ({"code_challenge": challenge_of(VERIFIER) + "="}, "invalid_request"),
    ({"code_challenge": challenge_of(VERIFIER)[1:]}, "invalid_request"),
    ({"request": "e30.e30."}, "request_not_supported"),
    ({"request_uri": "https://shop.example/request.jwt"}, "request_uri_not_supported"),
    ({"request_uri": "urn:example:something"}, "request_uri_not_supported"),
    ({"prompt": "everything"}, "invalid_request"),
    ({"prompt": "none login"}, "invalid_request"),
    ({"max_age": "-1"}, "invalid_request"),
    ({"max_age": "1.5"}, "invalid_request"),
    ({"max_age": "\u0661"}, "invalid_request"),
    ({"acr_values": "urn:example:passkey"}, "unmet_authentication_requirements"),
    ({"id_token_hint": "e30.e30.e30"}, "invalid_request"),
]


@rfc("6749", "4.1.2.1")
@rfc("9700", "2.1.2")
@rfc("9700", "4.11.2")
@pytest.mark.parametrize(("fields", "error"), REFUSED, ids=str)
async def test_what_is_wrong_is_told_to_the_application_once_somebody_is_signed_in(
    door: Door, fields: dict[str, Any], error: str
) -> None:
    # R005, R016, R025, R026
    visitor = Visitor(door)
    view = await visitor.ask(**fields)
    # A browser that nobody signed in with is not sent on by itself; a link says where it would go.
    assert (view.status, view.location, view.problem) == (400, None, "bad_request")
    await visitor.signed_in()
    view = await visitor.ask(**fields)
    assert (view.status, view.target) == (303, SHOP)
    assert view.answer["error"] == error
    assert (view.answer["iss"], view.answer["state"]) == (ISSUER, "the-state")
    assert "code" not in view.answer


@rfc("6749", "3.1")
@pytest.mark.parametrize(
    "name",
    [
        *("response_type", "scope", "state", "nonce", "code_challenge", "code_challenge_method", "response_mode"),
        *("prompt", "max_age", "acr_values", "login_hint", "id_token_hint", "ui_locales", "display", "claims"),
    ],
)
async def test_a_parameter_that_is_there_twice_is_refused(door: Door, name: str) -> None:
    # R006: also when both say the same.
    visitor = Visitor(door)
    await visitor.signed_in()
    values = {"response_mode": "query", "prompt": "login", "max_age": "10", **request_of()}
    value = values.get(name, "x")
    pairs = [(key, one) for key, one in request_of().items() if key != name]
    answer = await visitor.http.get(f"/authorize?{urlencode([*pairs, (name, value), (name, value)])}")
    view = View(answer)
    assert view.answer["error"] == "invalid_request"
    assert ("state" in view.answer) is (name != "state")


@rfc("6749", "3.1")
async def test_unknown_and_empty_parameters_are_ignored(door: Door) -> None:
    # R007
    fields: dict[str, Any] = {f"unknown_{number}": "x" * 20 for number in range(50)}
    empty = dict.fromkeys(("prompt", "max_age", "request", "request_uri", "resource", "response_mode", "nonce"), "")
    view = await Visitor(door).arrive(**fields, **empty)
    assert "code" in view.answer


@rfc("6749", "3.1")
async def test_size_and_number_of_parameters_are_bounded(door: Door) -> None:
    # R007
    http = Visitor(door).http
    for query in ("x=" + "y" * 20_000, "&".join(f"a{n}=1" for n in range(200)), "x=%ff", "x=%00"):
        assert (await http.get(f"/authorize?{query}")).status_code == 400
    form = {"content-type": "application/x-www-form-urlencoded"}
    assert (await http.post("/authorize", content=b"x=" + b"y" * 70_000, headers=form)).status_code == 413
    assert (await http.post("/authorize", content=b"x=%ff", headers=form)).status_code == 400
    assert (await http.post("/authorize", json=request_of())).status_code == 400


@rfc("6749", "3.1")
async def test_a_request_that_could_not_be_finished_is_not_begun(everywhere: Door) -> None:
    # R007
    visitor = Visitor(everywhere)
    await visitor.signed_in()
    large = token_urlsafe(7000)
    view = await visitor.ask(claims_locales=large)
    assert (view.answer["error"], view.answer["state"]) == ("invalid_request", "the-state")
    posted = View(await visitor.http.post("/authorize", data=request_of(claims_locales=large)))
    assert posted.answer["error"] == "invalid_request"
    assert "authorize.too_large" not in posted.text


@standard("OpenID Connect Core 1.0", "3.1.2.1")
async def test_post_works_like_get(everywhere: Door) -> None:
    # R008
    visitor = Visitor(everywhere)
    view = await visitor.follow(await visitor.http.post("/authorize", data=request_of()))
    view = await visitor.decide(await visitor.sign_in(view))
    assert "code" in view.answer
    view = await visitor.follow(await visitor.http.post("/authorize", data=request_of()))
    assert "code" in view.answer


@standard("OpenID Connect Core 1.0", "3.1.2.1")
async def test_a_form_from_the_applications_site_finds_the_session_although_its_cookie_stays_behind(
    everywhere: Door,
) -> None:
    visitor = Visitor(everywhere)
    await visitor.arrive()
    stranger = everywhere.caller()  # a cross-site POST carries no SameSite=Lax cookie
    for fields in ({}, {"prompt": "none"}):
        answer = await stranger.post("/authorize", data=request_of(**fields))
        assert answer.status_code == 303
        assert "set-cookie" not in answer.headers
        assert "code" in View(await visitor.http.get(answer.headers["location"])).answer


@rfc("9700", "4.12")
async def test_every_redirect_after_a_form_is_a_303(door: Door) -> None:
    # R004
    visitor = Visitor(door)
    view = await visitor.visit()
    form = view.forms["sign-in-form"]
    answer = await visitor.post(form, username="ada", password=visitor.password)
    assert answer.status_code == 303
    view = await visitor.follow(answer)
    assert (await visitor.post(view.forms["consent-form"], decision="allow")).status_code == 303
    denied = await visitor.visit(prompt="consent")
    assert (await visitor.post(denied.forms["consent-form"], decision="deny")).status_code == 303


@rfc("6749", "4.1.2.1")
async def test_a_user_who_declines_is_sent_back_with_access_denied(everywhere: Door) -> None:
    visitor = Visitor(everywhere)
    view = await visitor.decide(await visitor.sign_in(await visitor.visit()), "deny")
    assert view.answer["error"] == "access_denied"
    assert view.answer["state"] == "the-state"
    # Nothing was remembered.
    assert "consent-form" in (await visitor.visit()).forms


@rfc("9700", "2.6")
@pytest.mark.parametrize(
    "path", ["/authorize", "/authorize/resume", "/login", "/sign-up", "/consent", "/end_session", "/account", "/par"]
)
async def test_no_script_of_another_site_may_read_a_page(door: Door, path: str) -> None:
    # R009
    http = Visitor(door).http
    for origin in ("https://shop.example", "https://spa.example", "https://evil.example", "null"):
        for method in ("GET", "POST", "OPTIONS"):
            headers = {"origin": origin, "access-control-request-method": "GET"}
            answer = await http.request(method, path, headers=headers)
            assert not [name for name in answer.headers if name.startswith("access-control-")]


@rfc("9700", "4.16")
@rfc("9700", "4.2.4")
async def test_no_page_can_be_framed_or_tells_where_it_was(door: Door) -> None:
    # R012, R020
    visitor = Visitor(door)
    sign_in = await visitor.visit()
    wrong = await visitor.sign_in(sign_in, password="not the password at all")
    consent = await visitor.sign_in(wrong)
    views = [sign_in, wrong, consent, await visitor.open("/account"), await visitor.open("/end_session")]
    views += [await visitor.ask(client_id="nobody"), await visitor.ask(redirect_uri="https://evil.example/")]
    views += [await visitor.arrive(response_mode="form_post")]
    for view in views:
        headers = view.response.headers
        assert headers["content-type"].startswith("text/html")
        assert "frame-ancestors 'none'" in headers["content-security-policy"]
        assert headers["x-frame-options"] == "DENY"
        assert headers["referrer-policy"] in ("no-referrer", "same-origin")
        assert headers["cache-control"] == "no-store"
        assert headers["x-content-type-options"] == "nosniff"
    redirect = await visitor.ask()
    assert "code" in redirect.answer
    assert redirect.response.headers["referrer-policy"] == "no-referrer"
    assert redirect.response.headers["cache-control"] == "no-store"


@standard("OAuth 2.0 Form Post Response Mode", "2")
async def test_a_form_carries_the_answer_to_the_address_and_nothing_else(door: Door) -> None:
    visitor = Visitor(door)
    view = await visitor.arrive(response_mode="form_post")
    form = view.forms["form-post"]
    assert (form.action, set(form.fields)) == (SHOP, {"code", "state", "iss"})
    assert "form-action 'self' https://shop.example" in view.response.headers["content-security-policy"]
    assert (await visitor.redeem(form.fields["code"])).status_code == 200
    refused = await visitor.ask(response_mode="form_post", prompt="none", max_age="x")
    assert refused.forms["form-post"].fields["error"] == "invalid_request"


@rfc("6749", "10.13")
async def test_what_a_client_calls_itself_is_text_and_no_markup(door: Door) -> None:
    # R015
    visitor = Visitor(door)
    hint = '"><script>alert(3)</script>'
    sign_in = await visitor.visit("hostile", login_hint=hint, state='"><script>alert(4)</script>')
    assert sign_in.forms["sign-in-form"].fields["username"] == hint
    consent = await visitor.sign_in(sign_in)
    await visitor.decide(consent)
    account = await visitor.open("/account")
    signing_out = await visitor.open("/end_session", client_id="hostile")
    for view in (sign_in, consent, account, signing_out):
        assert HOSTILE not in view.text
        # Our own one is loaded from a file.
        assert "<script" not in OWN_SCRIPT.sub("", view.text)
        assert "<img src=x" not in view.text
        assert "{{ 7*7 }}" in view.text


async def test_consent_names_client_scopes_audience_and_lifetime(door: Door) -> None:
    # R015
    visitor = Visitor(door)
    view = await visitor.sign_in(await visitor.visit(scope="openid email orders.read orders.write"))
    for told in ("The Shop", "shop", "orders.read", "orders.write", "https://orders.example", "shop.example", "90"):
        assert told in view.text
    assert "orders.admin" not in view.text
