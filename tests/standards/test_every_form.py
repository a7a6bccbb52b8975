"""Every form of the pages: nobody else can send it, nothing but sending it changes anything, no bytes break it.

R021, R006, R041; the class of forged requests over all of ``web/routes.ROUTES``.
"""

from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import httpx2
import pytest
from tests.standards import test_bad_input
from tests.support.anatomy import is_page
from tests.support.cast import HOSTILE, basic
from tests.support.databases import sqlite_template
from tests.support.door import ELSEWHERE, FAR_AWAY, Door, Plan, opener_of
from tests.support.dump import dump
from tests.support.every_form import FORMS, GIVES_A_COOKIE, Filled
from tests.support.exchange import answered
from tests.support.rfc import rfc, standard
from tests.support.visitor import Form, View, Visitor, request_of

from watchword.server.storage.database_url import SqliteDatabase
from watchword.server.web.page_answers import page_edge
from watchword.server.web.reading import MAX_BODY
from watchword.server.web.routes import ROUTES

ASVS = "OWASP ASVS 5.0"
# Posted by applications' pages and servers, so no form of ours: what they may do is held by the tests of each.
NO_FORM_OF_OURS = {
    "/authorize": "an application's page sends its user here; the sign-in and consent forms are what changes anything",
}
# A form that comes without its token asks the user, who was sent there by an application perhaps.
ASKS_INSTEAD = {"/end_session"}
every_form = pytest.mark.parametrize("path", FORMS)


@pytest.fixture
def database(tmp_path: Path) -> SqliteDatabase:
    return sqlite_template().copy(tmp_path)


@pytest.fixture
async def house(database: SqliteDatabase) -> AsyncIterator[Door]:
    """One node with everything switched on. Nothing may break in it."""
    door = Door(opener_of(database), Plan(sends_mail=True, sign_up_open=True))
    await door.open()
    yield door
    await door.close()
    assert "server.error" not in door.heard.slugs()


def is_page_endpoint(endpoint: Any) -> bool:
    """Whether it is one whose refusals are pages."""
    return getattr(endpoint, "__code__", None) is page_edge(_endpoint).__code__


async def _endpoint(*_: object) -> Any: ...


def cookies_of(visitor: Visitor) -> dict[str, str | None]:
    return {cookie.name: cookie.value for cookie in visitor.http.cookies.jar}


# --- the table


def test_every_form_is_in_the_table() -> None:
    posted = {
        path
        for path, route in ROUTES.items()
        if "POST" in route.endpoints and is_page_endpoint(route.endpoints["POST"])
    }
    assert posted == set(FORMS) | set(NO_FORM_OF_OURS), "a form was added: put it into tests/support/every_form.py"


def test_every_door_that_takes_a_body_meets_bad_bytes_somewhere() -> None:
    bodies = {path for path, route in ROUTES.items() if {"POST", "PUT", "PATCH", "DELETE"} & set(route.endpoints)}
    met = {*FORMS, *NO_FORM_OF_OURS, *test_bad_input.FORMS, *test_bad_input.JSONS, "/par"}
    # Its parameters come in the Authorization header alone.
    assert bodies - {"/userinfo"} == met, "a door was added: put it into a table of bad input"


# --- forged


async def forged_tokens(house: Door, filled: Filled) -> AsyncIterator[tuple[str, str | None]]:
    """Tokens that are not the form's."""
    yield "none", None
    yield "empty", ""
    yield "made up", "A" * 43
    yield "not ASCII", "\u00e9"
    yield "cut short", filled.form.fields["csrf"][:-1]
    stranger = Visitor(house, ELSEWHERE)
    yield "another browser's", (await stranger.open("/login")).forms["sign-in-form"].fields["csrf"]
    bob = Visitor(house, FAR_AWAY, username="bob")
    yield "another user's", (await bob.signed_in()).forms["password-form"].fields["csrf"]
    if filled.visitor.session is not None:
        # The same browser's, as long as nobody was signed in there.
        browser = filled.visitor.cookie("ww-browser")
        before = house.caller(cookie=f"ww-browser={browser}")
        shown = View(await before.get("/login"))
        assert shown.response.headers.get("set-cookie") is None
        yield "from before the sign-in", shown.forms["sign-in-form"].fields["csrf"]


FOREIGN = [
    {"origin": "https://evil.example"},
    {"origin": "null"},
    {"origin": "http://localhost:8001"},
    {"origin": "https://localhost:8000"},
    {"origin": "http://localhost:8000.evil.example"},
    {"origin": "http://127.0.0.1:8000"},
    {"sec-fetch-site": "cross-site"},
    {"sec-fetch-site": "same-site"},
    {"sec-fetch-site": "none"},
    {"sec-fetch-site": "SAME-ORIGIN"},
    {"origin": "https://evil.example", "sec-fetch-site": "cross-site"},
]


