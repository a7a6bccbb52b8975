"""The authenticator app and the recovery codes on the account page: set up, turned off, made anew.

R099, R103, R110-R112, R115, R117.
"""

from collections.abc import Awaitable, Callable
from urllib.parse import parse_qs, unquote, urlsplit

import pytest
from tests.support.cast import PASSWORD
from tests.support.door import ELSEWHERE, FAR_AWAY, HOME, Door
from tests.support.rfc import rfc, standard
from tests.support.second_factor import App, enrol, give_recovery_codes, recovery_codes_left, sub_of
from tests.support.second_factor_pages import codes_in, set_up, set_up_page, sign_in_with_code
from tests.support.visitor import View, Visitor

from watchword.protocol.authentication_class import ACR_PASSKEY, ACR_PASSWORD, ACR_TWO_FACTOR
from watchword.server.domain.factors import Factors

ASVS = "OWASP ASVS 5.0"
NIST = "NIST SP 800-63B-4"
MINUTE = 60


async def held(door: Door, username: str = "ada") -> Factors:
    sub = await sub_of(door, username)
    async with door.parts.storage.read() as reading:
        return await reading.factors(sub)


async def lives(visitor: Visitor) -> bool:
    return "password-form" in (await visitor.open("/account")).forms


def asks_again(view: View, acr: str) -> bool:
    """Whether it is the sign-in page that asks somebody who is signed in once more."""
    form = view.forms.get("sign-in-form")
    return form is not None and form.fields.get("again") == acr and "again" in view.ids


# --- set up


@rfc("6238", "5.1")
async def test_an_app_is_set_up_by_its_first_code_and_wanted_from_then_on(everywhere: Door) -> None:
    visitor = Visitor(everywhere)
    view = await visitor.signed_in()
    assert "set-up-totp" in view.ids
    app, codes = await set_up(everywhere, visitor)
    assert len(set(codes)) == 10
    assert await held(everywhere) == Factors(totp=True, passkeys=0, recovery_codes=10)
    assert [kind for kind in await everywhere.kinds() if kind.startswith("factor.")] == ["factor.totp_added"]
    view = await visitor.open("/account")
    assert "turn-off-form" in view.forms
    assert "set-up-totp" not in view.ids
    other = Visitor(everywhere, ELSEWHERE)
    everywhere.clock.advance(30)
    assert "password-form" in (await sign_in_with_code(other, app)).forms


@standard(ASVS, "7.4.3")
async def test_with_an_app_all_other_sessions_end_which_may_have_had_a_password_alone(everywhere: Door) -> None:
    visitor, other = Visitor(everywhere), Visitor(everywhere, ELSEWHERE)
    await visitor.signed_in()
    await other.signed_in()
    tokens = await other.tokens("spa")
    mine = await visitor.tokens("spa")
    before = visitor.session
    await set_up(everywhere, visitor)
    assert await lives(visitor)
    assert visitor.session != before
    assert not await lives(other)
    ended = await everywhere.refresh(everywhere.caller(), tokens["refresh_token"], client_id="spa")
    assert ended.json()["error"] == "invalid_grant"
    await everywhere.refreshed(everywhere.caller(), mine["refresh_token"], client_id="spa")


async def test_the_page_gives_the_seed_to_scan_to_open_and_to_type(door: Door) -> None:
    visitor = Visitor(door)
    await visitor.signed_in()
    page = await set_up_page(visitor)
    parts = urlsplit(page.uri)
    assert (parts.scheme, parts.netloc, unquote(parts.path)) == ("otpauth", "totp", "/Watchword:ada")
    said = {name: value for name, [value] in parse_qs(parts.query).items()}
    secret = "".join(page.secret.split())
    assert said == {"secret": secret, "issuer": "Watchword", "algorithm": "SHA1", "digits": "6", "period": "30"}
    assert all(len(group) == 4 for group in page.secret.split())
    assert '<svg class="qr" role="img"' in page.view.text
    assert page.view.response.headers["cache-control"] == "no-store"


