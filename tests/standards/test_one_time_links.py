"""Links in mails: for one use, for a short time, for one purpose, and dead after whatever changes the account.

R113, R117.
"""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace
from typing import Any, Final

import pytest
from tests.standards.conftest import OpenDoor
from tests.support.builders import new_id
from tests.support.cast import PASSWORD, user_named
from tests.support.door import ELSEWHERE, FAR_AWAY, PUBLIC_ISSUER, Door, OpenStorage, Plan
from tests.support.mailbox import Mailbox, link_in, path_of, token_of
from tests.support.rfc import rfc, standard
from tests.support.visitor import Form, View, Visitor, refresh

from watchword.protocol import base64url
from watchword.server.domain.lifetimes import HOUR, MINUTE
from watchword.server.domain.totp import Totp
from watchword.server.domain.user import User
from watchword.server.flows.admin import users
from watchword.server.ports.passwords import PasswordsBusy

ASVS = "OWASP ASVS 5.0"
NEW: Final = "an entirely different passphrase"
OTHER: Final = "yet another row of plain words"
DEAD = "dead-link"


@pytest.fixture
async def mailing(world: tuple[OpenStorage, Plan]) -> AsyncIterator[Door]:
    """As ``everywhere``, with mail and sign-up; ada has proved her address."""
    opener, plan = world
    door = Door(opener, replace(plan, sends_mail=True, sign_up_open=True))
    await door.open()
    await prove_address(door, "ada")
    yield door
    await door.close()


@pytest.fixture
async def here(door: Door) -> Door:
    """One node on SQLite that sends mail, for rules that no world could change."""
    door.plan = replace(door.plan, sends_mail=True)
    await door.restart()
    await prove_address(door, "ada")
    return door


async def change_user(door: Door, name: str, **changes: object) -> User:
    async with door.parts.storage.write() as tx:
        found = await tx.user_by_name(name)
        assert found is not None
        user = replace(found, **changes)  # type: ignore[arg-type]
        await tx.put_user(user)
    return user


async def prove_address(door: Door, name: str) -> User:
    return await change_user(door, name, email_verified=True)


async def ask(visitor: Visitor, typed: str = "ada") -> View:
    """Ask for a link, on the page."""
    form = (await visitor.open("/forgot-password")).forms["forgot-password-form"]
    return await visitor.send(form, username=typed)


async def asked(door: Door, typed: str = "ada") -> str:
    """Ask, and read the mail: the path of the link."""
    await ask(Visitor(door), typed)
    return await Mailbox(door).link()


async def fill_in(visitor: Visitor, view: View, new: str = NEW, repeated: str | None = None) -> View:
    form = view.forms["reset-password-form"]
    return await visitor.send(form, new_password=new, repeated_password=new if repeated is None else repeated)


async def may_sign_in(door: Door, password: str, username: str = "ada") -> bool:
    body = {"client_id": "web", "username": username, "password": password}
    return (await door.caller().post("/session", json=body)).status_code == 201


@standard(ASVS, "6.4.1")
@standard(ASVS, "7.4.3")
async def test_a_link_sets_a_new_password_and_ends_every_session(mailing: Door) -> None:
    visitor, elsewhere = Visitor(mailing), Visitor(mailing, ELSEWHERE)
    tokens = await elsewhere.tokens()
    link = await asked(mailing)
    view = await visitor.open(link)
    assert view.response.url.path == "/reset-password"
    assert "ada" in view.text
    done = await fill_in(visitor, view)
    assert done.response.url.path == "/login"
    assert "flash" in done.ids
    assert visitor.session is None
    assert not await may_sign_in(mailing, PASSWORD)
    assert "sign-in-form" in (await elsewhere.open("/account")).forms
    assert (await refresh(mailing, tokens)).json()["error"] == "invalid_grant"
    assert "password-form" in (await visitor.sign_in(done, password=NEW)).forms
    kinds = await mailing.kinds()
    assert {"user.password_reset", "user.password_reset_asked"} <= set(kinds)


@standard(ASVS, "6.3.7")
async def test_the_user_hears_that_his_password_was_set(mailing: Door) -> None:
    visitor = Visitor(mailing)
    await fill_in(visitor, await visitor.open(await asked(mailing)))
    notice = await Mailbox(mailing).only()
    assert notice.to == "ada@example.org"
    assert notice.letter.subject == "Your password at Watchword was changed"
    assert "/forgot-password" in notice.letter.text


