"""Codes that browsers carry, and the consent behind them: bound, short-lived, used once; remembered and taken back.

R014, R025-R034; faults 18-22 of the table of peers.
"""

import asyncio
from typing import Any
from urllib.parse import urlencode

import pytest
from tests.support.cast import LOOPBACK, PRIVATE, REDIRECT_URI, SHOP, basic, confidential
from tests.support.codes import OTHER_VERIFIER, VERIFIER
from tests.support.door import ELSEWHERE, Door
from tests.support.rfc import rfc
from tests.support.visitor import Visitor, refresh

from watchword.server.domain.lifetimes import AUTHORIZATION_CODE, OVERLAP


@rfc("9700", "2.1.1")
@rfc("9700", "4.8.2")
async def test_only_a_confidential_client_made_so_may_do_without_a_challenge(everywhere: Door) -> None:
    # R025, R028
    visitor = Visitor(everywhere)
    code = await visitor.code("nonce-only", code_challenge=None, code_challenge_method=None)
    bare = {"client_id": "nonce-only", "redirect_uri": SHOP}
    # A verifier for a code that was asked for without a challenge: somebody took the challenge away.
    assert (await visitor.redeem(code, **bare)).json()["error"] == "invalid_grant"
    assert (await visitor.redeem(code, code_verifier=None, **bare)).status_code == 200
    challenged = await visitor.code("nonce-only")
    assert (await visitor.redeem(challenged, code_verifier=None, **bare)).json()["error"] == "invalid_grant"
    assert (await visitor.redeem(challenged, **bare)).status_code == 200


@rfc("9700", "2.1.1")
async def test_a_client_that_may_do_without_a_challenge_must_send_a_nonce_for_an_id_token(everywhere: Door) -> None:
    # R025
    visitor = Visitor(everywhere)
    await visitor.signed_in()
    bare: dict[str, Any] = {"code_challenge": None, "code_challenge_method": None}
    for fields in ({"nonce": None}, {"nonce": ""}, {"scope": "orders.read"}, {"nonce": None, "prompt": "none"}):
        view = await visitor.ask("nonce-only", **bare, **fields)
        assert (view.target, view.answer["error"]) == (SHOP, "invalid_request")
    # With a challenge neither is needed.
    assert await visitor.code("nonce-only", nonce=None, scope="orders.read")


@rfc("6749", "4.1.3")
async def test_without_a_challenge_the_address_must_be_said_again(everywhere: Door) -> None:
    visitor = Visitor(everywhere)
    code = await visitor.code("nonce-only", code_challenge=None, code_challenge_method=None)
    for uri in (None, "https://shop.example/second?kept=1", SHOP + "/"):
        answer = await visitor.redeem(code, client_id="nonce-only", code_verifier=None, redirect_uri=uri)
        assert answer.json()["error"] == "invalid_grant"
    answer = await visitor.redeem(code, client_id="nonce-only", code_verifier=None, redirect_uri=SHOP)
    assert answer.status_code == 200


@rfc("6749", "4.1.3")
@rfc("7636", "4.6")
async def test_a_code_is_bound_to_client_address_and_challenge(everywhere: Door) -> None:
    # R027, R029, R031
    visitor = Visitor(everywhere)
    code = await visitor.code()
    for fields in (
        {"client_id": "hostile"},
        {"client_id": "spa"},
        {"redirect_uri": REDIRECT_URI},
        {"redirect_uri": SHOP + "/"},
        {"redirect_uri": "https://shop.example/second?kept=1"},
        {"code_verifier": OTHER_VERIFIER},
    ):
        assert (await visitor.redeem(code, **fields)).json()["error"] == "invalid_grant", fields
    for verifier in (None, "short", "x" * 129, VERIFIER[:-1] + "+"):
        assert (await visitor.redeem(code, code_verifier=verifier)).json()["error"] == "invalid_request", verifier
    # None of it spent the code.
    tokens = await visitor.redeem(code, redirect_uri=SHOP)
    assert tokens.status_code == 200
    # A replay that lacks something is refused, and revokes nothing.
    everywhere.clock.advance(OVERLAP + 1)
    assert (await visitor.redeem(code, code_verifier=OTHER_VERIFIER)).json()["error"] == "invalid_grant"
    assert (await visitor.redeem(code, client_id="hostile")).json()["error"] == "invalid_grant"
    assert (await refresh(everywhere, tokens.json())).status_code == 200
    # With everything right it ends what the first time gave.
    assert (await visitor.redeem(code)).json()["error"] == "invalid_grant"
    assert (await refresh(everywhere, tokens.json())).json()["error"] == "invalid_grant"


