"""Bad input: each endpoint names the trouble, shows no insides, and changes nothing.

R006, R007, R035, R041, R042; the issue's "Bad input".
"""

import json
from typing import Any

import httpx2
import pytest
from tests.support.cast import PASSWORD, basic
from tests.support.codes import challenge_form, code_form
from tests.support.databases import sqlite_template
from tests.support.door import Door, Plan, opener_of
from tests.support.dump import dump
from tests.support.rfc import rfc

from watchword.server.storage.database_url import SqliteDatabase

# Each form endpoint with a request that is good but for what a test spoils in it.
FORMS: dict[str, tuple[dict[str, Any], dict[str, str]]] = {
    "/token": (
        {
            **code_form("a-code"),
            "redirect_uri": "https://app.example/x",
            "refresh_token": "wwr_x",
            "scope": "orders.read",
        },
        {},
    ),
    "/revoke": ({"client_id": "web", "token": "x", "token_type_hint": "refresh_token"}, {}),
    "/introspect": ({"token": "x", "token_type_hint": "access_token"}, basic("orders")),
    "/authorize-challenge": (challenge_form(), {}),
}
JSONS: dict[str, dict[str, Any]] = {
    "/session": {"client_id": "web", "username": "ada", "password": PASSWORD, "scope": "openid"},
    "/session/refresh": {"client_id": "web", "refresh_token": "wwr_x"},
    "/session/end": {"refresh_token": "wwr_x"},
    "/users": {"username": "eve", "password": "four words in a row", "email": "eve@example.org"},
}
REPEATED = [(path, name) for path, (form, _) in FORMS.items() for name in form]
DEEP = 20_000


@pytest.fixture
def database(tmp_path: Any) -> SqliteDatabase:
    return sqlite_template().copy(tmp_path)


@pytest.fixture
async def spoilt(database: SqliteDatabase) -> Any:
    """A door with sign-up open; in the end nothing in its database may have changed."""
    before = dump(database)
    door = Door(opener_of(database), Plan(sign_up_open=True))
    await door.open()
    yield door
    await door.close()
    assert dump(database) == before
    assert "server.error" not in door.heard.slugs()


def judge(answer: httpx2.Response, *, status: int = 400, error: str = "invalid_request") -> None:
    """What every refusal has, and what none may show."""
    assert (answer.status_code, answer.json()["error"]) == (status, error), answer.text
    assert set(answer.json()) == {"error", "error_description"}
    assert len(answer.json()["error_description"]) > 10
    assert answer.headers["content-type"] == "application/json"
    assert answer.headers["cache-control"] == "no-store"
    for inside in ("Traceback", "File ", "Error(", "watchword/", "site-packages", "sqlite", "SELECT", PASSWORD):
        assert inside not in answer.text


async def send_form(http: httpx2.AsyncClient, path: str, body: bytes, **headers: str) -> httpx2.Response:
    sent = {"content-type": "application/x-www-form-urlencoded", **FORMS[path][1], **headers}
    return await http.post(path, content=body, headers=sent)


async def send_json(http: httpx2.AsyncClient, path: str, body: bytes, **headers: str) -> httpx2.Response:
    return await http.post(path, content=body, headers={"content-type": "application/json", **headers})


def encoded(form: dict[str, Any]) -> bytes:
    return httpx2.Request("POST", "http://x", data=form).content


@rfc("6749", "3.1")
@rfc("6749", "3.2")
@pytest.mark.parametrize(("path", "name"), REPEATED, ids=lambda value: value)
async def test_a_parameter_that_is_there_twice_is_refused(spoilt: Door, path: str, name: str) -> None:
    # R006: also when both values agree, and when one is empty.
    http, form = spoilt.caller(), FORMS[path][0]
    body = encoded(form)
    for second in (str(form[name]), "", "other"):
        again = encoded({name: second})
        judge(await send_form(http, path, body + b"&" + again))
        judge(await send_form(http, path, again + b"&" + body))
    assert spoilt.cheap.verified == 0


@rfc("6749", "3.2")
@pytest.mark.parametrize("path", FORMS)
async def test_the_resource_alone_may_repeat(spoilt: Door, path: str) -> None:
    body = encoded({**FORMS[path][0], "resource": ["https://a.example", "https://b.example"]})
    answer = await send_form(spoilt.caller(), path, body)
    assert answer.json().get("error") != "invalid_request" if answer.content else answer.status_code == 200


