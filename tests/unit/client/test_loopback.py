"""Who comes back to the port on loopback: the answer to the sign-in, and whatever else knocks there."""

import socket
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from urllib.parse import urlsplit

import pytest
from tests.support.rfc import rfc

from watchword.client.errors import Misconfigured, SignInAgain
from watchword.client.loopback import Loopback

STATE = "the-state-of-this-sign-in"
GOOD = f"code=abc&state={STATE}&iss=https%3A%2F%2Fauth.example"
SECONDS = 30.0


class Waiting:
    """A loopback that waits in a thread, and means to knock at it."""

    def __init__(self, loopback: Loopback, query: Future[str]) -> None:
        self.loopback = loopback
        self.query = query
        port = urlsplit(loopback.redirect_uri).port
        assert port is not None
        self.port = port

    def connect(self) -> socket.socket:
        return socket.create_connection(("127.0.0.1", self.port), timeout=SECONDS)

    def ask(self, target: str, *, method: str = "GET", host: str | None = None, more: str = "") -> socket.socket:
        """A request, whose answer is not read yet."""
        connection = self.connect()
        named = f"127.0.0.1:{self.port}" if host is None else host
        connection.sendall(f"{method} {target} HTTP/1.1\r\nHost: {named}\r\n{more}\r\n".encode())
        return connection


def status_of(connection: socket.socket) -> int:
    """The status of the answer; 0 if the connection ends without one."""
    answer = b""
    with connection, suppress(ConnectionResetError):  # it did not read all that was sent
        while piece := connection.recv(4096):
            answer += piece
    return int(answer.split()[1]) if answer else 0


@pytest.fixture
def waiting() -> Iterator[Waiting]:
    with ThreadPoolExecutor(1) as pool, Loopback("/callback") as loopback:
        yield Waiting(loopback, pool.submit(loopback.wait, SECONDS, state=STATE))


def goes_on(waiting: Waiting) -> bool:
    """The wait is not over, and the browser's own answer ends it."""
    assert not waiting.query.done()
    browser = waiting.ask(f"/callback?{GOOD}")
    assert waiting.query.result(SECONDS) == GOOD
    waiting.loopback.succeed()
    return status_of(browser) == 200


@rfc("8252", "7.3")
def test_the_answer_to_the_sign_in_ends_the_waiting(waiting: Waiting) -> None:
    assert goes_on(waiting)


@rfc("8252", "8.9")
def test_an_error_with_the_state_is_an_answer_too(waiting: Waiting) -> None:
    browser = waiting.ask(f"/callback?error=access_denied&state={STATE}")
    assert waiting.query.result(SECONDS) == f"error=access_denied&state={STATE}"
    waiting.loopback.__exit__(None, None, None)
    assert status_of(browser) == 400


@rfc("9700", "4.7")
@pytest.mark.parametrize(
    ("target", "status"),
    [
        ("/callback?x=1", 400),
        ("/callback", 400),
        ("/callback?code=abc", 400),
        ("/callback?code=abc&state=", 400),
        ("/callback?code=abc&state=another", 400),
        (f"/callback?code=abc&state={STATE}x", 400),
        (f"/callback?code=abc&state={STATE}&state={STATE}", 400),
        (f"/callback?error=access_denied&stat={STATE}", 400),
        ("/callback?error=server_error&state=%ff", 400),
        ("/callback?" + "&".join(["a=1"] * 100), 400),
        (f"/favicon.ico?{GOOD}", 404),
        (f"/?{GOOD}", 404),
        (f"/callback/?{GOOD}", 404),
        (f"/callback/../callback?{GOOD}", 404),
    ],
)
def test_what_is_not_to_this_sign_in_is_sent_away_and_waited_on(waiting: Waiting, target: str, status: int) -> None:
    assert status_of(waiting.ask(target)) == status
    assert goes_on(waiting)


@pytest.mark.parametrize(
    ("method", "host"),
    [("POST", None), ("HEAD", None), ("get", None), ("GET", "rebound.example"), ("GET", "localhost"), ("GET", "")],
)
def test_another_method_or_another_name_for_the_address_is_sent_away(
    waiting: Waiting, method: str, host: str | None
) -> None:
    assert status_of(waiting.ask(f"/callback?{GOOD}", method=method, host=host)) == 404
    assert goes_on(waiting)


def test_a_head_that_is_too_large_or_was_cut_off_is_no_answer(waiting: Waiting) -> None:
    assert status_of(waiting.ask(f"/callback?{GOOD}", more="X: " + "x" * 40_000 + "\r\n")) in (404, 0)
    with waiting.connect() as connection:
        connection.sendall(f"GET /callback?{GOOD} HTTP/1.1\r\nHost: 127.0.0.1:{waiting.port}\r\n".encode())
        connection.shutdown(socket.SHUT_WR)
        assert status_of(connection) == 404
    assert goes_on(waiting)


def test_a_crowd_that_says_nothing_does_not_keep_the_browser_out(waiting: Waiting) -> None:
    crowd = [waiting.connect() for _ in range(60)]
    for number, connection in enumerate(crowd[::2]):
        with suppress(OSError):  # given up already
            connection.sendall(b"GET /callback?code=" if number % 2 else b"G")
    assert goes_on(waiting)
    for connection in crowd:
        connection.close()


def test_who_was_given_up_is_hung_up_on(waiting: Waiting) -> None:
    crowd = [waiting.connect() for _ in range(40)]
    # The last ones may stay; the first ones make room.
    assert status_of(crowd[0]) == 0
    assert goes_on(waiting)
    for connection in crowd:
        connection.close()


def test_nobody_is_waited_for_longer_than_was_said() -> None:
    with Loopback("/callback") as loopback, pytest.raises(SignInAgain) as caught:
        loopback.wait(0.05, state=STATE)
    assert caught.value.reason == "abandoned"


@pytest.mark.parametrize("path", ["", "callback", "/a?b", "/a#b", "/a b", "/\u00e9", "/a\r\nb"])
def test_a_path_that_is_none_is_refused(path: str) -> None:
    with pytest.raises(Misconfigured):
        Loopback(path)
