"""Sessions, as an operator sees and ends them."""

from dataclasses import dataclass, replace
from typing import Literal

from watchword.server.domain.audit import Administered
from watchword.server.domain.session import Session
from watchword.server.domain.time import Instant
from watchword.server.domain.user import User
from watchword.server.flows.admin import users
from watchword.server.flows.admin.refusal import Refused
from watchword.server.flows.endings import end_everything, end_session
from watchword.server.flows.parts import Parts

_REASON = "revoked_by_operator"


@dataclass(frozen=True, slots=True)
class SeenSession:
    """A session, and what has become of it."""

    session: Session
    state: Literal["live", "ended", "expired"]
    reason: str | None


async def listed(parts: Parts, name: str) -> list[SeenSession]:
    """All kept sessions of a user, newest first.

    Raises:
        Refused: there is no such user.
    """
    now = parts.clock.now()
    async with parts.storage.read() as reading:
        user = await users.find(reading, name)
        return [_seen(session, user, now=now) for session in await reading.sessions_of(user.sub)]


async def revoke(parts: Parts, sid: str) -> Session:
    """End one session, with its grants and access tokens. Again: nothing happens.

    Raises:
        Refused: there is no such session.
    """
    now = parts.clock.now()
    async with parts.storage.write() as tx:
        session = await tx.lock_session(sid)
        if session is None:
            raise Refused(f"there is no session {sid!r}")
        if session.ended_at is not None:
            return session
        await end_session(tx, session, reason=_REASON, now=now)
        await tx.record(Administered(what="session.revoked", subject=sid), now=now)
    return replace(session, ended_at=now, ended_reason=_REASON)


async def revoke_all(parts: Parts, name: str) -> User:
    """End all sessions of a user; he may sign in again.

    Raises:
        Refused: there is no such user.
    """
    now = parts.clock.now()
    async with parts.storage.write() as tx:
        user = await users.lock(tx, name)
        user = await end_everything(tx, user, reason=_REASON, now=now)
        await tx.put_user(user)
        await tx.record(Administered(what="user.logged_out_everywhere", subject=user.sub), now=now)
    return user


def _seen(session: Session, user: User, *, now: Instant) -> SeenSession:
    if session.ended_at is not None:
        return SeenSession(session, "ended", session.ended_reason)
    if not user.enabled:
        return SeenSession(session, "ended", "user_disabled")
    if session.epoch != user.epoch:
        return SeenSession(session, "ended", "logged_out_everywhere")
    if session.expires_at <= now:
        return SeenSession(session, "expired", None)
    return SeenSession(session, "live", None)
