"""An application that, reached by a form of ours, sends the browser on to an origin of its own choice at once.

Chromium holds every redirect after a form to the policy of the page that held it, on whichever site that redirect is.
Here the application and the place that it sends on to are two programs on this machine.
"""

from collections.abc import AsyncIterator, Iterator
from urllib.parse import urlencode

import pytest
from playwright.async_api import Browser, Page, expect
from tests.browser.conftest import Site, listening
from tests.support.rfc import rfc, standard
from tests.support.running_server import RunningServer, running
from tests.support.sign_in_pages import allow, sign_in

from watchword.protocol.authentication_class import ACR_TWO_FACTOR
from watchword.protocol.pkce import challenge_of

pytestmark = [pytest.mark.browser, pytest.mark.slow, pytest.mark.xdist_group("browser")]


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningServer]:
    """A running server with an application on loopback, at any port."""
    with running(tmp_path_factory.mktemp("server")) as found:
        found.command(
            *("clients", "create", "desk", "--name", "The desk", "--type", "confidential", "--scope", "openid"),
            *("--redirect-uri", "http://127.0.0.1/callback"),
        )
        yield found


@pytest.fixture
async def elsewhere(application: Site) -> AsyncIterator[Site]:
    """Where the application sends every browser on to."""
    there = Site()
    async with listening(there.app(), "localhost") as there.origin:
        application.onward = f"{there.origin}/arrived"
        yield there


@pytest.fixture
async def page(chromium: Browser, application: Site, elsewhere: Site) -> AsyncIterator[Page]:
    """A page without scripts, of a browser of its own, which closes before the sites do."""
    context = await chromium.new_context(java_script_enabled=False)
    yield await context.new_page()
    await context.close()


def wish(server: RunningServer, application: Site, **changed: str) -> str:
    """The address that the application sends the browser to."""
    parameters = {
        "response_type": "code",
        "client_id": "desk",
        "redirect_uri": f"{application.origin}/callback",
        "scope": "openid",
        "nonce": "nonce-of-the-application",
        "code_challenge": challenge_of("what-only-the-application-knows-and-nobody-else-can-guess"),
        "code_challenge_method": "S256",
    }
    return f"{server.issuer}/authorize?{urlencode(parameters | changed)}"


async def agreed(page: Page, server: RunningServer, application: Site, elsewhere: Site) -> None:
    """Sign in and agree, so that the application is not asked about any more."""
    await page.goto(wish(server, application, prompt="consent"))
    await sign_in(page)
    await allow(page)
    await page.wait_for_url(f"{elsewhere.origin}/arrived")


@rfc("9700", "4.12")
async def test_the_consent_and_sign_in_pages_let_the_application_send_the_browser_on(
    page: Page, server: RunningServer, application: Site, elsewhere: Site
) -> None:
    # The consent page's own form leads there first.
    await agreed(page, server, application, elsewhere)
    await page.goto(wish(server, application, prompt="login"))
    await sign_in(page)
    await page.wait_for_url(f"{elsewhere.origin}/arrived")


@standard("OAuth 2.0 Form Post Response Mode 1.0", "2")
async def test_an_answer_by_form_lets_the_application_send_the_browser_on(
    page: Page, server: RunningServer, application: Site, elsewhere: Site
) -> None:
    await agreed(page, server, application, elsewhere)
    await page.goto(wish(server, application, response_mode="form_post"))
    await page.locator("#form-post #continue").click()
    await page.wait_for_url(f"{elsewhere.origin}/arrived")
    [(path, form)] = application.posted
    assert (path, "code" in form) == ("/callback", True)


@rfc("9470", "5")
async def test_the_way_back_by_form_lets_the_application_send_the_browser_on(
    page: Page, server: RunningServer, application: Site, elsewhere: Site
) -> None:
    await agreed(page, server, application, elsewhere)
    await page.goto(wish(server, application, acr_values=ACR_TWO_FACTOR, response_mode="form_post"))
    await expect(page.locator("#error[data-problem=out_of_reach]")).to_be_visible()
    await page.locator("#continue-form #continue").click()
    await page.wait_for_url(f"{elsewhere.origin}/arrived")
    [(_, form)] = application.posted
    assert form["error"] == "unmet_authentication_requirements"


@standard("OpenID Connect RP-Initiated Logout 1.0", "3")
async def test_the_sign_out_page_lets_the_application_send_the_browser_on(
    page: Page, server: RunningServer, application: Site, elsewhere: Site
) -> None:
    home = f"{application.origin}/callback"
    server.command(
        *("clients", "create", "leaving", "--type", "public", "--scope", "openid"),
        *("--redirect-uri", "http://127.0.0.1/callback", "--post-logout-redirect-uri", home),
    )
    await page.goto(f"{server.issuer}/login")
    await sign_in(page)
    asked = urlencode({"client_id": "leaving", "post_logout_redirect_uri": home})
    await page.goto(f"{server.issuer}/end_session?{asked}")
    await page.locator("#sign-out").click()
    await page.wait_for_url(f"{elsewhere.origin}/arrived")
