"""A web application signs its users in by browser, at a real server; tokens never reach the browser."""

import socket
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlencode, urlsplit

import pytest
import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response
from starlette.routing import Route
from tests.support.page_browser import PageBrowser
from tests.support.ready_made import ORDERS
from tests.support.rfc import rfc
from tests.support.running_server import RunningServer, running, wait_until

from watchword.client import FileSessionStore, MemorySessionStore, SignInAgain
from watchword.client.integrations.web_login import WebLogin


@dataclass
class Shop:
    """A web application on loopback, and what a test turns in it."""

    url: str
    login: WebLogin
    folder: Path
    server: RunningServer
    skew: float = 0.0

    def begun(self, browser: PageBrowser) -> str:
        """A sign-in in this browser as far as the answer, which is not delivered: its address."""
        browser.open(f"{self.url}/login?next=/me", until=f"{self.url}/callback")
        browser.sign_in(until=f"{self.url}/callback")
        assert browser.url.startswith(f"{self.url}/callback"), browser.url
        return browser.url


def app_of(login: WebLogin) -> Starlette:
    async def front(request: Request) -> Response:
        return PlainTextResponse("everybody" if await login.user(request) is None else "somebody")

    async def me(request: Request) -> Response:
        user = await login.required(request)
        csrf = f'<input type="hidden" name="csrf" value="{login.form_token(request)}">'
        form = f'<form id="out" method="post" action="/logout">{csrf}</form>'
        return Response(f"<p>{user.subject}</p>{form}", media_type="text/html")

    async def token(request: Request) -> Response:
        await login.required(request)
        source = login.token_source(request)
        found = await source.token()
        if "renew" in request.query_params:
            found = await source.renew(found)
        return JSONResponse({"token": found})

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
    listener = socket.create_server(("127.0.0.1", 0))
    url = f"http://127.0.0.1:{listener.getsockname()[1]}"
    client_id = f"shop-{request.param}"
    made = issuer.records(
        *("clients", "create", client_id, "--type", "confidential", "--redirect-uri", f"{url}/callback"),
        *("--post-logout-redirect-uri", f"{url}/", "--api", ORDERS, "--scope", "openid", "--scope", "orders.read"),
    )
    folder = tmp_path_factory.mktemp("sessions")
    found: list[Shop] = []

    def clock() -> float:
        import time

        return time.time() + (found[0].skew if found else 0.0)

    login = WebLogin(
        issuer=issuer.issuer,
        client_id=client_id,
        client_secret=made["client_secret"],
        redirect_uri=f"{url}/callback",
        post_logout_redirect_uri=f"{url}/",
        scope="openid orders.read",
        session_store=FileSessionStore(folder) if request.param == "files" else MemorySessionStore(clock=clock),
        clock=clock,
    )
    found.append(Shop(url, login, folder, issuer))
    server = uvicorn.Server(uvicorn.Config(app_of(login), log_level="warning", lifespan="off", http="h11", ws="none"))
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]}, daemon=True)
    thread.start()
    wait_until(lambda: server.started, what="the shop")
    yield found[0]
    server.should_exit = True
    thread.join(15)
    listener.close()


def cookies(browser: PageBrowser) -> dict[str, str]:
    return {cookie.name: cookie.value or "" for cookie in browser.http.cookies.jar}


@rfc("9700", "2.1.1")
def test_a_user_signs_in_and_comes_back_to_the_page_that_he_wanted(shop: Shop) -> None:
    browser = PageBrowser()
    browser.open(f"{shop.url}/me?tab=2")
    assert browser.url.startswith(shop.server.issuer), "nobody is signed in, so the issuer asks"
    page = browser.sign_in()
    assert browser.url == f"{shop.url}/me?tab=2"
    assert shop.server.records("users", "show", "ada")["sub"] in page.text
    found = cookies(browser)
    assert len(found["web-login"]) == 43, "a random name"
    assert not [name for name in found if name.startswith("web-login-")], "no sign-in under way is left"


def test_access_tokens_refresh_on_the_server_and_never_reach_the_browser(shop: Shop) -> None:
    browser = PageBrowser()
    browser.open(f"{shop.url}/me")
    browser.sign_in()
    first = browser.open(f"{shop.url}/token").json()["token"]
    assert browser.open(f"{shop.url}/token").json()["token"] == first
    assert browser.open(f"{shop.url}/token?renew").json()["token"] != first
    assert not any("eyJ" in value or "wwr_" in value for value in cookies(browser).values())
    kept = b"".join(path.read_bytes() for path in shop.folder.glob("*"))
    assert cookies(browser)["web-login"].encode() not in kept


def test_a_script_that_is_not_signed_in_is_told_401_and_not_sent_away(shop: Shop) -> None:
    answer = PageBrowser().http.get(f"{shop.url}/token", headers={"Sec-Fetch-Mode": "cors"})
    assert answer.status_code == 401


@rfc("9700", "4.7")
def test_the_answer_to_another_browsers_sign_in_is_refused(shop: Shop) -> None:
    thief, victim = PageBrowser(), PageBrowser()
    address = shop.begun(thief)
    page = victim.open(address)
    assert page.status_code == 400
    assert "web-login" not in cookies(victim)
    # With a sign-in of his own under way, the victim still does not take the thief's answer.
    own = shop.begun(victim)
    assert victim.open(address).status_code == 400
    assert victim.open(own).status_code == 200
    assert victim.url == f"{shop.url}/me"


