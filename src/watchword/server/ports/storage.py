"""Storage: what is kept, and the promises about it.

A deciding read goes to the primary. What a method acknowledged is durable. Trouble is ``StorageUnavailable``, never a
guess. Every sentence here is a test of tests/contracts, run on each implementation.
"""

from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from typing import Generic, Protocol, TypeVar

import msgspec

from watchword.protocol.revocation_feed import Entry
from watchword.server.domain.audit import AuditEvent
from watchword.server.domain.grant import Grant, Standing
from watchword.server.domain.time import Instant
from watchword.server.ports.transaction import Reading, Writing

T = TypeVar("T")
T_co = TypeVar("T_co", covariant=True)


class StorageUnavailable(Exception):
    """The database did not answer, is locked, full, read-only or gone. Nothing is known to have changed.

    The edge answers 503 with Retry-After.
    """


class Decision(msgspec.Struct, Generic[T_co], frozen=True):
    """What a rule decided about a grant: the outcome for the flow, the row to write, and what to record with it.

    ``at`` is the instant of the decision, for the audit rows.
    """

    outcome: T_co
    at: Instant
    grant: Grant | None = None
    entries: tuple[Entry, ...] = ()
    events: tuple[AuditEvent, ...] = ()


@dataclass(frozen=True, slots=True)
class LogPage:
    """A part of the revocation log.

    Attributes:
        log: the log's random name.
        after, after_link: the number after which the page begins, and the chain's link there. ``after`` is 0 when the
            asked one is unknown (swept, or of another log): the page then holds all that still matters.
        head, head_link: the newest number and link at the time of the read.
        entries: those with ``after < seq <= head``, in order, at most as many as asked; swept ones are missing.
        last, last_link: where the page ends: ``head`` unless the page was cut off by the limit.
    """

    log: str
    after: int
    after_link: str
    head: int
    head_link: str
    entries: tuple[Entry, ...]
    last: int
    last_link: str


class Storage(Protocol):
    """A database."""

    async def redeem(self, grant_id: bytes, decide: Callable[[Grant, Standing], Decision[T]]) -> T | None:
        """Load the grant for writing, let ``decide`` judge it purely, write what it says, commit, return the outcome.

        Simultaneous redemptions of one grant see each other's rows, in some order. Redemptions within a node may
        share a transaction; one that fails then does not fail the others. Cancelling the caller cancels nothing.

        ``decide`` may be asked again when a transaction has to be repeated, and not on the event loop's thread: it
        must be pure. What it raises is raised here, and nothing of it is written.

        Returns:
            The outcome, once it is durable; None if there is no such grant.

        Raises:
            StorageUnavailable: nothing is known to be written.
        """
        ...

    def write(self) -> AbstractAsyncContextManager[Writing]:
        """A transaction that writes: commits at the end of the block, rolls back if the block raises.

        Log entries recorded in it are numbered and linked by its last statements.

        Raises:
            StorageUnavailable: on entering, inside or at the commit; nothing of the block is known to be written.
        """
        ...

    def read(self) -> AbstractAsyncContextManager[Reading]:
        """A consistent read of the primary.

        Raises:
            StorageUnavailable: the database does not answer.
        """
        ...

    async def log_head(self) -> tuple[str, int]:
        """Name and newest number of the revocation log, from the primary. Cheap; simultaneous calls share one read."""
        ...

    async def log_after(self, sequence: int, *, now: Instant, limit: int) -> LogPage:
        """Entries after ``sequence`` that still matter at ``now``, and the head, in one consistent read."""
        ...

    async def clock(self) -> Instant:
        """The database's time in seconds since the epoch; the node's own on an embedded database."""
        ...

    async def sweep(self, *, now: Instant, limit: int) -> int:
        """Delete up to ``limit`` rows whose end is past, and return how many there were.

        Swept are codes, pushed requests, one-time links, what was spent, deliveries, throttle buckets, audit rows, log
        entries past ``until`` (never of keys), and sessions and grants whose end lies more than 30 days back: the
        moment they were ended, else their latest possible end. A session that was not ended stays as long as one of its
        grants may live.
        """
        ...

    async def wait_for_log(self, sequence: int, *, seconds: float) -> None:
        """Return when the log may have grown beyond ``sequence``, after ``seconds`` at the latest. Only a hint."""
        ...

    async def close(self) -> None:
        """Finish what is under way and let go of the database. Idempotent."""
        ...
