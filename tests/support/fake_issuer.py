"""A tiny issuer over real HTTP on loopback, for tests of those who read it. Its answers can be made wrong."""

import json
import threading
import time
from collections import Counter
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Self
from urllib.parse import parse_qs, urlsplit

from watchword.testing import TestIssuer

Answer = tuple[int, dict[str, str], bytes]


class FakeIssuer:
    """Serves a ``TestIssuer`` in threads.

    Attributes:
        wire: makes tokens, keys and batches.
        asked: how often each path was asked for.
        answers: by path, what to answer instead of the truth.
        heartbeat: seconds between heartbeats of the feed; None for a silent feed.
        feed_messages: further raw messages that the feed sends, in order, before it goes on.
        credentials: the Authorization header that feed and introspection demand; None for none.
        seen_authorization: the Authorization headers of feed and introspection requests.
        dead_tokens: what introspection calls inactive.
    """

    def __init__(self, *, port: int = 0) -> None:
        self.asked: Counter[str] = Counter()
        self.answers: dict[str, Callable[[], Answer]] = {}
        self.heartbeat: float | None = 0.1
        self.feed_messages: list[str] = []
        self.credentials: str | None = None
        self.last_event_ids: list[str | None] = []
        self.dead_tokens: set[str] = set()
        self.cut = threading.Event()
        self._server = _Server(("127.0.0.1", port), _Requests)
        self._server.fake = self
        self.url = f"http://127.0.0.1:{self._server.server_port}"
        self.wire = TestIssuer(self.url)
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
        self._thread.start()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Stop answering; open feeds are cut. The port is free again."""
        self.cut.set()
        self._server.shutdown()
        self._server.server_close()
        self._thread.join(5)

    def cut_feeds(self) -> None:
        """Cut the feeds that are open now."""
        before, self.cut = self.cut, threading.Event()
        before.set()


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    block_on_close = False
    fake: FakeIssuer

    def handle_error(self, request: object, client_address: object) -> None:
        """A reader that hangs up is no event."""


class _Requests(BaseHTTPRequestHandler):
    server: _Server

    def log_message(self, *args: object) -> None:
        return

    def do_GET(self) -> None:
        fake = self.server.fake
        url = urlsplit(self.path)
        fake.asked[url.path] += 1
        if url.path in fake.answers:
            self._answer(*fake.answers[url.path]())
        elif url.path == "/.well-known/oauth-authorization-server":
            self._json(fake.wire.metadata())
        elif url.path == "/jwks":
            self._json(fake.wire.key_set())
        elif url.path == "/revocations" and self._allowed():
            if self.headers.get("Accept") == "text/event-stream":
                self._feed()
            else:
                after = int(parse_qs(url.query)["after"][0])
                self._json(json.dumps({"sequence": fake.wire.head, "batch": fake.wire.batch(after)}).encode())

    def do_POST(self) -> None:
        fake = self.server.fake
        fake.asked[self.path] += 1
        form = parse_qs(self.rfile.read(int(self.headers["Content-Length"])).decode())
        if self.path in fake.answers:
            self._answer(*fake.answers[self.path]())
        elif self._allowed():
            self._json(json.dumps({"active": form["token"][0] not in fake.dead_tokens}).encode())

    def _allowed(self) -> bool:
        wanted = self.server.fake.credentials
        if wanted is None or self.headers.get("Authorization") == wanted:
            return True
        self._answer(401, {"WWW-Authenticate": "Basic"}, b'{"error":"invalid_client"}')
        return False

    def _json(self, body: bytes) -> None:
        self._answer(200, {"Content-Type": "application/json"}, body)

    def _answer(self, status: int, headers: dict[str, str], body: bytes) -> None:
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def _feed(self) -> None:
        fake = self.server.fake
        cut = fake.cut
        fake.last_event_ids.append(self.headers.get("Last-Event-ID"))
        self.send_response(200)
        self.send_header("Content-Type", "text/event-stream; charset=utf-8")
        self.end_headers()
        position = int(self.headers.get("Last-Event-ID") or 0)
        said_at = -1.0
        while not cut.wait(0.01):
            while fake.feed_messages:
                self._event(0, fake.feed_messages.pop(0))
            due = fake.heartbeat is not None and time.monotonic() - said_at >= fake.heartbeat
            if fake.heartbeat is not None and (due or fake.wire.head > position):
                self._event(fake.wire.head, fake.wire.batch(position))
                position, said_at = fake.wire.head, time.monotonic()

    def _event(self, number: int, batch: str) -> None:
        self.wfile.write(f"id: {number}\nevent: revocations\ndata: {batch}\n\n".encode())
        self.wfile.flush()
