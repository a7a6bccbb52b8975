"""Passkeys at the doors: what is taken, what is refused, and what of it can be told apart.

R109, R114, R115.
"""

import asyncio
import json
from dataclasses import replace
from typing import Any

import pytest
from tests.standards.conftest import OpenDoor
from tests.support.cast import user_named
from tests.support.door import ELSEWHERE, FAR_AWAY, Door
from tests.support.passkey_pages import NAME, add_passkey, options_in, posted, send_new, sign_in_with, with_passkey
from tests.support.rfc import rfc, standard
from tests.support.soft_authenticator import BE, BS, PRESENT_AND_VERIFIED, UP, SoftPasskey
from tests.support.visitor import Form, View, Visitor, read_id_token

from watchword.protocol import base64url
from watchword.protocol.authentication_class import ACR_PASSKEY, ACR_PASSWORD
from watchword.server.flows.admin import users as operator

WEBAUTHN = "W3C Web Authentication Level 3"
ASVS = "OWASP ASVS 5.0"
MINUTE = 60.0


def is_account(view: View) -> bool:
    return view.status == 200 and str(view.response.url).partition("?")[0].endswith("/account")


def is_refused(view: View) -> bool:
    return view.status == 400 and "sign-in-form" in view.forms and "problem" in view.ids


def sentence(view: View) -> str:
    """What the page says, without what is drawn anew each time."""
    text = view.text[view.text.index("<main>") :]
    for form in view.forms.values():
        for value in form.fields.values():
            text = text.replace(value, "") if value else text
    challenge: str = options_in(view, "passkey-form")["challenge"]
    return text.replace(challenge, "")


@standard(WEBAUTHN, "7.1")
@standard(WEBAUTHN, "7.2")
async def test_a_passkey_is_added_and_signs_its_user_in(everywhere: Door) -> None:
    ada, again = Visitor(everywhere), Visitor(everywhere, ELSEWHERE)
    passkey = await with_passkey(ada)
    assert NAME in (await ada.open("/account")).text
    view = await sign_in_with(again, passkey)
    assert is_account(view), view.text
    assert "ada" in view.text
    kinds = await everywhere.kinds()
    assert kinds[:4] == ["session.browser", "user.logged_out_everywhere", "factor.passkey_added", "session.browser"]


@rfc("8176", "2")
@standard("OpenID Connect Core 1.0", "2")
@pytest.mark.parametrize("flags", [PRESENT_AND_VERIFIED, PRESENT_AND_VERIFIED | BE | BS])
async def test_tokens_say_how_the_user_signed_in_and_nothing_that_nobody_proved(everywhere: Door, flags: int) -> None:
    ada = Visitor(everywhere)
    passkey = await with_passkey(ada, flags=flags)
    everywhere.clock.advance(100)
    other = Visitor(everywhere, ELSEWHERE)
    view = await other.decide(await sign_in_with(other, passkey, await other.visit()))
    tokens = (await other.redeem(view.answer["code"])).json()
    for claims in (read_id_token(everywhere, tokens), everywhere.read(tokens["access_token"]).claims):
        assert (claims["acr"], claims["amr"]) == (ACR_PASSKEY, ["pop", "user", "mfa"])
        assert claims["auth_time"] == int(everywhere.clock.now())


@standard("OpenID Connect Core 1.0", "3.1.2.1")
@rfc("9470", "4")
async def test_a_passkey_that_an_application_demands_is_asked_for_and_meets_it(everywhere: Door) -> None:
    ada = Visitor(everywhere)
    passkey = await with_passkey(ada)
    fresh = Visitor(everywhere)
    await fresh.signed_in()
    assert (await fresh.ask(prompt="none", acr_values=ACR_PASSKEY)).answer["error"] == "login_required"
    view = await fresh.visit(acr_values=ACR_PASSKEY)
    assert "passkey-demanded" in view.ids
    assert view.ids["passkey-sign-in"].get("class") == "main"
    assert view.ids["sign-in"].get("class") is None
    view = await fresh.decide(await sign_in_with(fresh, passkey, view))
    claims = read_id_token(everywhere, (await fresh.redeem(view.answer["code"])).json())
    assert claims["acr"] == ACR_PASSKEY
    assert "code" in (await fresh.ask(prompt="none", acr_values=ACR_PASSKEY)).answer


