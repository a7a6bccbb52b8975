"""Pushed authorization requests: for one client, one use, a minute and a half.

R022, R024.
"""

import hashlib
from secrets import token_urlsafe
from typing import Any

import httpx2
import pytest
from tests.support.cast import CLIENT_SECRET, REDIRECT_URI, SHOP, basic, confidential
from tests.support.codes import VERIFIER
from tests.support.door import Door
from tests.support.rfc import rfc
from tests.support.visitor import Visitor, request_of

from watchword.server.domain.pushed_request import LIFETIME, PREFIX


async def push(door: Door, client_id: str = "shop", **fields: Any) -> httpx2.Response:
    return await door.caller(agent="shop/1.0").post(
        "/par", data=request_of(client_id, **fields), headers=basic(client_id)
    )


async def push_uri(door: Door, **fields: Any) -> str:
    answer = await push(door, **fields)
    assert answer.status_code == 201, answer.text
    return str(answer.json()["request_uri"])


@rfc("9126", "2.2")
async def test_a_pushed_request_is_taken_up_by_its_name(everywhere: Door) -> None:
    answer = await push(everywhere)
    assert answer.status_code == 201
    assert answer.headers["cache-control"] == "no-store"
    assert answer.json()["expires_in"] == LIFETIME
    assert 5 <= LIFETIME <= 600
    uri = answer.json()["request_uri"]
    assert uri.startswith(PREFIX)
    assert len(uri) >= len(PREFIX) + 43
    visitor = Visitor(everywhere)
    view = await visitor.open("/authorize", client_id="shop", request_uri=uri)
    view = await visitor.decide(await visitor.sign_in(view))
    assert (view.target, view.answer["state"]) == (SHOP, "the-state")
    assert (await visitor.redeem(view.answer["code"])).status_code == 200


@rfc("9126", "4")
@rfc("9126", "7.3")
async def test_a_name_is_good_once(everywhere: Door) -> None:
    visitor = Visitor(everywhere)
    await visitor.arrive()
    uri = await push_uri(everywhere)
    assert "code" in (await visitor.open("/authorize", client_id="shop", request_uri=uri)).answer
    again = await visitor.open("/authorize", client_id="shop", request_uri=uri)
    assert (again.status, again.problem, again.location) == (400, "bad_request", None)


@rfc("9126", "4")
async def test_a_name_is_good_for_its_client_alone(everywhere: Door) -> None:
    visitor = Visitor(everywhere)
    await visitor.arrive()
    for client_id in ("hostile", "spa", "nobody", "", None):
        uri = await push_uri(everywhere)
        params = {"request_uri": uri} if client_id is None else {"request_uri": uri, "client_id": client_id}
        view = await visitor.open("/authorize", **params)
        assert (view.status, view.location) == (400, None)


@rfc("9126", "2.2")
async def test_a_name_dies_with_its_time(everywhere: Door) -> None:
    visitor = Visitor(everywhere)
    await visitor.arrive()
    alive, dead = await push_uri(everywhere), await push_uri(everywhere)
    everywhere.clock.advance(LIFETIME - 1)
    assert "code" in (await visitor.open("/authorize", client_id="shop", request_uri=alive)).answer
    everywhere.clock.advance(1)
    view = await visitor.open("/authorize", client_id="shop", request_uri=dead)
    assert (view.status, view.problem, view.location) == (400, "bad_request", None)


@rfc("9126", "4")
@pytest.mark.parametrize("uri", [PREFIX, PREFIX + "x", PREFIX + "A" * 43, PREFIX + "%00"])
async def test_a_name_that_was_never_given_is_an_error_page(door: Door, uri: str) -> None:
    visitor = Visitor(door)
    await visitor.signed_in()
    view = await visitor.ask(request_uri=uri)
    assert (view.status, view.location) == (400, None)


@rfc("9126", "4")
@rfc("9700", "4.11")
async def test_what_stands_beside_the_name_is_ignored(everywhere: Door) -> None:
    visitor = Visitor(everywhere)
    await visitor.arrive()
    uri = await push_uri(everywhere, prompt="none")
    view = await visitor.ask(
        request_uri=uri,
        redirect_uri="https://evil.example/",
        scope="openid orders.read orders.write offline_access",
        state="evil",
        prompt="login",
        response_mode="form_post",
        code_challenge="A" * 43,
    )
    assert (view.target, view.answer["state"]) == (SHOP, "the-state")
    tokens = (await visitor.redeem(view.answer["code"])).json()
    assert tokens["scope"] == "openid orders.read"


@rfc("9126", "2.1")
@pytest.mark.parametrize("value", [PREFIX + "x", "https://shop.example/request.jwt", "x"])
async def test_a_name_within_a_pushed_request_is_refused(door: Door, value: str) -> None:
    answer = await push(door, request_uri=value)
    assert (answer.status_code, answer.json()["error"]) == (400, "invalid_request")


