"""Every form of the server's pages, each before a user who has filled it in and may send it.

The table is by path, so that a test can hold it against the table of routes: a form that is added is added here too.
"""

import json
import re
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace
from typing import Any, Final, TypeAlias
from urllib.parse import urlencode

import httpx2
from tests.support.cast import PASSWORD
from tests.support.door import ELSEWHERE, Door
from tests.support.mailbox import Mailbox
from tests.support.passkey_pages import options_in, posted, send_new
from tests.support.second_factor import App, enrol, sub_of
from tests.support.soft_authenticator import SoftPasskey
from tests.support.visitor import Form, View, Visitor

from watchword.protocol.redirect_uri import origin_of
from watchword.server.domain.passkey import Passkey

NEW_PASSWORD: Final = "an entirely different passphrase"
_TAG = re.compile(r"<[^>]+>")


@dataclass
class Filled:
    """A form as it was shown, in the browser that it was shown to, and what the user typed into it.

    ``later``: what else he would type if he did it later.
    """

    visitor: Visitor
    form: Form
    typed: dict[str, str]
    later: Callable[[], dict[str, str]] = dict

    @property
    def fields(self) -> dict[str, str]:
        """All that goes with it."""
        return {**self.form.fields, **self.typed}

    async def post(self, headers: dict[str, str] | None = None, /, **fields: Any) -> httpx2.Response:
        """Send it, with these changes; a field that is None is left out."""
        return await self.visitor.post(self.form, headers=headers, **{**self.typed, **fields})

    async def post_raw(self, body: bytes, *, media_type: str = "application/x-www-form-urlencoded") -> httpx2.Response:
        """Send other bytes in its place."""
        headers = {"content-type": media_type, "origin": origin_of(self.visitor.door.plan.issuer) or ""}
        return await self.visitor.http.post(self.form.action, content=body, headers=headers)

    @property
    def body(self) -> bytes:
        """It, as it would be sent."""
        return urlencode(self.fields).encode()


FillIn: TypeAlias = Callable[[Door], Awaitable[Filled]]


async def signed_in(door: Door) -> tuple[Visitor, View]:
    """Ada, at her account page."""
    visitor = Visitor(door)
    return visitor, await visitor.signed_in()


def form_to(view: View, path: str) -> Form:
    """The first form of a page that is sent there."""
    return next(form for form in view.forms.values() if form.action.endswith(path))


def passkey_of(door: Door) -> SoftPasskey:
    """A key for this server."""
    host = httpx2.URL(door.plan.issuer).host
    return SoftPasskey(rp_id=host, origin=origin_of(door.plan.issuer) or "")


async def with_a_passkey(door: Door) -> tuple[Visitor, SoftPasskey]:
    """Ada, who signed in by her password and made a passkey."""
    visitor, passkey = (await signed_in(door))[0], passkey_of(door)
    view = await send_new(visitor, await visitor.open("/account/passkeys/new"), passkey)
    assert (view.status, "problem" in view.ids) == (200, False), view.text
    return visitor, passkey


async def by_passkey(door: Door) -> tuple[Visitor, View]:
    """Ada, who signed in by her passkey, at her account page."""
    _, passkey = await with_a_passkey(door)
    visitor = Visitor(door)
    view = await visitor.follow(await posted(visitor, passkey))
    assert "password-form" in view.forms, view.text
    return visitor, view


async def half_way(door: Door) -> tuple[Visitor, View, App]:
    """Ada, who has an authenticator app, after her password."""
    app, visitor = await enrol(door), Visitor(door)
    view = await visitor.sign_in(await visitor.open("/login"))
    assert "otp-form" in view.forms, view.text
    return visitor, view, app


async def by_both_steps(door: Door) -> tuple[Visitor, View]:
    """Ada, who signed in by password and code, at her account page."""
    visitor, view, app = await half_way(door)
    view = await visitor.send(view.forms["otp-form"], otp=app.code())
    assert "turn-off-form" in view.forms, view.text
    return visitor, view


async def prove_address(door: Door, name: str = "ada") -> None:
    """The user's address counts as proved."""
    async with door.parts.storage.write() as tx:
        user = await tx.user_by_name(name)
        assert user is not None
        await tx.put_user(replace(user, email_verified=True))


async def give_key(door: Door, username: str) -> None:
    """The user has a passkey; nobody signs in with it."""
    passkey = Passkey(
        credential_id=username.encode() * 4,
        sub=await sub_of(door, username),
        public_key=b"none that is used",
        sign_count=0,
        backup_eligible=True,
        backed_up=True,
        transports=(),
        name="a key",
        created_at=door.clock.now(),
    )
    async with door.parts.storage.write() as tx:
        await tx.add_passkey(passkey)


async def reset_link(door: Door) -> str:
    """The path of a link by which ada sets a new password."""
    await prove_address(door)
    filled = await _forgot_password(door)
    await filled.post()
    return below(door, await Mailbox(door).link())


def below(door: Door, path: str) -> str:
    """The path as a caller of ``door`` asks for it: without the issuer's own."""
    return path.removeprefix(httpx2.URL(door.plan.issuer).path.rstrip("/"))


async def _login(door: Door) -> Filled:
    visitor = Visitor(door)
    form = (await visitor.open("/login")).forms["sign-in-form"]
    return Filled(visitor, form, {"username": "ada", "password": PASSWORD})


async def _login_passkey(door: Door) -> Filled:
    _, passkey = await with_a_passkey(door)
    visitor = Visitor(door)
    view = await visitor.open("/login")
    said = passkey.get(options_in(view, "passkey-form"))
    return Filled(visitor, view.forms["passkey-form"], {"assertion": json.dumps(said)})


