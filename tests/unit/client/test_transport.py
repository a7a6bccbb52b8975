"""The way to the issuer: one exchange has one end, whatever the other side does, and leaves nothing behind."""

import asyncio
import threading
from pathlib import Path

import pytest
from tests.support.dripping import dripping

from watchword.client import AsyncHttpTransport, HttpTransport
from watchword.client.messages import Answer, Request, Unreachable

SECONDS = 0.5
LATE = Unreachable("the answer takes too long")
# What came before the drops: nothing, half a line, whole headers of both kinds of body.
HEADS = {
    "a status line": (b"", b"H"),
    "a header": (b"HTTP/1.1 200 OK\r\nX: ", b"a"),
    "a body of a known length": (b"HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n", b" "),
    "a body that ends with the connection": (b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n{}", b" "),
}


def ask(url: str, *, in_tasks: bool) -> Answer | Unreachable:
    """Send one request in a thread of its own, for at most half a minute."""
    got: list[Answer | Unreachable] = []

    def send() -> None:
        request = Request("GET", f"{url}/jwks")
        if in_tasks:
            got.append(asyncio.run(AsyncHttpTransport(timeout=SECONDS).send(request)))
        else:
            got.append(HttpTransport(timeout=SECONDS).send(request))

    thread = threading.Thread(target=send, daemon=True)
    thread.start()
    thread.join(30)
    assert not thread.is_alive(), "it waits still"
    return got[0]


@pytest.mark.parametrize("dripped", HEADS)
@pytest.mark.parametrize("in_tasks", [False, True], ids=["threads", "tasks"])
def test_an_answer_that_drips_is_given_up_when_the_time_is_over(dripped: str, in_tasks: bool) -> None:
    head, drop = HEADS[dripped]
    with dripping(head, drop=drop) as url:
        assert ask(url, in_tasks=in_tasks) == LATE


@pytest.mark.parametrize("in_tasks", [False, True], ids=["threads", "tasks"])
def test_a_tls_greeting_that_drips_is_given_up(in_tasks: bool) -> None:
    # A record of 16 KB, of a handshake.
    with dripping(b"\x16\x03\x03\x40\x00", scheme="https") as url:
        assert isinstance(ask(url, in_tasks=in_tasks), Unreachable)


def test_neither_a_thread_nor_an_open_file_is_left_behind() -> None:
    def there() -> tuple[int, int]:
        return threading.active_count(), len(list(Path("/dev/fd").iterdir()))

    def exchange() -> None:
        with dripping(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}") as url:
            assert ask(url, in_tasks=False) == Answer(200, b"{}")
        with dripping(b"HTTP/1.1 200 OK\r\nX: ") as url:
            assert ask(url, in_tasks=False) == LATE

    exchange()  # what is loaded once
    before = there()
    exchange()
    after = there()
    assert after[0] <= before[0]
    assert after[1] <= before[1]