def test_answers_of_two_tabs_do_not_get_mixed_up(shop: Shop) -> None:
    browser = PageBrowser()
    first, second = shop.begun(browser), shop.begun(browser)
    one, two = (parse_qs(urlsplit(url).query) for url in (first, second))
    crossed = urlencode({"code": one["code"][0], "iss": one["iss"][0], "state": two["state"][0]})
    assert browser.open(f"{shop.url}/callback?{crossed}").status_code == 400
    assert "web-login" not in cookies(browser)
    # The crossed answer spent the second code and the second transaction; the first is as good as ever.
    assert browser.open(second).status_code == 400
    assert browser.open(first).status_code == 200


@rfc("9207", "2.4")
def test_an_answer_of_another_issuer_is_refused(shop: Shop) -> None:
    browser = PageBrowser()
    address = shop.begun(browser)
    query = {name: values[0] for name, values in parse_qs(urlsplit(address).query).items()}
    page = browser.open(f"{shop.url}/callback?{urlencode(query | {'iss': 'https://honest.example'})}")
    assert page.status_code == 400
    assert "web-login" not in cookies(browser)


def test_an_answer_is_taken_once(shop: Shop) -> None:
    browser = PageBrowser()
    address = shop.begun(browser)
    before = dict(cookies(browser))
    assert browser.open(address).status_code == 200
    assert browser.open(address).status_code == 400, "the cookie of the transaction is gone"
    replaying = PageBrowser()
    for name, value in before.items():
        replaying.http.cookies.set(name, value)
    page = replaying.open(address)
    assert page.status_code == 400, "with the cookie kept it is over all the same"
    assert "web-login" not in cookies(replaying)
    assert browser.open(f"{shop.url}/token?renew").status_code == 200, "and the user stays signed in"


def test_a_sign_in_that_takes_too_long_is_refused(shop: Shop) -> None:
    browser = PageBrowser()
    address = shop.begun(browser)
    shop.skew = 700
    try:
        page = browser.open(address)
    finally:
        shop.skew = 0
    assert page.status_code == 400
    assert "took too long" in page.text


def test_a_session_gets_a_new_name_with_each_sign_in(shop: Shop) -> None:
    browser = PageBrowser()
    browser.http.cookies.set("web-login", "x" * 43)
    browser.open(f"{shop.url}/me")
    browser.sign_in()
    first = cookies(browser)["web-login"]
    assert first != "x" * 43
    browser.open(f"{shop.url}/login?next=/me")
    browser.sign_in()
    assert cookies(browser)["web-login"] != first
    old = PageBrowser().http.get(f"{shop.url}/", headers={"Cookie": f"web-login={first}"})
    assert old.text == "everybody"


@pytest.mark.parametrize(
    "there",
    ["//evil.example/", "https://evil.example/", "/\\evil.example", "/%0d%0aX:1\r\n", "javascript:alert(1)", ""],
)
@rfc("9700", "4.11.1")
def test_nobody_is_sent_on_to_another_site(shop: Shop, there: str) -> None:
    browser = PageBrowser()
    browser.open(f"{shop.url}/login?{urlencode({'next': there})}")
    browser.sign_in()
    assert browser.url == f"{shop.url}/"


def test_signing_out_ends_the_session_here_and_at_the_issuer(shop: Shop) -> None:
    browser = PageBrowser()
    browser.open(f"{shop.url}/me")
    browser.sign_in()
    name = cookies(browser)["web-login"]
    browser.submit("out")
    assert browser.url == f"{shop.url}/", "by way of the issuer, without asking, and back"
    assert browser.page.text == "everybody"
    assert PageBrowser().http.get(f"{shop.url}/", headers={"Cookie": f"web-login={name}"}).text == "everybody"
    browser.open(f"{shop.url}/me")
    assert 'id="sign-in-form"' in browser.page.text, "the issuer has forgotten the browser, too"


def test_nobody_else_can_sign_a_user_out(shop: Shop) -> None:
    browser = PageBrowser()
    browser.open(f"{shop.url}/me")
    browser.sign_in()

    def post(**sent: Any) -> int:
        return browser.http.post(f"{shop.url}/logout", **sent).status_code

    good = {"csrf": browser.page.text.partition('name="csrf" value="')[2].partition('"')[0]}
    assert browser.http.get(f"{shop.url}/logout").status_code == 405
    assert post(data={}) == 403
    assert post(data={"csrf": "x" * 43}) == 403
    assert post(data=good, headers={"Origin": "https://evil.example"}) == 403
    assert post(data=good, headers={"Sec-Fetch-Site": "cross-site"}) == 403
    assert post(data=good, headers={"Origin": "null"}) == 403
    assert browser.open(f"{shop.url}/").text == "somebody"
    own = {"Origin": "null", "Sec-Fetch-Site": "same-origin"}
    assert post(data=good, headers=own) == 303, "a page of our own whose policy is no-referrer"


def test_a_grant_that_is_over_sends_the_user_to_the_sign_in(shop: Shop) -> None:
    browser = PageBrowser()
    browser.open(f"{shop.url}/me")
    browser.sign_in()
    shop.server.command("sessions", "revoke", "--user", "ada")
    browser.open(f"{shop.url}/token?renew")
    assert 'id="sign-in-form"' in browser.page.text
    assert "web-login" not in cookies(browser)