async def test_a_password_alone_goes_on_working_and_says_so(everywhere: Door) -> None:
    ada = Visitor(everywhere)
    await with_passkey(ada)
    fresh = Visitor(everywhere)
    view = await fresh.visit(acr_values=f"{ACR_PASSKEY} {ACR_PASSWORD}")
    assert "passkey-demanded" not in view.ids
    view = await fresh.decide(await fresh.sign_in(view))
    claims = read_id_token(everywhere, (await fresh.redeem(view.answer["code"])).json())
    assert (claims["acr"], claims["amr"]) == (ACR_PASSWORD, ["pwd"])


@standard(ASVS, "6.3.8")
async def test_options_are_the_same_whoever_is_meant(everywhere: Door) -> None:
    # R109
    await with_passkey(Visitor(everywhere))
    shown = []
    for hint in ("ada", "bob", "nobody-of-that-name"):
        view = await Visitor(everywhere).visit(login_hint=hint)
        options = options_in(view, "passkey-form")
        assert options.pop("challenge")
        shown.append(options)
    assert shown[0] == shown[1] == shown[2]
    assert shown[0]["allowCredentials"] == []
    assert shown[0]["userVerification"] == "required"


@standard(WEBAUTHN, "13.4.3")
async def test_a_challenge_is_long_and_new_each_time(everywhere: Door) -> None:
    visitor = Visitor(everywhere)
    challenges = {options_in(await visitor.open("/login"), "passkey-form")["challenge"] for _ in range(4)}
    assert len(challenges) == 4
    assert {len(base64url.decode(challenge)) for challenge in challenges} == {32}


@standard(WEBAUTHN, "13.4.3")
async def test_a_challenge_works_once(everywhere: Door) -> None:
    passkey = await with_passkey(Visitor(everywhere))
    visitor = Visitor(everywhere)
    page = await visitor.open("/login")
    form, options = page.forms["passkey-form"], options_in(page, "passkey-form")
    first = json.dumps(passkey.get(options))
    kept = dict(visitor.http.cookies.items())
    assert (await visitor.post(form, assertion=first)).status_code == 303
    # The same browser, as it was before: with its cookies back, and a signature that is new.
    for assertion in (first, json.dumps(passkey.get(options))):
        visitor.http.cookies.clear()
        visitor.http.cookies.update(kept)
        assert is_refused(View(await visitor.post(form, assertion=assertion)))
    assert everywhere.heard.count("passkey.refused") == 2


@standard(WEBAUTHN, "13.4.3")
async def test_of_many_at_once_one_wins(everywhere: Door) -> None:
    passkey = await with_passkey(Visitor(everywhere))
    visitor = Visitor(everywhere)
    page = await visitor.open("/login")
    assertion = json.dumps(passkey.get(options_in(page, "passkey-form")))
    form = page.forms["passkey-form"]
    callers = []
    for _ in range(8):
        one = Visitor(everywhere)
        one.http.cookies.update(visitor.http.cookies)
        callers.append(one)
    if everywhere.plan.restarting:
        # Nodes that go away under a request are another story.
        answers = [await one.post(form, assertion=assertion) for one in callers]
    else:
        answers = await asyncio.gather(*(one.post(form, assertion=assertion) for one in callers))
    assert sorted(answer.status_code for answer in answers) == [303] + [400] * 7


@standard(WEBAUTHN, "13.4.3")
async def test_a_challenge_is_the_browsers_that_it_was_shown_to(everywhere: Door) -> None:
    passkey = await with_passkey(Visitor(everywhere))
    mine, theirs = Visitor(everywhere), Visitor(everywhere, ELSEWHERE)
    page, other = await mine.open("/login"), await theirs.open("/login")
    assertion = json.dumps(passkey.get(options_in(other, "passkey-form")))
    sealed = other.forms["passkey-form"].fields["challenge"]
    view = View(await mine.post(page.forms["passkey-form"], challenge=sealed, assertion=assertion))
    assert is_refused(view)
    # The signature is for the other's challenge, the seal is the own one.
    view = View(await mine.post(page.forms["passkey-form"], assertion=assertion))
    assert is_refused(view)
    assert mine.session is None