async def test_a_wrong_first_code_keeps_the_seed_and_nothing_else(everywhere: Door) -> None:
    visitor = Visitor(everywhere)
    await visitor.signed_in()
    page = await set_up_page(visitor)
    app, view = App.typed(everywhere, page.secret), page.view
    for typed in (app.wrong(), "", "x"):
        view = await visitor.send(page.view.forms["totp-form"], otp=typed)
        assert view.status == 400
        assert "problem" in view.ids
        assert view.forms["totp-form"].fields["pending"] == page.view.forms["totp-form"].fields["pending"]
        assert not (await held(everywhere)).totp
    assert len(codes_in(await visitor.send(view.forms["totp-form"], otp=app.code()))) == 10


@rfc("6238", "5.2")
async def test_the_first_code_is_used_up(everywhere: Door) -> None:
    visitor, other = Visitor(everywhere), Visitor(everywhere, ELSEWHERE)
    await visitor.signed_in()
    app, _ = await set_up(everywhere, visitor)
    view = await sign_in_with_code(other, app)
    assert "problem" in view.ids
    everywhere.clock.advance(30)
    assert "password-form" in (await visitor.follow(await other.post(view.forms["otp-form"], otp=app.code()))).forms


async def test_a_seed_is_of_the_session_that_it_was_shown_to_and_for_half_an_hour(everywhere: Door) -> None:
    visitor, other = Visitor(everywhere), Visitor(everywhere, ELSEWHERE)
    await visitor.signed_in()
    await other.signed_in()
    page, others = await set_up_page(visitor), await set_up_page(other)
    app = App.typed(everywhere, page.secret)
    pending = page.view.forms["totp-form"].fields["pending"]
    for wrong in (pending[:-4] + "AAAA", "", "x", others.view.forms["totp-form"].fields["pending"]):
        view = await visitor.send(page.view.forms["totp-form"], pending=wrong, otp=app.code())
        # Another seed, on a page that begins anew.
        assert view.status == 200
        assert view.forms["totp-form"].fields["pending"] not in (pending, wrong)
    view = await other.send(others.view.forms["totp-form"], pending=pending, otp=app.code())
    assert view.status == 200
    everywhere.clock.advance(30 * MINUTE)
    view = await visitor.send(page.view.forms["totp-form"], otp=app.code())
    assert asks_again(view, ACR_PASSWORD)
    assert not (await held(everywhere)).totp


async def test_of_two_pages_that_set_up_an_app_the_first_counts(everywhere: Door) -> None:
    visitor = Visitor(everywhere)
    await visitor.signed_in()
    first, second = await set_up_page(visitor), await set_up_page(visitor)
    apps = [App.typed(everywhere, page.secret) for page in (first, second)]
    assert codes_in(await visitor.send(first.view.forms["totp-form"], otp=apps[0].code()))
    view = await visitor.send(second.view.forms["totp-form"], otp=apps[1].code())
    assert view.problem == "stale", "it was shown to the session under its cookie of before"
    assert "turn-off-form" in (await visitor.open(view.ids["continue"]["href"])).forms
    assert "totp-form" not in (await visitor.open("/account/totp")).forms
    everywhere.clock.advance(30)
    assert "password-form" in (await sign_in_with_code(Visitor(everywhere, ELSEWHERE), apps[0])).forms


# --- recovery codes


@standard(NIST, "3.1.2.2")
@standard(ASVS, "6.5.2")
async def test_recovery_codes_are_shown_once_and_kept_as_hashes(everywhere: Door) -> None:
    visitor = Visitor(everywhere)
    await visitor.signed_in()
    page = await set_up_page(visitor)
    form = page.view.forms["totp-form"]
    app = App.typed(everywhere, page.secret)
    answer = await visitor.post(form, otp=app.code())
    codes = codes_in(View(answer))
    assert len(codes) == 10
    assert answer.headers["cache-control"] == "no-store"
    # A reload sends the form once more.
    assert codes_in(await visitor.send(form, otp=app.code())) == []
    for path in ("/account", "/account/totp", "/login/second-step"):
        view = await visitor.open(path)
        assert not [code for code in codes if code in view.text]


