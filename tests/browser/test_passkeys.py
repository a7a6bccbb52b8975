"""Passkeys in a real browser, with an authenticator of its own: made, used, demanded, removed."""

from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qsl, urlencode, urlsplit

import pytest
from playwright.async_api import Browser, CDPSession, Page, Route, expect
from tests.support.ports import free_port
from tests.support.rfc import rfc, standard
from tests.support.running_server import PASSWORD, RunningServer, running
from tests.support.sign_in_pages import sign_in

from watchword.protocol.authentication_class import ACR_PASSKEY
from watchword.protocol.pkce import challenge_of

pytestmark = [pytest.mark.browser, pytest.mark.slow, pytest.mark.xdist_group("browser")]

WEBAUTHN = "W3C Web Authentication Level 3"
VERIFIER = "what-only-the-application-knows-and-nobody-else-can-guess"


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningServer]:
    """A server by the name of localhost: no passkeys are made for an address."""
    port = free_port()
    folder = tmp_path_factory.mktemp("server")
    with running(folder, port=port, issuer=f"http://localhost:{port}") as found:
        found.command(
            *("clients", "create", "shop", "--type", "public", "--first-party"),
            *("--redirect-uri", "http://127.0.0.1/callback", "--scope", "openid"),
        )
        yield found


@dataclass
class Device:
    """A browser with an authenticator built in, and the page that its user looks at."""

    page: Page
    cdp: CDPSession
    authenticator: str

    async def credentials(self) -> list[dict[str, Any]]:
        """The passkeys that the authenticator holds."""
        told = await self.cdp.send("WebAuthn.getCredentials", {"authenticatorId": self.authenticator})
        found: list[dict[str, Any]] = told["credentials"]
        return found


@asynccontextmanager
async def a_device(chromium: Browser, *, script: str = "") -> AsyncIterator[Device]:
    """A browser of its own, whose user agrees to whatever the authenticator asks. ``script`` runs before any page's."""
    context = await chromium.new_context()
    if script:
        await context.add_init_script(script)
    page = await context.new_page()
    cdp = await context.new_cdp_session(page)
    await cdp.send("WebAuthn.enable", {"enableUI": False})
    options = {
        "protocol": "ctap2",
        "transport": "internal",
        "hasResidentKey": True,
        "hasUserVerification": True,
        "isUserVerified": True,
        "automaticPresenceSimulation": True,
    }
    made = await cdp.send("WebAuthn.addVirtualAuthenticator", {"options": options})
    yield Device(page, cdp, made["authenticatorId"])
    await context.close()


@pytest.fixture
async def eager(chromium: Browser) -> AsyncIterator[Device]:
    """A device whose user agrees as soon as the browser offers a passkey in the field for the name."""
    async with a_device(chromium) as device:
        yield device


# What is offered in the field waits until the page gives up on it, as with a user who looks elsewhere.
WAITING = """
const get = navigator.credentials.get.bind(navigator.credentials);
window.offers = [];
navigator.credentials.get = (options) => {
  if (options.mediation !== "conditional") return get(options);
  window.offers.push("made");
  return new Promise((_, reject) => options.signal.addEventListener("abort", () => {
    window.offers.push("withdrawn");
    reject(options.signal.reason);
  }));
};
"""


@pytest.fixture
async def device(chromium: Browser) -> AsyncIterator[Device]:
    """A device whose user does not look at what the field offers, and presses buttons."""
    async with a_device(chromium, script=WAITING) as device:
        yield device


@pytest.fixture
def user(server: RunningServer, request: pytest.FixtureRequest) -> str:
    """A user of this test alone."""
    name: str = request.node.name.removeprefix("test_")[:40]
    server.command("users", "create", name, "--password-stdin", stdin=PASSWORD)
    return name


async def made(device: Device, server: RunningServer, user: str) -> None:
    """Sign in by password and add a passkey."""
    page = device.page
    await page.goto(f"{server.issuer}/login")
    await sign_in(page, username=user)
    await page.locator("#add-passkey").click()
    await expect(page.locator("#create-passkey")).to_be_visible()
    await page.locator("#name").fill("The laptop")
    await page.locator("#create-passkey").click()
    await expect(page.locator("#codes")).to_be_visible()
    assert len(await device.credentials()) == 1
    await page.locator("#go-on").click()
    await expect(page.locator("#passkeys")).to_contain_text("The laptop")


async def signed_out(device: Device, server: RunningServer) -> None:
    await device.page.goto(f"{server.issuer}/end_session")
    await device.page.locator("#sign-out").click()
    await expect(device.page.locator("#signed-out")).to_be_visible()


async def expect_account(page: Page, user: str) -> None:
    await expect(page.locator("#profile-username")).to_have_text(user)


async def at_sign_in(device: Device, url: str) -> Page:
    """Open a sign-in page, and wait until its script has done what it does by itself."""
    await device.page.goto(url)
    await expect(device.page.locator("#passkey-sign-in")).to_be_visible()
    await device.page.wait_for_function("window.offers.length === 1")
    return device.page


@standard(WEBAUTHN, "5.1.3")
@standard(WEBAUTHN, "5.1.4")
async def test_a_passkey_is_made_and_signs_in_by_its_button(device: Device, server: RunningServer, user: str) -> None:
    await made(device, server, user)
    await signed_out(device, server)
    page = await at_sign_in(device, f"{server.issuer}/login")
    await page.locator("#passkey-sign-in").click()
    await expect_account(page, user)
    await expect(page.locator("#passkeys")).to_contain_text("just now")