async def test_a_challenge_for_one_thing_is_none_for_another(everywhere: Door) -> None:
    ada = Visitor(everywhere)
    passkey = await with_passkey(ada)
    await sign_in_with(ada, passkey)
    making, using = await ada.open("/account/passkeys/new"), await ada.open("/login")
    sealed = making.forms["new-passkey-form"].fields["challenge"]
    assertion = json.dumps(passkey.get(options_in(making, "new-passkey-form")))
    assert is_refused(View(await ada.post(using.forms["passkey-form"], challenge=sealed, assertion=assertion)))
    sealed = using.forms["passkey-form"].fields["challenge"]
    options = options_in(making, "new-passkey-form") | {"challenge": options_in(using, "passkey-form")["challenge"]}
    made = json.dumps(SoftPasskey().create(options))
    view = await ada.send(making.forms["new-passkey-form"], challenge=sealed, credential=made, name=NAME)
    assert (view.status, "new-passkey-form" in view.forms) == (400, True)


async def test_a_page_that_was_open_for_too_long_says_so_and_works_the_second_time(everywhere: Door) -> None:
    passkey = await with_passkey(Visitor(everywhere))
    visitor = Visitor(everywhere)
    page = await visitor.visit()
    everywhere.clock.advance(10 * MINUTE)
    view = await sign_in_with(visitor, passkey, page)
    assert is_refused(view)
    assert "open for too long" in view.text
    assert "consent-form" in (await sign_in_with(visitor, passkey, view)).forms


async def test_a_page_that_is_old_gets_another_challenge(everywhere: Door) -> None:
    passkey = await with_passkey(Visitor(everywhere))
    visitor = Visitor(everywhere)
    page = await visitor.open("/login")
    everywhere.clock.advance(25 * MINUTE)
    answer = await visitor.http.get("/login/passkey")
    assert (answer.status_code, answer.headers["cache-control"]) == (200, "no-store")
    fresh = answer.json()
    assertion = json.dumps(passkey.get(fresh["options"]))
    view = await visitor.send(page.forms["passkey-form"], challenge=fresh["challenge"], assertion=assertion)
    assert is_account(view)
    assert (await Visitor(everywhere).http.get("/login/passkey")).json()["error"] == "invalid_request"


WRONG_ASSERTIONS: dict[str, dict[str, Any]] = {
    "another origin": {"client": {"origin": "https://evil.example"}},
    "a frame of another site": {"client": {"crossOrigin": True}},
    "another ceremony": {"client": {"type": "webauthn.create"}},
    "another challenge": {"client": {"challenge": base64url.encode(bytes(32))}},
    "a signature of nothing": {"signature": b"\x30\x06\x02\x01\x01\x02\x01\x01"},
    "no user handle": {"response": {"userHandle": None}},
    "another user's handle": {"response": {"userHandle": base64url.encode(user_named("bob").sub.encode())}},
    "nobody's handle": {"response": {"userHandle": base64url.encode(b"nobody")}},
    "no signature": {"response": {"signature": None}},
}


@standard(WEBAUTHN, "7.2")
@pytest.mark.parametrize("wrong", WRONG_ASSERTIONS.values(), ids=WRONG_ASSERTIONS)
async def test_an_assertion_that_breaks_a_rule_is_refused_in_one_sentence(door: Door, wrong: dict[str, Any]) -> None:
    passkey = await with_passkey(Visitor(door))
    visitor = Visitor(door)
    unknown = SoftPasskey(user_handle=passkey.user_handle)
    said = sentence(await sign_in_with(visitor, unknown))
    view = await sign_in_with(visitor, passkey, **wrong)
    assert is_refused(view)
    assert sentence(view) == said
    assert visitor.session is None
    assert door.heard.count("passkey.refused") == 2
    assert is_account(await sign_in_with(visitor, passkey))


