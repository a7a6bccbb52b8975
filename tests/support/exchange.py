"""Raw exchanges with the edge, for what no HTTP client sends: a body in pieces, odd headers, a stream as it comes."""

import asyncio
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any, Final

from starlette.types import ASGIApp
from tests.support.door import HOME

_PATIENCE: Final = 5.0


@dataclass
class Exchange:
    """A request that was sent in pieces, and what came back so far."""

    pieces: list[bytes]
    stalls: bool
    status: int = 0
    headers: dict[str, str] = field(default_factory=dict)
    body: bytearray = field(default_factory=bytearray)
    grown: asyncio.Event = field(default_factory=asyncio.Event)
    asked: asyncio.Event = field(default_factory=asyncio.Event)
    gone: asyncio.Event = field(default_factory=asyncio.Event)
    ended: asyncio.Event = field(default_factory=asyncio.Event)

    async def receive(self) -> dict[str, Any]:
        """What the server reads: the pieces, then silence until the client hangs up."""
        self.asked.set()
        if self.pieces:
            piece = self.pieces.pop(0)
            return {"type": "http.request", "body": piece, "more_body": bool(self.pieces) or self.stalls}
        await self.gone.wait()
        return {"type": "http.disconnect"}

    async def send(self, message: Any) -> None:
        """What the server writes."""
        if message["type"] == "http.response.start":
            self.status = message["status"]
            self.headers = {name.decode(): value.decode() for name, value in message["headers"]}
        self.body += message.get("body", b"")
        self.grown.set()

    async def until(self, count: int, *, of: bytes) -> list[bytes]:
        """Wait until ``of`` came ``count`` times; what stands between."""
        async with asyncio.timeout(_PATIENCE):
            while self.body.count(of) < count:
                self.grown.clear()
                await self.grown.wait()
        return bytes(self.body).split(of)[:count]

    async def complete(self, *, of: bytes) -> list[bytes]:
        """Wait until the body ends with ``of``; what stands between."""
        async with asyncio.timeout(_PATIENCE):
            while not self.body.endswith(of):
                self.grown.clear()
                await self.grown.wait()
        return bytes(self.body).split(of)[:-1]


@asynccontextmanager
async def exchange(
    app: ASGIApp,
    method: str,
    path: str,
    *,
    headers: Iterable[tuple[str, str]] = (),
    pieces: Iterable[bytes] = (b"",),
    stalls: bool = False,
    query: str = "",
    address: tuple[str, int] = HOME,
) -> AsyncIterator[Exchange]:
    """Send a request. ``stalls``: after the pieces more is announced, and nothing comes. At the end it hangs up."""
    scope = {
        "type": "http",
        "http_version": "1.1",
        "method": method,
        "path": path,
        "raw_path": path.encode(),
        "query_string": query.encode("latin-1"),
        "root_path": "",
        "scheme": "http",
        "headers": [(name.lower().encode("latin-1"), value.encode("latin-1")) for name, value in headers],
        "client": address,
        "server": ("localhost", 8000),
    }
    one = Exchange(list(pieces), stalls)
    task = asyncio.ensure_future(_run(app, scope, one))
    try:
        yield one
    finally:
        one.gone.set()
        async with asyncio.timeout(_PATIENCE):
            await task


async def answered(app: ASGIApp, method: str, path: str, **request: Any) -> Exchange:
    """As ``exchange``, waiting for the whole answer."""
    async with exchange(app, method, path, **request) as one, asyncio.timeout(_PATIENCE):
        while not one.status:
            one.grown.clear()
            await one.grown.wait()
    return one


async def _run(app: ASGIApp, scope: Any, one: Exchange) -> None:
    await app(scope, one.receive, one.send)
    one.ended.set()