@standard(WEBAUTHN, "5.1.4")
async def test_a_passkey_signs_in_from_the_field_for_the_name(eager: Device, server: RunningServer, user: str) -> None:
    await made(eager, server, user)
    await signed_out(eager, server)
    # Nothing is pressed.
    await eager.page.goto(f"{server.issuer}/login")
    await expect_account(eager.page, user)


@rfc("9470", "4")
async def test_a_passkey_that_an_application_demands_is_used(device: Device, server: RunningServer, user: str) -> None:
    await made(device, server, user)
    await signed_out(device, server)
    page = await at_sign_in(device, f"{server.issuer}/login")
    await sign_in(page, username=user)
    await expect_account(page, user)
    wish = {
        "response_type": "code",
        "client_id": "shop",
        "redirect_uri": "http://127.0.0.1:9/callback",
        "scope": "openid",
        "state": "the-state",
        "code_challenge": challenge_of(VERIFIER),
        "code_challenge_method": "S256",
        "acr_values": ACR_PASSKEY,
    }
    landed: list[str] = []

    async def land(route: Route) -> None:
        landed.append(route.request.url)
        await route.fulfill(body="<!doctype html><title>arrived</title>arrived", content_type="text/html")

    await page.route("http://127.0.0.1:9/**", land)
    await at_sign_in(device, f"{server.issuer}/authorize?{urlencode(wish)}")
    await expect(page.locator("#passkey-demanded")).to_be_visible()
    await page.locator("#passkey-sign-in").click()
    await expect(page.get_by_text("arrived")).to_be_visible()
    assert "code" in dict(parse_qsl(urlsplit(landed[0]).query))


async def test_a_user_who_does_not_agree_is_told_and_the_password_works(
    device: Device, server: RunningServer, user: str
) -> None:
    await made(device, server, user)
    await signed_out(device, server)
    await device.cdp.send(
        "WebAuthn.setUserVerified", {"authenticatorId": device.authenticator, "isUserVerified": False}
    )
    page = await at_sign_in(device, f"{server.issuer}/login")
    await page.locator("#passkey-sign-in").click()
    await expect(page.locator("#passkey-trouble")).to_be_visible()
    await expect(page.locator("#passkey-sign-in")).to_be_enabled()
    await sign_in(page, username=user)
    await expect_account(page, user)


@standard(WEBAUTHN, "5.1.10")
async def test_removing_a_passkey_takes_a_sign_in_with_it_and_kills_it(
    device: Device, server: RunningServer, user: str
) -> None:
    await made(device, server, user)
    page = device.page
    # The sign-in was by password, so the passkey itself is asked for.
    await page.get_by_role("button", name="Remove the passkey The laptop").click()
    await expect(page.locator("#again")).to_be_visible()
    await page.locator("#passkey-sign-in").click()
    await expect_account(page, user)
    kept = (await device.credentials())[0]
    await page.get_by_role("button", name="Remove the passkey The laptop").click()
    await expect(page.locator("#flash")).to_be_visible()
    await expect(page.get_by_role("button", name="Remove the passkey The laptop")).to_have_count(0)
    await device.cdp.send("WebAuthn.clearCredentials", {"authenticatorId": device.authenticator})
    await signed_out(device, server)
    page = await at_sign_in(device, f"{server.issuer}/login")
    # A key whose keeper did not hear of it still offers it.
    await device.cdp.send("WebAuthn.addCredential", {"authenticatorId": device.authenticator, "credential": kept})
    await page.locator("#passkey-sign-in").click()
    await expect(page.locator("#problem")).to_be_visible()


async def test_a_key_that_holds_one_makes_no_second(device: Device, server: RunningServer, user: str) -> None:
    await made(device, server, user)
    page = device.page
    await page.locator("#add-passkey").click()
    await expect(page.locator("#passkey-sign-in")).to_be_visible()
    await page.locator("#passkey-sign-in").click()
    await page.locator("#add-passkey").click()
    await page.locator("#create-passkey").click()
    await expect(page.locator("#passkey-taken")).to_be_visible()
    assert len(await device.credentials()) == 1


async def test_a_page_that_is_old_gets_a_new_challenge_before_it_signs_in(
    device: Device, server: RunningServer, user: str
) -> None:
    await made(device, server, user)
    await signed_out(device, server)
    await device.page.clock.install()
    page = await at_sign_in(device, f"{server.issuer}/login")
    first = await page.locator("#passkey-form [name=challenge]").input_value()
    async with page.expect_response("**/login/passkey") as renewed:
        await page.clock.fast_forward("09:00")
    assert (await renewed.value).status == 200
    await expect(page.locator("#passkey-form [name=challenge]")).not_to_have_value(first)
    assert await page.evaluate("window.offers") == ["made", "withdrawn", "made"]
    await page.locator("#passkey-sign-in").click()
    await expect_account(page, user)


async def test_without_scripts_the_page_offers_the_password_and_nothing_that_does_not_work(
    chromium: Browser, server: RunningServer, user: str
) -> None:
    context = await chromium.new_context(java_script_enabled=False)
    page = await context.new_page()
    await page.goto(f"{server.issuer}/login")
    await expect(page.locator("#passkey-sign-in")).to_be_hidden()
    await sign_in(page, username=user)
    await expect_account(page, user)
    await page.locator("#add-passkey").click()
    await expect(page.locator("h1")).to_be_visible()
    # Playwright turns scripts off when the page is parsed already, so this is there and not shown.
    assert "JavaScript" in (await page.locator("noscript").text_content() or "")
    await expect(page.locator("#create-passkey")).to_be_hidden()
    await context.close()