@standard(ASVS, "6.4.1")
async def test_a_link_works_once(mailing: Door) -> None:
    visitor = Visitor(mailing)
    link = await asked(mailing)
    await fill_in(visitor, await visitor.open(link))
    again = await visitor.open(link)
    assert (again.status, DEAD in again.ids) == (410, True)
    assert not await may_sign_in(mailing, PASSWORD)
    assert await may_sign_in(mailing, NEW)


@standard(ASVS, "6.4.1")
async def test_of_twenty_who_use_a_link_at_once_one_does(mailing: Door) -> None:
    link = await asked(mailing)
    visitors = [Visitor(mailing) for _ in range(20)]
    views = [await visitor.open(link) for visitor in visitors]
    passwords = [f"{NEW} number {number}" for number in range(20)]
    done = await asyncio.gather(*map(fill_in, visitors, views, passwords))
    won = [number for number, view in enumerate(done) if "flash" in view.ids]
    assert len(won) == 1
    assert sum(DEAD in view.ids for view in done) == 19
    assert await may_sign_in(mailing, passwords[won[0]])
    assert (await mailing.kinds()).count("user.password_reset") == 1


async def test_fetching_a_link_shows_and_uses_up_nothing(mailing: Door) -> None:
    link = await asked(mailing)
    for _ in range(3):
        scanner = Visitor(mailing, FAR_AWAY)
        mailing.trouble.listen()
        answer = await scanner.http.get(link)
        assert answer.status_code == 303
        assert answer.content == b""
        assert "begin" not in mailing.trouble.operations
        assert (await scanner.http.get("/reset-password")).status_code == 200
    head = await Visitor(mailing, FAR_AWAY).http.head(link)
    assert (head.status_code, head.headers["location"]) == (303, f"{mailing.plan.issuer}/reset-password")
    assert "set-cookie" not in head.headers
    visitor = Visitor(mailing)
    assert "flash" in (await fill_in(visitor, await visitor.open(link))).ids


@standard(ASVS, "3.5.1")
@pytest.mark.parametrize("how", ["opened in another tab", "opened by another site"])
async def test_a_form_does_nothing_for_a_link_that_was_opened_after_it(mailing: Door, how: str) -> None:
    await change_user(mailing, "bob", email="bob@evil.example", email_verified=True)
    hers, his = await asked(mailing), await asked(mailing, "bob")
    visitor = Visitor(mailing)
    view = await visitor.open(hers)
    headers = {"sec-fetch-site": "cross-site", "sec-fetch-mode": "navigate", "sec-fetch-dest": "document"}
    await visitor.http.get(his, headers=headers if how == "opened by another site" else None)
    shown = await fill_in(visitor, view)
    assert shown.status == 400
    assert "problem" in shown.ids
    assert 'value="bob"' in shown.text
    assert 'value="ada"' not in shown.text
    assert not await may_sign_in(mailing, NEW)
    assert not await may_sign_in(mailing, NEW, "bob")
    # Her own link works as before.
    assert "flash" in (await fill_in(visitor, await visitor.open(hers))).ids
    assert await may_sign_in(mailing, NEW)
    assert not await may_sign_in(mailing, NEW, "bob")


async def test_a_button_proves_no_address_but_the_one_beside_it(mailing: Door) -> None:
    visitor = Visitor(mailing)
    await visitor.signed_in()

    async def link_to(address: str) -> str:
        await visitor.send((await visitor.open("/account")).forms["email-form"], email=address)
        return await Mailbox(mailing).link()

    view = await visitor.open(await link_to("first@example.org"))
    await visitor.http.get(await link_to("second@example.org"))
    shown = await visitor.send(view.forms["verify-email-form"])
    assert shown.status == 400
    assert ("second@example.org" in shown.text, "first@example.org" in shown.text) == (True, False)
    async with mailing.parts.storage.read() as reading:
        found = await reading.user_by_name("ada")
    assert found is not None
    assert found.email == "ada@example.org"
    assert "flash" in (await visitor.send(shown.forms["verify-email-form"])).ids


@pytest.mark.parametrize("dest", ["iframe", "image", "script", "empty", "object"])
async def test_a_link_does_nothing_inside_another_page(here: Door, dest: str) -> None:
    link, visitor = await asked(here), Visitor(here)
    answer = await visitor.http.get(link, headers={"sec-fetch-dest": dest})
    assert (answer.status_code, View(answer).problem) == (403, "forbidden")
    assert visitor.cookie("ww-link") is None
    await visitor.http.get(link, headers={"sec-fetch-dest": "document"})
    assert visitor.cookie("ww-link") is not None


