from tests.browser.test_passkeys import *
from tests.browser.conftest import *
async def test_exp(device, server, user):
    await made(device, server, user)
    await signed_out(device, server)
    page = await at_sign_in(device, f"{server.issuer}/login")
    await page.wait_for_timeout(1500)
    await device.presence(given=True)
    await page.wait_for_timeout(3000)
    print("URL", page.url)
    await device.presence(given=False)
    await page.goto(f"{server.issuer}/login") if "login" in page.url else None
    await page.wait_for_timeout(1500)
    await page.locator("#passkey-sign-in").click()
    await page.wait_for_timeout(1500)
    await device.presence(given=True)
    await page.wait_for_timeout(3000)
    print("URL2", page.url)
