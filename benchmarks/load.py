"""The load generator: a process of its own, so that what it costs is not counted.

Keep-alive connections, one request in flight on each, on raw sockets. A refresh goes on with the token of the last
answer, so that every connection owns a chain. The program reads a plan and then commands from stdin, one JSON value a
line; each command is a number of seconds, each answer the number of operations that were done.

Run by itself, ``python -m benchmarks.load`` waits for a plan: see ``Plan``.
"""

import asyncio
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from itertools import cycle
from pathlib import Path
from typing import Any, Final, Self, cast

import msgspec
import uvloop

CONNECTIONS: Final = 32
_HEAD_END: Final = b"\r\n\r\n"
_LENGTH: Final = b"\r\ncontent-length: "
_MARK: Final = b'"refresh_token":"'


class Plan(msgspec.Struct, frozen=True, kw_only=True):
    """What to send, to a port of loopback.

    Attributes:
        forms: one form per connection; with ``follows`` they are turned over among all connections instead.
        authorization: the header's value, or empty.
        must_hold: text that every answer must hold.
        chained: whether ``{refresh_token}`` in the form is replaced by the refresh token of the last answer.
        first_tokens: with ``chained``, the token that each connection begins with.
    """

    port: int
    path: str
    forms: list[str]
    authorization: str = ""
    must_hold: str = ""
    chained: bool = False
    first_tokens: list[str] = []
    connections: int = CONNECTIONS


class Load:
    """The generator's process, seen from the outside. A context manager; connects on entering."""

    def __init__(self, plan: Plan) -> None:
        self._plan = plan

    def __enter__(self) -> Self:
        self._process = subprocess.Popen(
            [sys.executable, "-m", "benchmarks.load"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            cwd=Path(__file__).parent.parent,
        )
        self._send(self._plan)
        self._receive()
        return self

    def __exit__(self, *_: object) -> None:
        self._process.communicate(timeout=10)

    def run(self, seconds: float) -> int:
        """Load for that long; the number of operations.

        Raises:
            RuntimeError: an answer was not the expected one.
        """
        self._send(seconds)
        return self._receive()

    def _send(self, message: Any) -> None:
        assert self._process.stdin is not None
        self._process.stdin.write(msgspec.json.encode(message) + b"\n")
        self._process.stdin.flush()

    def _receive(self) -> int:
        assert self._process.stdout is not None
        answer = msgspec.json.decode(self._process.stdout.readline() or b'"it ended"', type=int | str)
        if isinstance(answer, str):
            raise RuntimeError(f"the load generator stopped: {answer}")
        return answer


class _Connection(asyncio.Protocol):
    """One request after the other, until told to rest."""

    def __init__(self, next_request: Callable[[bytes], bytes], *, must_hold: bytes, ended: Callable[[str], None]) -> None:
        self._next_request = next_request
        self._must_hold = must_hold
        self._ended = ended
        self._buffer = b""
        self._last = b""
        self._idle = asyncio.Event()
        self._until = 0.0
        self.done = 0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)

    def connection_lost(self, _: Exception | None) -> None:
        self._ended("the server closed a connection")

    async def run(self, until: float) -> int:
        self._until, self.done = until, 0
        self._idle.clear()
        self._transport.write(self._next_request(self._last))
        await self._idle.wait()
        return self.done

    def data_received(self, data: bytes) -> None:
        self._buffer += data
        head, found, body = self._buffer.partition(_HEAD_END)
        if not found:
            return
        length = int(head.lower().partition(_LENGTH)[2].partition(b"\r\n")[0] or 0)
        if len(body) < length:
            return
        self._buffer = b""
        if head[9:12] != b"200" or self._must_hold not in body:
            self._ended(f"{head[:15].decode()}: {body[:200].decode()}")
            return
        self.done += 1
        self._last = body
        if time.monotonic() < self._until:
            self._transport.write(self._next_request(body))
        else:
            self._idle.set()


def _requests(plan: Plan) -> Sequence[Callable[[bytes], bytes]]:
    """For each connection, what makes its next request out of the last answer."""
    credentials = f"Authorization: {plan.authorization}\r\n" if plan.authorization else ""

    def request(form: str) -> bytes:
        return (
            f"POST {plan.path} HTTP/1.1\r\nHost: 127.0.0.1:{plan.port}\r\nUser-Agent: benchmarks/1\r\nAccept: */*\r\n"
            f"{credentials}Content-Type: application/x-www-form-urlencoded\r\nContent-Length: {len(form)}\r\n\r\n{form}"
        ).encode()

    if not plan.chained:
        made = cycle([request(form) for form in plan.forms])
        return [lambda _: next(made)] * plan.connections

    def chain(form: str, token: str) -> Callable[[bytes], bytes]:
        def following(last: bytes) -> bytes:
            found = last.partition(_MARK)[2].partition(b'"')[0].decode() or token
            return request(form.replace("{refresh_token}", found))

        return following

    return [chain(plan.forms[0], token) for token in plan.first_tokens[: plan.connections]]


async def _generate() -> None:
    lines = asyncio.StreamReader(limit=2**26)
    loop = asyncio.get_running_loop()
    await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(lines), sys.stdin)
    plan = msgspec.json.decode(await lines.readline(), type=Plan)
    trouble: asyncio.Future[None] = loop.create_future()

    def ended(why: str) -> None:
        if not trouble.done():
            trouble.set_exception(RuntimeError(why))

    connections = []
    for next_request in _requests(plan):
        _, connection = await loop.create_connection(
            lambda made=next_request: _Connection(made, must_hold=plan.must_hold.encode(), ended=ended),  # type: ignore[misc]
            "127.0.0.1",
            plan.port,
        )
        connections.append(connection)
    _say(0)
    while line := await lines.readline():
        until = time.monotonic() + msgspec.json.decode(line, type=float)
        all_of_them = asyncio.gather(*(connection.run(until) for connection in connections))
        await asyncio.wait([all_of_them, trouble], return_when=asyncio.FIRST_COMPLETED)
        if trouble.done():
            all_of_them.cancel()
            _say(str(trouble.exception()))
            return
        _say(sum(all_of_them.result()))
    trouble.cancel()


def _say(message: int | str) -> None:
    sys.stdout.write(msgspec.json.encode(message).decode() + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    uvloop.run(_generate())