@standard(ASVS, "6.4.3")
async def test_a_newer_link_kills_the_one_before(mailing: Door) -> None:
    first, second = await asked(mailing), await asked(mailing)
    visitor = Visitor(mailing)
    assert DEAD in (await visitor.open(first)).ids
    assert "reset-password-form" in (await visitor.open(second)).forms


async def test_a_form_that_is_open_when_a_newer_link_comes_does_nothing(mailing: Door) -> None:
    visitor = Visitor(mailing)
    view = await visitor.open(await asked(mailing))
    await asked(mailing)
    assert DEAD in (await fill_in(visitor, view)).ids
    assert await may_sign_in(mailing, PASSWORD)


@standard(ASVS, "6.4.3")
@pytest.mark.parametrize("how", ["on the account page", "by the operator", "everywhere", "disabled", "deleted"])
async def test_whatever_ends_all_sessions_kills_links(mailing: Door, how: str) -> None:
    visitor, other = Visitor(mailing), Visitor(mailing, ELSEWHERE)
    link = await asked(mailing)
    view = await visitor.open(link)
    if how == "on the account page":
        form = (await other.signed_in()).forms["password-form"]
        done = await other.send(form, current_password=PASSWORD, new_password=OTHER, repeated_password=OTHER)
        assert "flash" in done.ids
    elif how == "by the operator":
        await users.set_password(mailing.parts, "ada", OTHER)
    elif how == "everywhere":
        await other.send((await other.signed_in()).forms["everywhere-form"])
    elif how == "disabled":
        await users.disable(mailing.parts, "ada")
        await users.enable(mailing.parts, "ada")
    else:
        await users.delete(mailing.parts, "ada")
    assert DEAD in (await fill_in(visitor, view)).ids
    assert DEAD in (await visitor.open(link)).ids
    assert not await may_sign_in(mailing, NEW)


@standard(ASVS, "6.4.1")
async def test_a_link_is_good_for_half_an_hour(mailing: Door) -> None:
    visitor = Visitor(mailing)
    link = await asked(mailing)
    mailing.clock.advance(30 * MINUTE - 1)
    view = await visitor.open(link)
    assert "reset-password-form" in view.forms
    mailing.clock.advance(1)
    assert DEAD in (await fill_in(visitor, view)).ids
    assert DEAD in (await Visitor(mailing).open(link)).ids


@standard(ASVS, "6.4.1")
async def test_forged_foreign_and_mangled_tokens_are_nothing_and_the_database_is_not_asked(mailing: Door) -> None:
    token = token_of(await asked(mailing))
    raw = base64url.decode(token[4:])
    forged = [
        "",
        "wwl_",
        token[4:],
        token[:-1],
        token + "A",
        token.swapcase(),
        "wwr_" + token[4:],
        "wwl_" + base64url.encode(bytes(32)),
        "wwl_" + base64url.encode(raw[:16] + bytes(16)),
        "wwl_" + base64url.encode(bytes(16) + raw[16:]),
        "wwl_" + base64url.encode(raw[:-1] + bytes([raw[-1] ^ 1])),
        "wwl_ü",
        "wwl_" + "A" * 5000,
    ]
    for text in forged:
        visitor = Visitor(mailing)
        mailing.trouble.listen()
        view = await visitor.open("/link", token=text)
        assert (view.status, DEAD in view.ids) == (410, True), text
        assert mailing.trouble.operations == []
        assert visitor.cookie("ww-link") is None
    assert DEAD in (await Visitor(mailing).open("/link")).ids
    # A token that somebody puts into the cookie himself is judged just the same.
    visitor = Visitor(mailing)
    visitor.http.cookies.set("ww-link", forged[9])
    assert DEAD in (await visitor.open("/reset-password")).ids


async def test_a_refused_password_does_not_burn_the_link(mailing: Door) -> None:
    visitor = Visitor(mailing)
    view = await visitor.open(await asked(mailing))
    for new, repeated in [("short", "short"), (NEW, OTHER), ("a" * 30, "a" * 30), ("x" * 5000, "x" * 5000), ("", "")]:
        view = await fill_in(visitor, view, new, repeated)
        assert (view.status, "problem" in view.ids) == (400, True)
        assert new not in view.text or not new
    assert await may_sign_in(mailing, PASSWORD)
    assert "flash" in (await fill_in(visitor, view)).ids
    assert await may_sign_in(mailing, NEW)


