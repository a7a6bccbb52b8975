"""Browser sessions: their cookies, their forms, their ends.

R021, R094-R097; the rules of sign-in (throttle, enumeration) hold at the page as at every door.
"""

from http.cookies import SimpleCookie
from typing import Any

import httpx2
import pytest
from tests.standards.conftest import OpenDoor
from tests.support.cast import PASSWORD
from tests.support.door import ELSEWHERE, FAR_AWAY, PUBLIC_ISSUER, Door
from tests.support.passkey_pages import options_in
from tests.support.rfc import rfc, standard
from tests.support.visitor import Form, View, Visitor

from watchword.server.domain.lifetimes import BROWSER_SESSION, Lifetimes, SessionLifetime
from watchword.server.flows.admin import sessions, users

ASVS = "OWASP ASVS 5.0"


async def lives(visitor: Visitor) -> bool:
    return "password-form" in (await visitor.open("/account")).forms


def cookies_of(answer: httpx2.Response) -> SimpleCookie:
    jar = SimpleCookie()
    for line in answer.headers.get_list("set-cookie"):
        jar.load(line)
    return jar


async def signing_in(visitor: Visitor) -> httpx2.Response:
    form = (await visitor.open("/login")).forms["sign-in-form"]
    return await visitor.post(form, username=visitor.username, password=visitor.password)


@standard(ASVS, "3.3.1")
@rfc("6265", "4.1.2")
async def test_cookies_are_for_this_host_alone_and_out_of_reach_of_scripts(open_door: OpenDoor) -> None:
    # R095
    door = await open_door(issuer=PUBLIC_ISSUER, trusted=[])
    visitor = Visitor(door)
    shown = await visitor.http.get("/login")
    sent = await signing_in(visitor)
    jar = {**cookies_of(sent), **cookies_of(shown)}
    assert set(jar) == {"__Host-ww-browser", "__Host-ww-session"}
    for name, cookie in jar.items():
        assert cookie["secure"] is True
        assert cookie["httponly"] is True
        assert cookie["samesite"].lower() == "lax"
        assert (cookie["path"], cookie["domain"]) == ("/", "")
        # At least 128 bits, and nothing of the user or the server in it.
        assert len(cookie.value) >= (43 if "session" in name else 22)
    assert jar["__Host-ww-session"]["max-age"] == str(BROWSER_SESSION.absolute)


async def test_plain_http_on_loopback_has_no_prefix(door: Door) -> None:
    cookie = cookies_of(await signing_in(Visitor(door)))["ww-session"]
    assert (cookie["secure"], cookie["httponly"], cookie["samesite"].lower()) == ("", True, "lax")


@standard(ASVS, "3.3.1")
async def test_a_cookie_without_the_prefix_is_not_looked_at(open_door: OpenDoor) -> None:
    # A sibling host can set cookies for the whole domain, but none with the prefix.
    door = await open_door(issuer=PUBLIC_ISSUER, trusted=[])
    visitor = Visitor(door)
    await signing_in(visitor)
    value = visitor.session
    bare = door.caller(cookie=f"ww-session={value}")
    assert (await bare.get("/account")).status_code == 303
    good = door.caller(cookie=f"__Host-ww-session={value}")
    assert (await good.get("/account")).status_code == 200


@standard(ASVS, "7.2.4")
async def test_a_sign_in_gives_a_new_cookie_whatever_was_there_before(everywhere: Door) -> None:
    # R094: session fixation.
    visitor = Visitor(everywhere)
    planted = "A" * 43
    visitor.http.cookies.set("ww-session", planted, domain="localhost.local", path="/")
    await visitor.signed_in()
    first = visitor.session
    assert first not in (None, planted)
    thief = everywhere.caller(ELSEWHERE, cookie=f"ww-session={planted}")
    assert (await thief.get("/account")).status_code == 303


@standard(ASVS, "7.2.4")
async def test_signing_in_again_changes_the_cookie_and_keeps_the_session(everywhere: Door) -> None:
    visitor = Visitor(everywhere)
    await visitor.arrive()
    old = visitor.session
    view = await visitor.visit(prompt="login")
    await visitor.sign_in(view)
    assert visitor.session != old
    stale = everywhere.caller(cookie=f"ww-session={old}")
    assert (await stale.get("/account")).status_code == 303
    assert (await everywhere.kinds()).count("session.ended") == 0
    assert "end-this-session" in (await visitor.open("/account")).ids


@standard(ASVS, "7.2.4")
async def test_another_user_in_the_same_browser_ends_the_first_ones_session(everywhere: Door) -> None:
    visitor = Visitor(everywhere)
    await visitor.arrive()
    old = visitor.session
    visitor.username = "bob"
    await visitor.sign_in(await visitor.open("/login"))
    assert "bob@example.org" in (await visitor.open("/account")).text
    stale = everywhere.caller(cookie=f"ww-session={old}")
    assert (await stale.get("/account")).status_code == 303
    assert "session.ended" in await everywhere.kinds()
    # Bob was not asked yet: what Ada allowed is not his.
    assert "consent-form" in (await visitor.visit()).forms


