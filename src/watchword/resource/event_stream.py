"""Server-sent events, as far as the revocation feed needs them. Pure.

Implements: HTML Living Standard §9.2.5, §9.2.6.
Diverges: a lone carriage return ends no line; ``retry`` is ignored, as reconnecting is the reader's own affair.
"""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Event:
    """One message: its name, its id as of then, and its data."""

    name: str
    id: str
    data: str


class EventStream:
    """Cuts a stream of bytes into events.

    Args:
        limit: bytes that one line, and the data of one event, may have.
    """

    def __init__(self, *, limit: int) -> None:
        self._limit = limit
        self._rest = bytearray()
        self._name = ""
        self._id = ""
        self._data: list[str] = []
        self._length = 0

    def feed(self, chunk: bytes) -> list[Event]:
        """The events that ``chunk`` completes.

        Raises:
            ValueError: not UTF-8, or longer than allowed.
        """
        self._rest += chunk
        *lines, rest = self._rest.split(b"\n")
        self._rest = rest
        if len(rest) > self._limit:
            raise ValueError("a line of the stream is too long")
        found = []
        for line in lines:
            event = self._line(line.removesuffix(b"\r").decode("utf-8"))
            if event is not None:
                found.append(event)
        return found

    def _line(self, line: str) -> Event | None:
        if not line:
            return self._dispatch()
        field, _, value = line.partition(":")
        value = value.removeprefix(" ")
        if field == "event":
            self._name = value
        elif field == "id":
            self._id = value
        elif field == "data":
            self._length += len(value)
            if self._length > self._limit:
                raise ValueError("an event of the stream is too long")
            self._data.append(value)
        return None

    def _dispatch(self) -> Event | None:
        event = Event(self._name or "message", self._id, "\n".join(self._data)) if self._data else None
        self._name, self._data, self._length = "", [], 0
        return event
