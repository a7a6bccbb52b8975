"""The HTTP server's bounds, over real connections: sizes of heads and messages, and a client's time."""

import asyncio
import json
from collections.abc import AsyncIterator, Iterable
from typing import Any

import pytest
import uvicorn
from tests.support.rfc import rfc
from uvicorn.server import ServerState

from watchword.server.adapters import bounded_http
from watchword.server.adapters.bounded_http import MAX_HEAD, MAX_MESSAGE, BoundedHttp

REQUEST = b"GET / HTTP/1.1\r\nhost: x\r\n"
CHUNKED = b"POST / HTTP/1.1\r\nhost: x\r\ntransfer-encoding: chunked\r\n\r\n"


async def echo(scope: Any, receive: Any, send: Any) -> None:
    """Answers with the body's length; below /at-once without waiting for the body."""
    length, more = 0, scope["path"] != "/at-once"
    while more:
        message = await receive()
        if message["type"] == "http.disconnect":
            return
        length, more = length + len(message["body"]), message["more_body"]
    body = b"%d" % length
    await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"%d" % len(body))]})
    await send({"type": "http.response.body", "body": body})


@pytest.fixture
async def port() -> AsyncIterator[int]:
    config = uvicorn.Config(echo, http=BoundedHttp, ws="none", lifespan="off", log_config=None, access_log=False)
    state = ServerState()
    loop = asyncio.get_running_loop()
    server = await loop.create_server(
        lambda: BoundedHttp(config=config, server_state=state, app_state={}), "127.0.0.1", 0
    )
    yield server.sockets[0].getsockname()[1]
    server.close()
    for connection in list(state.connections):
        connection.transport.close()
    await server.wait_closed()


async def sent(port: int, pieces: Iterable[bytes], *, until: bytes | None = None) -> bytes:
    """What came back to ``pieces``: up to ``until``, or all until the server hung up."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    came = bytearray()
    try:
        async with asyncio.timeout(5):
            try:
                for piece in pieces:
                    writer.write(piece)
                    await writer.drain()
                while (until is None or until not in came) and (more := await reader.read(65536)):
                    came += more
            except ConnectionError:
                # Hung up in the middle of what we send.
                pass
    finally:
        writer.transport.abort()
    return bytes(came)


async def until_it_hangs_up(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Send a byte every 10 ms as long as the server listens."""
    ended = asyncio.ensure_future(reader.read())
    while not ended.done():
        writer.write(b"a")
        await asyncio.wait([ended], timeout=0.01)
    # A byte too many is answered by a reset.
    assert isinstance(ended.exception(), ConnectionError | None)


@rfc("6585", "5")
@pytest.mark.parametrize(
    "head",
    [
        [REQUEST + b"x: ", *[b"a" * 4096] * 12],
        [REQUEST + b"x: " + b"a" * (2 * MAX_HEAD) + b"\r\n\r\n"],
        [b"GET /" + b"a" * (2 * MAX_HEAD) + b" HTTP/1.1\r\nhost: x\r\n\r\n"],
        [REQUEST, *[b"x: y\r\n"] * 101, b"\r\n"],
        [REQUEST + b"x: y\r\n" * 100 + b"\r\n"],
    ],
    ids=["unfinished", "at once", "a path", "many", "many at once"],
)
async def test_a_head_beyond_all_bounds_is_431_and_the_end(port: int, head: list[bytes]) -> None:
    came = await sent(port, head)
    # Hung up on in the middle of its sending, a client may miss the answer.
    assert came == b"" or came.startswith(b"HTTP/1.1 431 Request Header Fields Too Large\r\n")


@rfc("6585", "5")
async def test_the_refusal_is_a_whole_answer_in_json(port: int) -> None:
    begun = REQUEST + b"x: "
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    # The second request of a connection has no more room than the first.
    writer.write(REQUEST + b"\r\n")
    async with asyncio.timeout(5):
        await reader.readuntil(b"\r\n\r\n0")
        writer.write(begun + b"a" * (MAX_HEAD + 1 - len(begun)))
        came = await reader.read()
    writer.close()
    head, _, body = came.partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 431 ")
    assert b"content-length: %d\r\n" % len(body) in head
    assert json.loads(body)["error"] == "invalid_request"


