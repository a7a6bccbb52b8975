"""Every way in: no cookie from before lives on, and no step can be skipped.

R094, R096, R098; the classes of fixation and step skipping over all of ``web/routes.ROUTES``.
"""

from collections.abc import AsyncIterator
from dataclasses import replace
from typing import Final

import httpx2
import pytest
from tests.support.cast import PASSWORD
from tests.support.door import ELSEWHERE, FAR_AWAY, HOME, Door, OpenStorage, Plan
from tests.support.every_form import (
    FORMS,
    GIVES_A_COOKIE,
    NEW_PASSWORD,
    by_both_steps,
    form_to,
    half_way,
    prove_address,
    signed_in,
    with_a_passkey,
)
from tests.support.mailbox import Mailbox
from tests.support.passkey_pages import posted
from tests.support.rfc import rfc, standard
from tests.support.second_factor import enrol, give_recovery_codes, sub_of
from tests.support.visitor import Form, View, Visitor

from watchword.server.domain.factors import FRESH
from watchword.server.flows.admin import sessions
from watchword.server.web.routes import ROUTES

ASVS = "OWASP ASVS 5.0"
PLANTED: Final = "A" * 43
ACCOUNT: Final = [path for path in FORMS if path.startswith("/account")]
# What changes how a user signs in, or where he is written to. A password is asked for the one in force besides.
WANTS_A_FRESH_SIGN_IN: Final = [
    *("/account/passkeys", "/account/passkeys/remove", "/account/totp", "/account/totp/remove"),
    *("/account/recovery-codes", "/account/email"),
]


class Planting(Door):
    """A door before which every browser holds a cookie that somebody put there."""

    planted: str | None = None

    def caller(
        self, address: tuple[str, int] = HOME, /, *, agent: str = "app/1.0", **headers: str
    ) -> httpx2.AsyncClient:
        """See ``Door``."""
        http = super().caller(address, agent=agent, **headers)
        if self.planted is not None:
            http.cookies.set("ww-session", self.planted, domain="localhost.local", path="/")
        return http


@pytest.fixture
async def house(world: tuple[OpenStorage, Plan]) -> AsyncIterator[Planting]:
    """As ``everywhere``, with everything switched on."""
    opener, plan = world
    door = Planting(opener, replace(plan, sends_mail=True, sign_up_open=True))
    await door.open()
    yield door
    await door.close()
    assert "server.error" not in door.heard.slugs()


async def opens_nothing(door: Door, cookie: str | None) -> bool:
    """Whether the cookie is nobody's, for who holds it alone."""
    answer = await door.caller(FAR_AWAY, cookie=f"ww-session={cookie}").get("/account")
    return answer.status_code == 303 and str(answer.headers["location"]).startswith(f"{door.plan.issuer}/login")


async def state_of(door: Door, username: str = "ada") -> list[object]:
    """What a user could want to have changed."""
    sub = await sub_of(door, username)
    async with door.parts.storage.read() as reading:
        found = [
            await reading.user_by_name(username),
            await reading.factors(sub),
            [(one.sid, one.ended_at, one.epoch) for one in await reading.sessions_of(sub)],
            await reading.consents_of(sub),
        ]
    return [*found, await door.kinds()]


# --- fixation


@rfc("9700", "4.7")
@standard(ASVS, "7.2.4")
@pytest.mark.parametrize("path", GIVES_A_COOKIE)
async def test_every_sign_in_and_every_change_of_how_brings_a_new_cookie(house: Planting, path: str) -> None:
    mallory = Visitor(house, FAR_AWAY, username="bob")
    await mallory.signed_in()
    house.planted = mallory.session
    filled = await FORMS[path](house)
    visitor, before, browser = filled.visitor, filled.visitor.session, filled.visitor.cookie("ww-browser")
    house.planted = None
    assert (await visitor.follow(await filled.post())).status == 200
    after = visitor.session
    assert None not in (before, after)
    assert after not in (before, mallory.session, PLANTED)
    # What was known before is worth nothing: not the session's cookie, not that of the forms.
    assert await opens_nothing(house, before)
    assert await opens_nothing(house, mallory.session)
    assert visitor.cookie("ww-browser") != browser
    old = Form(f"{house.plan.issuer}/account/everywhere", {"csrf": filled.form.fields["csrf"]})
    assert View(await visitor.post(old)).problem == "stale"
    assert "password-form" in (await visitor.open("/account")).forms


@rfc("9700", "4.7")
@standard(ASVS, "7.2.4")
async def test_a_recovery_code_brings_a_new_cookie_too(house: Planting) -> None:
    (code,) = await give_recovery_codes(house, count=1)
    house.planted = PLANTED
    visitor, view, _ = await half_way(house)
    assert visitor.session == PLANTED
    await visitor.send(view.forms["recovery-form"], recovery_code=code)
    assert visitor.session not in (None, PLANTED)
    assert await opens_nothing(house, PLANTED)