async def test_while_too_many_passwords_are_hashed_the_link_stays_good(
    here: Door, monkeypatch: pytest.MonkeyPatch
) -> None:
    visitor = Visitor(here)
    view = await visitor.open(await asked(here))

    async def busy(_: str) -> str:
        raise PasswordsBusy

    with monkeypatch.context() as patched:
        patched.setattr(here.cheap, "hash", busy)
        view = await fill_in(visitor, view)
        assert (view.status, "problem" in view.ids) == (400, True)
    assert "flash" in (await fill_in(visitor, view)).ids


async def test_a_reset_that_the_database_breaks_off_is_done_wholly_or_not_at_all(here: Door) -> None:
    visitor = Visitor(here)
    link = await asked(here)
    broken = 0
    while True:
        view = await visitor.open(link)
        here.trouble.listen(fails_at=broken)
        done = await visitor.post(view.forms["reset-password-form"], new_password=NEW, repeated_password=NEW)
        here.trouble.listen()
        if done.status_code == 303:
            break
        assert done.status_code == 503
        assert await may_sign_in(here, PASSWORD)
        assert await Mailbox(here).deliver() == []
        broken += 1
        assert broken < 40
    assert broken > 10
    assert not await may_sign_in(here, PASSWORD)
    assert await may_sign_in(here, NEW)
    assert (await here.kinds()).count("user.password_reset") == 1


async def test_a_link_for_one_purpose_does_nothing_for_another(mailing: Door) -> None:
    visitor = Visitor(mailing)
    await change_user(mailing, "ada", email_verified=False)
    await visitor.send((await visitor.signed_in()).forms["send-again-form"])
    verify = await Mailbox(mailing).link()
    assert (await visitor.open(verify)).response.url.path == "/verify-email"
    assert DEAD in (await visitor.open("/reset-password")).ids
    await visitor.open(verify)
    csrf = (await visitor.open("/account")).forms["password-form"].fields["csrf"]
    form = Form("/reset-password", {"csrf": csrf})
    assert DEAD in (await visitor.send(form, new_password=NEW, repeated_password=NEW)).ids
    assert await may_sign_in(mailing, PASSWORD)
    # It proves the address all the same, and a link for a password proves none.
    await prove_address(mailing, "ada")
    reset = await asked(mailing)
    await visitor.open(reset)
    assert DEAD in (await visitor.open("/verify-email")).ids


@standard(ASVS, "6.4.3")
@standard(ASVS, "6.3.4")
async def test_a_reset_does_not_skip_the_second_step(mailing: Door) -> None:
    # R117
    parts = mailing.parts
    async with parts.storage.write() as tx:
        user = await tx.user_by_name("ada")
        assert user is not None
        sealed = parts.sealer.seal(bytes(20), purpose=f"totp {user.sub}")
        await tx.put_totp(Totp(sub=user.sub, sealed=sealed, last_step=0, created_at=mailing.clock.now()))
    visitor = Visitor(mailing)
    done = await fill_in(visitor, await visitor.open(await asked(mailing)))
    assert visitor.session is None
    assert "otp-form" in (await visitor.sign_in(done, password=NEW)).forms
    assert visitor.session is None
    assert "password-form" not in (await visitor.open("/account")).forms
    assert not await may_sign_in(mailing, NEW)
    async with mailing.parts.storage.read() as reading:
        assert (await reading.factors(user.sub)).totp


@standard(ASVS, "14.2.1")
@rfc("9700", "4.2.4")
async def test_the_token_is_in_one_address_and_in_no_page_and_no_script_reads_its_cookie(mailing: Door) -> None:
    link = await asked(mailing)
    visitor = Visitor(mailing)
    answer = await visitor.http.get(link)
    token = link.partition("token=")[2]
    assert answer.headers["location"] == f"{mailing.plan.issuer}/reset-password"
    assert answer.headers["referrer-policy"] == "no-referrer"
    assert answer.headers["cache-control"] == "no-store"
    [cookie] = answer.headers.get_list("set-cookie")
    assert cookie.startswith(f"ww-link={token};")
    assert "httponly" in cookie.lower()
    assert "samesite=lax" in cookie.lower()
    assert "max-age=1800" in cookie.lower()
    page = await visitor.open("/reset-password")
    assert token not in page.text
    done = await visitor.post(page.forms["reset-password-form"], new_password=NEW, repeated_password=NEW)
    assert token not in str(done.headers)
    assert visitor.cookie("ww-link") is None
    assert token not in str(mailing.heard.said)


