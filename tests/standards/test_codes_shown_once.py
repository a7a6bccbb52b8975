"""A page of recovery codes that is loaded anew: the browser sends its form once more, and nothing happens twice.

R112.
"""

import asyncio
import base64
import hashlib
import json

from tests.support.door import ELSEWHERE, Door
from tests.support.passkey_pages import options_in
from tests.support.rfc import standard
from tests.support.second_factor import App, recovery_codes_left, sub_of
from tests.support.second_factor_pages import codes_in, set_up, set_up_page, sign_in_with_code
from tests.support.soft_authenticator import SoftPasskey
from tests.support.visitor import View, Visitor

from watchword.server.web.routes import ROUTES

SHOWN = "Your new recovery codes were shown already."
ASVS = "OWASP ASVS 5.0"


def leads_on(view: View) -> bool:
    """Whether it is the account page, and says how it is."""
    return "password-form" in view.forms and SHOWN in view.text and codes_in(view) == []


async def works(door: Door, code: str) -> bool:
    """Whether ada comes in with the code."""
    other = Visitor(door, ELSEWHERE)
    step = await other.sign_in(await other.open("/login"))
    return "password-form" in (await other.send(step.forms["recovery-form"], recovery_code=code)).forms


@standard(ASVS, "6.5.2")
async def test_codes_that_were_made_anew_are_not_made_again_by_a_reload(everywhere: Door) -> None:
    visitor = Visitor(everywhere)
    await visitor.signed_in()
    app, _ = await set_up(everywhere, visitor)
    everywhere.clock.advance(30)
    form = (await sign_in_with_code(visitor, app)).forms["new-codes-form"]
    codes = codes_in(await visitor.send(form))
    assert len(codes) == 10
    for _ in range(2):
        assert leads_on(await visitor.send(form))
    assert (await everywhere.kinds()).count("factor.recovery_codes_made") == 1
    # It is said once, and the form that stands there now makes others.
    view = await visitor.open("/account")
    assert "flash" not in view.ids
    assert await works(everywhere, codes[0])
    again = codes_in(await visitor.send(view.forms["new-codes-form"]))
    assert len(set(again) - set(codes)) == 10
    assert await works(everywhere, again[0])


async def test_of_two_that_come_at_once_one_makes_codes(everywhere: Door) -> None:
    visitor = Visitor(everywhere)
    await visitor.signed_in()
    app, _ = await set_up(everywhere, visitor)
    everywhere.clock.advance(30)
    form = (await sign_in_with_code(visitor, app)).forms["new-codes-form"]
    answers = await asyncio.gather(*(visitor.post(form) for _ in range(4)))
    [codes] = [codes for answer in answers if (codes := codes_in(View(answer)))]
    assert await works(everywhere, codes[0])


async def test_the_mark_of_one_users_form_stands_in_no_other_users_way(everywhere: Door) -> None:
    marks = []
    for username, address in (("ada", None), ("bob", ELSEWHERE)):
        visitor = Visitor(everywhere, *([address] if address else []), username=username)
        await visitor.signed_in()
        app, _ = await set_up(everywhere, visitor)
        everywhere.clock.advance(30)
        form = (await sign_in_with_code(visitor, app)).forms["new-codes-form"]
        marks.append(form.fields["once"])
        assert len(codes_in(await visitor.send(form, once=marks[0]))) == 10
    assert marks[0] != marks[1]


async def test_the_first_codes_come_with_the_app_and_a_reload_says_so(everywhere: Door) -> None:
    visitor = Visitor(everywhere)
    await visitor.signed_in()
    page = await set_up_page(visitor)
    form, code = page.view.forms["totp-form"], App.typed(everywhere, page.secret).code()
    codes = codes_in(await visitor.send(form, otp=code))
    assert len(codes) == 10
    session = visitor.session
    for _ in range(2):
        assert leads_on(await visitor.send(form, otp=code))
    assert visitor.session == session
    # Another form from before is none of it, whatever it holds.
    assert (await visitor.send(form, otp=code, x="1")).problem == "stale"
    assert (await visitor.send(form, otp="000000")).problem == "stale"
    assert (await visitor.send(form, otp=code, csrf="x")).problem == "stale"
    assert await works(everywhere, codes[0])


async def test_the_first_codes_come_with_the_first_passkey_and_a_reload_says_so(everywhere: Door) -> None:
    visitor, passkey = Visitor(everywhere), SoftPasskey(origin=everywhere.plan.issuer)
    await visitor.signed_in()
    view = await visitor.open("/account/passkeys/new")
    made = json.dumps(passkey.create(options_in(view, "new-passkey-form")))
    form = view.forms["new-passkey-form"]
    assert len(codes_in(await visitor.send(form, credential=made, name="a key"))) == 10
    assert leads_on(await visitor.send(form, credential=made, name="a key"))
    assert await recovery_codes_left(everywhere) == 10
    sub = await sub_of(everywhere, "ada")
    async with everywhere.parts.storage.read() as reading:
        assert len(await reading.passkeys_of(sub)) == 1


async def test_another_browser_is_told_nothing_by_the_form_of_this_one(everywhere: Door) -> None:
    visitor, other = Visitor(everywhere), Visitor(everywhere, ELSEWHERE, username="bob")
    await visitor.signed_in()
    await other.signed_in()
    page = await set_up_page(visitor)
    form, code = page.view.forms["totp-form"], App.typed(everywhere, page.secret).code()
    await visitor.send(form, otp=code)
    assert (await other.send(form, otp=code)).problem == "stale"


async def test_a_home_made_form_with_a_home_made_mark_is_refused_as_any_other(door: Door) -> None:
    body = b"a=b"
    unkeyed = base64.urlsafe_b64encode(hashlib.sha256(b"posted\n" + body).digest()).rstrip(b"=").decode()
    headers = {"cookie": f"__Host-ww-shown={unkeyed}; ww-shown={unkeyed}", "accept": "text/html"}
    for path in (path for path, route in ROUTES.items() if path.startswith("/account/") and "POST" in route.endpoints):
        answer = await door.caller().post(
            path, content=body, headers={**headers, "content-type": "application/x-www-form-urlencoded"}
        )
        assert 300 <= answer.status_code < 500, path
        assert "made" not in str(answer.headers.get("location")), path
    assert "server.error" not in door.heard.slugs()
