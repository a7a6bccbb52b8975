"""Endings: how grants and sessions end within a transaction, with log entry, audit row and what clients will hear.

Lock order: users, sessions, grants by id, then the log's head (which the commit takes).
"""

from dataclasses import replace

from msgspec import structs

from watchword.server.domain import revocation
from watchword.server.domain.audit import GrantEnded, LoggedOutEverywhere, SessionEnded
from watchword.server.domain.grant import Grant
from watchword.server.domain.session import Session
from watchword.server.domain.time import Instant
from watchword.server.domain.user import User
from watchword.server.flows.backchannel_logout import announce_session, announce_user
from watchword.server.ports.transaction import Writing


async def end_grant(tx: Writing, grant: Grant, *, reason: str, now: Instant) -> None:
    """End ``grant``, whose row is locked in ``tx``. Ending an ended one changes nothing."""
    if grant.ended_at is not None:
        return
    await tx.put_grant(structs.replace(grant, ended_at=now, ended_reason=reason))
    longest = await tx.longest_access_token()
    await tx.revoke(revocation.of_grant(grant.gid, now=now, longest=longest))
    await tx.record(GrantEnded(gid=grant.gid, sub=grant.sub, client_id=grant.client_id, reason=reason), now=now)


async def end_session(tx: Writing, session: Session, *, reason: str, now: Instant) -> None:
    """End ``session``, whose row is locked in ``tx``, and with it its grants. Ending an ended one changes nothing."""
    if session.ended_at is not None:
        return
    await tx.put_session(replace(session, ended_at=now, ended_reason=reason))
    longest = await tx.longest_access_token()
    await tx.revoke(revocation.of_session(session.sid, now=now, longest=longest))
    await tx.record(SessionEnded(sub=session.sub, sid=session.sid, reason=reason), now=now)
    await announce_session(tx, session, now=now)


async def end_everything(tx: Writing, user: User, *, reason: str, now: Instant, besides: str | None = None) -> User:
    """The user with the next epoch, and the log entry that tells every service. The caller writes the row.

    ``besides`` is the session that the caller lifts over the cut; its clients are not told that it is over.
    """
    ended = replace(user, epoch=user.epoch + 1)
    longest = await tx.longest_access_token()
    await tx.revoke(revocation.of_user(ended.sub, ended.epoch, now=now, longest=longest))
    await tx.record(LoggedOutEverywhere(sub=ended.sub, epoch=ended.epoch, reason=reason), now=now)
    await announce_user(tx, user, besides=besides, now=now)
    return ended