@standard(WEBAUTHN, "7.2")
@pytest.mark.parametrize("said", [{"rp_id": "evil.example"}, {"flags": UP}, {"flags": PRESENT_AND_VERIFIED | BS}])
async def test_an_assertion_for_another_site_or_without_its_user_is_refused(door: Door, said: dict[str, Any]) -> None:
    passkey = await with_passkey(Visitor(door))
    visitor = Visitor(door)
    assert is_refused(await sign_in_with(visitor, passkey, authenticator_data=passkey.authenticator_data(**said)))
    assert visitor.session is None


@pytest.mark.parametrize("sent", ["", "null", "{}", "x" * 50_000, '{"type":"public-key"}', "😀", "[" * 9000])
async def test_whatever_is_sent_instead_is_refused_calmly(door: Door, sent: str) -> None:
    visitor = Visitor(door)
    view = await visitor.open("/login")
    assert is_refused(View(await visitor.post(view.forms["passkey-form"], assertion=sent)))
    for sealed in ("", "AAAA", "x" * 5000, view.forms["passkey-form"].fields["challenge"] + "A"):
        assert is_refused(View(await visitor.post(view.forms["passkey-form"], challenge=sealed, assertion="{}")))
    assert "server.error" not in door.heard.slugs()


async def _disable(door: Door) -> None:
    await operator.disable(door.parts, "ada")


async def _delete(door: Door) -> None:
    await operator.delete(door.parts, "ada")


@standard(ASVS, "6.3.8")
@standard(ASVS, "7.4.2")
@pytest.mark.parametrize("end", [_disable, _delete])
async def test_a_user_who_is_disabled_or_gone_is_refused_as_nobody_would_be(everywhere: Door, end: Any) -> None:
    # R098
    passkey = await with_passkey(Visitor(everywhere))
    visitor = Visitor(everywhere, ELSEWHERE)
    nobody = sentence(await sign_in_with(visitor, SoftPasskey(user_handle=passkey.user_handle)))
    page = await visitor.open("/login")
    await end(everywhere)
    view = await sign_in_with(visitor, passkey, page)
    assert is_refused(view)
    assert sentence(view) == nobody
    assert visitor.session is None


async def test_after_logging_out_everywhere_the_passkey_signs_in_again(everywhere: Door) -> None:
    ada = Visitor(everywhere)
    passkey = await with_passkey(ada)
    view = await ada.open("/account")
    await ada.send(view.forms["everywhere-form"])
    assert not is_account(await ada.open("/account"))
    assert is_account(await sign_in_with(ada, passkey))


@standard(WEBAUTHN, "7.2")
@standard(WEBAUTHN, "6.1.1")
async def test_a_counter_that_does_not_grow_is_refused_told_and_kept(everywhere: Door) -> None:
    passkey = await with_passkey(Visitor(everywhere))
    visitor = Visitor(everywhere)
    assert is_account(await sign_in_with(visitor, passkey))
    copy = Visitor(everywhere, FAR_AWAY)
    passkey.count -= 1
    view = await sign_in_with(copy, passkey)
    assert is_refused(view)
    assert "a copy of it" in view.text
    assert copy.session is None
    events = [record for record in await everywhere.audit() if record.kind == "passkey.suspicious"]
    assert [event.fields["sub"] for event in events] == [user_named("ada").sub]
    assert "passkey.suspicious" in everywhere.heard.slugs()
    # What the copy said changed nothing: the owner's key goes on where it was.
    assert is_account(await sign_in_with(copy, passkey))


@standard(WEBAUTHN, "7.2")
async def test_a_key_that_never_counts_signs_in_as_often_as_one_likes(everywhere: Door) -> None:
    passkey = await with_passkey(Visitor(everywhere), counts=False)
    for _ in range(3):
        assert is_account(await sign_in_with(Visitor(everywhere), passkey))
    passkey.count = 7
    assert is_account(await sign_in_with(Visitor(everywhere), passkey))
    passkey.count = 0
    assert is_refused(await sign_in_with(Visitor(everywhere), passkey))


@standard(WEBAUTHN, "6.1.3")
async def test_a_key_that_becomes_another_kind_is_refused(everywhere: Door) -> None:
    passkey = await with_passkey(Visitor(everywhere))
    passkey.flags = PRESENT_AND_VERIFIED | BE
    assert is_refused(await sign_in_with(Visitor(everywhere), passkey))
    assert "passkey.suspicious" in await everywhere.kinds()


