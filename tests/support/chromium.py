"""The machine's own Chromium, without a window, driven by Playwright."""

import os
import shutil
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Final

import pytest
from playwright.async_api import Browser, async_playwright, expect

_NAMES: Final = ("chromium", "chromium-browser", "google-chrome")
# Nothing of the browser's own goes out to the network.
_FLAGS: Final = (
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)

# As long as Playwright waits for what a test does; by itself it waits five seconds for what a test expects.
expect.set_options(timeout=30_000)


@asynccontextmanager
async def chromium_launched() -> AsyncIterator[Browser]:
    """A browser; each test opens a context of its own in it."""
    path = next(filter(None, map(shutil.which, _NAMES)), None)
    if path is None:
        pytest.skip("no Chromium is installed: apt-get install chromium")
    # Chromium's sandbox refuses to work for root.
    flags = [*_FLAGS, "--no-sandbox"] if os.geteuid() == 0 else [*_FLAGS]
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=path, args=flags)
        try:
            yield browser
        finally:
            await browser.close()