@standard(ASVS, "7.2.4")
@pytest.mark.parametrize("how", ["password", "passkey", "both steps"])
async def test_signing_in_anew_brings_a_new_cookie_too(house: Planting, how: str) -> None:
    if how == "passkey":
        visitor, passkey = await with_a_passkey(house)
        old = visitor.session
        await visitor.follow(await posted(visitor, passkey, await visitor.open("/login", again="")))
    else:
        app = await enrol(house) if how == "both steps" else None
        visitor = Visitor(house)
        view = await visitor.sign_in(await visitor.open("/login"))
        if app is not None:
            await visitor.send(view.forms["otp-form"], otp=app.code())
        old = visitor.session
        house.clock.advance(60)
        view = await visitor.sign_in(await visitor.open("/login"))
        if app is not None:
            assert visitor.session == old
            await visitor.send(view.forms["otp-form"], otp=app.code())
    assert None not in (old, visitor.session)
    assert visitor.session != old
    assert await opens_nothing(house, old)


@standard(ASVS, "7.4.1")
@pytest.mark.parametrize("how", ["/end_session", "/account/everywhere", "/account/end-session", "/reset-password"])
async def test_signing_out_kills_the_cookie_on_the_server(house: Planting, how: str) -> None:
    visitor, view = await signed_in(house)
    held = visitor.session
    assert not await opens_nothing(house, held)
    if how == "/end_session":
        await visitor.send((await visitor.open(how)).forms["sign-out-form"])
    elif how == "/reset-password":
        await prove_address(house)
        filled = await FORMS[how](house)
        await filled.post()
        # Nobody is signed in by a link.
        assert filled.visitor.session is None
    else:
        form = next(form for form in view.forms.values() if form.action.endswith(how))
        await visitor.send(form)
    assert await opens_nothing(house, held)


# --- skipped steps


@rfc("6819", "4.4.1.9")
@standard(ASVS, "8.3.1")
async def test_without_a_sign_in_the_account_is_out_of_reach(house: Planting) -> None:
    await house.sign_in(house.caller(ELSEWHERE))
    before = await state_of(house)
    visitor = Visitor(house)
    login = await visitor.open("/login")
    typed = {"current_password": PASSWORD, "new_password": NEW_PASSWORD, "repeated_password": NEW_PASSWORD}
    typed |= {"csrf": login.forms["sign-in-form"].fields["csrf"], "username": "ada"}
    for path in [path for path in ROUTES if path.startswith("/account")]:
        for method in ROUTES[path].endpoints:
            sent = typed if method == "POST" else None
            answer = await visitor.http.request(method, path, data=sent)
            assert (answer.status_code, answer.content) == (303, b""), path
            assert "sign-in-form" in (await visitor.follow(answer)).forms, path
    assert visitor.session is None
    assert await state_of(house) == before


@standard(ASVS, "7.4.2")
@pytest.mark.parametrize("path", [*ACCOUNT, "/consent", "/verify-email"])
async def test_a_form_of_a_session_that_ended_meanwhile_does_nothing(house: Planting, path: str) -> None:
    filled = await FORMS[path](house)
    await sessions.revoke_all(house.parts, "ada")
    before = await state_of(house)
    answer = await filled.post()
    assert answer.status_code in (200, 303, 410)
    assert "code=" not in answer.headers.get("location", "")
    view = await filled.visitor.follow(answer)
    assert "password-form" not in view.forms
    assert await state_of(house) == before
    assert await Mailbox(house).deliver() == []


@standard(ASVS, "7.5.1")
@pytest.mark.parametrize("path", WANTS_A_FRESH_SIGN_IN)
async def test_an_old_sign_in_changes_nothing_of_how_the_user_signs_in(house: Planting, path: str) -> None:
    filled = await FORMS[path](house)
    await Mailbox(house).deliver()
    house.clock.advance(FRESH + 1)
    before, cookie = await state_of(house), filled.visitor.session
    answer = await filled.post(**filled.later())
    view = View(answer)
    if answer.status_code == 303:
        assert str(answer.headers["location"]).startswith(f"{house.plan.issuer}/login?again=")
    else:
        # What the page handed out is as old as the sign-in.
        assert (path, view.status) == ("/account/passkeys", 400)
    assert (await state_of(house), filled.visitor.session) == (before, cookie)
    assert await Mailbox(house).deliver() == []


