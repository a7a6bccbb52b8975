"""Redemptions: what comes in together is judged together, in the order of arrival, one row per grant.

The part that both databases share. How rows are loaded, locked and written is theirs.
"""

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from operator import attrgetter
from typing import Any, Final, TypeAlias

import msgspec

from watchword.protocol.revocation_feed import Entry
from watchword.server.domain.audit import AuditEvent
from watchword.server.domain.grant import Grant, Standing
from watchword.server.domain.time import Instant
from watchword.server.ports.storage import Decision, StorageUnavailable

Loaded: TypeAlias = tuple[Grant, Standing]

# How many turns of the event loop a request takes from its arrival to its redemption.
_TURNS: Final = 3
# A batch that takes longer, waiting for a lock or a slow commit, holds up nobody who is not in it.
LONG_SECONDS: Final = 0.02

# What a refresh changes: in the common case, and where a stranger came or comes, too. None of it is indexed.
ROTATED: Final = ("last_used_at", "generation", "redeemed_at", "redeemed_by")
ADVANCED: Final = (*ROTATED, "branch", "forks", "forked_by", "shadows", "shadowed_generation")
_NOT_ROTATED: Final = attrgetter(*(name for name in Grant.__struct_fields__ if name not in ROTATED))
_NOT_ADVANCED: Final = attrgetter(*(name for name in Grant.__struct_fields__ if name not in ADVANCED))


class Waiting(msgspec.Struct, eq=False):
    """Somebody who waits for the redemption of a grant, and what came of it."""

    grant_id: bytes
    decide: Callable[[Grant, Standing], Decision[Any]]
    future: asyncio.Future[Any]
    outcome: Any = None
    error: Exception | None = None


@dataclass(slots=True)
class Judged:
    """What the decisions of a batch ask to be written: of ``advanced`` only ``columns``, of ``changed`` the row."""

    advanced: list[Grant] = field(default_factory=list)
    columns: tuple[str, ...] = ROTATED
    changed: list[Grant] = field(default_factory=list)
    entries: list[Entry] = field(default_factory=list)
    events: list[tuple[AuditEvent, Instant]] = field(default_factory=list)

    @property
    def empty(self) -> bool:
        """Whether nothing is to be written."""
        return not (self.advanced or self.changed or self.entries or self.events)


def judge(batch: Iterable[Waiting], loaded: dict[bytes, Loaded]) -> Judged:
    """Let each decide in turn, on the row as the one before left it. One that raises fails alone."""
    judged = Judged()
    present = dict(loaded)
    for waiting in batch:
        waiting.outcome = waiting.error = None
        found = present.get(waiting.grant_id)
        if found is None:
            continue
        try:
            decision = waiting.decide(*found)
        except Exception as error:  # noqa: BLE001 # it is raised where the decision was asked for
            waiting.error = error
            continue
        waiting.outcome = decision.outcome
        if decision.grant is not None:
            present[waiting.grant_id] = (decision.grant, found[1])
        judged.entries += decision.entries
        if decision.events:
            judged.events += [(event, decision.at) for event in decision.events]
    for grant_id, (after, _) in present.items():
        before = loaded[grant_id][0]
        if after is before:
            continue
        if _NOT_ROTATED(after) == _NOT_ROTATED(before):
            judged.advanced.append(after)
        elif _NOT_ADVANCED(after) == _NOT_ADVANCED(before):
            judged.advanced.append(after)
            judged.columns = ADVANCED
        else:
            judged.changed.append(after)
    return judged


class Coalescer:
    """Gathers redemptions: what arrives while a batch is under way goes into the next. Nobody waits for company.

    A batch costs much the same for one as for many, so they are few: another one begins beside the first only when
    more wait than a batch holds, or when those under way take long.

    Args:
        carry: carries a batch to the database and sets each one's outcome or error.
        workers: how many batches may be under way at once.
        size: how many redemptions a batch may hold.
    """

    def __init__(self, carry: Callable[[list[Waiting]], Awaitable[None]], *, workers: int, size: int) -> None:
        self._carry = carry
        self._workers = workers
        self._size = size
        self._queue: deque[Waiting] = deque()
        self._tasks: set[asyncio.Task[None]] = set()
        # Counted by the workers themselves: one that has seen an empty queue must not be counted on any more, though
        # its task is not over yet.
        self._busy = 0
        # How many of the batches under way take long.
        self._late = 0
        self._closed = False

    def submit(self, grant_id: bytes, decide: Callable[[Grant, Standing], Decision[Any]]) -> asyncio.Future[Any]:
        """The outcome to come. Cancelling it cancels nothing else.

        Raises:
            StorageUnavailable: closed.
        """
        if self._closed:
            raise StorageUnavailable("the storage is closed")
        waiting = Waiting(grant_id, decide, asyncio.get_running_loop().create_future())
        self._queue.append(waiting)
        if self._busy == self._late or len(self._queue) >= self._size:
            self._begin()
        return waiting.future

    async def close(self) -> None:
        """Finish what was submitted, and take no more."""
        self._closed = True
        while self._tasks:
            await asyncio.wait(self._tasks)

    def _begin(self) -> None:
        if self._busy < self._workers:
            self._busy += 1
            task = asyncio.get_running_loop().create_task(self._work())
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    async def _work(self) -> None:
        try:
            while self._queue:
                # No waiting: those whose requests have arrived already get their turn of the loop, and come along.
                for _ in range(_TURNS):
                    await asyncio.sleep(0)
                await self._work_off([self._queue.popleft() for _ in range(min(self._size, len(self._queue)))])
        finally:
            self._busy -= 1

    async def _work_off(self, batch: list[Waiting]) -> None:
        try:
            with self._watched():
                await self._carry(batch)
        except Exception as error:  # noqa: BLE001 # it is raised where the redemptions were asked for
            for waiting in batch:
                waiting.error = error
        except BaseException:
            for waiting in batch:
                waiting.error = StorageUnavailable("the server stops")
            raise
        finally:
            for waiting in batch:
                _answer(waiting)

    @contextmanager
    def _watched(self) -> Iterator[None]:
        """Count the batch as late once it takes long; another one may begin beside it then."""
        late = False

        def is_late() -> None:
            nonlocal late
            late = True
            self._late += 1
            if self._queue:
                self._begin()

        alarm = asyncio.get_running_loop().call_later(LONG_SECONDS, is_late)
        try:
            yield
        finally:
            alarm.cancel()
            self._late -= late


def _answer(waiting: Waiting) -> None:
    if waiting.future.done():
        return
    if waiting.error is None:
        waiting.future.set_result(waiting.outcome)
    elif isinstance(waiting.error, StorageUnavailable):
        # Each gets an exception of his own: raising one in several places mixes up their tracebacks.
        waiting.future.set_exception(StorageUnavailable(*waiting.error.args))
    else:
        waiting.future.set_exception(waiting.error)