async def test_new_codes_kill_those_before(everywhere: Door) -> None:
    # R112
    visitor = Visitor(everywhere)
    await visitor.signed_in()
    app, old = await set_up(everywhere, visitor)
    everywhere.clock.advance(30)
    view = await sign_in_with_code(visitor, app)
    view = await visitor.send(view.forms["new-codes-form"])
    new = codes_in(view)
    assert len(set(new) - set(old)) == 10
    assert await recovery_codes_left(everywhere) == 10
    assert "factor.recovery_codes_made" in await everywhere.kinds()
    other = Visitor(everywhere, ELSEWHERE)
    step = await other.sign_in(await other.open("/login"))
    step = await other.send(step.forms["recovery-form"], recovery_code=old[0])
    assert "problem" in step.ids
    assert "password-form" in (await other.send(step.forms["recovery-form"], recovery_code=new[0])).forms
    left = await other.open("/account")
    assert "You have 9 recovery codes left." in left.text


async def test_a_user_without_any_factor_has_nothing_to_recover(everywhere: Door) -> None:
    visitor = Visitor(everywhere)
    view = await visitor.signed_in()
    assert "new-codes-form" not in view.forms
    form = view.forms["everywhere-form"]
    form.action = form.action.replace("everywhere", "recovery-codes")
    assert codes_in(await visitor.send(form)) == []
    assert await held(everywhere) == Factors(totp=False, passkeys=0, recovery_codes=0)


async def test_a_user_who_used_up_his_codes_is_told_so(door: Door) -> None:
    app, visitor = await enrol(door), Visitor(door)
    view = await sign_in_with_code(visitor, app)
    assert "no recovery codes left" in view.text


# --- turn off


@standard(ASVS, "7.4.3")
async def test_turning_it_off_ends_all_other_sessions_and_lets_the_password_do_again(everywhere: Door) -> None:
    app, visitor = await enrol(everywhere), Visitor(everywhere)
    await give_recovery_codes(everywhere)
    other = Visitor(everywhere, ELSEWHERE)
    await sign_in_with_code(other, app)
    tokens = await other.tokens("spa")
    everywhere.clock.advance(60)
    view = await sign_in_with_code(visitor, app)
    before = visitor.session
    view = await visitor.send(view.forms["turn-off-form"])
    assert "set-up-totp" in view.ids
    assert "flash" in view.ids
    # The codes stood in for the app, so they go with it.
    assert await held(everywhere) == Factors(totp=False, passkeys=0, recovery_codes=0)
    assert visitor.session not in (None, before)
    assert not await lives(other)
    answer = await everywhere.refresh(everywhere.caller(), tokens["refresh_token"], client_id="spa")
    assert (answer.status_code, answer.json()["error"]) == (400, "invalid_grant")
    kinds = await everywhere.kinds()
    assert kinds.index("factor.totp_removed") < kinds.index("user.logged_out_everywhere")
    assert "password-form" in (await other.sign_in(await other.open("/login"))).forms


async def test_turning_it_off_twice_changes_nothing(everywhere: Door) -> None:
    app, visitor = await enrol(everywhere), Visitor(everywhere)
    view = await sign_in_with_code(visitor, app)
    form = view.forms["turn-off-form"]
    again = await visitor.send(form)
    form.fields["csrf"] = again.forms["everywhere-form"].fields["csrf"]
    session = visitor.session
    view = await visitor.send(form)
    assert "set-up-totp" in view.ids
    assert visitor.session == session
    assert (await everywhere.kinds()).count("factor.totp_removed") == 1


# --- who may change it


Change = Callable[[Visitor, View], Awaitable[View]]


async def _open_set_up(visitor: Visitor, _: View) -> View:
    return await visitor.open("/account/totp")


async def _turn_off(visitor: Visitor, account: View) -> View:
    return await visitor.send(account.forms["turn-off-form"])