@standard(ASVS, "3.3.1")
async def test_where_the_issuer_is_https_the_cookie_is_secure_and_of_this_host_alone(here: Door) -> None:
    here.plan = replace(here.plan, issuer="https://auth.example")
    await here.restart()
    visitor = Visitor(here)
    answer = await visitor.http.get(await asked(here))
    [cookie] = answer.headers.get_list("set-cookie")
    assert cookie.startswith("__Host-ww-link=wwl_")
    assert "; Secure" in cookie
    assert "Path=/" in cookie
    assert "Domain" not in cookie


@standard(ASVS, "6.4.3")
async def test_the_host_in_a_mail_is_the_issuers_whatever_the_request_says(here: Door) -> None:
    # R113
    visitor = Visitor(here)
    form = (await visitor.open("/forgot-password")).forms["forgot-password-form"]
    evil = {
        "host": "evil.example",
        "x-forwarded-host": "evil.example",
        "forwarded": 'host="evil.example";proto=https',
        "x-forwarded-proto": "https",
    }
    await visitor.http.post(form.action, data={**form.fields, "username": "ada"}, headers=evil)
    mail = await Mailbox(here).only()
    assert link_in(mail).startswith(f"{here.plan.issuer}/link?token=wwl_")
    assert "evil" not in mail.letter.text + mail.letter.subject + mail.to


async def state_of(door: Door) -> str:
    """What the database holds of deliveries and links, as one would read it in a dump."""
    async with door.parts.storage.write() as tx:
        waiting = [
            await tx.lease_deliveries(kind=kind, now=door.clock.now() + 9 * HOUR, until=door.clock.now(), limit=100)
            for kind in ("mail", "forgotten_password")
        ]
    return str(waiting)


async def test_no_link_that_works_lies_in_the_database(here: Door) -> None:
    await ask(Visitor(here), "ada@example.org")
    before = await state_of(here)
    assert "ada" not in before
    token = token_of(link_in(await Mailbox(here).only()))
    assert token not in before
    assert token[-24:] not in await state_of(here)


PEOPLE = {
    "known": "ada",
    "its address": "Ada@Example.ORG",
    "unknown": "nobody-at-all",
    "unknown address": "nobody@example.org",
    "unverified": "bob",
    "unverified address": "bob@example.org",
    "disabled": "carol",
    "nothing": "",
    "endless": "x" * 5000,
    "odd": "\u202e ada\u0000"[:-1],
    "a sub": new_id(),
}


@standard(ASVS, "6.3.8")
async def test_the_page_answers_and_works_alike_whoever_is_named(mailing: Door) -> None:
    # R109
    async with mailing.parts.storage.write() as tx:
        await tx.add_user(user_named("carol", email_verified=True))
    await users.disable(mailing.parts, "carol")
    seen = {}
    for title, typed in PEOPLE.items():
        visitor = Visitor(mailing)
        form = (await visitor.open("/forgot-password")).forms["forgot-password-form"]
        mailing.trouble.listen()
        answer = await visitor.post(form, username=typed)
        worked = tuple(mailing.trouble.operations)
        page = await visitor.follow(answer)
        headers = {name: value for name, value in answer.headers.items() if name != "set-cookie"}
        seen[title] = (answer.status_code, str(headers), answer.text, worked, page.text)
    assert len({str(one) for one in seen.values()}) == 1, seen
    assert seen["known"][3].count("add_delivery") == 1
    sent = await Mailbox(mailing).deliver()
    assert {mail.to for mail in sent} == {"ada@example.org"}


async def test_two_users_may_share_an_address_and_each_gets_a_link(mailing: Door) -> None:
    async with mailing.parts.storage.write() as tx:
        await tx.add_user(user_named("grace", email="ADA@example.org", email_verified=True))
    await ask(Visitor(mailing), "ada@example.org")
    mails = await Mailbox(mailing).deliver()
    assert sorted(mail.to for mail in mails) == ["ADA@example.org", "ada@example.org"]
    shown = set()
    for mail in mails:
        view = await Visitor(mailing).open(path_of(link_in(mail)))
        shown |= {name for name in ("ada", "grace") if f'value="{name}"' in view.text}
    assert shown == {"ada", "grace"}


