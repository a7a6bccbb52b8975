"""The authorization challenge endpoint: first-party sign-in at the standard door.

draft-ietf-oauth-first-party-apps; DESIGN section 9.
"""

from typing import Any

import httpx2
import pytest
from tests.support.cast import INVENTORY, ORDERS, PASSWORD, basic
from tests.support.codes import VERIFIER, challenge_form, code_for, code_form
from tests.support.door import Door
from tests.support.rfc import rfc, standard

from watchword.protocol import id_token, jws
from watchword.protocol.id_token import at_hash

DRAFT = "draft-ietf-oauth-first-party-apps"


@standard(DRAFT, "5.2")
async def test_name_and_password_give_a_code_and_the_code_gives_tokens(door: Door, home: httpx2.AsyncClient) -> None:
    answer = await home.post("/authorize-challenge", data=challenge_form())
    assert answer.status_code == 200
    assert answer.headers["cache-control"] == "no-store"
    assert set(answer.json()) == {"authorization_code"}
    form = code_form(answer.json()["authorization_code"])
    tokens = (await home.post("/token", data=form)).json()
    assert set(tokens) == {"access_token", "token_type", "expires_in", "scope", "refresh_token", "id_token"}
    assert door.read(tokens["access_token"]).audience == (ORDERS,)


@standard("OpenID Connect Core 1.0", "2")
@standard("OpenID Connect Core 1.0", "3.1.3.6")
async def test_the_id_token_says_who_signed_in_when_and_how(door: Door, home: httpx2.AsyncClient) -> None:
    form = code_form(await code_for(home))
    door.clock.advance(20)
    tokens = (await home.post("/token", data=form)).json()
    header, claims = jws.verify(tokens["id_token"], door.parts.signer.find, typ=id_token.TYP.lower())
    now = int(door.clock.now())
    access = door.read(tokens["access_token"])
    assert header.alg == "RS256"
    assert claims == {
        "iss": door.plan.issuer,
        "sub": access.subject,
        "aud": "web",
        "iat": now,
        "exp": now + 900,
        "auth_time": now - 20,
        "acr": access.claims["acr"],
        "amr": ["pwd"],
        "sid": access.sid,
        "at_hash": at_hash(tokens["access_token"]),
    }


@standard("OpenID Connect Core 1.0", "3.1.2.1")
async def test_without_openid_there_is_no_id_token(home: httpx2.AsyncClient) -> None:
    code = await code_for(home, scope="orders.read")
    assert "id_token" not in (await home.post("/token", data=code_form(code))).json()


@standard(DRAFT, "5.3")
@pytest.mark.parametrize(
    "fields",
    [{"password": "wrong"}, {"username": "nobody"}],
    ids=["wrong password", "unknown user"],
)
async def test_what_does_not_fit_is_insufficient_authorization(
    home: httpx2.AsyncClient, fields: dict[str, str]
) -> None:
    answer = await home.post("/authorize-challenge", data=challenge_form(**fields))
    assert (answer.status_code, answer.json()["error"]) == (400, "insufficient_authorization")
    assert set(answer.json()) == {"error", "error_description"}
    assert answer.headers["cache-control"] == "no-store"


@standard(DRAFT, "5.1")
@pytest.mark.parametrize("missing", ["username", "password"])
async def test_name_and_password_are_needed(door: Door, home: httpx2.AsyncClient, missing: str) -> None:
    for value in (None, ""):
        answer = await home.post("/authorize-challenge", data=challenge_form(**{missing: value}))
        assert (answer.status_code, answer.json()["error"]) == (400, "invalid_request")
        assert missing in answer.json()["error_description"]
    assert door.cheap.verified == 0


@standard(DRAFT, "9")
async def test_only_first_party_clients_see_passwords(door: Door, home: httpx2.AsyncClient) -> None:
    answer = await home.post("/authorize-challenge", data=challenge_form(client_id="third-party"))
    assert (answer.status_code, answer.json()["error"]) == (400, "unauthorized_client")
    for client_id in ("machine", "orders"):
        form = challenge_form(client_id=None)
        answer = await home.post("/authorize-challenge", data=form, headers=basic(client_id))
        assert (answer.status_code, answer.json()["error"]) == (400, "unauthorized_client")
    assert door.cheap.verified == 0


@rfc("6749", "3.2.1")
async def test_a_confidential_first_party_client_proves_itself_here_too(home: httpx2.AsyncClient) -> None:
    form = challenge_form(client_id="backend")
    answer = await home.post("/authorize-challenge", data=form)
    assert (answer.status_code, answer.json()["error"]) == (401, "invalid_client")
    answer = await home.post("/authorize-challenge", data=form, headers=basic("backend"))
    assert answer.status_code == 200
    redeem = code_form(answer.json()["authorization_code"], client_id=None)
    assert (await home.post("/token", data=redeem)).status_code == 401
    assert (await home.post("/token", data=redeem, headers=basic("backend"))).status_code == 200


@pytest.mark.parametrize(
    ("fields", "error"),
    [
        ({"scope": "no.such"}, "invalid_scope"),
        ({"scope": "orders.read  orders.write"}, "invalid_scope"),
        ({"resource": INVENTORY}, "invalid_target"),
        ({"resource": "orders"}, "invalid_target"),
    ],
)
async def test_what_the_client_may_not_ask_for_is_refused_before_a_password_is_tried(
    door: Door, home: httpx2.AsyncClient, fields: dict[str, Any], error: str
) -> None:
    answer = await home.post("/authorize-challenge", data=challenge_form(**fields))
    assert (answer.status_code, answer.json()["error"]) == (400, error)
    assert door.cheap.verified == 0


async def test_a_role_decides_which_scope_the_code_carries(door: Door, home: httpx2.AsyncClient) -> None:
    scope = "orders.read orders.admin"
    for username, expected in (("ada", "orders.read"), ("bob", "orders.admin orders.read")):
        code = await code_for(home, username=username, scope=scope)
        assert (await home.post("/token", data=code_form(code))).json()["scope"] == expected


async def test_a_scope_that_a_role_guards_is_refused_alike_for_unknown_and_powerless_users(
    home: httpx2.AsyncClient,
) -> None:
    # Who cannot sign in does not learn what he might have had.
    answers = [
        await home.post("/authorize-challenge", data=challenge_form(username=name, password="x", scope="orders.admin"))
        for name in ("ada", "bob", "nobody")
    ]
    assert {(answer.status_code, answer.text) for answer in answers} == {(400, answers[0].text)}
    assert answers[0].json()["error"] == "insufficient_authorization"


async def test_both_doors_open_equal_sessions(door: Door, home: httpx2.AsyncClient) -> None:
    simple = await door.sign_in(home, scope="openid orders.read")
    standard_ = (await home.post("/token", data=code_form(await code_for(home)))).json()
    volatile = {"jti", "sid", "gid"}
    first, second = (
        {name: value for name, value in door.read(tokens["access_token"]).claims.items() if name not in volatile}
        for tokens in (simple, standard_)
    )
    assert first == second
    assert set(simple) - set(standard_) == {"sid"}


async def test_neither_password_nor_verifier_comes_back_in_an_error(home: httpx2.AsyncClient) -> None:
    answers = [
        await home.post("/authorize-challenge", data=challenge_form(password=PASSWORD + "x")),
        await home.post("/token", data=code_form("no-such-code")),
        await home.post("/token", data=code_form("no-such-code", code_verifier=VERIFIER + "+")),
    ]
    for answer in answers:
        assert answer.status_code == 400
        assert PASSWORD not in answer.text
        assert VERIFIER not in answer.text
        assert "no-such-code" not in answer.text
