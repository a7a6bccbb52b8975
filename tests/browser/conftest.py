"""A real browser, and a site that holds every page as it looks in life.

Sites are on loopback; the browser is the machine's own Chromium.
"""

import asyncio
import contextlib
import socket
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from urllib.parse import parse_qsl

import pytest
import uvicorn
from playwright.async_api import Browser, Page
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import Route
from starlette.types import ASGIApp
from tests.support.chromium import chromium_launched
from tests.unit.server.web.specimens import COMPLETE, specimens

from watchword.server.web.pages import Brand, Pages


@pytest.fixture(scope="session")
async def chromium() -> AsyncIterator[Browser]:
    """The browser; one for all tests, with a context for each."""
    async with chromium_launched() as browser:
        yield browser


Opened = Callable[..., Awaitable[Page]]


@pytest.fixture
async def opened(chromium: Browser, site: "Site", application: "Site") -> AsyncIterator[Opened]:
    """Opens a page in a context of its own; what goes wrong in it (policy, scripts, missing files) fails the test.

    It closes before the sites do, so that nothing is still being fetched from them.
    """
    contexts = []
    complaints: list[str] = []

    async def open_page(
        url: str, *, width: int = 1280, dark: bool = False, scripts: bool = True, policy: bool = True
    ) -> Page:
        context = await chromium.new_context(
            viewport={"width": width, "height": 800},
            color_scheme="dark" if dark else "light",
            java_script_enabled=scripts,
            bypass_csp=not policy,
        )
        contexts.append(context)
        page = await context.new_page()
        page.on("console", lambda message: complaints.append(message.text) if message.type == "error" else None)
        page.on("pageerror", lambda error: complaints.append(str(error)))
        await page.goto(url)
        return page

    yield open_page
    for context in contexts:
        await context.close()
    assert complaints == []


class _Quiet(uvicorn.Server):
    """A server among others in a test's process: signals are not its affair."""

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


@contextlib.asynccontextmanager
async def listening(app: ASGIApp, host: str = "127.0.0.1") -> AsyncIterator[str]:
    """``app`` on a port of its own; yields its origin."""
    with socket.socket() as listener:
        listener.bind((host, 0))
        server = _Quiet(uvicorn.Config(app, log_level="error", lifespan="off"))
        serving = asyncio.create_task(server.serve(sockets=[listener]))
        yield f"http://{host}:{listener.getsockname()[1]}"
        server.should_exit = True
        await serving


class Site:
    """Every specimen at ``/pages/<title>``, and what was sent to it.

    ``/pages/<page>?action=...`` puts another target into its form; ``target=`` adds to what the form may lead to.
    ``/go?to=...`` redirects there, and ``/callback`` to ``onward`` where that is set. What is sent to ``/held`` is not
    answered before ``released``.
    """

    def __init__(self) -> None:
        self.origin = ""
        self.posted: list[tuple[str, dict[str, str]]] = []
        self.onward: str | None = None
        self.released = asyncio.Event()
        self._pages = Pages(Brand())
        self._specimens = {one.title: one for one in specimens()}

    def app(self) -> Starlette:
        return Starlette(
            routes=[
                Route("/pages/{title}", self._show),
                Route("/static/{name}", self._static),
                Route("/go", self._go, methods=["GET", "POST"]),
                Route("/{path:path}", self._note, methods=["GET", "POST"]),
            ]
        )

    async def _show(self, request: Request) -> Response:
        specimen = self._specimens[request.path_params["title"]]
        query = request.query_params
        named = ("action", "continue_url", "username", "device")
        changed = {name: query[name] for name in named if name in query and name in COMPLETE[specimen.page]}
        return self._pages.page(
            specimen.page,
            locales=(query.get("lang", "en"),),
            form_targets=query.getlist("target"),
            **specimen.context | changed,
        )

    async def _static(self, request: Request) -> Response:
        return self._pages.static_file(request.path_params["name"])

    async def _go(self, request: Request) -> Response:
        return RedirectResponse(request.query_params["to"], 303)

    async def _note(self, request: Request) -> Response:
        if request.method == "POST":
            self.posted.append((request.url.path, dict(parse_qsl((await request.body()).decode()))))
        if request.url.path == "/callback" and self.onward is not None:
            return RedirectResponse(self.onward, 303)
        if request.url.path == "/held":
            await self.released.wait()
        return Response(f"<!doctype html><title>{request.url.path}</title>arrived", media_type="text/html")


@pytest.fixture
async def site() -> AsyncIterator[Site]:
    """The site with all pages."""
    here = Site()
    async with listening(here.app()) as here.origin:
        yield here
        here.released.set()


@pytest.fixture
async def application() -> AsyncIterator[Site]:
    """A site of somebody else's, that pages lead to."""
    there = Site()
    async with listening(there.app()) as there.origin:
        yield there
        there.released.set()