async def _make_codes(visitor: Visitor, account: View) -> View:
    return await visitor.send(account.forms["new-codes-form"])


async def _change_password(visitor: Visitor, account: View) -> View:
    new = "an entirely different passphrase"
    form = account.forms["password-form"]
    return await visitor.send(form, current_password=PASSWORD, new_password=new, repeated_password=new)


@standard(ASVS, "7.5.1")
async def test_setting_up_wants_a_sign_in_of_the_last_ten_minutes(everywhere: Door) -> None:
    # R103
    visitor = Visitor(everywhere)
    await visitor.signed_in()
    page = await set_up_page(visitor)
    everywhere.clock.advance(10 * MINUTE + 1)
    app = App.typed(everywhere, page.secret)
    for view in (await visitor.open("/account/totp"), await visitor.send(page.view.forms["totp-form"], otp=app.code())):
        assert asks_again(view, ACR_PASSWORD)
        assert view.forms["sign-in-form"].fields["username"] == "ada"
    assert not (await held(everywhere)).totp
    view = await visitor.sign_in(view)
    assert "set-up-totp" in view.ids
    await set_up(everywhere, visitor)
    assert (await held(everywhere)).totp


@standard(ASVS, "7.5.1")
@pytest.mark.parametrize("change", [_turn_off, _make_codes, _change_password])
async def test_a_change_wants_both_steps_and_lately(everywhere: Door, change: Change) -> None:
    visitor = Visitor(everywhere)
    # By password alone, and then there is an app: the session is good, and too weak for this.
    view = await visitor.signed_in()
    app, codes = await enrol(everywhere), await give_recovery_codes(everywhere)
    view = await visitor.open("/account")
    before = await held(everywhere)
    view = await change(visitor, view)
    assert asks_again(view, ACR_TWO_FACTOR)
    assert await held(everywhere) == before
    view = await sign_in_with_code(visitor, app, view=view)
    # Strong, and too old.
    everywhere.clock.advance(10 * MINUTE + 1)
    view = await change(visitor, view)
    assert asks_again(view, ACR_TWO_FACTOR)
    assert await held(everywhere) == before
    # A recovery code does as well: it is for who lost the app.
    view = await visitor.sign_in(view)
    view = await visitor.send(view.forms["recovery-form"], recovery_code=codes[0])
    view = await change(visitor, view)
    assert not asks_again(view, ACR_TWO_FACTOR)
    assert view.status == 200


async def test_a_session_that_ends_meanwhile_changes_nothing(everywhere: Door) -> None:
    app, visitor, other = await enrol(everywhere), Visitor(everywhere), Visitor(everywhere, ELSEWHERE)
    await give_recovery_codes(everywhere)
    account = await sign_in_with_code(visitor, app)
    everywhere.clock.advance(60)
    view = await sign_in_with_code(other, app)
    await other.send(view.forms["everywhere-form"])
    for change in (_turn_off, _make_codes, _open_set_up):
        view = await change(visitor, account)
        assert "sign-in-form" in view.forms
    assert await held(everywhere) == Factors(totp=True, passkeys=0, recovery_codes=10)


@pytest.mark.parametrize("path", ["/account/totp", "/account/totp/remove", "/account/recovery-codes"])
async def test_every_form_must_be_the_browsers_own(everywhere: Door, path: str) -> None:
    app, visitor, other = await enrol(everywhere), Visitor(everywhere), Visitor(everywhere, FAR_AWAY, username="bob")
    view = await sign_in_with_code(visitor, app)
    form, others = view.forms["everywhere-form"], (await other.signed_in()).forms["everywhere-form"]
    for one in (form, others):
        one.action = f"{everywhere.plan.issuer}{path}"
    assert View(await visitor.post(others, otp=app.code())).problem == "stale"
    assert View(await visitor.post(form, csrf=None, otp=app.code())).problem == "stale"
    headers = {"origin": "https://evil.example", "sec-fetch-site": "cross-site"}
    assert View(await visitor.post(form, headers=headers, otp=app.code())).problem == "forbidden"
    assert (await held(everywhere)).totp
    assert not (await held(everywhere, "bob")).totp


