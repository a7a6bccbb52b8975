"""The storage port in memory: a fake that keeps the same promises, held to them by the same contract suite.

Several storages on one ``MemoryDatabase`` are several nodes.
"""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any, TypeVar

import msgspec
from tests.support.memory_tables import MemoryReading, MemoryWriting, Tables

from watchword.protocol.revocation_feed import Entry, first_link, next_link
from watchword.server.domain.grant import Grant, Standing
from watchword.server.domain.lifetimes import AFTERWARDS, AUDIT
from watchword.server.domain.session import Session
from watchword.server.domain.time import Instant
from watchword.server.ports.clock import Clock
from watchword.server.ports.storage import Decision, LogPage, StorageUnavailable
from watchword.server.ports.transaction import Reading, Writing

T = TypeVar("T")


@dataclass
class MemoryDatabase:
    """What is "on disk". ``down`` makes it unavailable."""

    tables: Tables = field(default_factory=Tables)
    turn: asyncio.Lock = field(default_factory=asyncio.Lock)
    grown: asyncio.Event = field(default_factory=asyncio.Event)
    down: bool = False


class MemoryStorage:
    """The port in memory."""

    def __init__(self, clock: Clock, database: MemoryDatabase | None = None) -> None:
        self.database = database or MemoryDatabase()
        self._clock = clock
        self._closed = False

    async def redeem(self, grant_id: bytes, decide: Callable[[Grant, Standing], Decision[T]]) -> T | None:
        self._check()
        # A task of its own: whoever cancels the caller cancels nothing.
        outcome: T | None = await asyncio.shield(asyncio.create_task(self._redeem(grant_id, decide)))
        return outcome

    async def _redeem(self, grant_id: bytes, decide: Callable[[Grant, Standing], Decision[Any]]) -> Any:
        async with self.write() as tx:
            found = await tx.lock_grant(grant_id)
            if found is None:
                return None
            decision = decide(*found)
            if decision.grant is not None:
                await tx.put_grant(decision.grant)
            for entry in decision.entries:
                await tx.revoke(entry)
            for event in decision.events:
                await tx.record(event, now=decision.at)
        return decision.outcome

    @asynccontextmanager
    async def write(self) -> AsyncIterator[Writing]:
        self._check()
        async with self.database.turn:
            self._check()
            tx = MemoryWriting(self.database.tables.copy())
            yield tx
            self._check()
            _append(tx.tables, tx.entries)
            self.database.tables = tx.tables
        if tx.entries:
            self.database.grown.set()
            self.database.grown = asyncio.Event()

    @asynccontextmanager
    async def read(self) -> AsyncIterator[Reading]:
        self._check()
        yield MemoryReading(self.database.tables.copy())

    async def log_head(self) -> tuple[str, int]:
        self._check()
        return self.database.tables.log_name, self.database.tables.sequence

    async def log_after(self, sequence: int, *, now: Instant, limit: int) -> LogPage:
        self._check()
        tables = self.database.tables
        after, link = sequence, tables.links.get(sequence) if sequence > 0 else None
        if sequence == tables.sequence and sequence > 0:
            link = tables.link
        if link is None:
            after, link = 0, first_link(tables.log_name)
        live = [entry for entry in tables.log if entry.seq > after and (entry.until >= now or entry.kid is not None)]
        entries = tuple(live[:limit])
        cut = len(live) > limit
        return LogPage(
            log=tables.log_name,
            after=after,
            after_link=link,
            head=tables.sequence,
            head_link=tables.link,
            entries=entries,
            last=entries[-1].seq if cut else tables.sequence,
            last_link=tables.links[entries[-1].seq] if cut else tables.link,
        )

    async def clock(self) -> Instant:
        self._check()
        return self._clock.now()

    async def sweep(self, *, now: Instant, limit: int) -> int:
        self._check()
        async with self.database.turn:
            tables = self.database.tables.copy()
            swept = _sweep(tables, now, limit)
            self.database.tables = tables
        return swept

    async def wait_for_log(self, sequence: int, *, seconds: float) -> None:
        if self._closed or self.database.tables.sequence > sequence:
            return
        try:
            async with asyncio.timeout(seconds):
                await self.database.grown.wait()
        except TimeoutError:
            return

    async def close(self) -> None:
        self._closed = True

    def _check(self) -> None:
        if self._closed or self.database.down:
            raise StorageUnavailable("the memory is down")


def _append(tables: Tables, entries: list[Entry]) -> None:
    for entry in entries:
        tables.sequence += 1
        numbered = msgspec.structs.replace(entry, seq=tables.sequence)
        tables.link = next_link(tables.link, numbered)
        tables.log.append(numbered)
        tables.links[tables.sequence] = tables.link


def _sweep(tables: Tables, now: Instant, limit: int) -> int:
    swept = 0

    def drop(rows: dict[Any, Any], end: Callable[[Any], float]) -> None:
        nonlocal swept
        for key in [key for key, row in rows.items() if end(row) < now]:
            if swept < limit:
                del rows[key]
                swept += 1

    def end_of(session: Session) -> float:
        if session.ended_at is not None:
            return session.ended_at
        # Its row stays as long as a grant may stand on it.
        grants = (grant.absolute_end for grant in tables.grants.values() if grant.sid == session.sid)
        return max(session.expires_at, *grants, 0)

    drop(tables.sessions, lambda row: end_of(row) + AFTERWARDS)
    drop(tables.grants, lambda row: (row.absolute_end if row.ended_at is None else row.ended_at) + AFTERWARDS)
    drop(tables.codes, lambda row: row.expires_at)
    drop(tables.pushed, lambda row: row.expires_at)
    drop(tables.one_time_links, lambda row: row.expires_at)
    drop(tables.spent, lambda until: until)
    drop(tables.deliveries, lambda row: row.expires_at)
    drop(tables.buckets, lambda row: row.until)
    audit = dict(enumerate(tables.audit))
    drop(audit, lambda row: row.at + AUDIT)
    tables.audit = list(audit.values())
    log = {entry.seq: entry for entry in tables.log}
    drop(log, lambda row: float("inf") if row.kid is not None else row.until)
    tables.log = list(log.values())
    tables.links = {seq: tables.links[seq] for seq in log}
    return swept