@standard(ASVS, "7.3.1")
@standard(ASVS, "7.3.2")
async def test_a_session_dies_unused_and_at_the_end_of_its_time(open_door: OpenDoor) -> None:
    # R096
    lifetimes = Lifetimes(session=SessionLifetime(idle=1000, absolute=5000))
    door = await open_door(lifetimes=lifetimes)
    idle, busy = Visitor(door), Visitor(door, ELSEWHERE)
    await idle.signed_in()
    await busy.signed_in()
    for _ in range(5):
        door.clock.advance(999)
        assert await lives(busy)
    assert not await lives(idle)
    door.clock.advance(5)
    assert not await lives(busy)
    assert (await busy.ask(prompt="none")).answer["error"] == "login_required"


async def test_the_end_of_the_idle_time_is_the_same_in_every_world(everywhere: Door) -> None:
    visitor = Visitor(everywhere)
    await visitor.signed_in()
    everywhere.clock.advance(BROWSER_SESSION.idle - 1)
    assert await lives(visitor)
    everywhere.clock.advance(BROWSER_SESSION.idle)
    assert not await lives(visitor)


@standard(ASVS, "7.4.2")
@pytest.mark.parametrize("act", ["disable", "log out everywhere", "revoke"])
async def test_an_operator_ends_it_at_once(everywhere: Door, act: str) -> None:
    # R098
    visitor = Visitor(everywhere)
    await visitor.signed_in()
    match act:
        case "disable":
            await users.disable(everywhere.parts, "ada")
        case "log out everywhere":
            await sessions.revoke_all(everywhere.parts, "ada")
        case _:
            (one,) = await sessions.listed(everywhere.parts, "ada")
            await sessions.revoke(everywhere.parts, one.session.sid)
    assert not await lives(visitor)
    assert (await visitor.ask(prompt="none")).answer["error"] == "login_required"


@rfc("6819", "4.4.2.5")
@standard(ASVS, "3.5.1")
@pytest.mark.parametrize("page", ["sign-in-form", "consent-form"])
async def test_a_form_that_was_not_shown_to_this_browser_is_refused(everywhere: Door, page: str) -> None:
    # R021: the sign-in form too.
    visitor, thief = Visitor(everywhere), Visitor(everywhere, ELSEWHERE, username="bob")

    async def form_of(one: Visitor) -> Form:
        view = await one.visit()
        return (view if page in view.forms else await one.sign_in(view)).forms[page]

    form, theirs = await form_of(visitor), await form_of(thief)
    fields: dict[str, Any] = (
        {"username": "ada", "password": PASSWORD} if page == "sign-in-form" else {"decision": "allow"}
    )
    before = visitor.session
    forgeries = [
        await visitor.post(form, csrf=None, **fields),
        await visitor.post(form, csrf="", **fields),
        await visitor.post(form, csrf="A" * 43, **fields),
        await visitor.post(form, csrf="\u00e9", **fields),
        await visitor.post(theirs, **fields),
        await visitor.post(form, csrf=theirs.fields["csrf"], **fields),
        await visitor.post(form, headers={"sec-fetch-site": "cross-site"}, **fields),
        await visitor.post(form, headers={"sec-fetch-site": "same-site"}, **fields),
        await visitor.post(form, headers={"origin": "https://evil.example"}, **fields),
        await visitor.post(form, headers={"origin": "null"}, **fields),
        await everywhere.caller().post(form.action, data={**form.fields, **fields}),
    ]
    for answer in forgeries:
        assert answer.status_code in (400, 403)
        assert View(answer).problem in ("stale", "forbidden")
        assert "location" not in answer.headers
    assert visitor.session == before
    assert (await visitor.post(form, **fields)).status_code == 303


async def test_a_form_that_was_shown_before_the_sign_in_is_worth_nothing_afterwards(everywhere: Door) -> None:
    visitor = Visitor(everywhere)
    old = (await visitor.open("/login")).forms["sign-in-form"]
    await visitor.signed_in()
    answer = await visitor.post(old, username="bob", password=PASSWORD)
    assert View(answer).problem == "stale"
    password: dict[str, Any] = {"current_password": PASSWORD, "new_password": "a", "repeated_password": "a"}
    answer = await visitor.post(Form("/account/password", {"csrf": old.fields["csrf"]}), **password)
    assert View(answer).problem == "stale"


@standard(ASVS, "7.2.4")
async def test_the_form_cookie_goes_at_the_sign_in_and_at_the_sign_out(everywhere: Door) -> None:
    visitor = Visitor(everywhere)
    form = (await visitor.open("/login")).forms["sign-in-form"]
    before = visitor.cookie("ww-browser")
    answer = await visitor.post(form, username="ada", password=PASSWORD)
    assert cookies_of(answer)["ww-browser"]["max-age"] == "0"
    assert visitor.cookie("ww-browser") is None
    await visitor.open("/account")
    signed_in = visitor.cookie("ww-browser")
    assert None not in (before, signed_in)
    form = (await visitor.open("/end_session")).forms["sign-out-form"]
    answer = await visitor.post(form)
    gone = {name: (cookie.value, cookie["max-age"]) for name, cookie in cookies_of(answer).items()}
    assert gone == {"ww-session": ("", "0"), "ww-browser": ("", "0")}
    await visitor.open("/login")
    assert len({before, signed_in, visitor.cookie("ww-browser")}) == 3


