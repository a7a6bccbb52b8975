"""What changes while somebody is at a page: his session ends, or the application may not ask any more.

R098, R099, R124.
"""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import replace
from urllib.parse import urlsplit

import pytest
from tests.support.cast import PASSWORD
from tests.support.door import ELSEWHERE, Door
from tests.support.fake_ports import CheapPasswords, CheapVerdict
from tests.support.meanwhile import MeanwhileStorage
from tests.support.passkey_pages import with_passkey
from tests.support.rfc import rfc, standard
from tests.support.visitor import View, Visitor

from watchword.protocol.scope import Scope
from watchword.server.domain.lifetimes import DAY
from watchword.server.domain.session import Authentication
from watchword.server.flows import account, browser_session, verify_email
from watchword.server.flows.admin import sessions
from watchword.server.flows.browser_session import SignedIn
from watchword.server.flows.factors import SessionOver

ASVS = "OWASP ASVS 5.0"
NEW = "an entirely different passphrase"


async def session_of(visitor: Visitor) -> SignedIn:
    found = await browser_session.find(visitor.door.parts, visitor.session, now=visitor.door.clock.now())
    assert found is not None
    return found


async def lives(visitor: Visitor) -> bool:
    return "password-form" in (await visitor.open("/account")).forms


# --- the application may not ask any more


async def narrow(door: Door) -> None:
    """The shop loses the scope that it asked for; every node knows it."""
    async with door.parts.storage.write() as tx:
        client = await tx.client("shop")
        assert client is not None
        await tx.put_client(replace(client, scope=Scope.parse("orders.write")))
    await door.restart()


@rfc("9700", "4.11.2")
@pytest.mark.parametrize("mode", ["query", "form_post"])
async def test_who_signs_in_for_a_request_that_is_not_allowed_any_more_sees_a_page(everywhere: Door, mode: str) -> None:
    ada = Visitor(everywhere)
    view = await ada.visit(response_mode=mode, scope="orders.read")
    await narrow(everywhere)
    for answer in (
        await ada.post(view.forms["sign-in-form"], username="ada", password=PASSWORD),
        await ada.http.get("/authorize/resume", params={"request": view.forms["sign-in-form"].fields["request"]}),
        await ada.http.get("/login", params={"request": view.forms["sign-in-form"].fields["request"]}),
    ):
        page = View(answer)
        assert (page.status, page.problem) == (400, "bad_request")
        if mode == "query":
            assert "error=invalid_scope" in page.ids["continue"]["href"]
        else:
            assert page.forms["continue-form"].fields["error"] == "invalid_scope"
    assert ada.session is None


@rfc("6749", "4.1.2.1")
async def test_who_is_signed_in_is_sent_back_with_the_error(everywhere: Door) -> None:
    ada = Visitor(everywhere)
    view = await ada.sign_in(await ada.visit(scope="orders.read"))
    assert "consent-form" in view.forms
    await narrow(everywhere)
    assert (await ada.decide(view)).answer["error"] == "invalid_scope"


@standard(ASVS, "16.5.1")
async def test_what_is_unexpected_on_a_page_is_a_page_with_the_logs_own_id(
    door: Door, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: object) -> None:
        raise RuntimeError("an inner matter with a secret in it")

    ada = Visitor(door)
    page = await ada.open("/login")
    monkeypatch.setattr(door.cheap, "verify", broken)
    view = await ada.sign_in(page)
    assert (view.status, view.problem) == (500, "server_error")
    assert "inner matter" not in view.text
    ((_, fields),) = [said for said in door.heard.said if said[0] == "server.error"]
    assert (fields["path"], fields["exception"]) == ("/login", "RuntimeError")
    assert fields["error_id"] in view.text


# --- the session ends


class MeanwhilePasswords(CheapPasswords):
    """While a password is looked at, something else happens; once."""

    def __init__(self, meanwhile: Callable[[], Awaitable[None]]) -> None:
        super().__init__()
        self._meanwhile: Callable[[], Awaitable[None]] | None = meanwhile

    async def verify(self, password: str, hashed: str | None) -> CheapVerdict:
        meanwhile, self._meanwhile = self._meanwhile, None
        if meanwhile is not None:
            await meanwhile()
        return await super().verify(password, hashed)


@standard(ASVS, "7.4.1")
async def test_a_session_that_is_ended_while_it_changes_the_password_changes_nothing(everywhere: Door) -> None:
    thief, owner = Visitor(everywhere, ELSEWHERE), Visitor(everywhere)
    await thief.signed_in()
    await owner.signed_in()
    form = (await thief.open("/account")).forms["password-form"]

    async def the_owner_ends_it() -> None:
        his, own = await session_of(thief), await session_of(owner)
        await account.end_one_session(everywhere.parts, own, his.session.sid, now=everywhere.clock.now())

    everywhere.passwords = MeanwhilePasswords(the_owner_ends_it)
    await everywhere.restart()
    view = await thief.send(form, current_password=PASSWORD, new_password=NEW, repeated_password=NEW)
    assert "sign-in-form" in view.forms
    assert "problem" not in view.ids
    assert await lives(owner)
    assert "password-form" in (await owner.signed_in()).forms, "the password is the one from before"
    assert "user.password_changed" not in await everywhere.kinds()