@rfc("6819", "4.4.2.5")
@standard(ASVS, "3.5.1")
@every_form
async def test_a_forged_form_is_refused_and_changes_nothing_and_the_real_one_does(
    house: Door, database: SqliteDatabase, path: str
) -> None:
    filled = await FORMS[path](house)
    held = cookies_of(filled.visitor)
    tokens = [pair async for pair in forged_tokens(house, filled)]
    before = dump(database)

    def judge(what: object, answer: httpx2.Response, *problems: str) -> None:
        assert dump(database) == before, what
        assert cookies_of(filled.visitor) == held, what
        assert "server.error" not in house.heard.slugs(), what
        if path not in ASKS_INSTEAD:
            assert answer.status_code in (400, 403), what
            assert View(answer).problem in problems, what
            assert "location" not in answer.headers, what

    for what, token in tokens:
        # With one field more, as a form without any is sent without saying that it is one.
        judge(what, await filled.post(csrf=token, x="1"), "stale")
    for headers in FOREIGN:
        judge(headers, await filled.post(headers), "forbidden")
    in_the_address = {"csrf": filled.form.fields["csrf"]}
    answer = await filled.visitor.http.post(f"{path}?{urlencode(in_the_address)}", data={**filled.fields, "csrf": ""})
    judge("the token in the address", answer, "stale")
    judge("another browser", await house.caller().post(filled.form.action, data=filled.fields), "stale")
    unlike = house.caller(cookie=f"ww-session={filled.visitor.session}; ww-browser=AAAAAAAAAAAAAAAAAAAAAA")
    judge("a planted form cookie", await unlike.post(filled.form.action, data=filled.fields), "stale")
    # All this did not use up the real one.
    answer = await filled.post()
    assert answer.status_code in (200, 303), answer.text
    assert View(answer).problem is None
    assert dump(database) != before
    assert (filled.visitor.session not in (None, held.get("ww-session"))) is (path in GIVES_A_COOKIE)


@standard(ASVS, "3.5.3")
@every_form
async def test_fetching_what_a_form_would_send_changes_nothing(
    house: Door, database: SqliteDatabase, path: str
) -> None:
    filled = await FORMS[path](house)
    held, before = cookies_of(filled.visitor), dump(database, besides=())
    for method in ("GET", "HEAD", "PUT", "PATCH", "DELETE", "OPTIONS"):
        answer = await filled.visitor.http.request(method, path, params=filled.fields)
        assert answer.status_code in (200, 303, 400, 405, 410)
        assert (answer.status_code == 405) is (method not in ROUTES[path].endpoints)
        assert dump(database, besides=()) == before, method
        assert {name: value for name, value in cookies_of(filled.visitor).items() if name in held} == held


# --- bad bytes


def spoilt(filled: Filled) -> Iterator[tuple[str, bytes]]:
    """The form's bytes, each made bad in one way."""
    for name, value in filled.fields.items():
        for second in (value, "", "other"):
            yield f"{name} twice", filled.body + b"&" + urlencode({name: second}).encode()
            yield f"{name} twice, the other first", urlencode({name: second}).encode() + b"&" + filled.body
        with_nul = {**filled.fields, name: value + "\x00"}
        yield f"{name} with NUL", urlencode(with_nul).encode()
    yield "an unknown one twice", filled.body + b"&x=1&x=1"
    yield "NUL in a name", filled.body + b"&a%00b=1"
    yield "an escaped byte that is no UTF-8", filled.body + b"&x=%FF"
    yield "a byte that is no UTF-8", filled.body + b"&x=\xff\xfe"
    yield "half a surrogate pair", filled.body + b"&x=%ED%A0%80"
    yield "overlong", filled.body + b"&x=%C0%AF"
    yield "too many", filled.body + b"".join(b"&x%d=1" % number for number in range(200))


@rfc("6749", "3.1")
@every_form
async def test_a_form_that_cannot_be_read_in_one_way_only_is_refused(
    house: Door, database: SqliteDatabase, path: str
) -> None:
    filled = await FORMS[path](house)
    held, before, verified = cookies_of(filled.visitor), dump(database), house.cheap.verified
    for what, body in spoilt(filled):
        answer = await filled.post_raw(body)
        assert (answer.status_code, View(answer).problem) == (400, "bad_request"), what
    for media_type in ("", "application/json", "text/plain", "multipart/form-data; boundary=x", "x"):
        answer = await filled.post_raw(filled.body, media_type=media_type)
        assert (answer.status_code, View(answer).problem) == (400, "bad_request"), media_type
    for large in (filled.body + b"&x=" + b"a" * MAX_BODY, b"a" * (MAX_BODY + 1)):
        answer = await filled.post_raw(large)
        assert (answer.status_code, View(answer).problem) == (413, "bad_request")
    assert (cookies_of(filled.visitor), dump(database), house.cheap.verified) == (held, before, verified)
    assert (await filled.post()).status_code in (200, 303)