# --- the sign-in page


@pytest.mark.parametrize("acr", [ACR_PASSWORD, ACR_TWO_FACTOR, ACR_PASSKEY])
async def test_the_sign_in_page_says_why_it_asks_again_and_leads_back(everywhere: Door, acr: str) -> None:
    visitor = Visitor(everywhere)
    await visitor.signed_in()
    view = await visitor.open("/login", again=acr)
    assert asks_again(view, acr)
    assert view.forms["sign-in-form"].fields["username"] == "ada"
    # What was typed wrongly does not make it forget.
    view = await visitor.sign_in(view, password="a wrong one")
    assert view.status == 400
    assert view.forms["sign-in-form"].fields["again"] == acr
    assert "password-form" in (await visitor.sign_in(view)).forms


@pytest.mark.parametrize("again", ["", "x", "urn:watchword:acr:nonsense"])
async def test_what_it_does_not_know_it_does_not_repeat(door: Door, again: str) -> None:
    visitor = Visitor(door)
    await visitor.signed_in()
    view = await visitor.open("/login", again=again)
    assert "again" not in view.forms["sign-in-form"].fields
    assert view.forms["sign-in-form"].fields["username"] == ""


async def test_it_names_nobody_to_a_browser_that_nobody_is_signed_in_with(door: Door) -> None:
    view = await Visitor(door, HOME).open("/login", again=ACR_PASSWORD)
    assert view.forms["sign-in-form"].fields["username"] == ""


async def test_who_lost_his_passkeys_comes_in_by_a_recovery_code_and_may_change_everything(everywhere: Door) -> None:
    await give_recovery_codes(everywhere)
    codes, visitor = await give_recovery_codes(everywhere), Visitor(everywhere)
    await visitor.signed_in()
    view = await visitor.sign_in(await visitor.open("/login", again=ACR_PASSKEY))
    assert view.forms.keys() == {"recovery-form"}
    view = await visitor.send(view.forms["recovery-form"], recovery_code=codes[0])
    assert "password-form" in view.forms


@pytest.mark.parametrize(("done", "said"), [("everywhere", True), ("signed_out", True), ("x", False)])
async def test_it_says_what_was_done(door: Door, done: str, said: bool) -> None:
    view = View(await door.caller(cookie=f"ww-done={done}").get("/login"))
    assert ("flash" in view.ids) is said


async def test_signing_out_everywhere_is_said(door: Door) -> None:
    visitor = Visitor(door)
    view = await visitor.signed_in()
    view = await visitor.send(view.forms["everywhere-form"])
    assert "signed out everywhere" in view.text


@pytest.mark.parametrize("wrong", [False, True], ids=["at once", "after a wrong code"])
async def test_the_second_step_begins_again_and_still_knows_why_it_asks(door: Door, wrong: bool) -> None:
    app, visitor = await enrol(door), Visitor(door)
    await sign_in_with_code(visitor, app)
    door.clock.advance(3600)
    view = await visitor.sign_in(await visitor.open("/login", again=ACR_TWO_FACTOR))
    if wrong:
        view = await visitor.send(view.forms["otp-form"], otp=app.wrong())
    view = View(await visitor.http.get(view.ids["restart"]["href"]))
    assert asks_again(view, ACR_TWO_FACTOR)
    # Who is on his way to nothing in particular begins with nothing in particular.
    stranger = Visitor(door)
    view = await stranger.sign_in(await stranger.open("/login"))
    assert view.ids["restart"]["href"] == f"{door.plan.issuer}/login"


async def test_the_second_step_begins_again_with_the_same_application(door: Door) -> None:
    app, visitor = await enrol(door), Visitor(door)
    view = await visitor.sign_in(await visitor.visit("spa"))
    view = View(await visitor.http.get(view.ids["restart"]["href"]))
    view = await sign_in_with_code(visitor, app, view=view)
    assert view.target == "https://spa.example/callback"
