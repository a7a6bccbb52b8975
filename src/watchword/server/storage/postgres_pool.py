"""Connections to PostgreSQL: few, reused, and dropped at the first doubt."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any, Final
from urllib.parse import urlsplit

import asyncpg
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.dialects.postgresql.asyncpg import dialect

from watchword.server.ports.storage import StorageUnavailable
from watchword.server.storage.database_url import PostgresDatabase
from watchword.server.storage.postgres_errors import ConnectionLost, OnStandby, translated
from watchword.server.storage.postgres_url import Place, places
from watchword.server.storage.statement import Call, Compiler, Rows, Steps, T

CONNECTIONS: Final = 10
CONNECT_SECONDS: Final = 5
STATEMENT_SECONDS: Final = 5
# A connection that rested answers at once, or the line is dead without having said so.
_BEGIN_SECONDS: Final = 2
_SETTINGS: Final = {
    "application_name": "watchword",
    # A node that froze in the middle of a transaction must not hold its locks for ever.
    "idle_in_transaction_session_timeout": "15000",
}

compiler: Final = Compiler(dialect(), insert)  # type: ignore[no-untyped-call] # SQLAlchemy leaves it untyped


async def connect(database: PostgresDatabase, *, patient: bool = False) -> Any:
    """A connection of the driver's own, to the primary.

    Args:
        database: where it is; where the URL names several servers, the first that is the primary.
        patient: statements and pauses may take any time, as migrations do.

    Raises:
        StorageUnavailable: there is none to be had.
    """
    options: dict[str, Any] = {} if patient else {"command_timeout": STATEMENT_SECONDS, "server_settings": _SETTINGS}
    # What the driver would judge by was said at the greeting, and a pool in between repeats that of a server before.
    options["target_session_attrs"] = "any"
    named = places(urlsplit(database.dsn))
    with translated():
        try:
            if len(named) > 1:
                return await _connect_to_one_of(named, database, options)
            return await _connect_to_primary(database, timeout=CONNECT_SECONDS, **options)
        except ValueError as error:
            # What the environment adds (PGPORT) was not checked with the URL.
            raise asyncpg.ClientConfigurationError("not to be repeated") from error


async def _connect_to_one_of(named: list[Place], database: PostgresDatabase, options: dict[str, Any]) -> Any:
    """As the driver does it, but a server that is silent does not use up the time of the others."""
    failed: list[Exception] = []
    for host, port in named:
        seconds = CONNECT_SECONDS / len(named)
        try:
            return await _connect_to_primary(database, host=host, port=port, timeout=seconds, **options)
        except (OSError, asyncpg.CannotConnectNowError, asyncpg.TargetServerAttributeNotMatched) as error:
            failed.append(error)
    # That one is a standby says more than that another one is away.
    raise next((one for one in failed if isinstance(one, asyncpg.TargetServerAttributeNotMatched)), failed[-1])


async def _connect_to_primary(database: PostgresDatabase, **options: Any) -> Any:
    raw = await asyncpg.connect(database.dsn, **options)
    try:
        # Not whether transactions are read-only: a primary's may be unless they say otherwise, and ours do.
        if await raw.fetchval("SELECT pg_catalog.pg_is_in_recovery()", timeout=options["timeout"]):
            raise asyncpg.TargetServerAttributeNotMatched("a standby")
    except BaseException:
        raw.terminate()
        raise
    return raw


class PostgresConnection:
    """A connection. ``raw`` is the driver's own, which keeps its prepared statements."""

    def __init__(self, raw: Any) -> None:
        self.raw = raw

    async def execute(self, call: Call) -> Rows:
        """Run one statement."""
        compiled = compiler(call.statement)
        with translated():
            rows: Rows = await self.raw.fetch(compiled.sql, *compiled.bind(call.values))
        return rows

    async def run(self, steps: Steps[T], /) -> T:
        """Run steps to their end."""
        try:
            call = next(steps)
            while True:
                call = steps.send(await self.execute(call))
        except StopIteration as end:
            result: T = end.value
            return result

    async def command(self, sql: str, *, seconds: float | None = None) -> None:
        """BEGIN, COMMIT and the like; within ``seconds`` instead of the time for a statement."""
        with translated():
            await self.raw.execute(sql, timeout=seconds)


