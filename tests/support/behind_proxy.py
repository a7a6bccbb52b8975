"""What stands behind a proxy: an application that believes what it is told, and shows it."""

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any


class _Showing(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        told = {"path": self.path, **{name.lower(): value for name, value in self.headers.items()}}
        body = json.dumps(told).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 (the library's name)
        """Say nothing."""


@contextmanager
def showing_headers() -> Iterator[str]:
    """An application that answers every GET with its path and headers, in small letters, as JSON; yields its origin."""
    with ThreadingHTTPServer(("127.0.0.1", 0), _Showing) as server:
        server.daemon_threads = True
        threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True).start()
        try:
            yield f"http://127.0.0.1:{server.server_port}"
        finally:
            server.shutdown()
