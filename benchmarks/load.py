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
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from itertools import cycle
from pathlib import Path
from typing import Any, Final, Protocol, Self, cast

import msgspec
import uvloop

CONNECTIONS: Final = 32
_LONGEST_PLAN: Final = 2**26
_PATIENCE_SECONDS: Final = 10
_HEAD_END: Final = b"\r\n\r\n"
_LENGTH: Final = b"\r\ncontent-length: "
_MARK: Final = b'"refresh_token":"'


class Plan(msgspec.Struct, frozen=True, kw_only=True):
    """What to send, to a port of loopback.

    Attributes:
        forms: what to send in turn; with ``chained`` the first alone, on every connection.
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
    """The generator's process, seen from the outside. A context manager."""

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
    """One request after the other until a moment; ``over`` ends with the number of those that were answered."""

    def __init__(self, chain: "_Chain", *, must_hold: bytes, until: float) -> None:
        self._chain = chain
        self._must_hold = must_hold
        self._until = until
        self._buffer = b""
        self._done = 0
        self.over: asyncio.Future[int] = asyncio.get_running_loop().create_future()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)
        self._transport.write(self._chain.next_request())

    def connection_lost(self, _: Exception | None) -> None:
        if not self.over.done():
            self.over.set_exception(RuntimeError("the server closed a connection"))

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
            self.over.set_exception(RuntimeError(f"{head[:15].decode()}: {body[:200].decode()}"))
            self._transport.close()
            return
        self._done += 1
        self._chain.answered(body)
        if time.monotonic() < self._until:
            self._transport.write(self._chain.next_request())
        else:
            self.over.set_result(self._done)
            self._transport.close()


class _Chain(Protocol):
    """What one connection sends."""

    def next_request(self) -> bytes: ...

    def answered(self, body: bytes) -> None: ...


class _Following:
    """Each request holds the refresh token of the last answer."""

    def __init__(self, request: Callable[[str], bytes], form: str, token: str) -> None:
        self._request = request
        self._form = form
        self._token = token

    def next_request(self) -> bytes:
        return self._request(self._form.replace("{refresh_token}", self._token))

    def answered(self, body: bytes) -> None:
        self._token = body.partition(_MARK)[2].partition(b'"')[0].decode() or self._token


class _InTurn:
    """The same requests over and over."""

    def __init__(self, requests: Iterator[bytes]) -> None:
        self._requests = requests

    def next_request(self) -> bytes:
        return next(self._requests)

    def answered(self, body: bytes) -> None:
        return


def _chains(plan: Plan) -> list[_Chain]:
    """What each connection sends."""
    credentials = f"Authorization: {plan.authorization}\r\n" if plan.authorization else ""

    def request(form: str) -> bytes:
        return (
            f"POST {plan.path} HTTP/1.1\r\nHost: 127.0.0.1:{plan.port}\r\nUser-Agent: benchmarks/1\r\nAccept: */*\r\n"
            f"{credentials}Content-Type: application/x-www-form-urlencoded\r\nContent-Length: {len(form)}\r\n\r\n{form}"
        ).encode()

    if plan.chained:
        return [_Following(request, plan.forms[0], token) for token in plan.first_tokens[: plan.connections]]
    in_turn = _InTurn(cycle([request(form) for form in plan.forms]))
    return [in_turn] * plan.connections


async def _generate() -> None:
    lines = asyncio.StreamReader(limit=_LONGEST_PLAN)
    loop = asyncio.get_running_loop()
    await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(lines), sys.stdin)
    plan = msgspec.json.decode(await lines.readline(), type=Plan)
    chains = _chains(plan)
    while line := await lines.readline():
        seconds = msgspec.json.decode(line, type=float)
        try:
            async with asyncio.timeout(seconds + _PATIENCE_SECONDS):
                _say(await _run(plan, chains, until=time.monotonic() + seconds))
        except (RuntimeError, OSError) as trouble:  # TimeoutError is one
            _say(str(trouble) or "an answer did not come")


async def _run(plan: Plan, chains: Sequence[_Chain], *, until: float) -> int:
    loop = asyncio.get_running_loop()
    connections = []
    for chain in chains:
        _, connection = await loop.create_connection(
            partial(_Connection, chain, must_hold=plan.must_hold.encode(), until=until), "127.0.0.1", plan.port
        )
        connections.append(connection)
    return sum(await asyncio.gather(*(connection.over for connection in connections)))


def _say(message: int | str) -> None:
    sys.stdout.write(msgspec.json.encode(message).decode() + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    uvloop.run(_generate())