@rfc("6749", "4.1.2")
async def test_a_code_dies_after_a_minute(everywhere: Door) -> None:
    # R032
    visitor = Visitor(everywhere)
    code = await visitor.code()
    everywhere.clock.advance(AUTHORIZATION_CODE)
    assert (await visitor.redeem(code)).json()["error"] == "invalid_grant"


@rfc("6749", "10.10")
async def test_codes_are_long_and_never_the_same(door: Door) -> None:
    # R033
    visitor = Visitor(door)
    await visitor.arrive()
    codes = {(await visitor.ask()).answer["code"] for _ in range(30)}
    assert len(codes) == 30
    assert all(len(code) >= 43 for code in codes)


@rfc("6749", "4.1.3")
async def test_of_many_redemptions_at_once_one_succeeds(everywhere: Door) -> None:
    # R034
    visitor = Visitor(everywhere)
    code = await visitor.code()
    if everywhere.plan.restarting:
        # A node that starts anew before each request has one at a time.
        answers = [await visitor.redeem(code) for _ in range(20)]
    else:
        answers = await asyncio.gather(*(visitor.redeem(code) for _ in range(20)))
    assert sorted(answer.status_code for answer in answers) == [200] + [400] * 19


@rfc("8252", "8.6")
@rfc("9700", "4.11.2")
@pytest.mark.parametrize("uri", [LOOPBACK, PRIVATE])
async def test_an_application_that_cannot_prove_itself_is_asked_for_every_time(everywhere: Door, uri: str) -> None:
    # R014
    visitor = Visitor(everywhere)
    assert "code" in (await visitor.arrive("desktop", redirect_uri=uri)).answer
    again = await visitor.visit("desktop", redirect_uri=uri)
    assert "consent-form" in again.forms
    assert "loopback-warning" in again.ids
    silent = await visitor.ask("desktop", redirect_uri=uri, prompt="none")
    assert silent.answer["error"] == "consent_required"


async def test_a_consent_is_remembered_for_what_it_was_given_for(everywhere: Door) -> None:
    visitor = Visitor(everywhere)
    await visitor.arrive(scope="openid orders.read orders.write")
    for covered in ("openid orders.read", "openid", "orders.write"):
        # With OpenID scopes alone the audience is the issuer, which nobody was asked about.
        view = await visitor.visit(scope=covered)
        assert ("consent-form" in view.forms) is (covered == "openid")
    assert "consent-form" in (await visitor.visit(scope="openid email orders.read")).forms
    assert "consent-form" in (await visitor.visit(prompt="consent")).forms
    assert "consent-form" in (await visitor.visit("hostile")).forms
    other = Visitor(everywhere, ELSEWHERE, username="bob")
    assert "consent-form" in (await other.sign_in(await other.visit())).forms
    # A wider consent adds to the older one.
    await visitor.arrive(scope="openid email orders.read")
    assert "code" in (await visitor.visit(scope="openid orders.write")).answer


async def test_the_operators_own_application_is_not_asked_for(everywhere: Door) -> None:
    visitor = Visitor(everywhere)
    view = await visitor.sign_in(await visitor.visit("spa"))
    assert "code" in view.answer
    assert "consent-form" in (await visitor.visit("spa", prompt="consent")).forms


async def test_a_user_without_the_role_may_not_grant_its_scope(everywhere: Door) -> None:
    visitor = Visitor(everywhere)
    view = await visitor.arrive(scope="orders.admin")
    assert view.answer["error"] == "access_denied"
    bob = Visitor(everywhere, ELSEWHERE, username="bob")
    assert "code" in (await bob.arrive(scope="orders.admin")).answer


@rfc("6749", "4.1.2.1")
async def test_a_client_without_the_code_grant_is_told_so(door: Door) -> None:
    async with door.parts.storage.write() as tx:
        await tx.add_client(
            confidential("daemon", grant_types=frozenset({"client_credentials"}), redirect_uris=(SHOP,))
        )
    visitor = Visitor(door)
    await visitor.signed_in()
    view = await visitor.ask("daemon", redirect_uri=SHOP)
    assert view.answer["error"] == "unauthorized_client"


@rfc("6750", "2.3")
async def test_no_token_in_a_query_is_taken(everywhere: Door) -> None:
    # R013
    visitor = Visitor(everywhere)
    tokens = await visitor.tokens(scope="openid")
    answer = await visitor.http.get("/userinfo", params={"access_token": tokens["access_token"]})
    assert answer.status_code == 401
    answer = await everywhere.caller().post(
        f"/token?{urlencode({'code': 'x'})}", data={"grant_type": "authorization_code"}, headers=basic("shop")
    )
    assert answer.json()["error"] == "invalid_request"
