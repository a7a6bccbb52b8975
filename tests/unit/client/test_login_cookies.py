"""The cookie of a sign-in under way stays small enough for browsers, and all of them together for servers."""

import json
from http.cookies import SimpleCookie
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from starlette.requests import Request
from starlette.responses import Response

from watchword.client import Answer
from watchword.client import Request as Asked
from watchword.client.integrations.login_cookies import LoginCookies
from watchword.client.integrations.web_login import WebLogin
from watchword.protocol import strict_json
from watchword.testing import FrozenClock, TestIssuer

SHOP = "https://shop.test"
LONGEST_CLASSES = ["a" * 249] * 4
ISSUER = TestIssuer(clock=FrozenClock())


class Wire:
    """The way to an issuer."""

    async def send(self, request: Asked) -> Answer:
        metadata = strict_json.parse_object(ISSUER.metadata())
        metadata |= {"authorization_endpoint": f"{ISSUER.issuer}/authorize", "response_types_supported": ["code"]}
        return Answer(200, json.dumps(metadata).encode())


def a_login(**more: Any) -> WebLogin:
    made: dict[str, Any] = {"client_id": "shop", "client_secret": "s" * 43, "redirect_uri": f"{SHOP}/callback"}
    return WebLogin(issuer=ISSUER.issuer, transport=Wire(), clock=ISSUER.clock, **made | more)


def request(cookies: dict[str, str]) -> Request:
    text = "; ".join(f"{name}={value}" for name, value in cookies.items())
    return Request({"type": "http", "method": "GET", "path": "/", "headers": [(b"cookie", text.encode())]})


def keep(cookies: dict[str, str], response: Response) -> None:
    """What a browser does with the answer."""
    for name, value in response.raw_headers:
        if name == b"set-cookie":
            for found in SimpleCookie(value.decode()).values():
                cookies.pop(found.key, None)
                if found["max-age"] != "0":
                    assert len(found.key) + len(found.value) <= 4096, "browsers drop it"
                    cookies[found.key] = found.value


def next_of(login: WebLogin, cookies: dict[str, str], response: Response) -> str:
    """Where the sign-in that was begun last goes on to."""
    [state] = parse_qs(urlsplit(response.headers["location"]).query)["state"]
    underway = login._cookies.transaction_of(request(cookies), state)
    assert underway is not None
    return underway.next


async def test_five_tabs_with_the_most_that_can_be_asked_for_fit_into_a_header() -> None:
    login, cookies = a_login(), {"other": "x" * 40}
    for tab in range(8):
        there = f"/{tab}" + "a" * 498
        response = await login.begin(request(cookies), go_on_to=there, max_age=60, acr_values=LONGEST_CLASSES)
        assert response.status_code == 303
        keep(cookies, response)
        assert sum(len(name) + len(value) for name, value in cookies.items()) < 7000
        assert next_of(login, cookies, response) == there
    assert len(cookies) > 2, "more than one tab can be under way"


async def test_of_small_ones_five_are_kept_and_the_oldest_make_room() -> None:
    login = a_login()
    cookies: dict[str, str] = {}
    names = []
    for _ in range(7):
        response = await login.begin(request(cookies), go_on_to="/")
        keep(cookies, response)
        names.append(next(reversed(cookies)))
    assert list(cookies) == names[2:]


@pytest.mark.parametrize("there", ["/" + "a" * 500, "/" + "a" * 2000])
async def test_a_path_that_is_too_long_is_not_gone_on_to(there: str) -> None:
    login = a_login()
    cookies: dict[str, str] = {}
    response = await login.begin(request(cookies), go_on_to=there)
    keep(cookies, response)
    assert next_of(login, cookies, response) == "/"


async def test_where_scope_and_path_are_too_large_together_the_path_is_left_out() -> None:
    login = a_login(scope=[f"scope-{n:02}-{'a' * 60}" for n in range(27)])
    cookies: dict[str, str] = {}
    response = await login.begin(request(cookies), go_on_to="/" + "a" * 400)
    keep(cookies, response)
    assert next_of(login, cookies, response) == "/"


async def test_where_no_cookie_could_hold_it_that_is_said_and_nobody_sent_round_in_circles() -> None:
    login = a_login(scope=[f"scope-{n:02}-{'a' * 60}" for n in range(27)])
    response = await login.begin(request({}), go_on_to="/", acr_values=LONGEST_CLASSES)
    assert response.status_code == 500
    assert "set-cookie" not in response.headers


def test_a_cookie_that_was_changed_is_no_sign_in() -> None:
    cookies = LoginCookies(name="x", secret="s" * 43, is_plain=True)
    assert cookies.transaction_of(request({cookies._name("state"): "A" * 200}), "state") is None
