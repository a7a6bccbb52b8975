"""Storage on PostgreSQL, for any number of nodes.

Refreshes share transactions: rows are locked in the order of their ids, decided in the order of arrival, and written by
one UPDATE over arrays. Nothing here relies on LISTEN, NOTIFY or advisory locks.
"""

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from operator import attrgetter
from typing import Any, Final, TypeVar

from sqlalchemy import ARRAY, bindparam, cast, column, extract, func, select, update
from sqlalchemy import Double as DoubleType

from watchword.server.domain.grant import Grant, Standing
from watchword.server.domain.time import Instant
from watchword.server.ports.storage import Decision, LogPage, StorageUnavailable
from watchword.server.ports.transaction import Reading, Writing
from watchword.server.storage import reads, revocation_log, sweeping, writes
from watchword.server.storage import tables as t
from watchword.server.storage.database_url import PostgresDatabase
from watchword.server.storage.grant_rows import grant_of, of_grant, standing_of
from watchword.server.storage.log_watch import LogWatch, SharedRead
from watchword.server.storage.postgres_errors import TryAgain
from watchword.server.storage.postgres_pool import PostgresConnection, PostgresPool
from watchword.server.storage.redemption import ADVANCED, ROTATED, Coalescer, Judged, Waiting, judge
from watchword.server.storage.rows import of_event
from watchword.server.storage.statement import Call, Statement, Steps, fixed
from watchword.server.storage.transaction import StepsReading, StepsWriting

T = TypeVar("T")

BATCH: Final = 64
# While one batch waits for a lock or for a slow commit, another one is under way.
WORKERS: Final = 2
_TRIES: Final = 5

_WRITE: Final = "BEGIN ISOLATION LEVEL READ COMMITTED READ WRITE"
# Only on a primary may a transaction begin that could write, so that nothing is read, and nothing vouched for, on what
# has become a standby. In one message: that costs no journey.
_READ: Final = "BEGIN ISOLATION LEVEL REPEATABLE READ READ WRITE; SET TRANSACTION READ ONLY"


def _advance(columns: tuple[str, ...]) -> Statement:
    names = ("id", *columns)
    arrays = [bindparam(name, type_=ARRAY(t.grants.c[name].type)) for name in names]
    new = (
        func.unnest(*arrays)
        .table_valued(*(column(name, t.grants.c[name].type) for name in names), name="new")
        .render_derived(name="new")
    )
    return fixed(update(t.grants).values({name: new.c[name] for name in columns}).where(t.grants.c.id == new.c.id))


_ADVANCE: Final[dict[tuple[str, ...], Statement]] = {columns: _advance(columns) for columns in (ROTATED, ADVANCED)}
_ADVANCED_OF: Final = {name: attrgetter(name) for name in ("id", *ADVANCED)}
_CLOCK: Final = fixed(select(cast(extract("epoch", func.clock_timestamp()), DoubleType)))


async def open_postgres(database: PostgresDatabase) -> "PostgresStorage":
    """The storage on that database.

    Raises:
        StorageUnavailable: it does not answer.
    """
    storage = PostgresStorage(database)
    try:
        await storage.clock()
    except BaseException:
        await storage.close()
        raise
    return storage


