"""HTTP/1.1 by uvicorn and httptools, with the bounds that they lack: sizes of heads and messages, a client's time.

Whoever connects holds a file descriptor and, while he sends, memory. He gets 10 s to send a request's head, however
slowly its bytes drip, and about 32 KB for it; nothing of his request is looked at before it has all come.

Implements: RFC 6585 §5 (431); RFC 9112 §9.5 (connections that are not used are closed).
"""

from asyncio import BaseTransport, Transport
from asyncio.events import TimerHandle
from typing import Any, Final, cast

from uvicorn.protocols.http.httptools_impl import STATUS_LINE, HttpToolsProtocol, RequestResponseCycle

MAX_HEAD: Final = 32 * 1024
MAX_HEADERS: Final = 100
# Bodies have a bound of their own (64 KB). This one is for what is around them: sizes of chunks, trailers.
MAX_MESSAGE: Final = 1024 * 1024
HEAD_SECONDS: Final = 10.0
# What comes at once is fed in pieces, as limits are looked at between them.
_PIECE: Final = 8 * 1024
_TOO_LARGE: Final = b'{"error":"invalid_request","error_description":"the head of the request is too large"}'
_TOO_LARGE_HEADERS: Final = [
    (b"content-type", b"application/json"),
    (b"content-length", b"%d" % len(_TOO_LARGE)),
    (b"cache-control", b"no-store"),
    (b"connection", b"close"),
]


class BoundedHttp(HttpToolsProtocol):
    """One connection."""

    def __init__(self, *arguments: Any, **named: Any) -> None:
        super().__init__(*arguments, **named)
        self.headers = []
        self._room = MAX_HEAD
        self._in_head = True
        self._patience: TimerHandle | None = None

    def connection_made(self, transport: BaseTransport) -> None:
        """See ``asyncio.Protocol``."""
        super().connection_made(cast("Transport", transport))
        self._be_patient()

    def connection_lost(self, exc: Exception | None) -> None:
        """See ``asyncio.Protocol``."""
        self._came_in_time()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """See ``asyncio.Protocol``."""
        if len(data) <= _PIECE:
            self._take(data)
            return
        for at in range(0, len(data), _PIECE):
            if self.transport.is_closing():
                return
            self._take(data[at : at + _PIECE])

    def on_message_begin(self) -> None:
        """A head's first byte."""
        self._in_head = True
        self._room = MAX_HEAD
        super().on_message_begin()

    def on_headers_complete(self) -> None:
        """A head's last byte."""
        if len(self.headers) > MAX_HEADERS:
            # The parser ends at an error, and no request begins.
            self._refuse()
            raise ValueError("too many headers")
        self._in_head = False
        self._room = MAX_MESSAGE
        if self._patience is not None:
            self._came_in_time()
        super().on_headers_complete()

    def send_400_response(self, msg: str) -> None:
        """What is no HTTP."""
        if not self.transport.is_closing():
            super().send_400_response(msg)

    def _take(self, piece: bytes) -> None:
        super().data_received(piece)
        self._room -= len(piece)
        if self._room < 0 or len(self.headers) > MAX_HEADERS:
            self._refuse()
        elif self._patience is None and self._idle():
            # Part of a head, or of a body that was not waited for. What comes after this gains no more time.
            self._be_patient()

    def _idle(self) -> bool:
        """No request is being answered."""
        cycle: RequestResponseCycle | None = self.cycle
        return cycle is None or cycle.response_complete

    def _be_patient(self) -> None:
        self._patience = self.loop.call_later(HEAD_SECONDS, self.transport.close)

    def _came_in_time(self) -> None:
        if self._patience is not None:
            self._patience.cancel()
            self._patience = None

    def _refuse(self) -> None:
        if self.transport.is_closing():
            return
        # Between the parts of another answer, or after a request's own, it would be taken for something else.
        if self._in_head and self._idle():
            headers = [*self.server_state.default_headers, *_TOO_LARGE_HEADERS]
            lines = [STATUS_LINE[431], *(b"%s: %s\r\n" % header for header in headers), b"\r\n", _TOO_LARGE]
            self.transport.write(b"".join(lines))
        self.transport.close()
