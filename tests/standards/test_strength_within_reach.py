"""What an application demands of a sign-in, and what its user can do: nobody goes in a circle, nobody is held up.

R109, R116.
"""

from typing import Any

import pytest
from tests.standards.conftest import OpenDoor
from tests.support.cast import PASSWORD
from tests.support.door import ELSEWHERE, Door
from tests.support.passkey_pages import sign_in_with, with_passkey
from tests.support.rfc import rfc, standard
from tests.support.second_factor import enrol, give_recovery_codes, sub_of
from tests.support.visitor import Visitor, read_id_token

from watchword.protocol.authentication_class import ACR_PASSKEY, ACR_PASSWORD, ACR_TWO_FACTOR
from watchword.server.domain.passkey import Passkey

CORE = "OpenID Connect Core 1.0"
AT_AN_ADDRESS = "http://127.0.0.1:8000"


async def without_recovery_codes(door: Door) -> None:
    sub = await sub_of(door, "ada")
    async with door.parts.storage.write() as tx:
        await tx.replace_recovery_codes(sub, ())


async def acr_of_the_session(visitor: Visitor) -> str:
    found: str = read_id_token(visitor.door, await visitor.tokens(prompt=None))["acr"]
    return found


# --- out of reach, and whose reach it is


@standard(CORE, "3.1.2.1")
@pytest.mark.parametrize("prompt", ["login", "select_account", "login consent"])
async def test_who_is_to_be_asked_who_he_is_is_asked_before_anything_is_said_to_be_out_of_reach(
    everywhere: Door, prompt: str
) -> None:
    bob, ada = Visitor(everywhere, ELSEWHERE, username="bob"), Visitor(everywhere)
    passkey = await with_passkey(bob)
    await ada.signed_in()
    view = await ada.visit(acr_values=ACR_PASSKEY, prompt=prompt)
    assert "sign-in-form" in view.forms
    mine = await ada.sign_in(view)
    assert mine.problem == "out_of_reach", "she signed in for this very request, and is who she is"
    his = await sign_in_with(ada, passkey, await ada.visit(acr_values=ACR_PASSKEY, prompt=prompt))
    assert "consent-form" in his.forms


@standard(CORE, "5.5.1")
async def test_a_request_that_names_another_user_asks_for_him(everywhere: Door) -> None:
    bob, ada = Visitor(everywhere, ELSEWHERE, username="bob"), Visitor(everywhere)
    hint = (await bob.tokens())["id_token"]
    await ada.signed_in()
    assert "sign-in-form" in (await ada.visit(acr_values=ACR_PASSKEY, id_token_hint=hint)).forms


@rfc("9470", "5")
async def test_from_the_page_that_says_out_of_reach_another_user_can_sign_in(everywhere: Door) -> None:
    bob, ada = Visitor(everywhere, ELSEWHERE, username="bob"), Visitor(everywhere)
    passkey = await with_passkey(bob)
    await ada.signed_in()
    view = await ada.visit(acr_values=ACR_PASSKEY)
    assert view.problem == "out_of_reach"
    page = await ada.open(view.ids["other-user"]["href"])
    assert "consent-form" in (await sign_in_with(ada, passkey, page)).forms


@rfc("9470", "5")
async def test_who_gives_up_goes_back_by_a_form_where_the_application_wants_one(everywhere: Door) -> None:
    ada = Visitor(everywhere)
    await ada.signed_in()
    view = await ada.visit(acr_values=ACR_PASSKEY, response_mode="form_post")
    assert view.problem == "out_of_reach"
    back = view.forms["continue-form"]
    assert back.action == "https://shop.example/callback"
    assert back.fields["error"] == "unmet_authentication_requirements"
    assert back.fields["state"] == "the-state"
    assert "form-action 'self' https://shop.example" in view.response.headers["content-security-policy"]


# --- a password that leads nowhere


@rfc("9470", "5")
@pytest.mark.parametrize("wanted", [ACR_TWO_FACTOR, ACR_PASSKEY])
async def test_a_right_password_that_cannot_be_enough_says_that_the_passkey_is_wanted(
    everywhere: Door, wanted: str
) -> None:
    ada, again = Visitor(everywhere), Visitor(everywhere, ELSEWHERE)
    passkey = await with_passkey(ada)
    await without_recovery_codes(everywhere)
    view = await again.sign_in(await again.visit(acr_values=wanted))
    assert (view.status, "sign-in-form" in view.forms, again.session) == (400, True, None)
    assert "this needs your passkey" in view.text
    assert view.ids["passkey-sign-in"].get("class") == "main"
    assert "consent-form" in (await sign_in_with(again, passkey, view)).forms


async def test_a_wrong_password_says_nothing_of_passkeys(everywhere: Door) -> None:
    await with_passkey(Visitor(everywhere))
    await without_recovery_codes(everywhere)
    guesser = Visitor(everywhere, ELSEWHERE)
    view = await guesser.sign_in(await guesser.visit(acr_values=ACR_TWO_FACTOR), password="a wrong one altogether")
    assert (view.status, "this needs your passkey" in view.text) == (400, False)


