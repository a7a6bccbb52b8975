"""The place on this machine where a browser comes back to after a sign-in, for programs without a web server.

It listens on 127.0.0.1 alone, on a port of the system's, and takes one request to its path with the sign-in's state;
whatever else knocks (idle connections that browsers open ahead, icons, scanners) is sent away and does not end the
waiting. The browser gets its page when the sign-in is over, so the page tells the truth.

Implements: RFC 8252 §7.3, §8.3; RFC 9700 §4.2.4.
"""

import base64
import hashlib
import hmac
import selectors
import socket
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from types import TracebackType
from typing import Final, Self
from urllib.parse import parse_qsl

from watchword.client.errors import Misconfigured, SignInAgain

_LARGEST: Final = 16 * 1024
_PATIENCE: Final = 10.0
_TICK: Final = 0.1
_MOST: Final = 16
_MAX_FIELDS: Final = 30
_END: Final = b"\r\n\r\n"
_WORDS: Final = {200: "OK", 400: "Bad Request", 404: "Not Found"}
_STYLE: Final = (
    "body{font:1.1rem/1.5 system-ui,sans-serif;display:grid;place-content:center;min-height:90vh;margin:0 1.5rem;"
    "text-align:center;color:#1b1f24;background:#f6f5f2}h1{font-size:1.5rem;margin:0 0 .25rem}p{margin:0;opacity:.75}"
    "@media(prefers-color-scheme:dark){body{color:#e9e6df;background:#16181b}}"
)
_STYLE_HASH: Final = base64.b64encode(hashlib.sha256(_STYLE.encode()).digest()).decode()


class Loopback:
    """Listens while its ``with`` block lasts.

    Args:
        path: of the redirect URI.

    Raises:
        Misconfigured: no path, or nothing can listen on loopback here.
    """

    def __init__(self, path: str) -> None:
        if not path.startswith("/") or not path.isascii() or any(c in path for c in "?# \r\n"):
            raise Misconfigured("the path of a redirect URI begins with a slash, without query or fragment")
        try:
            self._listener = socket.create_server(("127.0.0.1", 0), backlog=_MOST)
        except OSError as error:
            raise Misconfigured(f"cannot listen on loopback: {error.strerror}", reason="no_loopback") from None
        self._listener.setblocking(False)
        self._host = f"127.0.0.1:{self._listener.getsockname()[1]}"
        self._path = path
        self._browser: socket.socket | None = None
        self._closed = threading.Event()
        self._no_browser = threading.Event()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._closed.set()
        self._listener.close()
        self._tell(400, "Sign-in did not work", "Go back to the program, which says why, and try again.")

    @property
    def redirect_uri(self) -> str:
        """Where the browser comes back to."""
        return f"http://{self._host}{self._path}"

    def send_browser(self, url: str, open_browser: Callable[[str], object] | None) -> None:
        """Open the address, in a thread: a browser in the terminal holds its caller until it is left."""

        def opened() -> None:
            try:
                done = (_system_browser if open_browser is None else open_browser)(url)
            except Exception:  # noqa: BLE001 (the program's own function; whatever it was, no browser came)
                done = False
            if done is False:
                self._no_browser.set()

        threading.Thread(target=opened, name="watchword-browser", daemon=True).start()

    def wait(self, seconds: float, *, state: str) -> str:
        """The query with which the browser came back; ``succeed``, or the end of the block, answers it.

        Args:
            seconds: how long to wait.
            state: the sign-in's; without it a request is not the answer, whatever else it says.

        Raises:
            SignInAgain: nobody came in time (``abandoned``).
            Misconfigured: no browser could be opened (``no_browser``).
        """
        until = time.monotonic() + seconds
        with selectors.DefaultSelector() as selector:
            arrivals: dict[socket.socket, _Arrival] = {}
            selector.register(self._listener, selectors.EVENT_READ)
            try:
                while not self._closed.is_set() and time.monotonic() < until:
                    query = self._look(selector, arrivals, state)
                    if query is not None:
                        return query
                    if self._no_browser.is_set():
                        raise Misconfigured("no browser could be opened here", reason="no_browser")
            finally:
                for connection in arrivals:
                    if connection is not self._browser:
                        connection.close()
        raise SignInAgain("nobody came back from the browser in time", reason="abandoned")

    def succeed(self) -> None:
        """Tell the browser that all is well."""
        self._tell(200, "You are signed in", "You may close this window and go back to the program.")

    def _look(
        self, selector: selectors.BaseSelector, arrivals: "dict[socket.socket, _Arrival]", state: str
    ) -> str | None:
        for key, _ in selector.select(_TICK):
            if key.fileobj is self._listener:
                self._welcome(selector, arrivals)
                continue
            connection = key.fileobj
            # One that was just given up for another is not there any more.
            if (
                isinstance(connection, socket.socket)
                and connection in arrivals
                and arrivals[connection].read(connection)
            ):
                selector.unregister(connection)
                query = self._judge(connection, arrivals.pop(connection).head, state)
                if query is not None:
                    return query
        now = time.monotonic()
        for connection in [one for one, arrival in arrivals.items() if now - arrival.at > _PATIENCE]:
            _give_up(connection, selector, arrivals)
        return None

    def _welcome(self, selector: selectors.BaseSelector, arrivals: "dict[socket.socket, _Arrival]") -> None:
        with suppress(OSError):
            connection, _ = self._listener.accept()
            if len(arrivals) >= _MOST:
                # Who waits for longest is not the browser, which sends all that it has to say at once.
                _give_up(next(iter(arrivals)), selector, arrivals)
            connection.setblocking(False)
            arrivals[connection] = _Arrival()
            selector.register(connection, selectors.EVENT_READ)

    def _judge(self, connection: socket.socket, head: bytes, state: str) -> str | None:
        """The query, if this is the browser coming back; everybody else is sent away."""
        lines = head.decode("latin-1").split("\r\n")
        method, _, rest = lines[0].partition(" ")
        target = rest.partition(" ")[0]
        path, _, query = target.partition("?")
        hosts = [line[5:].strip() for line in lines[1:] if line[:5].lower() == "host:"]
        # Another name for this address in Host is a page elsewhere that had its name point here (DNS rebinding).
        ours = _END in head and method == "GET" and path == self._path and hosts == [self._host]
        if ours and _has_state(query, state):
            self._browser = connection
            return query
        _send(connection, 400 if ours else 404, "Nothing is here", "This address waits for a sign-in alone.")
        return None

    def _tell(self, status: int, title: str, sentence: str) -> None:
        browser, self._browser = self._browser, None
        if browser is not None:
            _send(browser, status, title, sentence)


