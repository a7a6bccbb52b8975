"""The second step at a running server, in a browser that runs no scripts: set up, used, recovered from, turned off."""

import base64
import time
from collections.abc import AsyncIterator, Iterator
from typing import Final

import pytest
from axe_playwright_python.async_playwright import Axe
from cryptography.hazmat.primitives.hashes import SHA1
from cryptography.hazmat.primitives.twofactor.totp import TOTP
from playwright.async_api import Browser, Page, expect
from tests.support.rfc import rfc, standard
from tests.support.running_server import PASSWORD, RunningServer, running
from tests.support.sign_in_pages import sign_in

pytestmark = [pytest.mark.browser, pytest.mark.slow, pytest.mark.xdist_group("browser")]

STEP: Final = 30
NARROW, WIDE = 360, 1280


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningServer]:
    """A running server."""
    with running(tmp_path_factory.mktemp("server")) as found:
        yield found


@pytest.fixture
async def page(chromium: Browser) -> AsyncIterator[Page]:
    """A page without scripts, of a browser of its own."""
    context = await chromium.new_context(java_script_enabled=False)
    yield await context.new_page()
    await context.close()


class App:
    """An authenticator app. Each code works once, so it shows the next one early where it has to."""

    def __init__(self, secret: str) -> None:
        self._totp = TOTP(base64.b32decode("".join(secret.split())), 6, SHA1(), STEP)
        self._last = 0

    def code(self) -> str:
        """A code that was not used yet."""
        self._last = max(int(time.time()) // STEP, self._last + 1)
        return self._totp.generate(self._last * STEP).decode()


def a_user(server: RunningServer, name: str) -> str:
    """A user of this test's own."""
    server.command("users", "create", name, "--password-stdin", stdin=PASSWORD)
    return name


async def set_up(page: Page, server: RunningServer, name: str) -> tuple[App, list[str]]:
    """Sign in, and set up an app: the app, and the recovery codes that are shown."""
    await page.goto(f"{server.issuer}/login")
    await sign_in(page, username=name)
    await page.locator("#set-up-totp").click()
    app = App(await page.locator("#secret").inner_text())
    await page.locator("#otp").fill(app.code())
    await page.locator("#turn-on").click()
    codes = (await page.locator("#codes").inner_text()).split()
    assert len(codes) == 10
    await page.locator("#go-on").click()
    await expect(page.locator("#recovery-codes-left")).to_contain_text("10")
    return app, codes


async def sign_out(page: Page, server: RunningServer) -> None:
    await page.goto(f"{server.issuer}/end_session")
    await page.locator("#sign-out").click()
    await expect(page.locator("#signed-out")).to_be_visible()


@rfc("6238", "4.2")
@standard("NIST SP 800-63B-4", "3.1.2.2")
async def test_a_user_sets_up_an_app_and_signs_in_with_it_and_with_a_recovery_code(
    page: Page, server: RunningServer
) -> None:
    name = a_user(server, "ada-with-an-app")
    app, codes = await set_up(page, server, name)
    await sign_out(page, server)
    await page.goto(f"{server.issuer}/login")
    await sign_in(page, username=name)
    await expect(page.locator("#otp")).to_be_visible()
    await page.locator("#otp").fill("12 34")
    await page.locator("#continue").click()
    await expect(page.get_by_role("alert")).to_be_visible()
    await page.locator("#otp").fill(app.code())
    await page.locator("#continue").click()
    await expect(page.locator("#second-step")).to_be_visible()
    # Another day, and the phone is gone.
    await sign_out(page, server)
    await page.goto(f"{server.issuer}/login")
    await sign_in(page, username=name)
    await page.locator("#lost summary").click()
    await page.locator("#recovery_code").fill(codes[4].upper())
    await page.locator("#recover").click()
    await expect(page.locator("#recovery-codes-left")).to_contain_text("9")
    await page.locator("#turn-off summary").click()
    await page.locator("#turn-off-totp").click()
    await expect(page.locator("#flash")).to_be_visible()
    await sign_out(page, server)
    await page.goto(f"{server.issuer}/login")
    await sign_in(page, username=name)
    await expect(page.locator("#set-up-totp")).to_be_visible()


@standard("OWASP ASVS 5.0", "6.5.2")
async def test_a_reload_does_not_show_recovery_codes_again(page: Page, server: RunningServer) -> None:
    name = a_user(server, "ada-who-reloads")
    await page.goto(f"{server.issuer}/login")
    await sign_in(page, username=name)
    await page.locator("#set-up-totp").click()
    app = App(await page.locator("#secret").inner_text())
    await page.locator("#otp").fill(app.code())
    await page.locator("#turn-on").click()
    await expect(page.locator("#codes")).to_be_visible()
    await page.reload()
    # The form belongs to the session under its cookie of before, and is known again.
    await expect(page.locator("#flash")).to_contain_text("were shown already")
    await expect(page.locator("#second-step")).to_be_visible()
    await expect(page.locator("#codes")).to_have_count(0)
    # It is said once.
    await page.reload()
    await expect(page.locator("#second-step")).to_be_visible()
    await expect(page.locator("#flash")).to_have_count(0)


async def test_the_codes_fields_help_phones_and_password_keepers(page: Page, server: RunningServer) -> None:
    name = a_user(server, "ada-with-a-phone")
    await set_up(page, server, name)
    await sign_out(page, server)
    await page.goto(f"{server.issuer}/login")
    await sign_in(page, username=name)
    field = page.locator("#otp")
    await expect(field).to_have_attribute("inputmode", "numeric")
    await expect(field).to_have_attribute("autocomplete", "one-time-code")
    await expect(field).to_be_focused()


@pytest.mark.parametrize("theme", ["light", "dark"])
@pytest.mark.parametrize("width", [NARROW, WIDE])
async def test_axe_finds_no_fault(chromium: Browser, server: RunningServer, theme: str, width: int) -> None:
    dark = theme == "dark"
    context = await chromium.new_context(
        viewport={"width": width, "height": 800},
        color_scheme="dark" if dark else "light",
        # Axe is a script that is put into the page, which the page's policy rightly stops.
        bypass_csp=True,
    )
    page = await context.new_page()
    name = a_user(server, f"ada-{theme}-{width}")
    faults: set[tuple[str, str]] = set()

    async def look() -> None:
        found = await Axe().run(page, options={"resultTypes": ["violations"]})
        faults.update((page.url, one["id"]) for one in found.response["violations"])
        assert await page.evaluate("document.documentElement.scrollWidth <= innerWidth"), page.url

    await page.goto(f"{server.issuer}/login")
    await sign_in(page, username=name)
    await page.locator("#set-up-totp").click()
    await expect(page.locator("#totp-form")).to_be_visible()
    await look()
    app = App(await page.locator("#secret").inner_text())
    await page.locator("#otp").fill(app.code())
    await page.locator("#turn-on").click()
    await expect(page.locator("#codes")).to_be_visible()
    await look()
    await page.locator("#go-on").click()
    await page.locator("#turn-off summary").click()
    await page.locator("#new-codes summary").click()
    await look()
    await page.locator("#make-codes").click()
    # The session was begun by the password alone.
    await expect(page.locator("#again")).to_be_visible()
    await look()
    await sign_in(page, username=name)
    await page.locator("#lost summary").click()
    await look()
    await page.locator("#otp").fill("000000")
    await page.locator("#continue").click()
    await expect(page.get_by_role("alert")).to_be_visible()
    await look()
    assert faults == set()
    await context.close()
