"""Changes of how a user signs in: what they all demand, and what they all entail.

Implements: OWASP ASVS 5.0 §7.4.3, §7.5.1; NIST SP 800-63B-4 §4.1, §4.6.
"""

from dataclasses import replace

from watchword.protocol.authentication_class import ACR_PASSKEY, LADDER
from watchword.protocol.errors import InvalidCredentials
from watchword.server.domain import factors as rule
from watchword.server.domain.factors import Factors
from watchword.server.domain.session import Session
from watchword.server.domain.time import Instant
from watchword.server.domain.user import User
from watchword.server.flows.browser_session import SignedIn, hash_of, new_cookie
from watchword.server.flows.endings import end_everything
from watchword.server.flows.parts import Parts
from watchword.server.ports.transaction import Writing


class SignInAnew(Exception):
    """The session's sign-in is too old or too weak for this change. ``acr``: the class that is wanted."""

    def __init__(self, acr: str) -> None:
        super().__init__("a fresh sign-in is wanted")
        self.acr = acr


class SessionOver(InvalidCredentials):
    """The session ended while its user was at work with it: he signs in again, and nothing was changed."""

    def __init__(self) -> None:
        super().__init__(slug="account.session_over", detail="the session ended meanwhile")


def classes_here(parts: Parts) -> tuple[str, ...]:
    """The classes of sign-in that users can have at this issuer, weakest first."""
    return LADDER if parts.passkeys is not None else tuple(one for one in LADDER if one != ACR_PASSKEY)


async def enrolled(parts: Parts, sub: str) -> Factors:
    """What the user has beside the password, and can use here."""
    async with parts.storage.read() as reading:
        return usable(parts, await reading.factors(sub))


def usable(parts: Parts, factors: Factors) -> Factors:
    """``factors`` without passkeys where this issuer has none: those of the host before must not lock anybody out."""
    return factors if parts.passkeys is not None else replace(factors, passkeys=0)


async def must_be_fresh(parts: Parts, signed_in: SignedIn, *, now: Instant) -> Factors:
    """Return what the user has enrolled if this session may change it: for pages that lead to a change.

    Raises:
        SignInAnew: it may not.
    """
    found = await enrolled(parts, signed_in.user.sub)
    if not rule.may_change(found, signed_in.session, now=now):
        raise SignInAnew(rule.needed_for_change(found))
    return found


async def lock_living(tx: Writing, signed_in: SignedIn, *, now: Instant) -> tuple[User, Session]:
    """The user and the session, locked in this order, so that nobody ends the session while it is at work.

    Raises:
        SessionOver: it ended meanwhile, or goes on under another cookie: whoever holds the one before may be a thief.
    """
    user = await tx.lock_user(signed_in.user.sub)
    session = await tx.lock_session(signed_in.session.sid)
    if user is None or session is None or not session.lives(user=user, now=now):
        raise SessionOver
    if session.cookie_hash != signed_in.session.cookie_hash:
        raise SessionOver
    return user, session


async def lock_for_change(
    parts: Parts, tx: Writing, signed_in: SignedIn, *, now: Instant, begun_at: Instant | None = None
) -> tuple[User, Factors]:
    """The user, locked, and his factors as they are now; whatever is changed in ``tx`` afterwards is allowed.

    Args:
        parts: of the node.
        tx: where the change is made.
        signed_in: who makes it.
        now: seconds since the epoch.
        begun_at: when this very session began the change, where that is known for sure: the sign-in had to be fresh
            then. It has to live now.

    Raises:
        SignInAnew: the sign-in is too old or too weak.
        SessionOver: the session ended meanwhile.
    """
    user, session = await lock_living(tx, signed_in, now=now)
    found = usable(parts, await tx.factors(user.sub))
    if not rule.may_change(found, session, now=now if begun_at is None else begun_at):
        raise SignInAnew(rule.needed_for_change(found))
    return user, found


async def end_the_others(
    parts: Parts, tx: Writing, user: User, signed_in: SignedIn, *, reason: str, now: Instant
) -> tuple[User, str]:
    """End all other sessions of ``user``, who is locked in ``tx``; this one is lifted over the cut, under a new cookie.

    Returns:
        The user as his row now is, and the cookie.
    """
    ended = await end_everything(tx, user, reason=reason, now=now, besides=signed_in.session.sid)
    await tx.put_user(ended)
    cookie = new_cookie(parts)
    session = await tx.lock_session(signed_in.session.sid)
    if session is not None and session.ended_at is None:
        await tx.put_session(replace(session, epoch=ended.epoch, cookie_hash=hash_of(cookie)))
    return ended, cookie