@rfc("6749", "3.1")
@pytest.mark.parametrize(
    ("path", "name"),
    [
        ("/token", "grant_type"),
        ("/token", "code"),
        ("/token", "code_verifier"),
        ("/revoke", "token"),
        ("/introspect", "token"),
        ("/authorize-challenge", "code_challenge"),
        ("/authorize-challenge", "code_challenge_method"),
        ("/authorize-challenge", "username"),
        ("/authorize-challenge", "password"),
    ],
)
async def test_an_empty_parameter_is_a_missing_one(spoilt: Door, path: str, name: str) -> None:
    http, form = spoilt.caller(), FORMS[path][0]
    without = await send_form(http, path, encoded({key: value for key, value in form.items() if key != name}))
    empty = await send_form(http, path, encoded({**form, name: ""}))
    judge(empty)
    assert empty.json() == without.json()


@rfc("6749", "3.2")
async def test_unknown_parameters_are_ignored(door: Door, home: httpx2.AsyncClient) -> None:
    # R007
    more = {f"unknown_{n}": "x" for n in range(50)}
    token = (await door.sign_in(home, **more, audience=7, nested={"a": [1]}))["refresh_token"]
    assert (await door.refresh(home, token, **more)).status_code == 200
    answer = await home.post("/introspect", data={"token": "x", **more}, headers=basic("orders"))
    assert answer.json() == {"active": False}


@pytest.mark.parametrize("path", FORMS)
@pytest.mark.parametrize(
    "spoil",
    [
        pytest.param(lambda body: body + b"&scope2=%FF", id="escaped byte that is not UTF-8"),
        pytest.param(lambda body: body + b"&x=\xff\xfe", id="bytes that are not UTF-8"),
        pytest.param(lambda body: body + b"&x=%ED%A0%80", id="half a surrogate pair"),
        pytest.param(lambda body: body + b"&x=%C0%AF", id="overlong"),
        pytest.param(lambda body: body + b"&x=a%00b", id="NUL"),
        pytest.param(lambda body: body + b"&x=a\x00b", id="NUL unescaped"),
        pytest.param(lambda body: body + b"".join(b"&x%d=1" % n for n in range(200)), id="too many"),
        pytest.param(lambda body: b"&" * 500 + body, id="too many empty ones"),
    ],
)
async def test_a_form_that_cannot_be_read_is_refused(spoilt: Door, path: str, spoil: Any) -> None:
    judge(await send_form(spoilt.caller(), path, spoil(encoded(FORMS[path][0]))))


@pytest.mark.parametrize("path", FORMS)
@pytest.mark.parametrize(
    "media_type", ["", "application/json", "text/plain", "multipart/form-data; boundary=x", "application/x-www-form"]
)
async def test_a_form_endpoint_takes_forms_alone(spoilt: Door, path: str, media_type: str) -> None:
    judge(await send_form(spoilt.caller(), path, encoded(FORMS[path][0]), **{"content-type": media_type}))


@pytest.mark.parametrize("path", JSONS)
@pytest.mark.parametrize("media_type", ["", "application/x-www-form-urlencoded", "text/plain", "application/jsonx"])
async def test_the_simple_door_takes_json_alone(spoilt: Door, path: str, media_type: str) -> None:
    # A page of another origin can send a form or text without a preflight, but no application/json.
    answer = await send_json(spoilt.caller(), path, json.dumps(JSONS[path]).encode(), **{"content-type": media_type})
    judge(answer, status=415)


@pytest.mark.parametrize("media_type", ["application/json; charset=utf-8", "Application/JSON", "application/json ;x=y"])
async def test_parameters_and_case_of_the_media_type_do_not_matter(home: httpx2.AsyncClient, media_type: str) -> None:
    body = json.dumps(JSONS["/session"]).encode()
    assert (await send_json(home, "/session", body, **{"content-type": media_type})).status_code == 201


