"""Listeners: the clients that want to hear of the end of sessions, found by the grants that they hold in them."""

from typing import Final

from sqlalchemy import BigInteger, Double, bindparam, select

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
_NAMED: Final = (t.grants.c.client_id, t.clients.c.backchannel_logout_uri, t.grants.c.sub, t.grants.c.sid)

_OF_SESSION: Final = fixed(
    select(*_NAMED)
    .select_from(_clients)
    .where(t.grants.c.sid == bindparam("sid"), *_holding)
    .distinct()
    .order_by(t.grants.c.client_id)
)
_OF_USER: Final = fixed(
    select(*_NAMED)
    .select_from(_sessions)
    .where(*_living_of_user, *_holding)
    .distinct()
    .order_by(t.grants.c.sid, t.grants.c.client_id)
    .limit(bindparam("limit"))
)
_CLIENTS_OF_USER: Final = fixed(
    select(*_NAMED[:3])
    .select_from(_sessions)
    .where(*_living_of_user, *_holding)
    .distinct()
    .order_by(t.grants.c.client_id)
)


def of_session(sid: str, now: Instant) -> Steps[list[Listener]]:
    """The listening clients of a session."""
    found = (yield Call(_OF_SESSION, {"sid": sid, "now": float(now)})) if storable(sid) else ()
    return [Listener(client_id=row[0], target=row[1], sub=row[2], sid=row[3]) for row in found]


def of_user(sub: str, epoch: int, now: Instant, limit: int) -> Steps[list[Listener]]:
    """The listening clients of a user's sessions, session by session."""
    values = {"sub": sub, "epoch": epoch, "now": float(now), "limit": limit}
    found = (yield Call(_OF_USER, values)) if storable(sub) else ()
    return [Listener(client_id=row[0], target=row[1], sub=row[2], sid=row[3]) for row in found]


def clients_of_user(sub: str, epoch: int, now: Instant) -> Steps[list[Listener]]:
    """The listening clients of a user's sessions, each once."""
    values = {"sub": sub, "epoch": epoch, "now": float(now)}
    found = (yield Call(_CLIENTS_OF_USER, values)) if storable(sub) else ()
    return [Listener(client_id=row[0], target=row[1], sub=row[2]) for row in found]
