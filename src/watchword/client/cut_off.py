"""An end for one exchange over HTTP that a thread waits for, however slowly the other side drips.

A read timeout starts anew with each byte, so it bounds the gaps and not the whole. A timer therefore shuts down, at
the end, whatever was connected: who reads from it finds the connection closed. What comes before is not in its reach:
looking up a name, and knocking at each of its addresses, have the times of the system and of the HTTP library.
"""

import contextlib
import math
import socket
import threading
import time
from collections.abc import Mapping
from types import TracebackType
from typing import Any, Self


class CutOff:
    """Cuts connections ``seconds`` after it was entered. Leaves no thread and no descriptor behind.

    Its ``trace`` is given to the HTTP library as the request's extension of that name.
    """

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self._until = time.monotonic() + seconds
        self._guard = threading.Lock()
        self._connected: list[socket.socket] = []
        self._timer: threading.Timer | None = None

    @property
    def over(self) -> bool:
        """Whether the end has come."""
        return time.monotonic() >= self._until

    def trace(self, event: str, found: Mapping[str, Any]) -> None:
        """Note a connection as soon as it is made, before TLS: its greeting may drip as well."""
        if event.split(".")[1:] == ["connect_tcp", "complete"]:
            # A descriptor of our own: the library's may be closed, and its number given away, at any moment.
            connection = found["return_value"].get_extra_info("socket").dup()
            with self._guard:
                self._connected.append(connection)
                if self.over:
                    _shut(connection)

    def __enter__(self) -> Self:
        self._until = time.monotonic() + self._seconds
        timer = threading.Timer(self._seconds, self._cut)
        timer.daemon = True
        # While the interpreter ends no thread can start: then a sign-out has the timeouts of its reads alone.
        with contextlib.suppress(RuntimeError):
            timer.start()
            self._timer = timer
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer.join()
        for connection in self._connected:
            connection.close()

    def _cut(self) -> None:
        with self._guard:
            self._until = -math.inf  # whatever the clock's grain
            for connection in self._connected:
                _shut(connection)


def _shut(connection: socket.socket) -> None:
    with contextlib.suppress(OSError):  # the other side was quicker
        connection.shutdown(socket.SHUT_RDWR)
