"""Requests to others: real sockets on loopback, and what they may not do."""

import asyncio
import ssl
import subprocess
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from urllib.parse import parse_qs

import pytest
import trustme

from watchword.server.adapters.httpx2_outgoing import Httpx2Outgoing
from watchword.server.ports.outgoing import Unreached

FORM = {"logout_token": "a+b/c=&d"}


class Receiver:
    """Reads a request and writes ``answer``, as often as it is called; then it hangs up unless told to wait."""

    def __init__(self, answer: bytes) -> None:
        self.answer = answer
        self.requests: list[bytes] = []
        self.connections = 0
        self.hold = asyncio.Event()
        self.sent = 0

    async def __call__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        try:
            head = await reader.readuntil(b"\r\n\r\n")
            length = next(int(line[15:]) for line in head.lower().split(b"\r\n") if line.startswith(b"content-length:"))
            self.requests.append(head + await reader.readexactly(length))
            writer.write(self.answer)
            while self.answer.endswith(b"endless"):
                writer.write(b"endless" * 10_000)
                await writer.drain()
                self.sent += 70_000
            if not self.answer:
                await self.hold.wait()
        except (OSError, asyncio.IncompleteReadError):
            return
        finally:
            writer.close()


def answering(status: int, *headers: str, body: bytes = b"") -> bytes:
    return "\r\n".join((f"HTTP/1.1 {status} X", "connection: close", *headers, "", "")).encode() + body


@asynccontextmanager
async def listening(receiver: Receiver, *, tls: ssl.SSLContext | None = None) -> AsyncIterator[int]:
    server = await asyncio.start_server(receiver, "127.0.0.1", 0, ssl=tls)
    port: int = server.sockets[0].getsockname()[1]
    try:
        yield port
    finally:
        receiver.hold.set()
        server.close()
        await server.wait_closed()


async def reason(attempt: Callable[[], Awaitable[int]]) -> str:
    with pytest.raises(Unreached) as unreached:
        await attempt()
    assert FORM["logout_token"] not in str(unreached.value)
    return str(unreached.value)


@pytest.mark.parametrize("status", [200, 204, 400, 503])
async def test_a_form_is_posted_and_the_status_told(status: int) -> None:
    receiver = Receiver(answering(status, "content-length: 0"))
    async with listening(receiver) as port:
        assert await Httpx2Outgoing().post(f"http://127.0.0.1:{port}/out?of=us", FORM, seconds=5) == status
    [request] = receiver.requests
    head, _, body = request.partition(b"\r\n\r\n")
    assert head.startswith(b"POST /out?of=us HTTP/1.1\r\n")
    assert b"content-type: application/x-www-form-urlencoded" in head.lower()
    assert parse_qs(body.decode()) == {"logout_token": [FORM["logout_token"]]}


async def test_a_redirect_is_an_answer_and_is_not_followed() -> None:
    elsewhere = Receiver(answering(200))
    async with listening(elsewhere) as other:
        receiver = Receiver(answering(307, f"location: http://127.0.0.1:{other}/", "content-length: 0"))
        async with listening(receiver) as port:
            assert await Httpx2Outgoing().post(f"http://127.0.0.1:{port}/", FORM, seconds=5) == 307
    assert elsewhere.connections == 0


async def test_an_endless_answer_is_not_read() -> None:
    receiver = Receiver(answering(200, body=b"endless"))
    async with listening(receiver) as port:
        assert await Httpx2Outgoing().post(f"http://127.0.0.1:{port}/", FORM, seconds=5) == 200
    # What fits into the buffers of two sockets, and no more.
    assert receiver.sent < 20_000_000


async def test_who_does_not_answer_in_time_is_left() -> None:
    receiver = Receiver(b"")
    async with listening(receiver) as port:
        assert await reason(lambda: Httpx2Outgoing().post(f"http://127.0.0.1:{port}/", FORM, seconds=0.2))
    assert receiver.connections == 1


async def test_who_is_not_there_is_unreached() -> None:
    async with listening(Receiver(b"")) as port:
        pass
    assert await reason(lambda: Httpx2Outgoing().post(f"http://127.0.0.1:{port}/", FORM, seconds=5)) == "ConnectError"


@pytest.mark.parametrize(
    "url", ["http://app.example/", "ftp://127.0.0.1/", "file:///etc/hosts", "//x/", "http://[::2]/"]
)
async def test_plain_http_beyond_loopback_is_not_even_tried(url: str) -> None:
    assert "neither https" in await reason(lambda: Httpx2Outgoing().post(url, FORM, seconds=5))


async def test_a_certificate_must_be_trusted_and_the_hosts_own(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NO_PROXY", "127.0.0.1,localhost")
    authority = trustme.CA()
    presented = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("127.0.0.1").configure_cert(presented)
    trusting = ssl.create_default_context()
    authority.configure_trust(trusting)
    receiver = Receiver(answering(200, "content-length: 0"))
    async with listening(receiver, tls=presented) as port:
        url = f"https://127.0.0.1:{port}/"
        assert await Httpx2Outgoing(tls=trusting).post(url, FORM, seconds=5) == 200
        assert "not trusted" in await reason(lambda: Httpx2Outgoing().post(url, FORM, seconds=5))
        other = f"https://localhost:{port}/"
        assert "not trusted" in await reason(lambda: Httpx2Outgoing(tls=trusting).post(other, FORM, seconds=5))
    assert len(receiver.requests) == 1


def test_the_http_library_is_loaded_with_the_first_request_only() -> None:
    script = "import sys; from watchword.server.adapters import httpx2_outgoing; httpx2_outgoing.Httpx2Outgoing()\n"
    done = subprocess.run(
        [sys.executable, "-c", script + "print('httpx2' in sys.modules)"], capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == "False"
