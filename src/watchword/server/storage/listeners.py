"""Listeners: the clients that want to hear of the end of sessions, found by the grants that they hold in them.

A session that was opened in a browser's is told of by the browser's name, which is the one in the ID tokens.
"""

from typing import Final

from sqlalchemy import BigInteger, Double, bindparam, func, select, union

from watchword.server.domain.backchannel_logout import Listener
from watchword.server.domain.time import Instant
from watchword.server.storage import tables as t
from watchword.server.storage.rows import storable
from watchword.server.storage.statement import Call, Steps, fixed

_holding: Final = (
    t.clients.c.backchannel_logout_uri.is_not(None),
    t.grants.c.absolute_end > bindparam("now", type_=Double),
)
_living_of_user: Final = (
    t.grants.c.sub == bindparam("sub"),
    t.sessions.c.epoch == bindparam("epoch", type_=BigInteger),
    t.sessions.c.ended_at.is_(None),
)
_clients: Final = t.grants.join(t.clients, t.clients.c.client_id == t.grants.c.client_id)
_sessions: Final = _clients.join(t.sessions, t.sessions.c.sid == t.grants.c.sid)
_known_as: Final = func.coalesce(t.sessions.c.opened_in, t.sessions.c.sid).label("known_as")
# A name of its own: what several selects give together can be ordered by nothing else.
_listening: Final = t.grants.c.client_id.label("listening")
_NAMED: Final = (_listening, t.clients.c.backchannel_logout_uri, t.grants.c.sub, _known_as)

# Two parts, each by an index of its own.
_OF_SESSION: Final = fixed(
    union(
        select(*_NAMED).select_from(_sessions).where(t.sessions.c.sid == bindparam("sid"), *_holding),
        # Of one that was ended by itself the client was told then.
        select(*_NAMED)
        .select_from(_sessions)
        .where(t.sessions.c.opened_in == bindparam("sid"), t.sessions.c.ended_at.is_(None), *_holding),
    ).order_by("listening")
)
_OF_USER: Final = fixed(
    select(*_NAMED)
    .select_from(_sessions)
    .where(*_living_of_user, t.grants.c.sid != bindparam("besides"), *_holding)
    .distinct()
    .order_by(_known_as, _listening)
    .limit(bindparam("limit"))
)
_CLIENTS_OF_USER: Final = fixed(
    select(*_NAMED[:3]).select_from(_sessions).where(*_living_of_user, *_holding).distinct().order_by(_listening)
)


def of_session(sid: str, now: Instant) -> Steps[list[Listener]]:
    """The listening clients of a session, and of those that were opened in it."""
    found = (yield Call(_OF_SESSION, {"sid": sid, "now": float(now)})) if storable(sid) else ()
    return [Listener(client_id=row[0], target=row[1], sub=row[2], sid=row[3]) for row in found]


def of_user(sub: str, epoch: int, besides: str | None, now: Instant, limit: int) -> Steps[list[Listener]]:
    """The listening clients of a user's sessions, session by session."""
    # No session has an empty name.
    values = {"sub": sub, "epoch": epoch, "besides": besides or "", "now": float(now), "limit": limit}
    found = (yield Call(_OF_USER, values)) if storable(sub) else ()
    return [Listener(client_id=row[0], target=row[1], sub=row[2], sid=row[3]) for row in found]


def clients_of_user(sub: str, epoch: int, now: Instant) -> Steps[list[Listener]]:
    """The listening clients of a user's sessions, each once."""
    values = {"sub": sub, "epoch": epoch, "now": float(now)}
    found = (yield Call(_CLIENTS_OF_USER, values)) if storable(sub) else ()
    return [Listener(client_id=row[0], target=row[1], sub=row[2]) for row in found]
