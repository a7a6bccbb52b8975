"""E-mail addresses: one counts once its owner has shown that mail to it reaches him, and only then it is the user's.

Implements: OWASP ASVS 5.0 §6.3.7, §7.4.3, §7.5.1; NIST SP 800-63B-4 §4.1.1, §4.6.
"""

import math
from dataclasses import dataclass, replace

from watchword.protocol.errors import InvalidRequest, TooManyTries
from watchword.server.domain import throttle
from watchword.server.domain.audit import EmailChanged, EmailVerified
from watchword.server.domain.identifiers import email_key, parse_email
from watchword.server.domain.time import Instant
from watchword.server.domain.user import User
from watchword.server.flows.browser_session import SignedIn
from watchword.server.flows.factors import end_the_others, lock_for_change, lock_living
from watchword.server.flows.links import LinkDead, found, kill_links, make_link, taken
from watchword.server.flows.mail import post_link
from watchword.server.flows.notices import tell
from watchword.server.flows.parts import Parts
from watchword.server.flows.throttling import mail_key, proof_key, proofs_key
from watchword.server.ports.transaction import Writing


@dataclass(frozen=True, slots=True)
class Proof:
    """What a link would prove: this address of this user. ``replaces``: another one that he has now."""

    user: User
    email: str
    replaces: bool


async def send_link(
    parts: Parts, tx: Writing, user: User, email: str, *, now: Instant, network: str | None, locale: str = ""
) -> None:
    """Have the mail sent that lets ``user``, who is locked or new in ``tx``, prove ``email``.

    The mail does not name the user: whoever signs up could choose a name for strangers to read.

    Raises:
        TooManyTries: this address had enough such mail of late, or the user or the network asked for enough.
    """
    # By who reads it, and by who causes it: one account must not write to any number of strangers.
    limits = {
        mail_key(parts.secrets, reader=email_key(email)): throttle.MAILS,
        proof_key(parts.secrets, sub=user.sub): throttle.MAILS,
    }
    if network is not None:
        limits[proofs_key(parts.secrets, network)] = throttle.PROOFS_FROM_NETWORK
    buckets = await tx.lock_buckets(sorted(limits))
    wait = max(throttle.wait(bucket, now=now) for bucket in buckets.values())
    if wait > 0:
        raise TooManyTries(slug="email.throttled", retry_after=math.ceil(wait))
    await tx.put_buckets([throttle.after_failure(buckets[key], key, limit, now=now) for key, limit in limits.items()])
    link = await make_link(parts, tx, user, "verify_email", email, now=now)
    await post_link(parts, tx, link, content={"locale": locale}, now=now)


async def send_again(parts: Parts, signed_in: SignedIn, *, now: Instant, network: str | None, locale: str = "") -> None:
    """Another link for the address that the user has. Nothing is sent to one that is proved already.

    Raises:
        InvalidCredentials: the session ended meanwhile.
        TooManyTries: too many of late.
    """
    async with parts.storage.write() as tx:
        user, _ = await lock_living(tx, signed_in, now=now)
        if user.email is not None and not user.email_verified:
            await send_link(parts, tx, user, user.email, now=now, network=network, locale=locale)


async def ask_for_change(
    parts: Parts, signed_in: SignedIn, typed: str, *, now: Instant, network: str | None, locale: str = ""
) -> None:
    """A link to another address, which becomes the user's when he proves it. Until then nothing changes.

    Raises:
        SignInAnew: the sign-in is too old or too weak for this.
        InvalidCredentials: the session ended meanwhile.
        InvalidRequest: this is no address, or his own and proved.
        TooManyTries: too many of late.
    """
    async with parts.storage.write() as tx:
        # First of all: who has to sign in anew hears of nothing else.
        user, _ = await lock_for_change(parts, tx, signed_in, now=now)
        try:
            email = parse_email(typed)
        except ValueError as error:
            raise InvalidRequest(str(error), slug="email.malformed") from None
        if user.email is not None and user.email_verified and email_key(user.email) == email_key(email):
            raise InvalidRequest("this is your e-mail address already", slug="email.same")
        await send_link(parts, tx, user, email, now=now, network=network, locale=locale)


async def proof_of(parts: Parts, signed_in: SignedIn | None, token: str | None, *, now: Instant) -> Proof | None:
    """What the link would prove for who is signed in; None if it is somebody else's. Nothing is used up.

    Raises:
        LinkDead: it proves nothing.
    """
    async with parts.storage.read() as reading:
        link, user = await found(parts, reading, token, "verify_email", now=now)
    if signed_in is None or signed_in.user.sub != user.sub:
        return None
    return Proof(user, link.email, replaces=user.email is not None and email_key(user.email) != email_key(link.email))


async def prove(parts: Parts, signed_in: SignedIn, token: str | None, *, now: Instant, locale: str = "") -> str | None:
    """The address of the link is the user's now, and the link is used up.

    If it replaces another one, all other sessions end, and the old address hears of it.

    Returns:
        The session's new cookie, if others ended.

    Raises:
        LinkDead: it proves nothing, or nothing for this user.
        InvalidCredentials: the session ended meanwhile.
    """
    async with parts.storage.write() as tx:
        link, user = await taken(parts, tx, token, "verify_email", now=now)
        if user.sub != signed_in.user.sub:
            raise LinkDead
        await lock_living(tx, signed_in, now=now)
        proved = replace(user, email=link.email, email_verified=True)
        if user.email is None or email_key(user.email) == email_key(link.email):
            await tx.put_user(proved)
            await tx.record(EmailVerified(sub=user.sub), now=now)
            return None
        _, cookie = await end_the_others(parts, tx, proved, signed_in, reason="email_changed", now=now)
        await kill_links(tx, user.sub)
        await tx.record(EmailChanged(sub=user.sub), now=now)
        if user.email_verified:
            await tell(parts, tx, user, "email_changed", now=now, to=user.email, locale=locale)
        return cookie