async def test_whether_a_key_is_backed_up_may_change_and_is_shown(everywhere: Door) -> None:
    ada = Visitor(everywhere)
    passkey = await with_passkey(ada, flags=PRESENT_AND_VERIFIED | BE)
    assert "Synchronised" not in (await ada.open("/account")).text
    passkey.flags |= BS
    assert "Synchronised" in (await sign_in_with(Visitor(everywhere), passkey)).text


@standard(WEBAUTHN, "7.1")
async def test_a_credential_id_is_one_users_alone(everywhere: Door) -> None:
    ada, bob = Visitor(everywhere), Visitor(everywhere, ELSEWHERE, username="bob")
    passkey = await with_passkey(ada)
    await bob.signed_in()
    thief = SoftPasskey(credential_id=passkey.credential_id)
    view = await add_passkey(bob, thief)
    assert (view.status, "new-passkey-form" in view.forms) == (400, True)
    assert NAME not in (await bob.open("/account")).text
    assert is_account(await sign_in_with(Visitor(everywhere), passkey))
    assert is_refused(await sign_in_with(Visitor(everywhere), thief))


WRONG_REGISTRATIONS: dict[str, dict[str, Any]] = {
    "another origin": {"client": {"origin": "https://evil.example"}},
    "another ceremony": {"client": {"type": "webauthn.get"}},
    "another challenge": {"client": {"challenge": base64url.encode(bytes(32))}},
    "no key": {"response": {"attestationObject": base64url.encode(b"\xa0")}},
}


@standard(WEBAUTHN, "7.1")
@pytest.mark.parametrize("wrong", WRONG_REGISTRATIONS.values(), ids=WRONG_REGISTRATIONS)
async def test_a_registration_that_breaks_a_rule_adds_nothing(door: Door, wrong: dict[str, Any]) -> None:
    ada = Visitor(door)
    await ada.signed_in()
    view = await add_passkey(ada, SoftPasskey(), **wrong)
    assert (view.status, "problem" in view.ids) == (400, True)
    assert "passkey.refused" in door.heard.slugs()
    # The page that tells of it works.
    assert NAME not in (await ada.open("/account")).text
    await send_new(ada, view, SoftPasskey())
    assert NAME in (await ada.open("/account")).text


async def test_a_registrations_challenge_works_once(everywhere: Door) -> None:
    ada = Visitor(everywhere)
    passkey = await with_passkey(ada)
    await sign_in_with(ada, passkey)
    page = await ada.open("/account/passkeys/new")
    assert (await send_new(ada, page, SoftPasskey())).status == 200
    again = await send_new(ada, page, SoftPasskey())
    assert (again.status, "new-passkey-form" in again.forms) == (400, True)
    assert ada.door.heard.count("passkey.refused") == 1


@standard(WEBAUTHN, "5.4.3")
async def test_a_key_is_asked_to_make_no_second_passkey_and_learns_no_name_as_handle(everywhere: Door) -> None:
    ada = Visitor(everywhere)
    passkey = await with_passkey(ada)
    await sign_in_with(ada, passkey)
    options = options_in(await ada.open("/account/passkeys/new"), "new-passkey-form")
    assert [one["id"] for one in options["excludeCredentials"]] == [base64url.encode(passkey.credential_id)]
    assert base64url.decode(options["user"]["id"]) == user_named("ada").sub.encode()
    assert options["attestation"] == "none"


@standard(ASVS, "7.5.1")
async def test_adding_one_wants_a_fresh_sign_in_and_adds_nothing_without(everywhere: Door) -> None:
    # R103
    ada = Visitor(everywhere)
    await ada.signed_in()
    page = await ada.open("/account/passkeys/new")
    everywhere.clock.advance(10 * MINUTE + 1)
    options = options_in(page, "new-passkey-form")
    form = page.forms["new-passkey-form"]
    answer = await ada.post(form, credential=json.dumps(SoftPasskey().create(options)), name=NAME)
    # The page was too old as well; its successor is not shown, for the sign-in is.
    assert answer.headers["location"].endswith(f"/login?again={ACR_PASSWORD.replace(':', '%3A')}")
    view = await ada.open("/account/passkeys/new")
    assert "again" in view.ids
    assert is_account(await ada.sign_in(view))
    assert NAME not in (await ada.open("/account")).text
    await add_passkey(ada, SoftPasskey())
    assert NAME in (await ada.open("/account")).text


