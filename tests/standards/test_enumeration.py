"""Every door that takes a user name: nobody learns there who has an account, or of what kind.

R109; the class of enumeration. A taken name at sign-up cannot be hidden (DESIGN section 9), and is throttled.
"""

import re
from collections.abc import AsyncIterator
from dataclasses import replace
from typing import Any, Final

import httpx2
import pytest
from tests.support.cast import PASSWORD, user_named
from tests.support.codes import challenge_form
from tests.support.door import Door, OpenStorage, Plan
from tests.support.every_form import give_key
from tests.support.rfc import standard
from tests.support.second_factor import enrol, give_recovery_codes
from tests.support.visitor import Visitor, request_of

from watchword.server.flows.admin import users

ASVS = "OWASP ASVS 5.0"
USERS: Final = ("ada", "bob", "carol", "dave", "erin", "nobody")


@pytest.fixture
async def people(world: tuple[OpenStorage, Plan]) -> AsyncIterator[Door]:
    """As ``everywhere``, with everything switched on.

    Ada is plain, bob disabled; carol has an app, dave a passkey, erin no password; nobody is nobody.
    """
    opener, plan = world
    house = Door(opener, replace(plan, sends_mail=True, sign_up_open=True))
    await house.open()
    async with house.parts.storage.write() as tx:
        for name in ("carol", "dave"):
            await tx.add_user(user_named(name, email_verified=True))
        await tx.add_user(user_named("erin", password_hash=None, email=None))
    await users.disable(house.parts, "bob")
    await enrol(house, "carol")
    await give_recovery_codes(house, "carol")
    await give_key(house, "dave")
    yield house
    await house.close()


def plain(answer: httpx2.Response, username: str) -> tuple[object, ...]:
    """An answer without what differs each time: the form's token, what is sealed, and the name that was typed."""
    text = re.sub(r"[A-Za-z0-9_-]{22,}", "", answer.text.replace(f'value="{username}"', ""))
    headers = {name: value for name, value in answer.headers.items() if name not in ("x-request-id", "content-length")}
    cookies = re.sub(r"=[A-Za-z0-9_-]{22,}", "", headers.pop("set-cookie", ""))
    return answer.status_code, text, cookies, sorted(headers.items())


async def at_login(door: Door, n: int, username: str, password: str) -> httpx2.Response:
    visitor = Visitor(door, (f"203.0.{n}.5", 1))
    return await visitor.post(
        (await visitor.open("/login")).forms["sign-in-form"], username=username, password=password
    )


async def at_session(door: Door, n: int, username: str, password: str) -> httpx2.Response:
    body = {"client_id": "web", "username": username, "password": password}
    return await door.caller((f"203.0.{n}.5", 1)).post("/session", json=body)


async def at_challenge(door: Door, n: int, username: str, password: str) -> httpx2.Response:
    form = challenge_form(username=username, password=password)
    return await door.caller((f"203.0.{n}.5", 1)).post("/authorize-challenge", data=form)


async def at_forgotten(door: Door, n: int, username: str, password: str) -> httpx2.Response:
    visitor = Visitor(door, (f"203.0.{n}.5", 1))
    form = (await visitor.open("/forgot-password")).forms["forgot-password-form"]
    return await visitor.post(form, username=username)


@standard(ASVS, "6.3.8")
@standard(ASVS, "6.4.3")
@pytest.mark.parametrize("ask", [at_login, at_session, at_challenge, at_forgotten])
async def test_no_door_tells_who_has_an_account_or_what_kind(people: Door, ask: Any) -> None:
    # What a node reads once, each has read.
    for _ in range(2):
        await ask(people, 99, "somebody else", "not the password at all")
    # Eight tries each, so that the throttle has its say too.
    told: dict[str, list[object]] = {}
    for n, username in enumerate(USERS):
        for turn in range(8):
            people.trouble.listen()
            hashed = people.cheap.verified
            answer = await ask(people, n, username, "not the password at all")
            work = (people.cheap.verified - hashed, tuple(people.trouble.operations))
            told.setdefault(username, []).append((turn, *plain(answer, username), *work))
    assert told["ada"][0] != told["ada"][-1], "the throttle was not met"
    for username in USERS:
        assert told[username] == told["ada"], username


@standard(ASVS, "6.3.8")
@pytest.mark.parametrize("ask", [at_login, at_session, at_challenge])
async def test_with_the_right_password_who_may_not_sign_in_is_answered_like_nobody(people: Door, ask: Any) -> None:
    told = set()
    for n, username in enumerate(("nobody", "bob", "erin")):
        hashed = people.cheap.verified
        answer = await ask(people, n, username, PASSWORD)
        told.add(str((*plain(answer, username), people.cheap.verified - hashed)))
    assert len(told) == 1


@standard(ASVS, "6.3.8")
@pytest.mark.parametrize("path", ["/login", "/authorize", "/sign-up", "/forgot-password", "/login/passkey"])
async def test_no_page_tells_it_by_a_name_in_its_address(people: Door, path: str) -> None:
    told = set()
    for username in USERS:
        visitor = Visitor(people)
        await visitor.open("/login")
        asked = {**(request_of() if path == "/authorize" else {}), "login_hint": username, "username": username}
        view = await visitor.follow(await visitor.http.get(path, params=asked))
        told.add(str(plain(view.response, username)))
    assert len(told) == 1
