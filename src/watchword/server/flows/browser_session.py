"""Browser sessions: a user's sign-in, kept by a cookie whose value is nowhere but in the browser.

Implements: OWASP ASVS 5.0 §7.2.3, §7.2.4, §7.3.1, §7.3.2, §7.4.1; OpenID Connect Core 1.0 §3.1.2.3.
"""

import hashlib
from dataclasses import dataclass, replace

from watchword.protocol import base64url
from watchword.server.domain.audit import SignedInByBrowser
from watchword.server.domain.identifiers import ID_BYTES, random_id
from watchword.server.domain.session import Authentication, Session
from watchword.server.domain.time import Instant
from watchword.server.domain.user import User
from watchword.server.flows.endings import end_session
from watchword.server.flows.parts import Parts

_COOKIE_BYTES = 32


@dataclass(frozen=True, slots=True)
class SignedIn:
    """A living browser session and its user."""

    session: Session
    user: User


def hash_of(cookie: str) -> bytes:
    """What is stored of a cookie."""
    return hashlib.sha256(cookie.encode()).digest()


def new_cookie(parts: Parts) -> str:
    """A cookie that nobody can guess."""
    return base64url.encode(parts.entropy.draw(_COOKIE_BYTES))


async def find(parts: Parts, cookie: str | None, *, now: Instant) -> SignedIn | None:
    """The session behind a cookie, if it lives; its last use is noted now and then.

    Raises:
        StorageUnavailable: it cannot be known.
    """
    found = await _behind(parts, cookie)
    if cookie is None or found is None or not found[0].lives(user=found[1], now=now):
        return None
    session, user = found
    if session.idle is not None and now - session.last_seen_at >= session.idle / 10:
        async with parts.storage.write() as tx:
            locked = await tx.lock_session(session.sid)
            # Since it was read it may have ended, or go on under another cookie: whoever holds this one may be a thief.
            if locked is None or locked.ended_at is not None or locked.cookie_hash != hash_of(cookie):
                return None
            session = replace(locked, last_seen_at=now)
            await tx.put_session(session)
    return SignedIn(session, user)


async def held(parts: Parts, cookie: str | None) -> tuple[Session, User] | None:
    """The session behind a cookie and its user, unless somebody ended it. It may have run out: grants may live in it.

    That is what signing out in this browser ends; it is good for nothing else.

    Raises:
        StorageUnavailable: it cannot be known.
    """
    found = await _behind(parts, cookie)
    return None if found is None or found[0].was_ended(user=found[1]) else found


async def _behind(parts: Parts, cookie: str | None) -> tuple[Session, User] | None:
    if not cookie:
        return None
    async with parts.storage.read() as reading:
        return await reading.session_by_cookie(hash_of(cookie))


async def begin(
    parts: Parts, proof: Authentication, *, device: str, cookie: str | None, now: Instant
) -> tuple[str, SignedIn] | None:
    """A session for a user who has just proved to be himself, and the cookie for it. None if he was disabled meanwhile.

    The same user in the same browser goes on in his session, under a new cookie; another user's session there ends.

    Class, methods and instant are those of the last sign-in, also where it was a weaker one: an application that asked
    for a new sign-in (``prompt=login``) is told what that one was. Where something stronger was asked for, a weaker one
    does not come here (``second_step.after_password``), so nobody falls back by doing what he was asked to do. A second
    session beside the stronger one would keep the strength, but who signs out in this browser would leave it behind,
    and with it the applications that he opened by it.

    Args:
        parts: of the node.
        proof: how and when he signed in.
        device: a shortened user agent.
        cookie: what the browser held before.
        now: seconds since the epoch.
    """
    value = new_cookie(parts)
    async with parts.storage.write() as tx:
        user = await tx.lock_user(proof.sub)
        if user is None or not user.enabled or user.epoch != proof.epoch:
            return None
        before = await tx.session_by_cookie(hash_of(cookie)) if cookie else None
        held = await tx.lock_session(before[0].sid) if before is not None else None
        if held is not None and held.sub == user.sub and held.may_go_on(user=user, now=now):
            session = replace(
                held,
                cookie_hash=hash_of(value),
                auth_time=proof.auth_time,
                acr=proof.acr,
                amr=proof.amr,
                last_seen_at=now,
            )
            await tx.put_session(session)
        else:
            if held is not None and held.sub != user.sub:
                await end_session(tx, held, reason="another_user", now=now)
            session = _fresh(parts, proof, value, device=device, now=now)
            await tx.add_session(session)
        event = SignedInByBrowser(sub=user.sub, sid=session.sid, amr=" ".join(proof.amr), device=device)
        await tx.record(event, now=now)
    return value, SignedIn(session, user)


def _fresh(parts: Parts, proof: Authentication, cookie: str, *, device: str, now: Instant) -> Session:
    lifetime = parts.lifetimes.session
    return Session(
        sid=random_id(parts.entropy.draw(ID_BYTES)),
        sub=proof.sub,
        epoch=proof.epoch,
        auth_time=proof.auth_time,
        acr=proof.acr,
        amr=proof.amr,
        device=device,
        created_at=now,
        expires_at=now + lifetime.absolute,
        cookie_hash=hash_of(cookie),
        idle=lifetime.idle,
        last_seen_at=now,
    )