@standard(ASVS, "7.5.1")
async def test_a_weaker_sign_in_changes_nothing_of_a_stronger_one(house: Planting) -> None:
    # A password alone, where there is a passkey.
    visitor, passkey = await with_a_passkey(house)
    await Mailbox(house).deliver()
    held, anew = await state_of(house), f"{house.plan.issuer}/login?again="
    for path in [*WANTS_A_FRESH_SIGN_IN, "/account/password"]:
        view = await visitor.open("/account")
        typed = {
            **form_to(view, "/account/passkeys/remove").fields,
            "email": "ada@elsewhere.example",
            "current_password": PASSWORD,
            "new_password": NEW_PASSWORD,
            "repeated_password": NEW_PASSWORD,
        }
        if path in ("/account/passkeys", "/account/totp"):
            # Whose forms are on pages of their own, which are not shown.
            shown = {"/account/passkeys": "/account/passkeys/new"}.get(path, path)
            answer = await visitor.http.get(shown)
        else:
            answer = await visitor.post(Form(f"{house.plan.issuer}{path}", typed))
        if path != "/account/totp/remove":
            # There is none to be removed; all others want the passkey first.
            assert str(answer.headers["location"]).startswith(anew), path
        assert await state_of(house) == held, path
    assert passkey.count == 1
    assert await Mailbox(house).deliver() == []


@rfc("6749", "10.16")
@standard("OpenID Connect Core 1.0", "3.1.2.3")
async def test_somebody_elses_request_is_gone_on_with_as_oneself(house: Planting) -> None:
    ada, bob = Visitor(house), Visitor(house, ELSEWHERE, username="bob")
    await ada.arrive()
    await bob.signed_in()
    house.clock.advance(60)
    sealed = (await ada.visit(prompt="login")).forms["sign-in-form"].fields["request"]
    # He is asked to sign in as she was, and then what she was asked once; her yes is not his.
    view = await bob.open("/authorize/resume", request=sealed)
    assert "sign-in-form" in view.forms
    view = await bob.sign_in(view)
    assert "consent-form" in view.forms
    view = await bob.decide(view)
    tokens = (await bob.redeem(view.answer["code"])).json()
    assert house.read(tokens["access_token"]).claims["sub"] == await sub_of(house, "bob")
    # Nor does a browser come to her session by it.
    nobody = Visitor(house, FAR_AWAY)
    view = await nobody.open("/authorize/resume", request=sealed)
    assert ("sign-in-form" in view.forms, nobody.session) == (True, None)


@rfc("6819", "4.4.1.9")
async def test_consent_cannot_be_given_before_or_for_somebody(house: Planting) -> None:
    ada, bob = Visitor(house), Visitor(house, ELSEWHERE, username="bob")
    view = await ada.visit()
    form = view.forms["sign-in-form"]
    early = Form(f"{house.plan.issuer}/consent", {"csrf": form.fields["csrf"], "request": form.fields["request"]})
    answer = await ada.post(early, decision="allow")
    assert answer.headers["location"].startswith(f"{house.plan.issuer}/authorize/resume?")
    view = await ada.sign_in(view)
    consent = view.forms["consent-form"]
    await bob.signed_in()
    assert View(await bob.post(consent, decision="allow")).problem == "stale"
    for sub in [await sub_of(house, username) for username in ("ada", "bob")]:
        async with house.parts.storage.read() as reading:
            assert await reading.consents_of(sub) == []


async def test_a_fresh_sign_in_that_is_asked_for_cannot_be_skipped(house: Planting) -> None:
    await prove_address(house)
    visitor, _ = await by_both_steps(house)
    house.clock.advance(60)
    view = await visitor.visit(prompt="login")
    sealed = view.forms["sign-in-form"].fields["request"]
    for path in ("/authorize/resume", "/login", "/login/second-step", "/sign-up"):
        view = await visitor.open(path, request=sealed)
        assert "consent-form" not in view.forms
        assert view.location is None
    # After the password alone as little as before.
    view = await visitor.sign_in(await visitor.open("/login", request=sealed))
    assert "otp-form" in view.forms
    assert "sign-in-form" in (await visitor.open("/authorize/resume", request=sealed)).forms


@standard(ASVS, "6.4.1")
async def test_no_password_is_reset_without_a_link_for_that(house: Planting) -> None:
    before = await state_of(house)
    asked = await FORMS["/verify-email"](house)
    for visitor in (Visitor(house), asked.visitor):
        csrf = (await visitor.open("/forgot-password")).forms["forgot-password-form"].fields["csrf"]
        form = Form(f"{house.plan.issuer}/reset-password", {"csrf": csrf})
        answer = await visitor.post(form, new_password=NEW_PASSWORD, repeated_password=NEW_PASSWORD, username="ada")
        assert (answer.status_code, "dead-link" in View(answer).ids) == (410, True)
        assert (await visitor.http.get("/reset-password")).status_code == 410
    assert (await state_of(house))[0] == before[0]
