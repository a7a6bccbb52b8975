"""An ASGI application at a port of loopback, in a thread of the test's own process."""

import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import uvicorn
from tests.support.running_server import wait_until


@contextmanager
def served(make: Callable[[str], Any]) -> Iterator[str]:
    """Serve what ``make`` makes of its own URL until the block ends; yields the URL."""
    listener = socket.create_server(("127.0.0.1", 0))
    try:
        url = f"http://127.0.0.1:{listener.getsockname()[1]}"
        config = uvicorn.Config(make(url), log_level="warning", lifespan="off", http="h11", ws="none")
        server = uvicorn.Server(config)
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]}, daemon=True)
        thread.start()
        try:
            wait_until(lambda: server.started, seconds=30, what="the application")
            yield url
        finally:
            server.should_exit = True
            thread.join(15)
    finally:
        listener.close()