@rfc("9126", "2.1")
@rfc("9126", "2.3")
async def test_only_the_client_itself_may_push(door: Door) -> None:
    http = door.caller()
    for client_id, headers in (
        ("shop", {}),
        ("shop", basic("shop", "wrong")),
        ("nobody", basic("nobody")),
        ("off", {}),
        (None, {}),
    ):
        form = request_of(client_id=client_id)
        answer = await http.post("/par", data=form, headers=headers)
        assert (answer.status_code, answer.json()["error"]) == (401, "invalid_client")
        assert "www-authenticate" in answer.headers
    mixed = await http.post("/par", data=request_of("hostile"), headers=basic("shop"))
    assert mixed.json()["error"] in ("invalid_request", "invalid_client")
    public = await http.post("/par", data=request_of("spa"))
    assert public.status_code == 201


@rfc("9126", "2.3")
@pytest.mark.parametrize(
    ("fields", "error"),
    [
        ({"redirect_uri": "https://evil.example/"}, "invalid_request"),
        ({"redirect_uri": None}, "invalid_request"),
        ({"redirect_uri": REDIRECT_URI}, "invalid_request"),
        ({"response_type": "token"}, "unsupported_response_type"),
        ({"code_challenge": None}, "invalid_request"),
        ({"code_challenge_method": "plain"}, "invalid_request"),
        ({"code_challenge": VERIFIER, "code_challenge_method": None}, "invalid_request"),
        ({"scope": "nobody.knows"}, "invalid_scope"),
        ({"resource": "https://nobody.example"}, "invalid_target"),
        ({"request": "e30.e30."}, "request_not_supported"),
        ({"acr_values": "urn:example:passkey"}, "unmet_authentication_requirements"),
        ({"state": "x" * 2049}, "invalid_request"),
    ],
    ids=str,
)
async def test_what_would_be_refused_later_is_refused_at_once(door: Door, fields: dict[str, Any], error: str) -> None:
    answer = await push(door, **fields)
    assert (answer.status_code, answer.json()["error"]) == (400, error)
    assert "request_uri" not in answer.json()


@rfc("9126", "7.1")
async def test_no_secret_goes_along_in_what_is_kept(door: Door) -> None:
    async with door.parts.storage.write() as tx:
        client = confidential(
            "form",
            auth_method="client_secret_post",
            redirect_uris=(SHOP,),
            grant_types=frozenset({"authorization_code"}),
        )
        await tx.add_client(client)
    form = request_of("form", redirect_uri=SHOP, client_secret=CLIENT_SECRET, scope="openid")
    answer = await door.caller().post("/par", data=form)
    assert answer.status_code == 201, answer.text
    async with door.parts.storage.write() as tx:
        kept = await tx.take_pushed_request(hashlib.sha256(answer.json()["request_uri"].encode()).digest())
    assert kept is not None
    assert CLIENT_SECRET not in str(kept.parameters)
    assert dict(kept.parameters)["client_id"] == "form"


@rfc("9126", "2.3")
async def test_what_is_pushed_can_be_finished_however_large_it_is_or_is_refused_at_once(everywhere: Door) -> None:
    # Random text: nothing makes it shorter.
    taken, refused = 0, 0
    for size in range(0, 8000, 500):
        answer = await push(everywhere, state="s" * 2048, claims_locales=token_urlsafe(size * 3 // 4))
        if answer.status_code == 413:
            assert answer.json()["error"] == "invalid_request"
            refused += 1
            continue
        assert (answer.status_code, refused) == (201, 0)
        taken += 1
        visitor = Visitor(everywhere)
        view = await visitor.open("/authorize", client_id="shop", request_uri=answer.json()["request_uri"])
        # A session from before makes what travels longer.
        await visitor.signed_in()
        again = await visitor.open("/authorize/resume", request=view.forms["sign-in-form"].fields["request"])
        view = await visitor.decide(again) if "consent-form" in again.forms else again
        assert view.answer["state"] == "s" * 2048
        assert "code" in view.answer
    assert (taken > 5, refused > 0) == (True, True)


@rfc("9126", "2.1")
async def test_what_nobody_knows_is_not_kept(everywhere: Door) -> None:
    # R007: ignored, so it does not count either.
    uri = await push_uri(everywhere, unheard_of="x" * 30_000, another=token_urlsafe(10_000))
    visitor = Visitor(everywhere)
    view = await visitor.open("/authorize", client_id="shop", request_uri=uri)
    assert len(view.forms["sign-in-form"].fields["request"]) < 1000
    assert "code" in (await visitor.decide(await visitor.sign_in(view))).answer


@rfc("9126", "4")
async def test_somebody_who_takes_his_time_at_the_sign_in_page_is_not_cut_off(everywhere: Door) -> None:
    visitor = Visitor(everywhere)
    view = await visitor.open("/authorize", client_id="shop", request_uri=await push_uri(everywhere))
    everywhere.clock.advance(10 * LIFETIME)
    assert "code" in (await visitor.decide(await visitor.sign_in(view))).answer