async def test_a_right_password_that_is_not_enough_clears_no_failures(everywhere: Door) -> None:
    await with_passkey(Visitor(everywhere))
    await without_recovery_codes(everywhere)
    knower = Visitor(everywhere, ELSEWHERE)
    page = await knower.visit(acr_values=ACR_PASSKEY)
    statuses = []
    for _ in range(30):
        statuses.append((await knower.sign_in(page, password="a wrong one altogether")).status)
        await knower.sign_in(page)
    assert 429 in statuses


async def test_a_sign_in_that_is_weaker_than_a_change_wants_leaves_the_session_as_strong_as_it_was(
    everywhere: Door,
) -> None:
    ada = Visitor(everywhere)
    await ada.tokens()
    passkey = await with_passkey(ada)
    await enrol(everywhere)
    await without_recovery_codes(everywhere)
    await sign_in_with(ada, passkey)
    before = ada.session
    view = await ada.sign_in(await ada.open("/login", again=ACR_PASSKEY))
    assert "this needs your passkey" in view.text
    assert ada.session == before
    assert await acr_of_the_session(ada) == ACR_PASSKEY


async def test_who_lost_the_passkey_changes_his_factors_by_a_recovery_code_and_by_no_other(everywhere: Door) -> None:
    ada = Visitor(everywhere)
    await with_passkey(ada)
    await enrol(everywhere)
    (code,) = await give_recovery_codes(everywhere, count=1)
    view = await ada.sign_in(await ada.open("/login", again=ACR_PASSKEY))
    assert "otp-form" not in view.forms
    await ada.send(view.forms["recovery-form"], recovery_code=code)
    assert "new-passkey-form" in (await ada.open("/account/passkeys/new")).forms


async def test_asking_for_more_than_there_is_never_makes_a_sign_in_weaker(everywhere: Door) -> None:
    # Whoever knows the password chooses the address: "again" must not lead around the app.
    await enrol(everywhere)
    for again in (ACR_PASSWORD, ACR_TWO_FACTOR, ACR_PASSKEY):
        thief = Visitor(everywhere, ELSEWHERE)
        view = await thief.sign_in(await thief.open("/login", again=again))
        assert ("otp-form" in view.forms, thief.session) == (True, None)


@standard(CORE, "2")
async def test_a_new_sign_in_that_was_asked_for_is_told_as_what_it_was(everywhere: Door) -> None:
    ada = Visitor(everywhere)
    await ada.tokens()
    passkey = await with_passkey(ada)
    await sign_in_with(ada, passkey)
    everywhere.clock.advance(100)
    claims = read_id_token(everywhere, await ada.tokens(prompt="login"))
    assert (claims["acr"], claims["auth_time"]) == (ACR_PASSWORD, int(everywhere.clock.now()))
    assert "sign-in-form" in (await ada.visit(acr_values=ACR_PASSKEY)).forms


# --- passkeys of the host before


def left_behind(sub: str) -> Passkey:
    return Passkey(
        credential_id=b"of the host before",
        sub=sub,
        public_key=b"\xa0",
        sign_count=0,
        backup_eligible=False,
        backed_up=False,
        transports=(),
        name="Old",
        created_at=0.0,
    )


async def test_passkeys_that_cannot_work_here_lock_nobody_out(open_door: OpenDoor) -> None:
    door = await open_door(issuer=AT_AN_ADDRESS)
    sub = await sub_of(door, "ada")
    async with door.parts.storage.write() as tx:
        await tx.add_passkey(left_behind(sub))
    ada = Visitor(door)
    view = await ada.signed_in()
    new = "another passphrase altogether"
    form = view.forms["password-form"]
    view = await ada.send(form, current_password=PASSWORD, new_password=new, repeated_password=new)
    assert "flash" in view.ids
    assert "totp-form" in (await ada.open("/account/totp")).forms
    removal: Any = next(form for form in view.forms.values() if form.action.endswith("/passkeys/remove"))
    assert "Old" not in (await ada.send(removal)).text


@rfc("9470", "5")
@standard("OpenID Connect Discovery 1.0", "3")
async def test_an_issuer_without_passkeys_offers_none_and_refuses_who_demands_one(open_door: OpenDoor) -> None:
    at_an_address, at_a_name = await open_door(issuer=AT_AN_ADDRESS), await open_door()
    for door, offered in ((at_an_address, False), (at_a_name, True)):
        metadata = (await door.caller().get("/.well-known/openid-configuration")).json()
        assert (ACR_PASSKEY in metadata["acr_values_supported"]) is offered
        assert {ACR_PASSWORD, ACR_TWO_FACTOR} <= set(metadata["acr_values_supported"])
    ada = Visitor(at_an_address)
    await ada.signed_in()
    assert (await ada.ask(acr_values=ACR_PASSKEY)).answer["error"] == "unmet_authentication_requirements"