async def test_a_key_made_on_a_page_that_was_shown_in_time_is_kept_when_its_maker_dawdles(everywhere: Door) -> None:
    ada = Visitor(everywhere)
    await ada.signed_in()
    everywhere.clock.advance(10 * MINUTE - 5)
    page = await ada.open("/account/passkeys/new")
    everywhere.clock.advance(5 * MINUTE)
    view = await send_new(ada, page, SoftPasskey())
    assert (view.status, "problem" in view.ids) == (200, False)
    assert NAME in (await ada.open("/account")).text


@standard(ASVS, "7.4.3")
async def test_with_the_first_passkey_all_other_sessions_end_and_with_a_further_one_none(everywhere: Door) -> None:
    # R099: whoever signed in before knew nothing that is wanted from now on.
    ada, thief, phone = Visitor(everywhere), Visitor(everywhere, FAR_AWAY), Visitor(everywhere, ELSEWHERE)
    await thief.signed_in()
    await ada.signed_in()
    before = ada.session
    passkey = await with_passkey(ada)
    assert is_account(await ada.open("/account"))
    assert ada.session != before
    assert not is_account(await thief.open("/account"))
    await phone.signed_in()
    await sign_in_with(ada, passkey)
    await add_passkey(ada, SoftPasskey(), name="The red key")
    assert is_account(await phone.open("/account"))


@standard(ASVS, "7.5.1")
async def test_who_has_a_passkey_needs_it_to_add_or_remove_one(everywhere: Door) -> None:
    # R103, R117
    ada = Visitor(everywhere)
    passkey = await with_passkey(ada)
    thief = Visitor(everywhere, FAR_AWAY)
    await thief.signed_in()
    view = await thief.open("/account/passkeys/new")
    assert "passkey-form" in view.forms
    assert view.ids["passkey-sign-in"].get("class") == "main"
    assert "again" in (await thief.send(_removal(await thief.open("/account"), passkey))).ids
    assert NAME in (await ada.open("/account")).text
    assert is_account(await sign_in_with(thief, passkey, view))
    assert "new-passkey-form" in (await thief.open("/account/passkeys/new")).forms


def _removal(view: View, passkey: SoftPasskey) -> Form:
    named = base64url.encode(passkey.credential_id)
    (form,) = [form for form in view.forms.values() if form.fields.get("credential_id") == named]
    return form


@standard(ASVS, "6.5.6")
@standard(ASVS, "7.4.3")
async def test_a_removed_passkey_is_dead_and_all_other_sessions_end(everywhere: Door) -> None:
    # R099, R115
    here, there = Visitor(everywhere), Visitor(everywhere, ELSEWHERE)
    passkey = await with_passkey(here)
    await there.signed_in()
    view = await sign_in_with(here, passkey)
    view = await here.send(_removal(view, passkey))
    assert is_account(view)
    assert "flash" in view.ids
    assert NAME not in view.text
    assert not is_account(await there.open("/account"))
    assert is_refused(await sign_in_with(there, passkey))
    kinds = await everywhere.kinds()
    assert {"factor.passkey_removed", "user.logged_out_everywhere"} <= set(kinds)
    async with everywhere.parts.storage.read() as reading:
        factors = await reading.factors(user_named("ada").sub)
    assert (factors.passkeys, factors.recovery_codes) == (0, 0)


async def test_nobody_removes_somebody_elses(everywhere: Door) -> None:
    ada, bob = Visitor(everywhere), Visitor(everywhere, ELSEWHERE, username="bob")
    passkey = await with_passkey(ada)
    own = await with_passkey(bob)
    view = await sign_in_with(bob, own)
    form = _removal(view, own)
    for named in (base64url.encode(passkey.credential_id), "", "=", "AAAA"):
        await bob.send(form, credential_id=named)
    assert is_account(await sign_in_with(Visitor(everywhere), passkey))
    assert is_account(await bob.open("/account"))
    assert "factor.passkey_removed" not in await everywhere.kinds()