BAD_JSON = [
    pytest.param(b"", id="nothing"),
    pytest.param(b"{", id="half"),
    pytest.param(b"[]", id="list"),
    pytest.param(b'"text"', id="text"),
    pytest.param(b"null", id="null"),
    pytest.param(b"7", id="number"),
    pytest.param(b"{} {}", id="two objects"),
    pytest.param(b'{"a": 1,}', id="trailing comma"),
    pytest.param(b"{'a': 1}", id="single quotes"),
    pytest.param(b'{"a": NaN}', id="NaN"),
    pytest.param(b'{"a": Infinity}', id="Infinity"),
    pytest.param(b'{"a": 1e999}', id="beyond all bounds"),
    pytest.param(b'{"a": ' + b"9" * 6000 + b"}", id="6000 digits"),
    pytest.param(b'{"client_id": "web", "client_id": "web"}', id="a member twice"),
    pytest.param(b'{"a": {"b": 1, "b": 2}}', id="a nested member twice"),
    pytest.param(b'{"a": "\xff"}', id="not UTF-8"),
    pytest.param(b"\xff\xfe{\x00}\x00", id="UTF-16"),
    pytest.param(b'\xef\xbb\xbf{"a": 1}', id="byte order mark"),
    pytest.param(b'{"username": "\\ud800"}', id="half a surrogate pair"),
    pytest.param(b'{"x": "\\udfff"}', id="the other half, unknown member"),
    pytest.param(b'{"a": "\n"}', id="control character"),
    pytest.param(b"[" * DEEP, id="deep lists"),
    pytest.param(b'{"a":' * (DEEP // 2) + b"1" + b"}" * (DEEP // 2), id="deep objects"),
    pytest.param(b'{"a":' + b"[" * DEEP + b"]" * DEEP + b"}", id="deep and well formed"),
]


@pytest.mark.parametrize("path", JSONS)
@pytest.mark.parametrize("body", BAD_JSON)
async def test_what_is_not_one_json_object_is_refused(spoilt: Door, path: str, body: bytes) -> None:
    http = spoilt.caller()
    if body == b"" and path == "/session/end":
        # Here the body may be missing, and then so is the token.
        assert (await send_json(http, path, body)).status_code == 401
        return
    judge(await send_json(http, path, body))


@pytest.mark.parametrize(("path", "name"), [(path, name) for path, body in JSONS.items() for name in body])
async def test_a_member_of_the_wrong_type_is_named(spoilt: Door, path: str, name: str) -> None:
    http = spoilt.caller()
    for wrong in (7, 1.5, True, [], ["a"], {}, {"a": "b"}, "a\x00b"):
        answer = await send_json(http, path, json.dumps({**JSONS[path], name: wrong}).encode())
        judge(answer)
        assert name in answer.json()["error_description"]


async def test_flags_and_lists_are_judged_too(spoilt: Door) -> None:
    http = spoilt.caller()
    for wrong in ({"cookie": "yes"}, {"cookie": 1}, {"resource": 7}, {"resource": [7]}, {"resource": ["x"] * 101}):
        answer = await send_json(http, "/session", json.dumps({**JSONS["/session"], **wrong}).encode())
        judge(answer)
    for nothing in ({"cookie": None}, {"resource": None}, {"scope": None}, {"resource": [None, ""]}):
        body = {**JSONS["/session"], "password": "wrong", **nothing}
        assert (await http.post("/session", json=body)).json()["error"] == "invalid_credentials"
        spoilt.clock.advance(100)


@pytest.mark.parametrize(
    "value", ["x" * 60_000, "\U0001f511" * 2000, "' OR 1=1 --", "%s%s%n", "../../etc/passwd", "\ufdfa" * 9000]
)
async def test_odd_text_is_only_text(spoilt: Door, value: str) -> None:
    http = spoilt.caller()
    answers = [
        await http.post("/session", json={"client_id": "web", "username": value, "password": "x"}),
        await http.post("/session", json={"client_id": "web", "username": "ada", "password": value}),
        await http.post("/session", json={"client_id": value, "username": "ada", "password": "x"}),
        await http.post("/session/refresh", json={"client_id": "web", "refresh_token": value}),
        await http.post("/users", json={"username": value, "password": "x"}),
    ]
    assert [answer.status_code for answer in answers] == [401, 401, 401, 401, 400]
    for path, (form, headers) in FORMS.items():
        for name in form:
            answer = await http.post(path, data={**form, name: value[:5000]}, headers=headers)
            assert answer.status_code in (200, 400, 401, 429), (path, name)
