"""What a page says was done: once, and only what was; no link makes it say so.

R094.
"""

from http.cookies import SimpleCookie
from typing import Final

import pytest
from tests.standards.conftest import OpenDoor
from tests.support.cast import PASSWORD
from tests.support.door import Door, Plan
from tests.support.every_form import FORMS, form_to
from tests.support.rfc import standard
from tests.support.second_factor_pages import set_up
from tests.support.visitor import View, Visitor

from watchword.server.web.pages.contexts import CONTEXTS

ASVS = "OWASP ASVS 5.0"
NEW: Final = "an entirely different passphrase"
FLASHES: Final = sorted({*CONTEXTS["account"].flashes, *CONTEXTS["sign_in"].flashes})


@pytest.fixture
async def house(open_door: OpenDoor) -> Door:
    """One node that sends mail."""
    return await open_door(sends_mail=True, sign_up_open=True)


async def change_password(visitor: Visitor) -> View:
    form = (await visitor.signed_in()).forms["password-form"]
    return await visitor.send(form, current_password=PASSWORD, new_password=NEW, repeated_password=NEW)


async def test_it_is_said_once_and_by_the_page_that_it_is_for(house: Door) -> None:
    visitor = Visitor(house)
    view = await change_password(visitor)
    assert view.response.request.url.query == b""
    assert "Your password is changed." in view.text
    assert visitor.cookie("ww-done") is None
    assert "flash" not in (await visitor.open("/account")).ids


async def test_a_page_that_it_is_not_for_leaves_it_to_the_other(house: Door) -> None:
    visitor = Visitor(house)
    form = (await visitor.signed_in()).forms["password-form"]
    await visitor.post(form, current_password=PASSWORD, new_password=NEW, repeated_password=NEW)
    for path in ("/login", "/forgot-password"):
        view = await visitor.open(path)
        assert not {"flash", "sent"} & view.ids.keys()
    assert "Your password is changed." in (await visitor.open("/account")).text


@standard(ASVS, "3.3.4")
@pytest.mark.parametrize("issuer", [Plan().issuer, "https://auth.example/staff"])
async def test_it_is_kept_where_no_script_and_no_other_host_puts_it(open_door: OpenDoor, issuer: str) -> None:
    door = await open_door(issuer=issuer, trusted=None if issuer.startswith("http:") else [])
    visitor = Visitor(door)
    form = (await visitor.signed_in()).forms["password-form"]
    answer = await visitor.post(form, current_password=PASSWORD, new_password=NEW, repeated_password=NEW)
    jar = SimpleCookie()
    [line] = [one for one in answer.headers.get_list("set-cookie") if "ww-done" in one]
    jar.load(line)
    ((name, cookie),) = jar.items()
    secure = issuer.startswith("https:")
    assert (name, cookie.value) == ("__Host-ww-done" if secure else "ww-done", "password_changed")
    assert (cookie["httponly"], bool(cookie["secure"]), cookie["path"], cookie["domain"]) == (True, secure, "/", "")
    assert cookie["max-age"] == "60"
    shown = await visitor.http.get("/account")
    gone = next(one for one in shown.headers.get_list("set-cookie") if "ww-done" in one)
    assert "max-age=0" in gone.lower()


@pytest.mark.parametrize("done", [*FLASHES, "sent", "link_sent", "x"])
async def test_no_link_makes_a_page_say_that_something_was_done(house: Door, done: str) -> None:
    visitor = Visitor(house)
    await visitor.signed_in()
    for path in ("/account", "/login", "/forgot-password"):
        for name in ("done", "flash", "ww-done", "email_problem"):
            view = await visitor.open(path, **{name: done})
            assert not {"flash", "sent"} & view.ids.keys(), (path, name)


@pytest.mark.parametrize("problem", ["malformed", "same", "throttled", "email.malformed"])
async def test_no_link_makes_the_account_page_find_fault_with_an_address(house: Door, problem: str) -> None:
    visitor = Visitor(house)
    await visitor.signed_in()
    assert "problem" not in (await visitor.open("/account", email_problem=problem)).ids