@standard(ASVS, "7.4.1")
async def test_an_ended_session_ends_and_takes_back_nothing_either(everywhere: Door) -> None:
    thief, owner = Visitor(everywhere, ELSEWHERE), Visitor(everywhere)
    await owner.tokens()
    await thief.signed_in()
    his, own = await session_of(thief), await session_of(owner)
    parts, now = everywhere.parts, everywhere.clock.now()
    await account.end_one_session(parts, own, his.session.sid, now=now)
    with pytest.raises(SessionOver):
        await account.end_one_session(parts, his, own.session.sid, now=now)
    with pytest.raises(SessionOver):
        await account.log_out_everywhere(parts, his, now=now)
    with pytest.raises(SessionOver):
        await account.remove_application(parts, his, "shop", now=now)
    assert await lives(owner)
    assert "code" in (await owner.ask(prompt="none")).answer


@standard(ASVS, "7.4.3")
async def test_who_holds_the_cookie_of_before_a_change_does_nothing_with_the_session_that_went_on(
    everywhere: Door,
) -> None:
    owner = Visitor(everywhere)
    await owner.signed_in()
    copied = await session_of(owner)
    await with_passkey(owner)
    parts, now = everywhere.parts, everywhere.clock.now()
    assert (await session_of(owner)).session.sid == copied.session.sid
    changed = account.NewPassword(current=PASSWORD, wanted=NEW, network=None)
    with pytest.raises(SessionOver):
        await account.change_password(parts, copied, changed, now=now)
    with pytest.raises(SessionOver):
        await account.log_out_everywhere(parts, copied, now=now)
    with pytest.raises(SessionOver):
        await verify_email.send_again(parts, copied, now=now, network=None)
    assert await lives(owner)


async def sign_in_anew(door: Door, signed_in: SignedIn, cookie: str) -> None:
    """The same user in the same browser: his session goes on under a new cookie."""
    old, now = signed_in.session, door.clock.now()
    proof = Authentication(sub=old.sub, epoch=old.epoch, auth_time=int(now), acr=old.acr, amr=old.amr)
    assert await browser_session.begin(door.parts, proof, device=old.device, cookie=cookie, now=now)


async def end_it(door: Door, signed_in: SignedIn, _: str) -> None:
    await sessions.revoke(door.parts, signed_in.session.sid)


@standard(ASVS, "7.2.4")
@pytest.mark.parametrize("change", [sign_in_anew, end_it], ids=lambda change: change.__name__)
async def test_a_cookie_that_dies_in_this_very_moment_shows_nobody_signed_in(
    everywhere: Door, change: Callable[[Door, SignedIn, str], Awaitable[None]]
) -> None:
    ada = Visitor(everywhere)
    await ada.signed_in()
    before, cookie = await session_of(ada), ada.session or ""
    # Late enough for the use to be noted, which is when the row is locked.
    everywhere.clock.advance(DAY / 2)
    storage = MeanwhileStorage(everywhere.parts.storage, lambda: change(everywhere, before, cookie))
    parts = replace(everywhere.parts, storage=storage)
    assert await browser_session.find(parts, cookie, now=everywhere.clock.now()) is None
    assert await browser_session.find(everywhere.parts, cookie, now=everywhere.clock.now()) is None


async def test_two_tabs_that_log_out_everywhere_both_arrive_at_the_sign_in_page(everywhere: Door) -> None:
    ada, tabs = Visitor(everywhere), [Visitor(everywhere) for _ in range(3)]
    await ada.signed_in()
    form = (await ada.open("/account")).forms["everywhere-form"]
    for tab in tabs:
        # Each sends the cookies of now, whatever the others are answered.
        tab.http.cookies.update(ada.http.cookies)
    sent = [tab.post(form) for tab in tabs]
    # A node that is restarted has nothing else under way.
    answers = [await one for one in sent] if everywhere.plan.restarting else await asyncio.gather(*sent)
    assert {(answer.status_code, urlsplit(answer.headers["location"]).path) for answer in answers} == {(303, "/login")}
    assert not await lives(ada)


async def test_a_tab_whose_session_is_logged_out_in_this_very_moment_is_led_to_the_sign_in_page(
    everywhere: Door,
) -> None:
    ada = Visitor(everywhere)
    await ada.signed_in()
    form = (await ada.open("/account")).forms["password-form"]

    async def another_tab_logs_out() -> None:
        await account.log_out_everywhere(everywhere.parts, await session_of(ada), now=everywhere.clock.now())

    everywhere.passwords = MeanwhilePasswords(another_tab_logs_out)
    await everywhere.restart()
    view = await ada.send(form, current_password=PASSWORD, new_password=NEW, repeated_password=NEW)
    assert ("sign-in-form" in view.forms, "problem" in view.ids) == (True, False)
    assert "password-form" in (await ada.signed_in()).forms
