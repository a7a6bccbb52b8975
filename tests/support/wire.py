"""HTTP by hand, over connections that a test holds: cheap enough for a thousand, and precise about their ends."""

import asyncio
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Self
from urllib.parse import urlencode


class Gone(Exception):
    """The server closed the connection without an answer."""


@dataclass(frozen=True)
class Reply:
    """What came back."""

    status: int
    headers: dict[str, str]
    body: bytes = field(repr=False)

    @property
    def json(self) -> dict[str, Any]:
        """The body, parsed."""
        found: dict[str, Any] = json.loads(self.body)
        return found

    @property
    def verdict(self) -> tuple[int, str | None]:
        """Status and error code."""
        return self.status, self.json.get("error") if self.body.startswith(b"{") else None


class Wire:
    """A connection to a server on loopback."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader = reader
        self.writer = writer

    @classmethod
    async def open(cls, port: int) -> Self:
        """Connect."""
        return cls(*await asyncio.open_connection("127.0.0.1", port))

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Hang up."""
        self.writer.close()

    def send(
        self,
        method: str,
        path: str,
        *,
        form: Mapping[str, str] | None = None,
        members: Mapping[str, Any] | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> None:
        """Write a request, with a form or JSON members, and do not wait."""
        body, kind = b"", ""
        if form is not None:
            body, kind = urlencode(form).encode(), "application/x-www-form-urlencoded"
        if members is not None:
            body, kind = json.dumps(members).encode(), "application/json"
        lines = [f"{method} {path} HTTP/1.1", "host: localhost", *(f"{k}: {v}" for k, v in (headers or {}).items())]
        lines += [f"content-type: {kind}", f"content-length: {len(body)}"] if kind else []
        self.writer.write("\r\n".join([*lines, "", ""]).encode() + body)

    async def read(self, *, seconds: float = 30) -> Reply:
        """The answer to the oldest request that has none.

        Raises:
            Gone: there is none to come.
            TimeoutError: not within ``seconds``.
        """
        try:
            async with asyncio.timeout(seconds):
                head = (await self.reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
                lines = (line.split(": ", 1) for line in head[1:] if line)
                headers = {name.lower(): value for name, value in lines}
                body = await self.reader.readexactly(int(headers.get("content-length", "0")))
        except (asyncio.IncompleteReadError, ConnectionError) as error:
            raise Gone from error
        return Reply(int(head[0].split(" ")[1]), headers, body)

    async def ask(self, method: str, path: str, *, seconds: float = 30, **request: Any) -> Reply:
        """Send and read."""
        self.send(method, path, **request)
        return await self.read(seconds=seconds)


async def ask(port: int, method: str, path: str, *, seconds: float = 30, **request: Any) -> Reply:
    """One request on a connection of its own."""
    async with await Wire.open(port) as wire:
        return await wire.ask(method, path, seconds=seconds, **request)


def renewal(refresh_token: str, *, client_id: str = "web") -> dict[str, str]:
    """The form of a refresh at ``/token``."""
    return {"grant_type": "refresh_token", "client_id": client_id, "refresh_token": refresh_token}