@pytest.mark.parametrize("parts", [1, 20], ids=["at once", "in parts"])
async def test_a_head_of_24_kb_is_taken_again_and_again(port: int, parts: int) -> None:
    head = REQUEST + b"connection: close\r\nx: " + b"a" * 24_000 + b"\r\n\r\n"
    before = head.replace(b"connection: close\r\n", b"")
    step = len(head) // parts + 1
    pieces = [whole[at : at + step] for whole in (before, before, head) for at in range(0, len(head), step)]
    assert (await sent(port, pieces)).count(b"200 OK") == 3


async def test_bodies_and_pipelined_requests_do_not_count_as_heads(port: int) -> None:
    post = b"POST / HTTP/1.1\r\nhost: x\r\ncontent-length: 60000\r\n\r\n" + b"a" * 60000
    assert (await sent(port, [post + REQUEST + b"\r\n" + post, REQUEST + b"connection: close\r\n\r\n"])).count(
        b"200 OK"
    ) == 4
    many = (REQUEST + b"\r\n") * 1000 + REQUEST + b"connection: close\r\n\r\n"
    assert (await sent(port, [many])).count(b"200 OK") == 1001


@pytest.mark.parametrize(
    "endless",
    [[b"0\r\nx: ", *[b"a" * 65536] * 32], [b"0\r\n", *[b"x: y\r\n" * 1000] * 32], [b"1\r\na\r\n" * 10_000] * 32],
    ids=["a trailer", "trailers", "chunks"],
)
async def test_what_stands_around_a_body_has_an_end(port: int, endless: list[bytes]) -> None:
    assert sum(map(len, endless)) > MAX_MESSAGE or b"x: y" in endless[1]
    assert b"200 OK" not in await sent(port, [CHUNKED, *endless])


@rfc("9112", "9.5")
@pytest.mark.parametrize("begun", [b"", b"GET", REQUEST + b"x: ", b"\r\n"], ids=["nothing", "a word", "half", "a line"])
async def test_a_head_that_does_not_come_in_time_ends_the_connection(
    port: int, monkeypatch: pytest.MonkeyPatch, begun: bytes
) -> None:
    monkeypatch.setattr(bounded_http, "HEAD_SECONDS", 0.05)
    assert await sent(port, [begun]) == b""


@rfc("9112", "9.5")
@pytest.mark.parametrize("begun", [b"GET", REQUEST + b"x: "], ids=["a word", "half"])
async def test_the_second_request_of_a_connection_has_no_more_time(
    port: int, monkeypatch: pytest.MonkeyPatch, begun: bytes
) -> None:
    monkeypatch.setattr(bounded_http, "HEAD_SECONDS", 0.05)
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(REQUEST + b"\r\n")
    async with asyncio.timeout(5):
        await reader.readuntil(b"\r\n\r\n0")
        writer.write(begun)
        assert await reader.read() == b""
    writer.close()


async def test_dripping_gains_no_time(port: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bounded_http, "HEAD_SECONDS", 0.1)
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    began = asyncio.get_running_loop().time()
    writer.write(REQUEST + b"x: ")
    async with asyncio.timeout(5):
        await until_it_hangs_up(reader, writer)
    assert asyncio.get_running_loop().time() - began < 2
    writer.transport.abort()


async def test_a_body_that_nobody_waits_for_gains_no_time(port: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bounded_http, "HEAD_SECONDS", 0.1)
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(b"POST /at-once HTTP/1.1\r\nhost: x\r\ncontent-length: 100000\r\n\r\n")
    async with asyncio.timeout(5):
        assert b"200 OK" in await reader.readuntil(b"\r\n\r\n0")
        await until_it_hangs_up(reader, writer)
    writer.transport.abort()


async def test_a_request_that_came_in_time_has_all_time_to_be_answered(
    port: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bounded_http, "HEAD_SECONDS", 0.05)
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(b"POST / HTTP/1.1\r\nhost: x\r\ncontent-length: 2\r\n\r\na")
    answer = asyncio.ensure_future(reader.readuntil(b"\r\n\r\n2"))
    # The body's time is the edge's affair; the connection outlives the head's time.
    done, _ = await asyncio.wait([answer], timeout=0.2)
    assert not done
    writer.write(b"b")
    async with asyncio.timeout(5):
        assert b"200 OK" in await answer
    writer.transport.abort()


async def test_what_is_no_http_is_400(port: int) -> None:
    assert (await sent(port, [b"\x16\x03\x01\x02\x00\x01"])).startswith(b"HTTP/1.1 400 ")