async def test_the_first_one_brings_recovery_codes_and_the_second_none(everywhere: Door) -> None:
    ada = Visitor(everywhere)
    await ada.signed_in()
    passkey = SoftPasskey()
    first = await add_passkey(ada, passkey)
    assert not is_account(first)
    async with everywhere.parts.storage.read() as reading:
        assert (await reading.factors(user_named("ada").sub)).recovery_codes == 10
    await sign_in_with(ada, passkey)
    second = await add_passkey(ada, SoftPasskey(), name="The red key")
    assert is_account(second)
    assert "flash" in second.ids


async def test_an_account_has_twenty_at_most(door: Door) -> None:
    ada = Visitor(door)
    passkey = await with_passkey(ada)
    await sign_in_with(ada, passkey)
    page = await ada.open("/account/passkeys/new")
    for _ in range(19):
        page = await ada.open("/account/passkeys/new")
        await send_new(ada, page, SoftPasskey())
    view = await ada.open("/account/passkeys/new")
    assert is_account(view)
    assert "add-passkey" not in view.ids
    assert len([form for form in view.forms.values() if "credential_id" in form.fields]) == 20


@pytest.mark.parametrize("name", ["", "   ", "x" * 65, "two\nlines", "hidden\u200btext", "\u202eturned", "\x07"])
async def test_a_name_that_nobody_can_read_is_refused(door: Door, name: str) -> None:
    ada = Visitor(door)
    await ada.signed_in()
    view = await add_passkey(ada, SoftPasskey(), name=name)
    assert (view.status, "problem" in view.ids) == (400, True)
    assert (await send_new(ada, view, SoftPasskey(), name="ß" * 64)).status == 200
    assert "ß" * 64 in (await ada.open("/account")).text


@standard(ASVS, "3.5.1")
async def test_a_form_that_another_site_sends_does_nothing(everywhere: Door) -> None:
    # R021
    ada, bob = Visitor(everywhere), Visitor(everywhere, ELSEWHERE, username="bob")
    passkey = await with_passkey(ada)
    view = await sign_in_with(ada, passkey)
    await bob.signed_in()
    theirs = next(iter((await bob.open("/account")).forms.values())).fields["csrf"]
    making, using = await ada.open("/account/passkeys/new"), await Visitor(everywhere).open("/login")
    made = {"credential": json.dumps(SoftPasskey().create(options_in(making, "new-passkey-form"))), "name": "Forged"}
    making.forms["new-passkey-form"].fields |= made
    for form in (making.forms["new-passkey-form"], _removal(view, passkey), using.forms["passkey-form"]):
        forged = [
            await ada.post(form, csrf=None),
            await ada.post(form, csrf=theirs),
            await ada.post(form, headers={"origin": "https://evil.example"}),
            await ada.post(form, headers={"sec-fetch-site": "cross-site"}),
        ]
        assert {View(answer).problem for answer in forged} <= {"stale", "forbidden", "bad_request"}
    assert "Forged" not in (await ada.open("/account")).text
    assert is_account(await sign_in_with(Visitor(everywhere), passkey))


async def test_another_users_session_in_the_browser_ends_when_a_passkey_signs_in(everywhere: Door) -> None:
    passkey = await with_passkey(Visitor(everywhere))
    shared = Visitor(everywhere, ELSEWHERE, username="bob")
    await shared.signed_in()
    before = shared.session
    assert "ada" in (await sign_in_with(shared, passkey)).text
    assert shared.session != before
    assert ("session.ended", "another_user") in [
        (record.kind, record.fields.get("reason")) for record in await everywhere.audit()
    ]


async def test_a_passkey_that_was_just_removed_elsewhere_is_refused(everywhere: Door) -> None:
    ada = Visitor(everywhere)
    passkey = await with_passkey(ada)
    page = await Visitor(everywhere).open("/login")
    visitor = Visitor(everywhere)
    page = await visitor.open("/login")
    async with everywhere.parts.storage.write() as tx:
        await tx.delete_passkey(passkey.credential_id)
    assert is_refused(View(await posted(visitor, passkey, page)))