async def _second_step(door: Door) -> Filled:
    visitor, view, app = await half_way(door)
    return Filled(visitor, view.forms["otp-form"], {"otp": app.code()})


async def _sign_up(door: Door) -> Filled:
    visitor = Visitor(door)
    form = (await visitor.open("/sign-up")).forms["sign-up-form"]
    typed = {"username": "grace", "email": "grace@example.org", "password": NEW_PASSWORD}
    return Filled(visitor, form, typed)


async def _consent(door: Door) -> Filled:
    visitor = Visitor(door)
    view = await visitor.sign_in(await visitor.visit())
    return Filled(visitor, view.forms["consent-form"], {"decision": "allow"})


async def _end_session(door: Door) -> Filled:
    visitor, _ = await signed_in(door)
    return Filled(visitor, (await visitor.open("/end_session")).forms["sign-out-form"], {})


async def _password(door: Door) -> Filled:
    visitor, view = await signed_in(door)
    typed = {"current_password": PASSWORD, "new_password": NEW_PASSWORD, "repeated_password": NEW_PASSWORD}
    return Filled(visitor, view.forms["password-form"], typed)


async def _new_passkey(door: Door) -> Filled:
    visitor, _ = await signed_in(door)
    view = await visitor.open("/account/passkeys/new")
    made = passkey_of(door).create(options_in(view, "new-passkey-form"))
    return Filled(visitor, view.forms["new-passkey-form"], {"credential": json.dumps(made), "name": "a key"})


async def _remove_passkey(door: Door) -> Filled:
    visitor, view = await by_passkey(door)
    return Filled(visitor, form_to(view, "/account/passkeys/remove"), {})


async def _totp(door: Door) -> Filled:
    visitor, _ = await signed_in(door)
    view = await visitor.open("/account/totp")
    shown = re.search(r'id="secret"[^>]*>(.*?)</p>', view.text, re.DOTALL)
    assert shown is not None, view.text
    app = App.typed(door, _TAG.sub(" ", shown[1]))
    return Filled(visitor, view.forms["totp-form"], {"otp": app.code()}, later=lambda: {"otp": app.code()})


async def _totp_remove(door: Door) -> Filled:
    visitor, view = await by_both_steps(door)
    return Filled(visitor, view.forms["turn-off-form"], {})


async def _recovery_codes(door: Door) -> Filled:
    visitor, view = await by_both_steps(door)
    return Filled(visitor, view.forms["new-codes-form"], {})


async def _email(door: Door) -> Filled:
    visitor, view = await signed_in(door)
    return Filled(visitor, view.forms["email-form"], {"email": "ada@elsewhere.example"})


async def _email_send(door: Door) -> Filled:
    visitor, view = await signed_in(door)
    return Filled(visitor, view.forms["send-again-form"], {})


async def _account_end_session(door: Door) -> Filled:
    await Visitor(door, ELSEWHERE).signed_in()
    visitor, view = await signed_in(door)
    own = re.search(r'name="sid" value="([^"]+)">\s*<button[^>]*id="end-this-session"', view.text)
    assert own is not None, view.text
    form = next(one for one in view.forms.values() if one.fields.get("sid", own[1]) != own[1])
    return Filled(visitor, form, {})


async def _everywhere(door: Door) -> Filled:
    visitor, view = await signed_in(door)
    return Filled(visitor, view.forms["everywhere-form"], {})


async def _remove_application(door: Door) -> Filled:
    visitor = Visitor(door)
    await visitor.tokens()
    return Filled(visitor, form_to(await visitor.open("/account"), "/account/remove-application"), {})


async def _forgot_password(door: Door) -> Filled:
    visitor = Visitor(door)
    return Filled(visitor, (await visitor.open("/forgot-password")).forms["forgot-password-form"], {"username": "ada"})


async def _reset_password(door: Door) -> Filled:
    link, visitor = await reset_link(door), Visitor(door)
    form = (await visitor.open(link)).forms["reset-password-form"]
    return Filled(visitor, form, {"new_password": NEW_PASSWORD, "repeated_password": NEW_PASSWORD})


async def _verify_email(door: Door) -> Filled:
    asked = await _email_send(door)
    await asked.post()
    view = await asked.visitor.open(below(door, await Mailbox(door).link()))
    return Filled(asked.visitor, view.forms["verify-email-form"], {})


FORMS: Final[dict[str, FillIn]] = {
    "/login": _login,
    "/login/passkey": _login_passkey,
    "/login/second-step": _second_step,
    "/sign-up": _sign_up,
    "/consent": _consent,
    "/end_session": _end_session,
    "/account/password": _password,
    "/account/passkeys": _new_passkey,
    "/account/passkeys/remove": _remove_passkey,
    "/account/totp": _totp,
    "/account/totp/remove": _totp_remove,
    "/account/recovery-codes": _recovery_codes,
    "/account/email": _email,
    "/account/email/send": _email_send,
    "/account/end-session": _account_end_session,
    "/account/everywhere": _everywhere,
    "/account/remove-application": _remove_application,
    "/forgot-password": _forgot_password,
    "/reset-password": _reset_password,
    "/verify-email": _verify_email,
}
# The forms that make a session, or give a browser a new cookie for the one that it has.
GIVES_A_COOKIE: Final = (
    *("/login", "/login/passkey", "/login/second-step", "/sign-up"),
    *("/account/password", "/account/passkeys", "/account/passkeys/remove", "/account/totp", "/account/totp/remove"),
)
