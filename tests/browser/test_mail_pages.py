"""Links from mails in a browser that runs no scripts, and the pages that they lead to, looked at by axe.

With ``WATCHWORD_SHOTS=<folder>`` pictures of them are put there.
"""

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import pytest
from axe_playwright_python.async_playwright import Axe
from playwright.async_api import Browser, Page, expect
from tests.browser.conftest import Opened
from tests.support.mail_server import MailServer
from tests.support.rfc import standard
from tests.support.running_server import PASSWORD, RunningServer, running, wait_until
from tests.support.sign_in_pages import sign_in

pytestmark = [pytest.mark.browser, pytest.mark.slow, pytest.mark.xdist_group("browser")]

NEW: Final = "an entirely different passphrase"
NARROW, WIDE = 360, 1280


@pytest.fixture(scope="module")
def post() -> Iterator[MailServer]:
    with MailServer() as server:
        yield server


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory, post: MailServer) -> Iterator[RunningServer]:
    """A running server that sends mail."""
    options = {
        "WATCHWORD_SMTP_URL": f"smtp://127.0.0.1:{post.port}",
        "WATCHWORD_MAIL_FROM": "Accounts <accounts@example.com>",
        "WATCHWORD_SIGN_UP": "open",
    }
    with running(tmp_path_factory.mktemp("server"), **options) as found:
        yield found


def with_user(server: RunningServer, name: str) -> None:
    address = ("--email", f"{name}@example.org", "--email-verified")
    server.command("users", "create", name, "--password-stdin", *address, stdin=PASSWORD)


def mail_to(post: MailServer, address: str, count: int = 1) -> str:
    """The link in the newest of so many mails to that address."""

    def found() -> list[str]:
        return [mail.link for mail in post.received if address in mail.recipients and "/link?token=" in mail.text]

    links = wait_until(lambda: found() if len(found()) >= count else None, seconds=30, what=f"mail to {address}")
    return str(links[-1])


async def ask(page: Page, server: RunningServer, typed: str) -> None:
    await page.goto(f"{server.issuer}/login")
    await page.locator("#forgotten-link").click()
    await page.locator("#username").fill(typed)
    await page.locator("#send-link").click()
    await expect(page.locator("#sent")).to_be_visible()


async def set_password(page: Page, new: str = NEW, repeated: str = NEW) -> None:
    await page.locator("#new_password").fill(new)
    await page.locator("#repeated_password").fill(repeated)
    await page.locator("#reset-password").click()


@standard("OWASP ASVS 5.0", "6.4.1")
async def test_a_password_is_reset_without_scripts_and_the_token_stays_in_no_address(
    opened: Opened, server: RunningServer, post: MailServer
) -> None:
    with_user(server, "mira")
    page = await opened(f"{server.issuer}/login", scripts=False)
    await ask(page, server, "mira@example.org")
    link = mail_to(post, "mira@example.org")
    asked: list[tuple[str, str | None]] = []
    page.on("request", lambda request: asked.append((request.url, request.headers.get("referer"))))
    await page.goto(link)
    assert page.url == f"{server.issuer}/reset-password"
    # The way back leads to the page before, for the link's own address is none that was ever shown.
    await page.go_back()
    await expect(page.locator("#forgot-password-form")).to_be_visible()
    assert page.url == f"{server.issuer}/forgot-password"
    await page.go_forward()
    assert page.url == f"{server.issuer}/reset-password"
    await expect(page.locator("main")).to_contain_text("mira")
    await set_password(page)
    await expect(page.locator("#flash")).to_be_visible()
    assert page.url.startswith(f"{server.issuer}/login")
    # The address with the token was asked for once, and nobody was told of it afterwards.
    token = link.partition("token=")[2]
    assert [url for url, _ in asked if token in url] == [link]
    assert all(token not in (referrer or "") for _, referrer in asked)
    await page.goto(f"{server.issuer}/login")
    await sign_in(page, username="mira", password=NEW)
    await expect(page.locator("#password-form")).to_be_visible()


async def test_an_address_is_changed_without_scripts(opened: Opened, server: RunningServer, post: MailServer) -> None:
    with_user(server, "nora")
    page = await opened(f"{server.issuer}/login", scripts=False)
    await sign_in(page, username="nora")
    await page.locator("#change-email summary").click()
    await page.locator("#new_email").fill("nora@elsewhere.example")
    await page.locator("#change-email-button").click()
    await expect(page.locator("#flash")).to_be_visible()
    await page.goto(mail_to(post, "nora@elsewhere.example"))
    await expect(page.locator("#address")).to_have_text("nora@elsewhere.example")
    await page.locator("#verify").click()
    await expect(page.locator("#profile-email")).to_contain_text("nora@elsewhere.example")
    await expect(page.locator("#email-verified")).to_be_visible()


async def test_a_link_opened_before_the_sign_in_goes_on_after_it(
    opened: Opened, server: RunningServer, post: MailServer
) -> None:
    page = await opened(f"{server.issuer}/sign-up", scripts=False)
    await page.locator("#username").fill("olga")
    await page.locator("#email").fill("olga@example.org")
    await page.locator("#password").fill(NEW)
    await page.locator("#sign-up").click()
    await expect(page.locator("#flash")).to_contain_text("We have sent a mail with a link.")
    await expect(page.locator("#send-again")).to_have_count(0)
    other = await opened(mail_to(post, "olga@example.org"), scripts=False)
    await other.locator("#sign-in-link").click()
    await sign_in(other, username="olga", password=NEW)
    await other.locator("#go-on").click()
    await other.locator("#verify").click()
    await expect(other.locator("#email-verified")).to_be_visible()


@pytest.mark.parametrize("theme", ["light", "dark"])
async def test_axe_finds_no_fault_on_the_way(
    chromium: Browser, server: RunningServer, post: MailServer, theme: str
) -> None:
    name = f"pia-{theme}"
    with_user(server, name)
    folder = os.environ.get("WATCHWORD_SHOTS")
    for count, width in enumerate((NARROW, WIDE), start=1):
        # Refusals have a status that the console notes, and axe is a script that the policy stops.
        context = await chromium.new_context(
            viewport={"width": width, "height": 800},
            color_scheme="dark" if theme == "dark" else "light",
            bypass_csp=True,
        )
        page = await context.new_page()

        async def look(title: str, page: Page = page, width: int = width) -> None:
            found = await Axe().run(page, options={"resultTypes": ["violations"]})
            faults = [(one["id"], [node["html"] for node in one["nodes"]]) for one in found.response["violations"]]
            assert faults == [], title
            if folder:
                await page.screenshot(path=Path(folder) / f"mail-{title}-{theme}-{width}.png", full_page=True)

        await page.goto(f"{server.issuer}/forgot-password")
        await look("forgot")
        await ask(page, server, name)
        await look("sent")
        link = mail_to(post, f"{name}@example.org", count)
        await page.goto(link)
        await look("reset")
        await set_password(page, NEW + " number one", NEW + " number two")
        await look("mismatch")
        await set_password(page)
        await look("signed-out")
        await page.goto(link)
        await look("dead")
        await context.close()