@standard(WEBAUTHN, "5.1.2")
async def test_an_issuer_at_an_address_shows_nothing_of_passkeys(open_door: OpenDoor) -> None:
    door = await open_door(issuer="http://127.0.0.1:8000")
    ada = Visitor(door)
    view = await ada.open("/login")
    assert "passkey-form" not in view.forms
    assert "/static/passkeys" not in view.text
    assert "connect-src" not in view.response.headers["content-security-policy"]
    assert "passkeys" not in (await ada.sign_in(view)).ids
    assert (await ada.http.get("/login/passkey")).status_code == 404
    form = Form("/login/passkey", {"csrf": next(iter((await ada.open("/login")).forms.values())).fields["csrf"]})
    answers = [await ada.http.get("/account/passkeys/new"), await ada.post(form)]
    answers.append(await ada.post(Form("/account/passkeys", form.fields)))
    assert [(answer.status_code, View(answer).problem) for answer in answers] == [(404, "not_found")] * 3


async def test_scripts_are_allowed_on_pages_that_need_them_and_requests_on_one(door: Door) -> None:
    ada = Visitor(door)
    views = {"/login": await ada.open("/login")}
    await ada.signed_in()
    # The last one says that the application is unknown, and holds no form.
    for path in ("/account", "/account/passkeys/new", "/end_session", "/authorize"):
        views[path] = await ada.open(path)
    policies = {path: view.response.headers["content-security-policy"] for path, view in views.items()}
    assert {path for path, policy in policies.items() if "script-src" in policy} == set(policies) - {"/authorize"}
    assert {path for path, policy in policies.items() if "script-src 'self';" in policy} == set(policies) - {
        "/authorize"
    }
    assert {path for path, view in views.items() if "/static/passkeys-" in view.text} == set(policies) - {
        *("/end_session", "/authorize")
    }
    assert {path for path, policy in policies.items() if "connect-src 'self'" in policy} == {"/login"}


@standard(ASVS, "6.3.7")
@standard(ASVS, "6.3.5")
async def test_the_user_hears_of_what_becomes_of_his_passkeys(open_door: OpenDoor) -> None:
    # R118
    door = await open_door(sends_mail=True)
    async with door.parts.storage.write() as tx:
        await tx.put_user(replace(user_named("ada"), email_verified=True))
    ada = Visitor(door)
    passkey = await with_passkey(ada)
    assert is_account(await sign_in_with(ada, passkey))
    passkey.count -= 1
    assert is_refused(await sign_in_with(Visitor(door, FAR_AWAY), passkey))
    await ada.send(_removal(await ada.open("/account"), passkey))
    now = door.clock.now()
    async with door.parts.storage.write() as tx:
        due = await tx.lease_deliveries(kind="mail", now=now, until=now + MINUTE, limit=10)
    assert {delivery.content["mail"] for delivery in due} == {"passkey_added", "passkey_suspicious", "passkey_removed"}
    assert {delivery.target for delivery in due} == {"ada@example.org"}


@standard(ASVS, "16.2")
async def test_nothing_that_proves_anything_is_in_a_log_line_or_an_event(door: Door) -> None:
    # R124
    ada = Visitor(door)
    passkey = await with_passkey(ada)
    page = await Visitor(door).open("/login")
    secrets = {page.forms["passkey-form"].fields[name] for name in ("csrf", "challenge")}
    for wrong in ({}, {"client": {"origin": "https://evil.example"}}, {"signature": b"canary-canary-canary"}):
        visitor = Visitor(door)
        page = await visitor.open("/login")
        options = options_in(page, "passkey-form")
        said = passkey.get(options, **wrong)
        form = page.forms["passkey-form"]
        secrets |= {options["challenge"], form.fields["challenge"], form.fields["csrf"], *said["response"].values()}
        for _ in range(2):
            await visitor.post(form, assertion=json.dumps(said))
        secrets |= set(visitor.http.cookies.values())
    secrets -= {base64url.encode(passkey.user_handle)}
    written = repr([*door.heard.said, *[record.fields for record in await door.audit()]])
    assert door.heard.count("passkey.refused") >= 4
    assert len(secrets) > 15
    assert [secret for secret in secrets if secret in written] == []
