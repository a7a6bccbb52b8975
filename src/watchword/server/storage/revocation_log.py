"""The revocation log: numbering without gaps, a chain over the entries, pages for the feed.

The head is one row. Who writes entries locks it by the last statements before the commit, so revocations wait for each
other for a moment, and refreshes for none.
"""

from collections.abc import Sequence
from typing import Final

import msgspec
from sqlalchemy import Double, bindparam, func, or_, select, update

from watchword.protocol.revocation_feed import Entry, first_link, next_link
from watchword.server.domain.time import Instant
from watchword.server.ports.storage import LogPage
from watchword.server.storage import reads, rows
from watchword.server.storage import tables as t
from watchword.server.storage.row_statements import locking
from watchword.server.storage.statement import Call, Steps, fixed

HEAD_ROW: Final = 1

_head = select(t.log_head.c.name, t.log_head.c.sequence, t.log_head.c.link).where(t.log_head.c.id == HEAD_ROW)
_HEAD: Final = fixed(_head)
_LOCK_HEAD: Final = locking(_head)
_RAISE_HEAD: Final = fixed(
    update(t.log_head)
    .where(t.log_head.c.id == HEAD_ROW)
    .values(
        sequence=bindparam("to", type_=t.log_head.c.sequence.type), link=bindparam("new", type_=t.log_head.c.link.type)
    )
)
_ADD_ENTRY: Final = fixed(t.log.insert())
_LINK: Final = fixed(select(t.log.c.link).where(t.log.c.seq == bindparam("seq")))
_AFTER: Final = fixed(
    select(t.log)
    .where(
        t.log.c.seq > bindparam("after"),
        or_(t.log.c.until >= bindparam("now", type_=Double), t.log.c.kid.is_not(None)),
    )
    .order_by(t.log.c.seq)
    .limit(bindparam("limit"))
)
_cuts = t.log.alias("cuts")
_LIVE_TOKENS: Final = fixed(
    select(func.count())
    .select_from(t.log)
    .where(
        t.log.c.client_id == bindparam("client_id"),
        t.log.c.until >= bindparam("now", type_=Double),
        t.log.c.jti.is_not(None),
        t.log.c.seq
        > select(func.coalesce(func.max(_cuts.c.seq), 0))
        .where(_cuts.c.client_id == bindparam("client_id"), _cuts.c.issued_before.is_not(None))
        .scalar_subquery(),
    )
)


class HeadMissing(RuntimeError):
    """The log's head is not there: this is not a database that a migration made."""


def head() -> Steps[tuple[str, int, str]]:
    """Name, newest number and newest link."""
    row = yield from reads.one(_HEAD)
    if row is None:
        raise HeadMissing
    name, sequence, link = row
    return name, sequence, link


def append(entries: Sequence[Entry]) -> Steps[int | None]:
    """Number, link and write ``entries``; the new head's number, or None if there are none.

    To be run by the last statements of a transaction.
    """
    if not entries:
        return None
    row = yield from reads.one(_LOCK_HEAD)
    if row is None:
        raise HeadMissing
    _, sequence, link = row
    for entry in entries:
        sequence += 1
        numbered = msgspec.structs.replace(entry, seq=sequence)
        link = next_link(link, numbered)
        yield Call(_ADD_ENTRY, rows.of_entry(numbered, link))
    yield Call(_RAISE_HEAD, {"to": sequence, "new": link})
    number: int = sequence
    return number


def page(sequence: int, *, now: Instant, limit: int) -> Steps[LogPage]:
    """A page of the log, read within one transaction."""
    name, head_sequence, head_link = yield from head()
    after, after_link = sequence, None
    if 0 < sequence == head_sequence:
        after_link = head_link
    elif 0 < sequence < head_sequence:
        row = yield from reads.one(_LINK, seq=sequence)
        after_link = None if row is None else row[0]
    if after_link is None:
        after, after_link = 0, first_link(name)
    # One more than asked tells whether the page was cut off.
    found = yield Call(_AFTER, {"after": after, "now": float(now), "limit": limit + 1})
    kept = [rows.entry_of(row) for row in found[:limit]]
    cut = len(found) > limit
    return LogPage(
        log=name,
        after=after,
        after_link=after_link,
        head=head_sequence,
        head_link=head_link,
        entries=tuple(entry for entry, _ in kept),
        last=kept[-1][0].seq if cut and kept else head_sequence,
        last_link=kept[-1][1] if cut and kept else head_link,
    )


def live_token_entries(client_id: str, *, now: Instant) -> Steps[int]:
    """How many written entries name single access tokens of that client, still matter, and came after its last cut."""
    row = yield from reads.one(_LIVE_TOKENS, client_id=client_id, now=float(now))
    return 0 if row is None else row[0]