async def test_what_is_wrong_with_an_address_is_said_once_too(house: Door) -> None:
    visitor = Visitor(house)
    form = (await visitor.signed_in()).forms["email-form"]
    view = await visitor.send(form, email="x")
    assert "This is no e-mail address." in view.text
    assert view.response.request.url.query == b""
    assert "problem" not in (await visitor.open("/account")).ids


async def test_who_ends_his_own_session_on_the_account_page_is_told_that_he_is_signed_out(house: Door) -> None:
    visitor = Visitor(house)
    view = await visitor.signed_in()
    view = await visitor.send(form_to(view, "/account/end-session"))
    assert "sign-in-form" in view.forms
    assert "You are signed out." in view.text


async def test_that_a_link_was_sent_is_said_to_who_asked_for_it(house: Door) -> None:
    visitor = Visitor(house)
    form = (await visitor.open("/forgot-password")).forms["forgot-password-form"]
    assert "sent" in (await visitor.send(form, username="ada")).ids
    assert "forgot-password-form" in (await visitor.open("/forgot-password")).forms


# --- signing out


async def test_who_thinks_better_of_signing_out_stays_signed_in(house: Door) -> None:
    visitor = Visitor(house)
    await visitor.signed_in()
    view = await visitor.open("/end_session", client_id="shop")
    assert "password-form" in (await visitor.open(view.ids["stay"]["href"])).forms


async def test_who_signed_out_by_himself_is_shown_the_way_back_in(house: Door) -> None:
    visitor = Visitor(house)
    await visitor.signed_in()
    view = await visitor.open("/end_session")
    view = await visitor.send(view.forms["sign-out-form"])
    assert "sign-in-form" in (await visitor.open(view.ids["sign-in-link"]["href"])).forms
    # Whom an application signed out goes back there.
    view = await visitor.open("/end_session", client_id="shop")
    assert "signed-out" in view.ids
    assert "sign-in-link" not in view.ids


# --- forms that come too late


async def test_who_signed_out_in_another_window_is_led_to_the_sign_in_page(house: Door) -> None:
    for path in ("/account/password", "/account/email/send", "/account/end-session", "/account/totp/remove"):
        filled = await FORMS[path](house) if path != "/account/totp/remove" else None
        if filled is None:
            visitor = Visitor(house)
            await visitor.signed_in()
            await set_up(house, visitor)
            form = (await visitor.open("/account")).forms["turn-off-form"]
        else:
            visitor, form = filled.visitor, filled.form
        other = await visitor.open("/end_session")
        await visitor.send(other.forms["sign-out-form"])
        view = await visitor.send(form)
        assert view.problem == "stale"
        assert view.ids["continue"]["href"] == f"{house.plan.issuer}/login"
        assert "Sign in</a>" in view.text
        assert "localhost" not in view.text.replace(house.plan.issuer, "")


async def test_a_stale_form_of_the_account_leads_back_to_the_account_page_by_its_name(house: Door) -> None:
    visitor = Visitor(house)
    form = (await visitor.signed_in()).forms["password-form"]
    view = await visitor.send(form, csrf="x")
    assert view.ids["continue"]["href"] == f"{house.plan.issuer}/account"
    assert "To your account page</a>" in view.text


async def test_a_stale_form_within_an_applications_request_leads_on(house: Door) -> None:
    visitor = Visitor(house)
    form = (await visitor.visit()).forms["sign-in-form"]
    view = await visitor.send(form, csrf="x")
    assert "Go on</a>" in view.text
    assert "sign-in-form" in (await visitor.open(view.ids["continue"]["href"])).forms


@pytest.mark.parametrize("sealed", ["zzz", "", "AAAA"])
async def test_a_request_that_is_none_of_ours_any_more_has_expired(house: Door, sealed: str) -> None:
    view = await Visitor(house).open("/authorize/resume", request=sealed)
    assert (view.status, view.problem) == (400, "expired")
    assert "cannot understand" not in view.text