async def test_who_sends_a_form_of_another_tab_after_signing_in_can_go_on(everywhere: Door) -> None:
    visitor = Visitor(everywhere)
    plain = (await visitor.open("/login")).forms["sign-in-form"]
    within = (await visitor.visit()).forms["sign-in-form"]
    await visitor.signed_in()
    view = View(await visitor.post(plain, username="ada", password=PASSWORD))
    assert (view.status, view.problem) == (400, "stale")
    assert "password-form" in (await visitor.open(view.ids["continue"]["href"])).forms
    # One within an application's request goes on with the request.
    view = View(await visitor.post(within, username="ada", password=PASSWORD))
    assert view.problem == "stale"
    view = await visitor.open(view.ids["continue"]["href"])
    assert "code" in (await visitor.decide(view)).answer


@pytest.mark.parametrize("path", ["/login", "/consent", "/account/password", "/account/everywhere"])
async def test_a_form_field_that_is_there_twice_is_refused(door: Door, path: str) -> None:
    visitor = Visitor(door)
    await visitor.signed_in()
    form = {"content-type": "application/x-www-form-urlencoded"}
    answer = await visitor.http.post(path, content=b"csrf=a&csrf=a", headers=form)
    assert View(answer).problem == "bad_request"


async def test_a_request_that_was_changed_on_its_way_or_is_too_old_is_an_error_page(everywhere: Door) -> None:
    visitor = Visitor(everywhere)
    view = await visitor.visit()
    sealed = view.forms["sign-in-form"].fields["request"]
    for changed in ("", "x", sealed[:-4] + "AAAA", "B" + sealed[1:], sealed + "A"):
        gone = await visitor.open("/authorize/resume", request=changed)
        assert (gone.status, gone.location) == (400, None)
    assert "redirect" not in sealed
    everywhere.clock.advance(1801)
    late = await visitor.open("/authorize/resume", request=sealed)
    assert (late.problem, late.location) == ("expired", None)


@standard(ASVS, "6.3.8")
async def test_the_page_does_not_tell_who_has_an_account(everywhere: Door) -> None:
    await users.disable(everywhere.parts, "bob")
    texts = set()
    for name, password in (("ada", "not the password at all"), ("nobody", PASSWORD), ("bob", PASSWORD)):
        visitor = Visitor(everywhere, username="x")
        view = await visitor.open("/login")
        form = view.forms["sign-in-form"]
        told = View(await visitor.post(form, username=name, password=password))
        assert (told.status, visitor.session) == (400, None)
        shown = told.forms["sign-in-form"].fields
        # Drawn anew for each page: the form's token, and the challenge for a passkey.
        challenge = told.forms["passkey-form"].fields["challenge"]
        drawn = (shown["csrf"], challenge, options_in(told, "passkey-form")["challenge"], f'value="{name}"')
        text = told.text
        for value in drawn:
            text = text.replace(value, "")
        texts.add(text)
    assert len(texts) == 1
    assert everywhere.cheap.verified == 3


async def test_tries_at_the_page_and_at_the_other_doors_count_together(everywhere: Door) -> None:
    visitor = Visitor(everywhere, FAR_AWAY)
    for _ in range(3):
        await visitor.sign_in(await visitor.open("/login"), password="not the password at all")
    wrong = {"client_id": "web", "username": "ada", "password": "not the password at all"}
    for _ in range(3):
        assert (await everywhere.caller(FAR_AWAY).post("/session", json=wrong)).status_code == 401
    view = await visitor.sign_in(await visitor.open("/login"))
    assert (view.status, visitor.session) == (429, None)
    assert int(view.response.headers["retry-after"]) >= 1
    assert (await everywhere.caller(FAR_AWAY).post("/session", json=wrong)).status_code == 429
    # The owner, elsewhere, is not shut out.
    await Visitor(everywhere).signed_in()


async def test_the_sign_in_is_in_the_audit_and_no_secret_of_it_is(everywhere: Door) -> None:
    visitor = Visitor(everywhere)
    await visitor.arrive()
    said = str(everywhere.heard.said) + str(await everywhere.audit())
    for secret in (PASSWORD, visitor.session or "?", visitor.cookie("ww-browser") or "?"):
        assert secret not in said
    assert "session.browser" in await everywhere.kinds()


async def test_without_the_database_the_page_says_so_and_comes_back(door: Door) -> None:
    visitor = Visitor(door)
    await visitor.arrive()
    door.trouble.down = True
    for path in ("/account", "/end_session"):
        view = await visitor.open(path)
        assert (view.status, view.problem) == (503, "unavailable")
        assert int(view.response.headers["retry-after"]) >= 1
    door.trouble.down = False
    assert await lives(visitor)