class _Arrival:
    """A connection whose request is not read yet."""

    def __init__(self) -> None:
        self.head = b""
        self.at = time.monotonic()

    def read(self, connection: socket.socket) -> bool:
        """Whether the head of the request is whole, or nothing more will come."""
        try:
            piece = connection.recv(_LARGEST)
        except BlockingIOError:
            return False
        except OSError:
            piece = b""
        self.head += piece
        return not piece or _END in self.head or len(self.head) > _LARGEST


def _give_up(
    connection: socket.socket, selector: selectors.BaseSelector, arrivals: "dict[socket.socket, _Arrival]"
) -> None:
    selector.unregister(connection)
    del arrivals[connection]
    connection.close()


def _has_state(query: str, state: str) -> bool:
    try:
        pairs = parse_qsl(query, keep_blank_values=True, errors="strict", max_num_fields=_MAX_FIELDS)
    except ValueError:
        return False
    given = [value for name, value in pairs if name == "state"]
    return len(given) == 1 and hmac.compare_digest(given[0].encode(), state.encode())


def _system_browser(url: str) -> bool:
    import webbrowser  # noqa: PLC0415 (looks for browsers when it is loaded)

    return webbrowser.open(url)


def _send(connection: socket.socket, status: int, title: str, sentence: str) -> None:
    page = (
        f'<!doctype html><html lang="en"><meta charset="utf-8"><title>{title}</title>'
        f'<meta name="viewport" content="width=device-width"><style>{_STYLE}</style>'
        f"<main><h1>{title}</h1><p>{sentence}</p></main></html>"
    ).encode()
    head = (
        f"HTTP/1.1 {status} {_WORDS[status]}\r\n"
        "Content-Type: text/html; charset=utf-8\r\n"
        f"Content-Length: {len(page)}\r\n"
        "Cache-Control: no-store\r\n"
        "Referrer-Policy: no-referrer\r\n"
        f"Content-Security-Policy: default-src 'none'; style-src 'sha256-{_STYLE_HASH}'; frame-ancestors 'none'\r\n"
        "X-Content-Type-Options: nosniff\r\n"
        "Connection: close\r\n\r\n"
    ).encode()
    with suppress(OSError), connection:
        connection.settimeout(2.0)
        connection.sendall(head + page)
        connection.shutdown(socket.SHUT_WR)
