"""A visitor with a passkey: adds it on the account page, signs in with it at the sign-in page."""

import json
from typing import Any

import httpx2
from tests.support.soft_authenticator import SoftPasskey
from tests.support.visitor import View, Visitor

NAME = "The blue key"


def options_in(view: View, ident: str) -> dict[str, Any]:
    """The options that a page hands to its script."""
    found: dict[str, Any] = json.loads(view.ids[ident]["data-options"])
    return found


async def add_passkey(visitor: Visitor, passkey: SoftPasskey, *, name: str = NAME, **wrong: Any) -> View:
    """Make ``passkey`` on the page for it and send the form; ``wrong`` is for ``SoftPasskey.create``."""
    view = await visitor.open("/account/passkeys/new")
    return await send_new(visitor, view, passkey, name=name, **wrong)


async def send_new(visitor: Visitor, view: View, passkey: SoftPasskey, *, name: str = NAME, **wrong: Any) -> View:
    """As ``add_passkey``, on the page that is open already."""
    assert "new-passkey-form" in view.forms, view.text
    made = passkey.create(options_in(view, "new-passkey-form"), **wrong)
    return await visitor.send(view.forms["new-passkey-form"], credential=json.dumps(made), name=name)


async def with_passkey(visitor: Visitor, **changes: Any) -> SoftPasskey:
    """A passkey of the visitor, who signs in with the password for it and stays signed in."""
    if visitor.session is None:
        await visitor.signed_in()
    passkey = SoftPasskey(origin=visitor.door.plan.issuer, **changes)
    view = await add_passkey(visitor, passkey)
    assert view.status == 200, view.text
    assert "problem" not in view.ids, view.text
    return passkey


async def sign_in_with(visitor: Visitor, passkey: SoftPasskey, view: View | None = None, **wrong: Any) -> View:
    """Use ``passkey`` at the sign-in page, or at ``view``; ``wrong`` is for ``SoftPasskey.get``."""
    return await visitor.follow(await posted(visitor, passkey, view, **wrong))


async def posted(visitor: Visitor, passkey: SoftPasskey, view: View | None = None, **wrong: Any) -> httpx2.Response:
    """As ``sign_in_with``, and nothing is followed."""
    page = view or await visitor.open("/login")
    assert "passkey-form" in page.forms, page.text
    said = passkey.get(options_in(page, "passkey-form"), **wrong)
    return await visitor.post(page.forms["passkey-form"], assertion=json.dumps(said))
