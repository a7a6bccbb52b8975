"""UserInfo: what a client may know of the user, for a token that is meant for this.

R013, R077; OpenID Connect Core 1.0 §5.3.
"""

from dataclasses import replace
from typing import Any

import httpx2
import pytest
from tests.support.cast import ORDERS, basic, bearer
from tests.support.door import Door
from tests.support.rfc import rfc, standard

from watchword.server.flows.admin import sessions, users

OIDC = "OpenID Connect Core 1.0"


@standard(OIDC, "5.3.2")
@standard(OIDC, "5.4")
@pytest.mark.parametrize("method", ["GET", "POST"])
@pytest.mark.parametrize(
    ("scope", "expected"),
    [
        ("openid", set()),
        ("openid profile", {"preferred_username"}),
        ("openid email", {"email", "email_verified"}),
        ("openid email profile", {"preferred_username", "email", "email_verified"}),
    ],
)
async def test_scope_decides_which_claims_are_told(
    door: Door, home: httpx2.AsyncClient, method: str, scope: str, expected: set[str]
) -> None:
    token = (await door.sign_in(home, scope=scope))["access_token"]
    answer = await home.request(method, "/userinfo", headers=bearer(token))
    assert answer.status_code == 200
    assert answer.headers["content-type"] == "application/json"
    assert answer.headers["cache-control"] == "no-store"
    told = answer.json()
    assert set(told) == {"sub"} | expected
    assert told["sub"] == door.read(token).subject


@rfc("6750", "3")
async def test_without_a_token_there_is_a_challenge_without_an_error_code(home: httpx2.AsyncClient) -> None:
    for headers in ({}, basic("web")):
        answer = await home.get("/userinfo", headers=headers)
        assert answer.status_code == 401
        assert answer.headers["www-authenticate"].startswith("Bearer")
        assert "error=" not in answer.headers["www-authenticate"]
        assert answer.headers["cache-control"] == "no-store"


@rfc("6750", "2.1")
@rfc("9700", "4.3.2")
async def test_the_token_comes_in_the_header_alone(door: Door, home: httpx2.AsyncClient) -> None:
    token = (await door.sign_in(home, scope="openid"))["access_token"]
    assert (await home.get(f"/userinfo?access_token={token}")).status_code == 401
    assert (await home.post("/userinfo", data={"access_token": token})).status_code == 401


@rfc("6750", "3.1")
async def test_two_tokens_are_a_bad_request(door: Door, home: httpx2.AsyncClient) -> None:
    token = (await door.sign_in(home, scope="openid"))["access_token"]
    twice = [("authorization", f"Bearer {token}")] * 2
    answer = await home.get("/userinfo", headers=twice)
    assert (answer.status_code, answer.json()["error"]) == (400, "invalid_request")


@rfc("6750", "3.1")
@pytest.mark.parametrize("sent", ["", "x", "a.b.c", "x" * 9000, "a b", "ä", "wwr_x"])
async def test_what_is_no_access_token_is_invalid_token(home: httpx2.AsyncClient, sent: str) -> None:
    answer = await home.get("/userinfo", headers=[(b"authorization", f"Bearer {sent}".encode("latin-1"))])
    assert (answer.status_code, answer.json()["error"]) == (401, "invalid_token")
    assert 'error="invalid_token"' in answer.headers["www-authenticate"]


@rfc("6750", "3.1")
async def test_other_tokens_of_ours_do_not_open_it(door: Door, home: httpx2.AsyncClient) -> None:
    # R076: an API's token, an ID token, a refresh token, a client's own token.
    tokens = await door.sign_in(home, scope="openid orders.read", resource=ORDERS)
    form = {"grant_type": "client_credentials"}
    machines = (await home.post("/token", data=form, headers=basic("machine"))).json()["access_token"]
    for token in (tokens["access_token"], tokens["id_token"], tokens["refresh_token"], machines):
        answer = await home.get("/userinfo", headers=bearer(token))
        assert (answer.status_code, answer.json()["error"]) == (401, "invalid_token")


@rfc("6750", "3.1")
async def test_without_openid_the_scope_is_insufficient(door: Door, home: httpx2.AsyncClient) -> None:
    token = (await door.sign_in(home, scope="profile email"))["access_token"]
    answer = await home.get("/userinfo", headers=bearer(token))
    assert (answer.status_code, answer.json()["error"]) == (403, "insufficient_scope")
    assert 'scope="openid"' in answer.headers["www-authenticate"]


@rfc("8707", "2.2")
async def test_a_grant_for_an_api_gets_a_token_for_userinfo_by_refreshing(door: Door, home: httpx2.AsyncClient) -> None:
    tokens = await door.sign_in(home, scope="openid email orders.read")
    fresh = await door.refreshed(home, tokens["refresh_token"], resource=door.plan.issuer)
    assert fresh["scope"] == "email openid"
    answer = await home.get("/userinfo", headers=bearer(fresh["access_token"]))
    assert answer.json()["email"] == "ada@example.org"


@standard(OIDC, "5.3.3")
@pytest.mark.parametrize("end", ["disabled", "deleted", "logged out", "signed out", "revoked", "expired"])
async def test_what_is_over_tells_nothing_at_once(everywhere: Door, end: str) -> None:
    http = everywhere.caller()
    tokens = await everywhere.sign_in(http, scope="openid email")
    headers: dict[str, Any] = bearer(tokens["access_token"])
    assert (await http.get("/userinfo", headers=headers)).status_code == 200
    match end:
        case "disabled":
            await users.disable(everywhere.parts, "ada")
        case "deleted":
            await users.delete(everywhere.parts, "ada")
        case "logged out":
            await sessions.revoke_all(everywhere.parts, "ada")
        case "signed out":
            await http.request("DELETE", "/session", headers=headers)
        case "revoked":
            await http.post("/revoke", data={"client_id": "web", "token": tokens["access_token"]})
        case "expired":
            everywhere.clock.advance(910)
    answer = await http.get("/userinfo", headers=headers)
    assert (answer.status_code, answer.json()["error"]) == (401, "invalid_token")
    assert "ada" not in answer.text


async def test_what_changed_is_told_as_it_is_now(door: Door, home: httpx2.AsyncClient) -> None:
    # Not as it stood when the token was made.
    tokens = await door.sign_in(home, scope="openid email")
    async with door.parts.storage.write() as tx:
        user = await tx.lock_user(door.read(tokens["access_token"]).subject)
        assert user is not None
        await tx.put_user(replace(user, email="new@example.org", email_verified=True))
    told = (await home.get("/userinfo", headers=bearer(tokens["access_token"]))).json()
    assert (told["email"], told["email_verified"]) == ("new@example.org", True)
