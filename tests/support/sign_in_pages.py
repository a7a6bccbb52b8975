"""A user at the server's pages, in a real browser: signs in, agrees to what an application wants."""

from playwright.async_api import Page, expect
from tests.support.running_server import PASSWORD


async def sign_in(page: Page, *, username: str = "ada", password: str = PASSWORD) -> None:
    """Fill in the sign-in page and send it."""
    await page.locator("#username").fill(username)
    await page.locator("#password").fill(password)
    await page.locator("#sign-in").click()


async def allow(page: Page) -> None:
    """Say yes on the consent page."""
    await expect(page.locator("#consent-form")).to_be_visible()
    await page.locator("#allow").click()
