"""A server on loopback that says one thing and then drips, one byte at a time, for as long as anybody listens."""

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def dripping(head: bytes, *, scheme: str = "http", drop: bytes = b" ") -> Iterator[str]:
    """Serve one connection: ``head`` as soon as anything was asked, then ``drop`` for ever. Gives the address."""
    over = threading.Event()

    def serve() -> None:
        connection, _ = listener.accept()
        with connection:
            connection.recv(65536)
            connection.sendall(head)
            while not over.wait(0.02):
                try:
                    connection.sendall(drop)
                except OSError:
                    return

    with socket.create_server(("127.0.0.1", 0)) as listener:
        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        try:
            yield f"{scheme}://127.0.0.1:{listener.getsockname()[1]}"
        finally:
            over.set()
            thread.join(5)
