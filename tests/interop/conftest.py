"""A server as an operator starts it, one browser, and the folder where foreign programs write."""

from collections.abc import AsyncIterator, Iterator

import pytest
from playwright.async_api import Browser, Page
from tests.support.chromium import chromium_launched
from tests.support.running_server import RunningServer, running


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningServer]:
    """A running server with an API and a user."""
    with running(tmp_path_factory.mktemp("server")) as found:
        yield found


@pytest.fixture(scope="module")
async def chromium() -> AsyncIterator[Browser]:
    """The browser."""
    async with chromium_launched() as browser:
        yield browser


@pytest.fixture
async def page(chromium: Browser) -> AsyncIterator[Page]:
    """A page of a browser that was never anywhere."""
    context = await chromium.new_context()
    yield await context.new_page()
    await context.close()
