"""The whole way at a running server, from an application to it and back, in a browser that runs no scripts."""

from collections.abc import AsyncIterator, Iterator
from typing import Final
from urllib.parse import parse_qsl, urlencode, urlsplit

import pytest
from axe_playwright_python.async_playwright import Axe
from playwright.async_api import Browser, Page, expect
from tests.browser.conftest import Opened, Site
from tests.support.rfc import rfc, standard
from tests.support.running_server import RunningServer, running
from tests.support.sign_in_pages import allow, sign_in

from watchword.protocol.pkce import challenge_of

pytestmark = [pytest.mark.browser, pytest.mark.slow, pytest.mark.xdist_group("browser")]

VERIFIER: Final = "what-only-the-application-knows-and-nobody-else-can-guess"
STATE: Final = "state-of-the-application"


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningServer]:
    """A running server with two applications whose redirect address is on loopback, at any port."""
    with running(tmp_path_factory.mktemp("server")) as found:
        for client, kind in (("shop", "public"), ("desk", "confidential")):
            found.command(
                *("clients", "create", client, "--name", f"The {client}", "--type", kind),
                *("--redirect-uri", "http://127.0.0.1/callback", "--scope", "openid", "--scope", "orders.read"),
            )
        yield found


@pytest.fixture
async def unwatched(chromium: Browser) -> AsyncIterator[Page]:
    """A page without scripts whose console may note a refusal's status."""
    context = await chromium.new_context(java_script_enabled=False)
    yield await context.new_page()
    await context.close()


def wish(server: RunningServer, application: Site, **changed: str) -> str:
    """The address that the application sends the browser to."""
    parameters = {
        "response_type": "code",
        "client_id": "shop",
        "redirect_uri": f"{application.origin}/callback",
        "scope": "openid orders.read",
        "state": STATE,
        "code_challenge": challenge_of(VERIFIER),
        "code_challenge_method": "S256",
    }
    return f"{server.issuer}/authorize?{urlencode(parameters | changed)}"


def answer_in(page: Page) -> dict[str, str]:
    """What the application got in the address."""
    return dict(parse_qsl(urlsplit(page.url).query))


def tokens_for(server: RunningServer, application: Site, code: str) -> dict[str, object]:
    """Redeem a code as the application."""
    with server.http() as http:
        form = {
            "grant_type": "authorization_code",
            "client_id": "shop",
            "code": code,
            "code_verifier": VERIFIER,
            "redirect_uri": f"{application.origin}/callback",
        }
        answer = http.post("/token", data=form)
    assert answer.status_code == 200, answer.text
    found: dict[str, object] = answer.json()
    return found


@rfc("6749", "4.1.2")
@rfc("9207", "2")
async def test_sign_in_and_consent_need_no_scripts(opened: Opened, application: Site, server: RunningServer) -> None:
    page = await opened(wish(server, application), scripts=False)
    await sign_in(page)
    await expect(page.locator("h1")).to_be_visible()
    await expect(page.locator("#wanted")).to_contain_text("orders.read")
    await allow(page)
    await page.wait_for_url(f"{application.origin}/callback?*")
    answer = answer_in(page)
    assert (answer["state"], answer["iss"]) == (STATE, server.issuer)
    assert tokens_for(server, application, answer["code"])["scope"] == "openid orders.read"


async def test_a_user_who_agreed_before_comes_straight_back_to_an_application_with_a_secret(
    opened: Opened, application: Site, server: RunningServer
) -> None:
    page = await opened(wish(server, application, client_id="desk"), scripts=False)
    await sign_in(page)
    await allow(page)
    await page.wait_for_url(f"{application.origin}/callback?*")
    await page.goto(wish(server, application, client_id="desk", state="second"))
    assert page.url.startswith(f"{application.origin}/callback?")
    assert answer_in(page)["state"] == "second"
    assert "code" in answer_in(page)


@rfc("8252", "8.6")
async def test_an_application_that_anybody_on_the_machine_could_be_is_asked_about_each_time(
    opened: Opened, application: Site, server: RunningServer
) -> None:
    page = await opened(wish(server, application), scripts=False)
    await sign_in(page)
    await allow(page)
    await page.wait_for_url(f"{application.origin}/callback?*")
    await page.goto(wish(server, application, state="second"))
    await allow(page)
    await page.wait_for_url(f"{application.origin}/callback?*")
    assert answer_in(page)["state"] == "second"


async def test_a_wrong_password_is_said_and_the_way_goes_on(
    unwatched: Page, application: Site, server: RunningServer
) -> None:
    page = unwatched
    await page.goto(wish(server, application, prompt="consent"))
    await sign_in(page, password="not the right words at all")
    await expect(page.get_by_role("alert")).to_be_visible()
    await expect(page.locator("#username")).to_have_value("ada")
    await sign_in(page)
    await allow(page)
    await page.wait_for_url(f"{application.origin}/callback?*")
    assert answer_in(page)["state"] == STATE


@rfc("6749", "4.1.2.1")
async def test_a_user_who_says_no_comes_back_without_a_code(
    opened: Opened, application: Site, server: RunningServer
) -> None:
    page = await opened(wish(server, application, prompt="consent"), scripts=False)
    await sign_in(page)
    await page.locator("#deny").click()
    await page.wait_for_url(f"{application.origin}/callback?*")
    answer = answer_in(page)
    assert (answer["error"], answer["state"]) == ("access_denied", STATE)
    assert "code" not in answer


@standard("OAuth 2.0 Form Post Response Mode 1.0", "2")
async def test_a_posted_answer_leaves_by_a_button_where_no_scripts_run(
    opened: Opened, application: Site, server: RunningServer
) -> None:
    page = await opened(wish(server, application, prompt="consent", response_mode="form_post"), scripts=False)
    await sign_in(page)
    await allow(page)
    await page.get_by_role("button").click()
    await page.wait_for_url(f"{application.origin}/callback")
    [(path, form)] = application.posted
    assert (path, form["state"], form["iss"]) == ("/callback", STATE, server.issuer)
    assert "id_token" in tokens_for(server, application, form["code"])


async def test_axe_finds_no_fault_on_the_pages_of_a_running_server(
    opened: Opened, application: Site, server: RunningServer
) -> None:
    # Axe is a script that is put into the page, which the page's policy rightly stops.
    page = await opened(wish(server, application, prompt="consent"), policy=False)
    await expect(page.locator("#sign-in-form")).to_be_visible()
    faults = await faults_of(page)
    await sign_in(page)
    await expect(page.locator("#consent-form")).to_be_visible()
    faults |= await faults_of(page)
    await page.goto(f"{server.issuer}/account")
    assert urlsplit(page.url).path == "/account"
    faults |= await faults_of(page)
    await page.goto(f"{server.issuer}/end_session")
    await expect(page.locator("#sign-out-form")).to_be_visible()
    faults |= await faults_of(page)
    await page.locator("#sign-out").click()
    await expect(page.locator("#signed-out")).to_be_visible()
    faults |= await faults_of(page)
    assert faults == set()


async def faults_of(page: Page) -> set[tuple[str, str]]:
    """What axe finds: path and rule."""
    found = await Axe().run(page, options={"resultTypes": ["violations"]})
    return {(urlsplit(page.url).path, one["id"]) for one in found.response["violations"]}