class PostgresStorage:
    """The port on PostgreSQL. Belongs to the event loop that opened it."""

    def __init__(self, database: PostgresDatabase) -> None:
        self._pool = PostgresPool(database)
        self._coalescer = Coalescer(self._carry, workers=WORKERS, size=BATCH)
        self._head = SharedRead(self._read_head)
        self._watch = LogWatch(self._peek)
        self._closed = False

    async def redeem(self, grant_id: bytes, decide: Callable[[Grant, Standing], Decision[T]]) -> T | None:
        """See the port."""
        outcome: T | None = await self._coalescer.submit(grant_id, decide)
        return outcome

    @asynccontextmanager
    async def write(self) -> AsyncIterator[Writing]:
        """See the port."""
        async with self._pool.transaction(_WRITE) as connection:
            transaction = StepsWriting(connection.run)
            try:
                yield transaction
                head = await _commit(connection, transaction.entries)
            finally:
                transaction.finish()
        if head is not None:
            self._watch.grown(head)

    @asynccontextmanager
    async def read(self) -> AsyncIterator[Reading]:
        """See the port."""
        async with self._pool.transaction(_READ) as connection:
            transaction = StepsReading(connection.run)
            try:
                yield transaction
                await connection.command("COMMIT")
            finally:
                transaction.finish()

    async def log_head(self) -> tuple[str, int]:
        """See the port."""
        return await self._head()

    async def log_after(self, sequence: int, *, now: Instant, limit: int) -> LogPage:
        """See the port."""
        page = await self._read(revocation_log.page(sequence, now=now, limit=limit))
        self._watch.grown(page.head)
        return page

    async def clock(self) -> Instant:
        """See the port."""
        row = await self._read(reads.one(_CLOCK))
        if row is None:
            raise StorageUnavailable("PostgreSQL: no time")
        return float(row[0])

    async def sweep(self, *, now: Instant, limit: int) -> int:
        """See the port."""
        async with self._pool.transaction(_WRITE) as connection:
            swept = await connection.run(sweeping.sweep(now, limit))
            await connection.command("COMMIT")
        return swept

    async def wait_for_log(self, sequence: int, *, seconds: float) -> None:
        """See the port."""
        if not self._closed:
            await self._watch.wait(sequence, seconds=seconds)

    async def close(self) -> None:
        """See the port."""
        self._closed = True
        await self._watch.close()
        await self._coalescer.close()
        await self._pool.close()

    async def _read(self, steps: Steps[T]) -> T:
        async with self._pool.transaction(_READ) as connection:
            result = await connection.run(steps)
            await connection.command("COMMIT")
        return result

    async def _read_head(self) -> tuple[str, int]:
        name, sequence, _ = await self._read(revocation_log.head())
        return name, sequence

    async def _peek(self) -> int:
        return (await self._head())[1]

    async def _carry(self, batch: list[Waiting]) -> None:
        try:
            await self._redeem(batch)
        except StorageUnavailable:
            raise
        except Exception:
            if len(batch) == 1:
                raise
            for waiting in batch:
                try:
                    await self._redeem([waiting])
                except Exception as error:  # noqa: BLE001 # it is raised where the redemption was asked for
                    waiting.error = error

    async def _redeem(self, batch: list[Waiting]) -> None:
        for tried in range(1, _TRIES + 1):
            try:
                head = await self._redeem_together(batch)
            except TryAgain:
                if tried == _TRIES:
                    raise
            else:
                if head is not None:
                    self._watch.grown(head)
                return

    async def _redeem_together(self, batch: list[Waiting]) -> int | None:
        async with self._pool.transaction(_WRITE) as connection:
            ids = list({waiting.grant_id for waiting in batch})
            rows = await connection.execute(Call(reads.LOCK_GRANTS, {"ids": ids}))
            judged = judge(batch, {row[0]: (grant_of(row), standing_of(row)) for row in rows})
            await _write(connection, judged)
            return await _commit(connection, judged.entries)


async def _write(connection: PostgresConnection, judged: Judged) -> None:
    if judged.advanced:
        # The driver looks at each value of an array for a while, so there are no more arrays than needed.
        arrays = {name: list(map(_ADVANCED_OF[name], judged.advanced)) for name in ("id", *judged.columns)}
        await connection.execute(Call(_ADVANCE[judged.columns], arrays))
    for grant in judged.changed:
        await connection.execute(Call(writes.PUT_GRANT, of_grant(grant) | {"key": grant.id}))
    for event, at in judged.events:
        await connection.execute(Call(writes.ADD_EVENT, of_event(event, at)))


async def _commit(connection: PostgresConnection, entries: list[Any]) -> int | None:
    head = await connection.run(revocation_log.append(entries))
    await connection.command("COMMIT")
    return head