class PostgresPool:
    """The connections of a node. Nobody waits longer for one than a statement may take."""

    def __init__(self, database: PostgresDatabase) -> None:
        self._database = database
        self._free = asyncio.Semaphore(CONNECTIONS)
        self._idle: list[PostgresConnection] = []
        self._closed = False

    @asynccontextmanager
    async def transaction(self, begin: str) -> AsyncIterator[PostgresConnection]:
        """A connection inside a transaction. The block commits; what it left open is rolled back.

        Raises:
            StorageUnavailable: there is no connection to be had.
        """
        patience = asyncio.get_running_loop().time() + STATEMENT_SECONDS
        try:
            async with asyncio.timeout_at(patience):
                await self._free.acquire()
        except TimeoutError:
            raise StorageUnavailable("PostgreSQL: all connections are in use") from None
        connection: PostgresConnection | None = None
        try:
            try:
                async with asyncio.timeout_at(patience):
                    connection = await self._begun(begin)
            except TimeoutError:
                raise StorageUnavailable("PostgreSQL: no connection within its time") from None
            yield connection
        except ConnectionLost as lost:
            # A line that is silent would be waited for once more.
            if connection is not None:
                connection.raw.terminate()
            if isinstance(lost, OnStandby):
                self._forget_idle()
            raise
        except Exception:
            if connection is not None:
                await _roll_back(connection)
            raise
        except BaseException:
            # Cancelled: the connection may be anywhere in its protocol, and nothing may be awaited any more.
            if connection is not None:
                connection.raw.terminate()
            raise
        finally:
            if connection is not None:
                self._take_back(connection)
            self._free.release()

    async def close(self) -> None:
        """Close what is idle, and later what is in use."""
        self._closed = True
        idle, self._idle = self._idle, []
        await asyncio.gather(*(_close(connection) for connection in idle))

    def _forget_idle(self) -> None:
        idle, self._idle = self._idle, []
        for connection in idle:
            connection.raw.terminate()

    async def _begun(self, begin: str) -> PostgresConnection:
        if self._closed:
            raise StorageUnavailable("the storage is closed")
        while self._idle:
            connection = self._idle.pop()
            try:
                await connection.command(begin, seconds=_BEGIN_SECONDS)
            except ConnectionLost as lost:
                # It died while it rested, as after a restart of the database. Nothing was done on it yet.
                connection.raw.terminate()
                if isinstance(lost, OnStandby) or isinstance(lost.__cause__, TimeoutError):
                    # Where one is met with silence, so are the others; each would cost as much time to find out. And
                    # where one leads to what is a standby now, the others are older than the fail-over, too.
                    self._forget_idle()
            except BaseException:
                connection.raw.terminate()
                raise
            else:
                return connection
        connection = PostgresConnection(await connect(self._database))
        try:
            await connection.command(begin)
        except BaseException:
            connection.raw.terminate()
            raise
        return connection

    def _take_back(self, connection: PostgresConnection) -> None:
        if connection.raw.is_closed():
            return
        if self._closed or connection.raw.is_in_transaction():
            connection.raw.terminate()
        else:
            self._idle.append(connection)


async def _close(connection: PostgresConnection) -> None:
    try:
        await connection.raw.close(timeout=1)
    except (asyncpg.PostgresError, asyncpg.InterfaceError, OSError, TimeoutError):
        connection.raw.terminate()


async def _roll_back(connection: PostgresConnection) -> None:
    if connection.raw.is_closed():
        return
    try:
        await connection.command("ROLLBACK")
    except BaseException as error:
        connection.raw.terminate()
        if not isinstance(error, StorageUnavailable):
            raise