ODD = [
    "x" * 20_000,
    "\U0001f511" * 2000,
    "\ufdfa" * 2000,
    "\u202e\u2066\ufeff",
    "\r\nset-cookie: x=1",
    "' OR 1=1 --",
    "../../etc/passwd",
    "%s%n{{7*7}}${7*7}",
    "-1",
    "[]",
    '{"id": [1e999, null]}',
    "=" * 500,
    HOSTILE,
]


@rfc("6819", "5.1.6")
@every_form
async def test_odd_text_in_any_field_is_only_text(house: Door, path: str) -> None:
    filled = await FORMS[path](house)
    for name in filled.fields:
        for value in ODD:
            answer = await filled.post(**{name: value})
            assert answer.status_code in (200, 303, 400, 403, 410, 429), (name, value[:20])
            # Nothing is told but what was sent, once or twice, in a page of its usual length.
            assert len(answer.content) < 60_000 + 6 * len(value)
            assert "<script>alert" not in answer.text
            assert "<img" not in answer.text
            assert "%s%n49" not in answer.text
            assert "x=1" not in answer.headers.get("set-cookie", "")
            if path in ("/account/totp", "/account/passkeys"):
                house.clock.advance(60)
    assert "server.error" not in house.heard.slugs()


# --- the two doors that take forms of others


async def test_what_an_application_sends_is_read_in_one_way_only_too(house: Door, database: SqliteDatabase) -> None:
    before = dump(database)
    visitor = Visitor(house)
    asked = Filled(visitor, Form("/authorize", request_of()), {})
    pushed = Filled(Visitor(house), Form("/par", request_of()), {})
    pushed.visitor.http.headers["authorization"] = basic("shop")["authorization"]
    for filled in (asked, pushed):
        for what, body in spoilt(filled):
            if what == "an unknown one twice" or what == "NUL in a name" or ("twice" in what and filled is asked):
                # Unknown parameters are ignored; of a known one that is there twice the application is told.
                continue
            answer = await filled.post_raw(body)
            assert answer.status_code == 400, (filled.form.action, what)
            assert is_page(answer) is (filled is asked)
        for media_type in ("", "application/json", "text/plain", "multipart/form-data; boundary=x"):
            assert (await filled.post_raw(filled.body, media_type=media_type)).status_code == 400
        assert (await filled.post_raw(b"a" * (MAX_BODY + 1))).status_code == 413
    assert dump(database) == before
    assert (await pushed.post_raw(pushed.body)).status_code == 201
    assert (await asked.post_raw(asked.body)).status_code == 303


BAD_QUERIES = [
    "x=%FF",
    "x=\xff",
    "x=%00",
    "%00=x",
    "x=1&x=1",
    "x=%ED%A0%80",
    "&".join(f"x{number}=1" for number in range(200)),
    "x=" + "a" * 20_000,
]
BAD_HEADERS = [
    ("cookie", "ww-session=" + "a" * 5000),
    ("cookie", "ww-session=\xff; ww-browser=\xe9; ww-link=\x01"),
    ("cookie", "ww-session; ==;;; ww-browser"),
    ("cookie", "; ".join(f"ww-session={number}" for number in range(200))),
    ("accept-language", "x" * 5000),
    ("accept-language", ";q=,,,*;q=9e9, de;q=\xff"),
    ("user-agent", "\xff\x01" * 500),
    ("origin", "\xff"),
]
SHOWN = [path for path, route in ROUTES.items() if is_page_endpoint(route.endpoints.get("GET"))]


@pytest.mark.parametrize("path", SHOWN)
async def test_a_bad_address_or_header_is_no_breakdown(house: Door, database: SqliteDatabase, path: str) -> None:
    visitor = Visitor(house)
    await visitor.signed_in()
    cookies = "; ".join(f"{name}={value}" for name, value in cookies_of(visitor).items())
    before = dump(database)
    for method in ("GET", "POST"):
        for query in BAD_QUERIES:
            for headers in ([], [("cookie", cookies)]):
                one = await answered(house, method, path, headers=headers, query=query)
                assert one.status in (200, 303, 400, 405, 410), query[:30]
                assert len(one.body) < 60_000
        for header in BAD_HEADERS:
            one = await answered(house, method, path, headers=[header])
            assert one.status in (200, 303, 400, 405, 410), (header[0], header[1][:30])
            assert not any(letter in one.headers.get("set-cookie", "") for letter in "\r\n\xff")
    assert dump(database) == before
