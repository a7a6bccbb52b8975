"""Sessions that end at the issuer end at a web application too, at a real server; told from server to server."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response
from starlette.routing import Route
from tests.support.page_browser import PageBrowser
from tests.support.ready_made import ORDERS
from tests.support.rfc import standard
from tests.support.running_server import RunningServer, running, wait_until
from tests.support.web_app import served

from watchword.client import FileSessionStore, MemorySessionStore, SignInAgain
from watchword.client.integrations.web_login import WebLogin

LOGOUT = "OpenID Connect Back-Channel Logout 1.0"


@dataclass
class Shop:
    """A web application that hears of sign-outs."""

    url: str
    client_id: str
    issuer: RunningServer

    def signed_in(self) -> PageBrowser:
        browser = PageBrowser()
        browser.open(f"{self.url}/me")
        browser.sign_in()
        assert browser.url == f"{self.url}/me"
        return browser

    def session_of(self, browser: PageBrowser) -> str:
        """The issuer's name of the session."""
        found: dict[str, Any] = browser.open(f"{self.url}/me").json()
        return str(found["sid"])

    def knows(self, browser: PageBrowser) -> bool:
        return browser.open(f"{self.url}/").text == "somebody"

    def forgets(self, browser: PageBrowser) -> None:
        """Wait for the end of the session; it is told in the background."""
        wait_until(lambda: not self.knows(browser), seconds=30, what="the end of the session at the application")


def app_of(login: WebLogin) -> Starlette:
    async def front(request: Request) -> Response:
        return PlainTextResponse("everybody" if await login.user(request) is None else "somebody")

    async def me(request: Request) -> Response:
        user = await login.required(request)
        return JSONResponse({"sub": user.subject, "sid": user.session_id})

    async def token(request: Request) -> Response:
        await login.token_source(request).token()
        return PlainTextResponse("a token is at hand")

    return Starlette(
        routes=[Route("/", front), Route("/me", me), Route("/token", token), *login.routes],
        exception_handlers={SignInAgain: login.sign_in_again},
    )


@pytest.fixture(scope="module")
def issuer(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningServer]:
    with running(tmp_path_factory.mktemp("issuer")) as found:
        yield found


@pytest.fixture(scope="module", params=["memory", "files"])
def shop(
    request: pytest.FixtureRequest, issuer: RunningServer, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Shop]:
    folder: Path = tmp_path_factory.mktemp("sessions")
    client_id = f"shop-{request.param}"

    def make(url: str) -> Starlette:
        made = issuer.records(
            *("clients", "create", client_id, "--type", "confidential", "--redirect-uri", f"{url}/callback"),
            *("--backchannel-logout-uri", f"{url}/backchannel-logout"),
            *("--api", ORDERS, "--scope", "openid", "--scope", "orders.read"),
        )
        login = WebLogin(
            issuer=issuer.issuer,
            client_id=client_id,
            client_secret=made["client_secret"],
            redirect_uri=f"{url}/callback",
            scope="openid orders.read",
            session_store=FileSessionStore(folder) if request.param == "files" else MemorySessionStore(),
        )
        return app_of(login)

    with served(make) as url:
        yield Shop(url, client_id, issuer)


@standard(LOGOUT, "2.7")
def test_a_session_that_an_operator_ends_is_over_here_and_the_users_others_go_on(shop: Shop) -> None:
    ended, other = shop.signed_in(), shop.signed_in()
    sid = shop.session_of(ended)
    assert sid != shop.session_of(other)
    shop.issuer.command("sessions", "revoke", sid)
    shop.forgets(ended)
    assert shop.knows(other)
    ended.open(f"{shop.url}/token")
    assert 'id="sign-in-form"' in ended.page.text, "its tokens are handed out no more"


@standard(LOGOUT, "2.7")
def test_a_user_who_is_logged_out_everywhere_is_logged_out_here_and_may_come_back(shop: Shop) -> None:
    first, second = shop.signed_in(), shop.signed_in()
    shop.issuer.command("sessions", "revoke", "--user", "ada")
    shop.forgets(first)
    shop.forgets(second)
    again = shop.signed_in()
    assert shop.knows(again)
    assert not shop.knows(first)


@standard(LOGOUT, "2.8")
def test_the_issuer_is_content_with_the_answer_and_a_forged_token_changes_nothing(shop: Shop) -> None:
    browser = shop.signed_in()
    forged = browser.http.post(f"{shop.url}/backchannel-logout", data={"logout_token": "eyJhbGciOiJub25lIn0.e30."})
    assert (forged.status_code, forged.headers["cache-control"]) == (400, "no-store")
    assert shop.knows(browser)
    shop.issuer.command("sessions", "revoke", shop.session_of(browser))
    shop.forgets(browser)
    lines = shop.issuer.log.read_text().splitlines()
    assert not [line for line in lines if "backchannel_logout.failed" in line and shop.client_id in line]