async def test_a_user_whose_name_is_anothers_address_stands_in_nobodys_way(here: Door) -> None:
    async with here.parts.storage.write() as tx:
        await tx.add_user(user_named("ada@example.org", email="eve@evil.example", email_verified=True))
    await ask(Visitor(here), "ada@example.org")
    assert {mail.to for mail in await Mailbox(here).deliver()} == {"ada@example.org", "eve@evil.example"}


async def test_nobodys_mailbox_is_flooded_and_nobody_is_told_that_it_was_tried(mailing: Door) -> None:
    box, pages = Mailbox(mailing), set()
    for number in range(12):
        visitor = Visitor(mailing, (f"203.0.{number}.9", 40000))
        pages.add((await ask(visitor)).text)
        await box.deliver()
    assert len(pages) == 1
    assert len(box.mailer.sent) == 3
    for number in range(12):
        mailing.clock.advance(10 * MINUTE)
        await ask(Visitor(mailing, (f"198.51.{number}.9", 40000)))
        await box.deliver()
    assert len(box.mailer.sent) <= 3 + 4
    assert mailing.heard.count("reset.enough") > 10


async def test_a_network_that_asks_for_many_is_slowed_whoever_it_names(mailing: Door) -> None:
    views = [await ask(Visitor(mailing), f"user-{number}") for number in range(22)]
    assert [view.status for view in views[:21]] == [200] * 21
    assert views[21].status == 429
    assert int(views[21].response.headers["retry-after"]) <= 10
    assert (await ask(Visitor(mailing, ELSEWHERE))).status == 200


async def test_where_nothing_tells_networks_apart_nobody_shuts_the_door_for_everybody(open_door: OpenDoor) -> None:
    door = await open_door(issuer=PUBLIC_ISSUER, sends_mail=True, sign_up_open=True)
    await prove_address(door, "ada")
    proxy = ("10.0.0.1", 1)
    assert {(await ask(Visitor(door, proxy), f"user-{number}")).status for number in range(40)} == {200}
    for _ in range(6):
        assert (await ask(Visitor(door, proxy))).status == 200
    # Of three links that were made in a row the newest is good for anything.
    assert (await Mailbox(door).only()).to == "ada@example.org"
    assert door.heard.count("reset.enough") == 3
    http, statuses = door.caller(proxy), []
    for number in range(40):
        body = {"username": f"user-{number}", "password": "short"}
        statuses.append((await http.post("/users", json=body)).status_code)
    assert 429 not in statuses


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", "/forgot-password"),
        ("POST", "/forgot-password"),
        ("GET", "/link?token=wwl_x"),
        ("GET", "/reset-password"),
        ("POST", "/reset-password"),
        ("GET", "/verify-email"),
        ("POST", "/verify-email"),
        ("POST", "/account/email"),
        ("POST", "/account/email/send"),
    ],
)
async def test_where_no_mail_is_sent_there_are_no_such_pages(door: Door, method: str, path: str) -> None:
    answer = await Visitor(door).http.request(method, path, data={} if method == "POST" else None)
    assert answer.status_code == 404
    assert "forgotten-link" not in (await Visitor(door).open("/login")).ids


@standard(ASVS, "3.5.1")
@pytest.mark.parametrize("path", ["/forgot-password", "/reset-password", "/verify-email"])
async def test_every_form_must_be_its_own(here: Door, path: str) -> None:
    # R021
    visitor = Visitor(here)
    await visitor.open(await asked(here))
    good = (await visitor.open("/forgot-password")).forms["forgot-password-form"].fields["csrf"]
    foreign = (await Visitor(here).open("/forgot-password")).forms["forgot-password-form"].fields["csrf"]
    forged: list[tuple[str | None, dict[str, str]]] = [
        (None, {}),
        (foreign, {}),
        (good, {"sec-fetch-site": "cross-site"}),
        (good, {"origin": "https://evil.example"}),
    ]
    for csrf, headers in forged:
        fields: dict[str, Any] = {"csrf": csrf, "username": "ada", "new_password": NEW, "repeated_password": NEW}
        answer = await visitor.post(Form(path, {}), headers=headers, **fields)
        assert View(answer).problem in ("stale", "forbidden")
    assert await Mailbox(here).deliver() == []
    assert await may_sign_in(here, PASSWORD)
