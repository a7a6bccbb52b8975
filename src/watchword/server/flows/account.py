"""What users do about themselves: password, sessions, applications.

Implements: OWASP ASVS 5.0 §6.2.3, §7.4.3, §7.4.5, §7.5.1, §7.5.2; RFC 9700 §4.14.2.
"""

from dataclasses import dataclass, field, replace

from watchword.protocol.errors import InvalidCredentials, PasswordRefused, TemporarilyUnavailable
from watchword.server.domain.audit import PasswordChanged
from watchword.server.domain.consent import Consent
from watchword.server.domain.grant import Grant
from watchword.server.domain.session import Authentication, Session
from watchword.server.domain.time import Instant
from watchword.server.domain.user import User
from watchword.server.flows.browser_session import SignedIn, hash_of, new_cookie
from watchword.server.flows.endings import end_everything, end_grant, end_session
from watchword.server.flows.new_password import NotAccepted, hash_accepted
from watchword.server.flows.parts import Parts
from watchword.server.flows.sign_in import PasswordSignIn, sign_in
from watchword.server.ports.passwords import PasswordsBusy
from watchword.server.ports.transaction import Writing


@dataclass(frozen=True, slots=True, kw_only=True)
class Account:
    """What a user sees of himself: living sessions, newest first, and the applications that he allowed."""

    sessions: list[Session]
    consents: list[Consent]


@dataclass(frozen=True, slots=True, kw_only=True)
class NewPassword:
    """What a user typed to change his password."""

    current: str = field(repr=False)
    wanted: str = field(repr=False)
    network: str | None


async def overview(parts: Parts, signed_in: SignedIn, *, now: Instant) -> Account:
    """The user's living sessions and consents."""
    async with parts.storage.read() as reading:
        sessions = await reading.sessions_of(signed_in.user.sub)
        consents = await reading.consents_of(signed_in.user.sub)
    living = [session for session in sessions if session.lives(user=signed_in.user, now=now)]
    return Account(sessions=living, consents=consents)


async def change_password(parts: Parts, signed_in: SignedIn, asked: NewPassword, *, now: Instant) -> str:
    """A new password. All other sessions end; this one is lifted over the cut, under the cookie that is returned.

    The old cookie dies: whoever has a copy of it is what the change may be about.

    Raises:
        InvalidCredentials, TooManyTries: the current password is not it; it counts like a failed sign-in.
        PasswordRefused: the new one does not meet the policy; the description says why.
        TemporarilyUnavailable: too many passwords are being hashed.
    """
    user = signed_in.user
    proof = PasswordSignIn(username=user.username, password=asked.current, network=asked.network)
    _, proved = await sign_in(parts, proof, now=now)
    cookie = new_cookie(parts)
    try:
        hashed = await hash_accepted(
            parts.passwords, asked.wanted, username=user.username, email=user.email, issuer=parts.issuer
        )
    except NotAccepted as objection:
        raise PasswordRefused(str(objection), slug="account.password") from None
    except PasswordsBusy:
        raise TemporarilyUnavailable(slug="account.busy", retry_after=2) from None
    async with parts.storage.write() as tx:
        locked = await _lock_user(tx, signed_in)
        sid = signed_in.session.sid
        ended = await end_everything(tx, locked, reason="password_changed", now=now, besides=sid)
        await tx.put_user(replace(ended, password_hash=hashed))
        await _lift(tx, sid, epoch=ended.epoch, proved=proved, cookie=cookie)
        await tx.record(PasswordChanged(sub=user.sub), now=now)
    return cookie


async def log_out_everywhere(parts: Parts, signed_in: SignedIn, *, now: Instant) -> None:
    """End all sessions of the user, this one too."""
    async with parts.storage.write() as tx:
        locked = await _lock_user(tx, signed_in)
        await tx.put_user(await end_everything(tx, locked, reason="by_the_user", now=now))


async def end_one_session(parts: Parts, signed_in: SignedIn, sid: str, *, now: Instant) -> None:
    """End one session of the user; one that is not his is left alone."""
    async with parts.storage.write() as tx:
        session = await tx.lock_session(sid)
        if session is not None and session.sub == signed_in.user.sub:
            await end_session(tx, session, reason="by_the_user", now=now)


async def remove_application(parts: Parts, signed_in: SignedIn, client_id: str, *, now: Instant) -> None:
    """Take back a consent, and end what was granted by it."""
    async with parts.storage.write() as tx:
        # Whoever redeems a code of the application locks the user too: wholly before this, or wholly after.
        await tx.lock_user(signed_in.user.sub)
        await tx.delete_consent(signed_in.user.sub, client_id)
        grants: list[Grant] = await tx.grants_of_user(signed_in.user.sub, client_id)
        for grant in grants:
            await end_grant(tx, grant, reason="consent_withdrawn", now=now)


async def _lock_user(tx: Writing, signed_in: SignedIn) -> User:
    locked = await tx.lock_user(signed_in.user.sub)
    if locked is None or not locked.enabled or locked.epoch != signed_in.session.epoch:
        raise InvalidCredentials(slug="account.session_over", detail="the session ended meanwhile")
    return locked


async def _lift(tx: Writing, sid: str, *, epoch: int, proved: Authentication, cookie: str) -> None:
    session = await tx.lock_session(sid)
    if session is None or session.ended_at is not None:
        return
    lifted = replace(session, epoch=epoch, cookie_hash=hash_of(cookie))
    await tx.put_session(replace(lifted, auth_time=proved.auth_time, acr=proved.acr, amr=proved.amr))
