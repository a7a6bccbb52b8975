"""Pages at work: forms without scripts, the keyboard, what a policy stops, and what it must let through."""

import asyncio
from collections.abc import Callable
from urllib.parse import quote

import pytest
from playwright.async_api import Browser, Page, expect
from tests.browser.conftest import Opened, Site
from tests.support.rfc import rfc, standard

pytestmark = [pytest.mark.browser, pytest.mark.slow]


async def focused(page: Page) -> str:
    return str(await page.evaluate("document.activeElement.id || document.activeElement.tagName"))


async def test_sign_in_works_by_keyboard_alone_and_without_scripts(opened: Opened, site: Site) -> None:
    page = await opened(f"{site.origin}/pages/sign_in", scripts=False)
    await expect(page.locator("#username")).to_be_focused()
    await page.keyboard.type("mira")
    await page.keyboard.press("Tab")
    await page.keyboard.type("four plain words here")
    await page.keyboard.press("Enter")
    await page.wait_for_url("**/login")
    assert site.posted == [
        (
            "/login",
            {
                "csrf": "csrf-value",
                "request": "request-value",
                "username": "mira",
                "password": "four plain words here",
            },
        )
    ]


async def test_the_keyboard_goes_through_sign_in_in_reading_order(opened: Opened, site: Site) -> None:
    page = await opened(f"{site.origin}/pages/sign_in")
    order = [await focused(page)]
    for _ in range(5):
        await page.keyboard.press("Tab")
        order.append(await focused(page))
    assert order == ["username", "password", "sign-in", "passkey-sign-in", "forgotten-link", "sign-up-link"]


async def test_what_has_the_focus_is_seen_to_have_it(opened: Opened, site: Site) -> None:
    page = await opened(f"{site.origin}/pages/consent")
    for _ in range(2):
        await page.keyboard.press("Tab")
        style = await page.evaluate("(({outlineStyle, outlineWidth}) => [outlineStyle, outlineWidth])"
                                    "(getComputedStyle(document.activeElement))")  # fmt: skip
        assert style == ["solid", "3px"]


async def test_a_refused_sign_in_comes_back_with_the_name_and_the_focus_on_the_password(
    opened: Opened, site: Site
) -> None:
    page = await opened(f"{site.origin}/pages/sign_in-credentials?username=mira", scripts=False)
    await expect(page.locator("#username")).to_have_value("mira")
    await expect(page.locator("#password")).to_be_focused()
    await expect(page.get_by_role("alert")).to_contain_text("not right")
    await expect(page.locator("#password")).to_have_accessible_description(
        "Problem: The user name or the password is not right."
    )


@pytest.mark.parametrize("decision", ["allow", "deny"])
async def test_consent_works_without_scripts(opened: Opened, site: Site, decision: str) -> None:
    page = await opened(f"{site.origin}/pages/consent", scripts=False)
    await page.click(f"#{decision}")
    await page.wait_for_url("**/consent")
    assert site.posted == [("/consent", {"csrf": "csrf-value", "request": "request-value", "decision": decision})]


async def test_signing_out_everywhere_takes_two_steps_and_no_script(opened: Opened, site: Site) -> None:
    page = await opened(f"{site.origin}/pages/account", scripts=False)
    await expect(page.locator("#sign-out-everywhere")).to_be_hidden()
    await page.click("#everywhere > summary")
    await page.click("#sign-out-everywhere")
    await page.wait_for_url("**/account/everywhere")
    assert site.posted == [("/account/everywhere", {"csrf": "csrf-value"})]


async def test_each_session_is_ended_by_a_button_that_names_it(opened: Opened, site: Site) -> None:
    page = await opened(f"{site.origin}/pages/account", scripts=False)
    await page.get_by_role("button", name="End the session Safari on iPhone").click()
    await page.wait_for_url("**/account/end-session")
    assert site.posted == [("/account/end-session", {"csrf": "csrf-value", "sid": "sid-2"})]


@standard("OAuth 2.0 Form Post Response Mode 1.0", "2")
@pytest.mark.parametrize("scripts", [True, False])
async def test_an_answer_by_form_post_arrives_with_and_without_scripts(
    opened: Opened, site: Site, application: Site, scripts: bool
) -> None:
    page = await opened(f"{site.origin}/pages/form_post?action={application.origin}/cb", scripts=scripts)
    if not scripts:
        await page.click("#continue")
    await page.wait_for_url(f"{application.origin}/cb")
    answer = {"code": "code-value", "state": "state-value", "iss": "https://id.example", "submit": "shadow"}
    assert application.posted == [("/cb", answer)]


async def test_coming_back_to_a_form_post_sends_nothing_again(opened: Opened, site: Site, application: Site) -> None:
    page = await opened(f"{site.origin}/x")
    # Reached by a click, as in life, so that it stays in the browser's history.
    await page.evaluate(f"location.assign('/pages/form_post?action={application.origin}/cb')")
    await page.wait_for_url(f"{application.origin}/cb")
    await page.go_back()
    await page.wait_for_load_state()
    assert len(application.posted) == 1


