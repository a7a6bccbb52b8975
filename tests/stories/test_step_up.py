"""A service wants a fresher sign-in, and the user proves himself again: at a real server, by real programs."""

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from typing import Annotated
from urllib.parse import parse_qs, urlsplit

import httpx2
import pytest
from fastapi import FastAPI
from fastapi.responses import PlainTextResponse
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route
from tests.support.page_browser import PageBrowser
from tests.support.ready_made import ORDERS, database_of
from tests.support.rfc import rfc
from tests.support.running_server import RunningServer, running
from tests.support.web_app import served

from watchword.client import ACR_PASSWORD, SignInAgain, StepUpRequired, TokenSource
from watchword.client.integrations.httpx2 import TokenAuth
from watchword.client.integrations.web_login import WebLogin
from watchword.resource import AsyncResourceServer, VerifiedToken
from watchword.resource.integrations.fastapi import WatchwordBearer

MAX_AGE = 300


@pytest.fixture(scope="module")
def issuer(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningServer]:
    with running(tmp_path_factory.mktemp("issuer")) as found:
        found.command(
            *("clients", "create", "cli", "--redirect-uri", "http://127.0.0.1/callback", "--api", ORDERS),
            *("--scope", "openid", "--scope", "orders.read"),
        )
        yield found


@pytest.fixture(scope="module")
def service(issuer: RunningServer) -> Iterator[str]:
    """An API with dangerous operations; its URL."""
    bearer = WatchwordBearer(AsyncResourceServer(issuer=issuer.issuer, audience=ORDERS))
    app = FastAPI()

    @app.get("/read")
    async def read(token: Annotated[VerifiedToken, bearer.requires("orders.read")]) -> int | None:
        return token.auth_time

    @app.post("/cancel")
    async def cancel(token: Annotated[VerifiedToken, bearer.requires("orders.read", max_age=MAX_AGE)]) -> int | None:
        return token.auth_time

    @app.post("/beyond", dependencies=[bearer.requires("orders.read", acr_values="urn:example:smart-card")])
    async def beyond() -> None:
        """Nobody gets here."""

    @app.post("/never")
    async def never() -> Response:
        challenge = f'Bearer error="insufficient_user_authentication", acr_values="{ACR_PASSWORD}"'
        return PlainTextResponse("", 401, {"WWW-Authenticate": challenge})

    with served(lambda _: app) as url:
        yield url
    # What verifies in the background ends with the application.
    bearer.resource._attendant.stop()


@dataclass
class Shop:
    """A web application that calls the service for its users."""

    url: str
    issuer: RunningServer

    def signed_in(self) -> PageBrowser:
        browser = PageBrowser()
        browser.open(f"{self.url}/me")
        browser.sign_in()
        assert browser.url == f"{self.url}/me"
        return browser

    def signed_in_long_ago(self) -> PageBrowser:
        """Somebody whose sign-in at the issuer lies far back, here and there."""
        browser = self.signed_in()
        age_sign_ins(self.issuer)
        browser.open(f"{self.url}/login?next=/me")
        assert browser.url == f"{self.url}/me", "who asks for nothing gets no question"
        return browser

    def demanded(self, browser: PageBrowser) -> dict[str, list[str]]:
        """What the application asked of the issuer; the browser has not gone there yet."""
        assert browser.url.startswith(f"{self.issuer.issuer}/authorize"), browser.url
        return parse_qs(urlsplit(browser.url).query)


def age_sign_ins(issuer: RunningServer) -> None:
    """Let the sign-in of every session, and of what was granted by it, lie an hour further back."""
    with closing(sqlite3.connect(database_of(issuer), timeout=30)) as database, database:
        for table in ("sessions", "grants"):
            database.execute(f"UPDATE {table} SET auth_time = auth_time - 3600")


@pytest.fixture(scope="module")
def shop(issuer: RunningServer, service: str) -> Iterator[Shop]:
    def make(url: str) -> Starlette:
        made = issuer.records(
            *("clients", "create", "shop", "--type", "confidential", "--redirect-uri", f"{url}/callback"),
            *("--api", ORDERS, "--scope", "openid", "--scope", "orders.read"),
        )
        login = WebLogin(
            issuer=issuer.issuer,
            client_id="shop",
            client_secret=made["client_secret"],
            redirect_uri=f"{url}/callback",
            scope="openid orders.read",
        )

        async def me(request: Request) -> Response:
            user = await login.required(request)
            csrf = f'<input type="hidden" name="csrf" value="{login.form_token(request)}">'
            form = f'<form id="cancel" method="post" action="/do/cancel">{csrf}</form>'
            return Response(f"<p>{user.subject}</p>{form}", media_type="text/html")

        async def do(request: Request) -> Response:
            await login.required(request) if request.method == "GET" else await login.own_form(request)
            auth = TokenAuth(login.token_source(request), origins=[service])
            async with httpx2.AsyncClient(base_url=service, auth=auth, trust_env=False, timeout=30) as client:
                answer = await client.post(f"/{request.path_params['what']}")
            return PlainTextResponse(f"done: {answer.status_code}")

        return Starlette(
            routes=[Route("/me", me), Route("/do/{what}", do, methods=["GET", "POST"]), *login.routes],
            exception_handlers={SignInAgain: login.sign_in_again},
        )

    with served(make) as url:
        yield Shop(url, issuer)


