"""A thread that owns a SQLite connection and runs what it is given, one after the other."""

import asyncio
import threading
from collections.abc import Callable
from contextlib import suppress
from queue import SimpleQueue
from typing import Any, Final, TypeVar

from sqlalchemy.dialects.sqlite import insert
from sqlalchemy.dialects.sqlite.pysqlite import dialect

from watchword.server.ports.storage import StorageUnavailable
from watchword.server.storage.database_url import SqliteDatabase
from watchword.server.storage.sqlite_driver import BUSY_SECONDS, connect, driver, is_busy, unavailable
from watchword.server.storage.sqlite_place import SqlitePlace
from watchword.server.storage.statement import Call, Compiler, Rows, Statement, Steps, drive

T = TypeVar("T")

# How long to wait for a lock that somebody has held for all of the ordinary time already.
IMPATIENT_SECONDS: Final = 0.25

# The statements are the same for every connection, so they are compiled once per process.
_compiler = Compiler(dialect(), insert)


class SqliteConnection:
    """A connection, to be used on the thread that opened it. ``raw`` is the driver's own."""

    def __init__(self, raw: Any, place: SqlitePlace) -> None:
        self.raw = raw
        self.place = place
        self._impatient = False

    def execute(self, call: Call) -> Rows:
        """Run one statement."""
        compiled = _compiler(call.statement)
        rows: Rows = self.raw.execute(compiled.sql, compiled.bind(call.values)).fetchall()
        return rows

    def run(self, steps: Steps[T]) -> T:
        """Run steps to their end."""
        return drive(steps, self.execute)

    def sql(self, statement: Statement) -> tuple[str, tuple[str, ...]]:
        """Text of a statement and the order of its parameters, for hot paths."""
        compiled = _compiler(statement)
        return compiled.sql, compiled.names

    def begin_writing(self) -> None:
        """Take the database's only write lock.

        Once another process has held it for longer than anybody waits, the next ones in the queue do not wait as long:
        their callers have waited already. The first success ends that.

        Raises:
            StorageUnavailable: the file is not at its place any more.
        """
        try:
            self.raw.execute("BEGIN IMMEDIATE")
        except driver.OperationalError as error:
            if is_busy(error):
                self._hurry(impatient=True)
            raise
        self._hurry(impatient=False)
        try:
            self.place.check()
        except StorageUnavailable:
            self.rollback()
            raise

    def begin_reading(self) -> None:
        """Begin a transaction of which the first read decides what is seen."""
        self.place.check()
        self.raw.execute("BEGIN")

    def _hurry(self, *, impatient: bool) -> None:
        if impatient is not self._impatient:
            self._impatient = impatient
            seconds = IMPATIENT_SECONDS if impatient else BUSY_SECONDS
            self.raw.execute(f"PRAGMA busy_timeout = {int(seconds * 1000)}").fetchall()

    def rollback(self) -> None:
        """Give up the transaction, if one is open."""
        if self.raw.in_transaction:
            # Some errors have rolled back already.
            with suppress(driver.Error):
                self.raw.execute("ROLLBACK")


class SqliteThread:
    """The thread. ``run`` hands it work from the event loop, ``post`` does without waiting for the end."""

    def __init__(self, database: SqliteDatabase, name: str, *, place: SqlitePlace, read_only: bool) -> None:
        self._database = database
        self._place = place
        self._read_only = read_only
        self._loop = asyncio.get_running_loop()
        self._jobs: SimpleQueue[tuple[Callable[..., Any], tuple[Any, ...], asyncio.Future[Any] | None] | None]
        self._jobs = SimpleQueue()
        self._connection: SqliteConnection | None = None
        self._thread = threading.Thread(target=self._work, name=name, daemon=True)
        self._thread.start()

    def run(self, work: Callable[..., T], *args: Any) -> asyncio.Future[T]:
        """The result of ``work(connection, *args)``. Cancelling the future does not stop the work."""
        future: asyncio.Future[T] = self._loop.create_future()
        self._jobs.put((work, args, future))
        return future

    def post(self, work: Callable[..., Any], *args: Any) -> None:
        """Have ``work(connection, *args)`` done after what was handed over before; nobody hears of its end."""
        self._jobs.put((work, args, None))

    async def open(self) -> None:
        """Connect.

        Raises:
            StorageUnavailable: it cannot be.
        """
        await self.run(lambda _: None)

    async def close(self) -> None:
        """Finish what was handed over, and end."""
        self._jobs.put(None)
        while self._thread.is_alive():
            await asyncio.to_thread(self._thread.join)

    def _work(self) -> None:
        while (job := self._jobs.get()) is not None:
            work, args, future = job
            result: Any = None
            failure: BaseException | None = None
            try:
                result = work(self._open(), *args)
            except BaseException as error:  # noqa: BLE001 # it is raised where the work was asked for
                failure = unavailable(error) if isinstance(error, driver.Error) else error
            if future is not None:
                # A loop that is closed has nobody left who waits.
                with suppress(RuntimeError):
                    self._loop.call_soon_threadsafe(_answer, future, result, failure)
            # Whoever waits owns what came of it now.
            del job, work, args, future, result, failure
        if self._connection is not None:
            with suppress(driver.Error):
                self._connection.raw.close()

    def _open(self) -> SqliteConnection:
        if self._connection is None:
            raw = connect(self._database, read_only=self._read_only)
            try:
                # The first read makes the files beside the database.
                raw.execute("SELECT count(*) FROM sqlite_master").fetchall()
                self._place.remember()
            except BaseException:
                raw.close()
                raise
            self._connection = SqliteConnection(raw, self._place)
        return self._connection


def _answer(future: asyncio.Future[Any], result: Any, failure: BaseException | None) -> None:
    if future.done():
        return
    if failure is None:
        future.set_result(result)
    else:
        future.set_exception(failure)
