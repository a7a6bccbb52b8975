"""The sweep: rows whose end is past go, a few at a time."""

from typing import Any, Final

from sqlalchemy import Column, Double, bindparam, delete, literal, select

from watchword.server.domain.lifetimes import AFTERWARDS
from watchword.server.domain.time import Instant
from watchword.server.storage import tables as t
from watchword.server.storage.statement import Call, Statement, Steps, fixed


def _ended(key: Column[Any], end: Column[Any], *also: Any) -> Statement:
    ended = (
        select(key)
        .where(end < bindparam("now", type_=Double), *also)
        .order_by(end)
        .limit(bindparam("limit"))
        # What somebody is writing just now waits for the next sweep, so that nobody waits for this one.
        .with_for_update(skip_locked=True)
    )
    return fixed(delete(key.table).where(key.in_(ended)).returning(literal(1)))


# Statement, and for how many seconds a row is kept after its end. Locks are taken in the order of the transactions.
_SWEPT: Final = (
    (_ended(t.sessions.c.sid, t.sessions.c.ends_at), AFTERWARDS),
    (_ended(t.grants.c.id, t.grants.c.ends_at), AFTERWARDS),
    (_ended(t.codes.c.code_hash, t.codes.c.expires_at), 0),
    (_ended(t.pushed_requests.c.handle_hash, t.pushed_requests.c.expires_at), 0),
    (_ended(t.one_time_links.c.id, t.one_time_links.c.expires_at), 0),
    (_ended(t.spent.c.key, t.spent.c.until), 0),
    (_ended(t.deliveries.c.id, t.deliveries.c.expires_at), 0),
    (_ended(t.throttle.c.key, t.throttle.c.until), 0),
    (_ended(t.audit.c.id, t.audit.c.ends_at), 0),
    (_ended(t.log.c.seq, t.log.c.until, t.log.c.kid.is_(None)), 0),
)


def sweep(now: Instant, limit: int) -> Steps[int]:
    """Delete up to ``limit`` rows whose end is past; how many there were."""
    swept = 0
    for statement, afterwards in _SWEPT:
        if swept >= limit:
            break
        gone = yield Call(statement, {"now": float(now - afterwards), "limit": limit - swept})
        swept += len(gone)
    return swept