@rfc("9700", "4.12")
async def test_a_form_may_lead_on_to_the_application_that_is_named(
    opened: Opened, site: Site, application: Site
) -> None:
    there = f"{application.origin}/cb"
    page = await opened(
        f"{site.origin}/pages/consent?action={quote(f'/go?to={there}')}&target={quote(there)}", scripts=False
    )
    await page.click("#allow")
    await page.wait_for_url(there)
    assert application.posted == []


async def test_a_form_leads_nowhere_else(chromium: Browser, site: Site, application: Site) -> None:
    async with await chromium.new_context(java_script_enabled=False) as context:
        page = await context.new_page()
        await page.goto(f"{site.origin}/pages/consent?action={quote(f'/go?to={application.origin}/cb')}")
        async with page.expect_event("console", lambda message: "form-action" in message.text):
            await page.click("#allow", no_wait_after=True)
        assert page.url.startswith(f"{site.origin}/pages/consent")


async def middle_of(page: Page, button: str) -> tuple[float, float]:
    """Where a hand presses it. By its name Playwright presses nothing while an answer is on its way."""
    await page.locator(button).scroll_into_view_if_needed()
    box = await page.locator(button).bounding_box()
    assert box is not None
    return box["x"] + box["width"] / 2, box["y"] + box["height"] / 2


async def until(happened: Callable[[], bool]) -> None:
    async with asyncio.timeout(30):
        while not happened():
            await asyncio.sleep(0.01)


async def watched(page: Page) -> list[str]:
    """Whether each form that the pages to come would send was kept back, as it happens."""
    told: list[str] = []
    page.on("console", lambda message: told.append(message.text) if message.type == "log" else None)
    await page.add_init_script('addEventListener("submit", (event) => console.log(event.defaultPrevented))')
    return told


@pytest.fixture
async def unopened(opened: Opened, site: Site) -> Page:
    """A page that shows nothing yet."""
    return await opened(f"{site.origin}/x")


@pytest.mark.parametrize(("title", "button"), [("sign_in", "#sign-in"), ("totp", "#turn-on"), ("sign_up", "#sign-up")])
async def test_a_button_that_is_pressed_twice_sends_its_form_once(
    unopened: Page, site: Site, title: str, button: str
) -> None:
    page, kept_back = unopened, await watched(unopened)
    await page.goto(f"{site.origin}/pages/{title}?action=/held")
    for field in await page.locator(f"form:has({button}) input[required]").all():
        await field.fill("plain@words.and-a-long-one")
    x, y = await middle_of(page, button)
    await page.mouse.click(x, y)
    await until(lambda: bool(site.posted))
    await page.mouse.click(x, y)
    await until(lambda: len(kept_back) == 2)
    site.released.set()
    await page.wait_for_url("**/held")
    assert kept_back == ["false", "true"]
    assert [path for path, _ in site.posted] == ["/held"]


async def test_a_form_of_somebody_who_comes_back_can_be_sent_again(opened: Opened, site: Site) -> None:
    page = await opened(f"{site.origin}/pages/consent?action=/sent")
    await page.click("#allow")
    await page.wait_for_url("**/sent")
    await page.go_back()
    await page.click("#deny")
    await page.wait_for_url("**/sent")
    assert [form["decision"] for _, form in site.posted] == ["allow", "deny"]


async def test_a_page_that_the_browser_kept_as_it_was_can_send_its_form_again(opened: Opened, site: Site) -> None:
    page = await opened(f"{site.origin}/pages/consent?action=/held")
    # The first one is held up by the page itself; then it comes back from the browser's memory.
    stopped = await page.evaluate(
        """() => {
          const form = document.getElementById("consent-form"), seen = [];
          addEventListener("submit", (event) => { seen.push(event.defaultPrevented); event.preventDefault(); });
          form.requestSubmit(); form.requestSubmit();
          dispatchEvent(new PageTransitionEvent("pageshow", { persisted: true }));
          form.requestSubmit();
          return seen;
        }"""
    )
    assert stopped == [False, True, False]


async def test_an_answer_by_form_that_left_by_itself_is_not_sent_once_more_by_its_button(
    opened: Opened, unopened: Page, site: Site, application: Site
) -> None:
    # Where the button is, seen without the script that presses it at once.
    still = await opened(f"{site.origin}/pages/form_post?action={application.origin}/held", scripts=False)
    x, y = await middle_of(still, "#continue")
    page, kept_back = unopened, await watched(unopened)
    await page.goto(still.url, wait_until="commit")
    await until(lambda: bool(application.posted))
    await page.mouse.click(x, y)
    await until(lambda: len(kept_back) == 2)
    application.released.set()
    await page.wait_for_url(f"{application.origin}/held")
    assert kept_back == ["false", "true"]
    assert len(application.posted) == 1


async def test_a_form_of_ours_names_its_origin_and_a_link_away_says_nothing(opened: Opened, site: Site) -> None:
    page = await opened(f"{site.origin}/pages/sign_in", scripts=False)
    await page.fill("#username", "mira")
    await page.fill("#password", "words")
    async with page.expect_request("**/login") as sent:
        await page.click("#sign-in")
    assert (await (await sent.value).all_headers())["origin"] == site.origin
    page = await opened(f"{site.origin}/pages/signed_out?continue_url={site.origin}/bye", scripts=False)
    async with page.expect_request("**/bye") as left:
        await page.click("#continue")
    assert "referer" not in await (await left.value).all_headers()