def test_a_fresh_sign_in_is_good_for_dangerous_things(shop: Shop) -> None:
    browser = shop.signed_in()
    assert browser.open(f"{shop.url}/do/cancel").text == "done: 200"


@rfc("9470", "4")
def test_an_old_sign_in_is_renewed_and_the_user_comes_back_to_what_he_wanted(shop: Shop) -> None:
    browser = shop.signed_in_long_ago()
    before = dict(browser.http.cookies)["web-login"]
    browser.open(f"{shop.url}/do/cancel?order=7", until=f"{shop.issuer.issuer}/authorize")
    assert shop.demanded(browser)["max_age"] == [str(MAX_AGE)]
    page = browser.open(browser.url)
    assert 'id="sign-in-form"' in page.text, "the issuer wants the password again"
    assert browser.sign_in().text == "done: 200"
    assert browser.url == f"{shop.url}/do/cancel?order=7"
    assert dict(browser.http.cookies)["web-login"] != before, "a session gets a new name with each sign-in"
    assert browser.open(f"{shop.url}/do/cancel").text == "done: 200", "and it stays good"


@rfc("9470", "4")
def test_a_form_that_was_sent_leads_back_to_its_page(shop: Shop) -> None:
    browser = shop.signed_in_long_ago()
    browser.http.headers["Referer"] = f"{shop.url}/me?tab=2"
    browser.submit("cancel")
    assert 'id="sign-in-form"' in browser.page.text
    browser.sign_in()
    assert browser.url == f"{shop.url}/me?tab=2"
    assert browser.submit("cancel").text == "done: 200"


def test_a_page_of_another_site_is_not_led_back_to(shop: Shop) -> None:
    browser = shop.signed_in_long_ago()
    browser.http.headers["Referer"] = f"{shop.issuer.issuer}/account"
    browser.submit("cancel")
    browser.sign_in()
    assert browser.url == f"{shop.url}/"


def test_until_he_has_proved_himself_the_user_stays_signed_in_as_he_was(shop: Shop) -> None:
    browser = shop.signed_in_long_ago()
    browser.open(f"{shop.url}/do/cancel")
    assert 'id="sign-in-form"' in browser.page.text
    assert browser.open(f"{shop.url}/me").status_code == 200
    assert browser.url == f"{shop.url}/me"
    script = browser.http.post(f"{shop.url}/do/cancel", headers={"Sec-Fetch-Mode": "cors"})
    assert script.status_code == 403, "without the form's token nothing is done at all"
    script = browser.http.get(f"{shop.url}/do/cancel", headers={"Sec-Fetch-Mode": "cors"})
    assert (script.status_code, "location" in script.headers) == (401, False)


def test_a_service_that_is_never_content_does_not_send_the_browser_round_and_round(shop: Shop) -> None:
    browser = shop.signed_in()
    browser.open(f"{shop.url}/do/never", until=f"{shop.issuer.issuer}/authorize")
    asked = shop.demanded(browser)
    assert (asked["acr_values"], asked["max_age"]) == ([ACR_PASSWORD], ["0"])
    assert 'id="sign-in-form"' in browser.open(browser.url).text, "there is always a person between"


@rfc("9470", "5")
def test_a_strength_that_the_issuer_does_not_have_is_told_to_the_user(shop: Shop) -> None:
    browser = shop.signed_in()
    page = browser.open(f"{shop.url}/do/beyond")
    assert page.status_code == 400
    assert "not strong enough" in page.text
    assert browser.open(f"{shop.url}/me").status_code == 200


@rfc("9470", "4")
def test_a_command_line_program_asks_its_user_again_and_goes_on(issuer: RunningServer, service: str) -> None:
    browser = PageBrowser()
    asked: list[str] = []

    def opened(url: str) -> None:
        asked.append(url)
        browser.open(url)
        browser.sign_in()

    source = TokenSource(issuer.issuer, "cli", scope="openid orders.read")
    source.sign_in_by_browser(open_browser=opened, seconds=60)
    auth = TokenAuth(source, origins=[service])
    with httpx2.Client(base_url=service, auth=auth, trust_env=False, timeout=30) as client:
        assert client.post("/cancel").status_code == 200
        age_sign_ins(issuer)
        old = source.renew(source.token())
        with pytest.raises(StepUpRequired) as wanted:
            client.post("/cancel")
        assert (wanted.value.max_age, wanted.value.acr_values) == (MAX_AGE, ())
        assert source.token() == old, "no refresh was tried"
        assert client.get("/read").status_code == 200, "other things go on"

        identity = source.sign_in_by_browser(
            max_age=wanted.value.max_age, acr_values=wanted.value.acr_values, open_browser=opened, seconds=60
        )
        assert identity is not None
        assert parse_qs(urlsplit(asked[-1]).query)["max_age"] == [str(MAX_AGE)]
        answer = client.post("/cancel")
        assert (answer.status_code, answer.json()) == (200, identity.auth_time)
