"""Pages as a browser shows them: readable, reachable, nothing cut off, in both themes, on a phone and on a desk.

With ``WATCHWORD_SHOTS=<folder>`` pictures of all of them are put there.
"""

import os
from itertools import product
from pathlib import Path

import pytest
from axe_playwright_python.async_playwright import Axe
from tests.browser.conftest import Opened, Site
from tests.unit.server.web.specimens import COMPLETE, specimens

from watchword.server.web.pages.contexts import CONTEXTS

pytestmark = [pytest.mark.browser, pytest.mark.slow]

# form_post leaves by itself; without scripts it is looked at like the others.
TITLES = [one.title for one in specimens()]
FIRST_OF_EACH = [
    *COMPLETE,
    *(f"{page}-{kind.problems[0]}" for page, kind in CONTEXTS.items() if kind.problems),
    "account-password_changed",
    "consent-loopback",
    "sign_in-demanded",
    "account-no_passkeys",
]
NARROW, WIDE = 360, 1280
LONG = "Donaudampfschifffahrtsgesellschaftskapitänswitwenrentenauszahlungsstelle" * 2


@pytest.mark.parametrize("theme", ["light", "dark"])
@pytest.mark.parametrize("title", FIRST_OF_EACH)
async def test_axe_finds_no_fault(opened: Opened, site: Site, title: str, theme: str) -> None:
    for width in (NARROW, WIDE):
        # Axe is a script that is put into the page, which the page's policy rightly stops.
        page = await opened("about:blank", width=width, dark=theme == "dark", policy=False)
        # The one page that sends itself is held.
        await page.route("**/form_post-*.js", lambda route: route.fulfill(body="", content_type="text/javascript"))
        await page.goto(f"{site.origin}/pages/{title}")
        found = await Axe().run(page, options={"resultTypes": ["violations"]})
        faults = [(one["id"], [node["html"] for node in one["nodes"]]) for one in found.response["violations"]]
        assert faults == []


@pytest.mark.parametrize("lang", ["en", "de"])
async def test_nothing_is_cut_off_on_a_small_phone(opened: Opened, site: Site, lang: str) -> None:
    page = await opened(f"{site.origin}/x", width=NARROW, scripts=False)
    for title in TITLES:
        await page.goto(f"{site.origin}/pages/{title}?lang={lang}&username={LONG}")
        width = await page.evaluate("document.documentElement.scrollWidth")
        assert width <= NARROW, title


async def test_whatever_is_pressed_is_large_enough_for_a_finger(opened: Opened, site: Site) -> None:
    page = await opened(f"{site.origin}/x", width=NARROW, scripts=False)
    for title in TITLES:
        await page.goto(f"{site.origin}/pages/{title}")
        for element in await page.query_selector_all(
            ":is(button, .button, input:not([type=hidden], .unseen), summary, .aside a):not([hidden] *)"
        ):
            box = await element.bounding_box()
            assert box is not None, title
            assert box["height"] >= 44, f"{title}: {await element.inner_text()}"
            assert box["width"] >= 44, f"{title}: {await element.inner_text()}"


async def test_every_page_comes_dressed_and_without_a_complaint(opened: Opened, site: Site) -> None:
    folder = os.environ.get("WATCHWORD_SHOTS")
    looks = list(product((False, True), (NARROW, WIDE), ("en", "de"))) if folder else [(False, WIDE, "en")]
    for dark, width, lang in looks:
        page = await opened(f"{site.origin}/x", width=width, dark=dark, scripts=False)
        for title in TITLES:
            await page.goto(f"{site.origin}/pages/{title}?lang={lang}")
            # Without its style sheet a page would have the browser's own font.
            assert "system-ui" in await page.evaluate("getComputedStyle(document.body).fontFamily")
            if folder:
                name = f"{title}-{lang}-{'dark' if dark else 'light'}-{width}.png"
                await page.screenshot(path=Path(folder) / name, full_page=True)
