"""A relay between programs of a test: a load balancer, a network that is cut, freezes, or breaks at a given byte."""

import asyncio
import threading
from collections.abc import Awaitable, Callable
from contextlib import suppress
from pathlib import Path
from typing import Any, Self, TypeAlias
from urllib.parse import parse_qs, urlsplit

from watchword.server.storage.database_url import PostgresDatabase

# A port of loopback, or the path of a socket.
Address: TypeAlias = int | Path


class Broken(Exception):
    """Raised in ``up`` or ``down``: break this connection, both ways, at once."""


class Link:
    """One connection. ``notes`` is for a subclass of ``Relay`` to remember what it saw."""

    def __init__(self, client: asyncio.StreamWriter, server: asyncio.StreamWriter) -> None:
        self.client = client
        self.server = server
        self.notes: dict[str, Any] = {}

    def cut(self) -> None:
        """Reset both halves; what was not delivered is lost."""
        for writer in (self.client, self.server):
            writer.transport.abort()


class Relay:
    """Listens on a port of loopback and passes on what comes, in a thread of its own.

    Args:
        target: where to; may be changed at any time, and holds for new connections.
    """

    def __init__(self, target: Address) -> None:
        self.target = target
        self.port = 0
        self._links: set[Link] = set()
        self._open = True
        self._loop = asyncio.new_event_loop()
        self._flowing = asyncio.Event()
        self._flowing.set()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)

    @classmethod
    def before(cls, database: PostgresDatabase) -> Self:
        """A relay in front of the PostgreSQL of the tests, which listens on a socket."""
        folder = parse_qs(urlsplit(database.dsn).query)["host"][0]
        return cls(Path(folder, ".s.PGSQL.5432"))

    def dsn(self, database: PostgresDatabase) -> str:
        """The database's URL by way of this relay."""
        return f"postgresql://postgres@127.0.0.1:{self.port}/{urlsplit(database.dsn).path.strip('/')}?sslmode=disable"

    def __enter__(self) -> Self:
        self._thread.start()
        self._server = self._call(lambda: asyncio.start_server(self._accept, "127.0.0.1", 0, backlog=1024))
        self.port = self._server.sockets[0].getsockname()[1]
        return self

    def __exit__(self, *_: object) -> None:
        self._call(self._end)
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(10)
        self._loop.close()

    def cut(self) -> None:
        """Break all connections, and every new one."""
        self._call(self._cut)

    def freeze(self) -> None:
        """Pass on nothing any more, and say nothing: as when a cable is pulled."""
        self._call(self._freeze)

    def heal(self) -> None:
        """Pass on everything again, also what was held back."""
        self._call(self._heal)

    async def up(self, link: Link, chunk: bytes) -> bytes:
        """What to pass on of ``chunk``, which comes from the client. For subclasses."""
        return chunk

    async def down(self, link: Link, chunk: bytes) -> bytes:
        """What to pass on of ``chunk``, which comes from the server. For subclasses."""
        return chunk

    def _call(self, work: Callable[[], Awaitable[Any]]) -> Any:
        async def called() -> Any:
            return await work()

        return asyncio.run_coroutine_threadsafe(called(), self._loop).result(10)

    async def _cut(self) -> None:
        self._open = False
        for link in list(self._links):
            link.cut()

    async def _freeze(self) -> None:
        self._flowing.clear()

    async def _heal(self) -> None:
        self._open = True
        self._flowing.set()

    async def _end(self) -> None:
        self._server.close()
        self._flowing.set()
        await self._cut()
        others = asyncio.all_tasks() - {asyncio.current_task()}
        for task in others:
            task.cancel()
        await asyncio.gather(*others, return_exceptions=True)

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if not self._open:
            writer.transport.abort()
            return
        try:
            if isinstance(self.target, Path):
                there = await asyncio.open_unix_connection(self.target)
            else:
                there = await asyncio.open_connection("127.0.0.1", self.target)
        except OSError:
            writer.transport.abort()
            return
        link = Link(writer, there[1])
        self._links.add(link)
        try:
            await asyncio.gather(
                self._pass(reader, there[1], lambda chunk: self.up(link, chunk)),
                self._pass(there[0], writer, lambda chunk: self.down(link, chunk)),
            )
        except (OSError, Broken):
            link.cut()
        finally:
            self._links.discard(link)
            for half in (writer, there[1]):
                half.close()

    async def _pass(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, change: Callable[[bytes], Awaitable[bytes]]
    ) -> None:
        while chunk := await reader.read(65536):
            await self._flowing.wait()
            writer.write(await change(chunk))
            await writer.drain()
        with suppress(OSError, RuntimeError):
            writer.write_eof()
