"""What users do about themselves: password, sessions, applications.

Implements: OWASP ASVS 5.0 §6.2.3, §7.4.3, §7.4.5, §7.5.1, §7.5.2; RFC 9700 §4.14.2.
"""

import math
from dataclasses import dataclass, field, replace

from watchword.protocol.authentication_class import ACR_PASSWORD
from watchword.protocol.errors import PasswordRefused, TemporarilyUnavailable
from watchword.server.domain import factors as rule
from watchword.server.domain.audit import PasswordChanged
from watchword.server.domain.consent import Consent
from watchword.server.domain.grant import Grant
from watchword.server.domain.session import Session
from watchword.server.domain.time import Instant
from watchword.server.flows.browser_session import SignedIn, hash_of, new_cookie
from watchword.server.flows.endings import end_everything, end_grant, end_session
from watchword.server.flows.factors import SignInAnew, lock_living, usable
from watchword.server.flows.new_password import NotAccepted, hash_accepted
from watchword.server.flows.notices import tell
from watchword.server.flows.parts import Parts
from watchword.server.flows.sign_in import PasswordSignIn, check_password
from watchword.server.ports.passwords import PasswordsBusy


@dataclass(frozen=True, slots=True, kw_only=True)
class Account:
    """What a user sees of himself: sessions worth ending, newest first, and the applications that he allowed."""

    sessions: list[Session]
    consents: list[Consent]


@dataclass(frozen=True, slots=True, kw_only=True)
class NewPassword:
    """What a user typed to change his password. ``locale``: the languages of his browser."""

    current: str = field(repr=False)
    wanted: str = field(repr=False)
    network: str | None
    locale: str = ""


async def overview(parts: Parts, signed_in: SignedIn, *, now: Instant) -> Account:
    """The user's sessions and consents.

    A browser's session is shown as long as its user may go on in it, rested or not. Any session is shown that holds a
    living grant; one of an application that has none left gives nobody anything.
    """
    user = signed_in.user
    async with parts.storage.read() as reading:
        sessions = await reading.sessions_of(user.sub)
        granted = await reading.sessions_with_grants(user.sub, now=now)
        consents = await reading.consents_of(user.sub)
    shown = [
        session
        for session in sessions
        if (session.sid in granted and session.ended_at is None and session.epoch == user.epoch)
        or (session.cookie_hash is not None and session.may_go_on(user=user, now=now))
    ]
    return Account(sessions=shown, consents=consents)


async def change_password(parts: Parts, signed_in: SignedIn, asked: NewPassword, *, now: Instant) -> str:
    """A new password. All other sessions end; this one is lifted over the cut, under the cookie that is returned.

    The old cookie dies: whoever has a copy of it is what the change may be about.

    Raises:
        InvalidCredentials, TooManyTries: the current password is not it; it counts like a failed sign-in.
        SessionOver: the session ended meanwhile.
        SignInAnew: the user has more than a password, and this session's sign-in is too old or too weak.
        PasswordRefused: the new one does not meet the policy; the description says why.
        TemporarilyUnavailable: too many passwords are being hashed.
    """
    user = signed_in.user
    proof = PasswordSignIn(username=user.username, password=asked.current, network=asked.network)
    await check_password(parts, proof, now=now)
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
        locked, session = await lock_living(tx, signed_in, now=now)
        factors = usable(parts, await tx.factors(user.sub))
        needed = rule.needed_for_change(factors)
        # The password was just typed: where nothing else is enrolled, no sign-in proves more.
        if needed != ACR_PASSWORD and not rule.may_change(factors, session, now=now):
            raise SignInAnew(needed)
        ended = await end_everything(tx, locked, reason="password_changed", now=now, besides=session.sid)
        await tx.put_user(replace(ended, password_hash=hashed))
        lifted = replace(session, epoch=ended.epoch, cookie_hash=hash_of(cookie))
        # A password alone makes no stronger sign-in fresh.
        fresh = replace(lifted, auth_time=math.floor(now)) if session.acr == ACR_PASSWORD else lifted
        await tx.put_session(fresh)
        await tx.record(PasswordChanged(sub=user.sub), now=now)
        await tell(parts, tx, locked, "password_changed", now=now, locale=asked.locale)
    return cookie


async def log_out_everywhere(parts: Parts, signed_in: SignedIn, *, now: Instant) -> None:
    """End all sessions of the user, this one too.

    Raises:
        SessionOver: it ended before, and then it ends nobody else's.
    """
    async with parts.storage.write() as tx:
        locked, _ = await lock_living(tx, signed_in, now=now)
        await tx.put_user(await end_everything(tx, locked, reason="by_the_user", now=now))


async def end_one_session(parts: Parts, signed_in: SignedIn, sid: str, *, now: Instant) -> None:
    """End one session of the user; one that is not his is left alone.

    Raises:
        SessionOver: that of who asks ended meanwhile.
    """
    async with parts.storage.write() as tx:
        # Two sessions are locked, in whatever order: nobody locks two of a user without the user.
        await lock_living(tx, signed_in, now=now)
        session = await tx.lock_session(sid)
        if session is not None and session.sub == signed_in.user.sub:
            await end_session(tx, session, reason="by_the_user", now=now)


async def remove_application(parts: Parts, signed_in: SignedIn, client_id: str, *, now: Instant) -> None:
    """Take back a consent, and end what was granted by it.

    Raises:
        SessionOver: the session ended meanwhile.
    """
    async with parts.storage.write() as tx:
        # Whoever redeems a code of the application locks the user too: wholly before this, or wholly after.
        await lock_living(tx, signed_in, now=now)
        await tx.delete_consent(signed_in.user.sub, client_id)
        grants: list[Grant] = await tx.grants_of_user(signed_in.user.sub, client_id)
        for grant in grants:
            await end_grant(tx, grant, reason="consent_withdrawn", now=now)
