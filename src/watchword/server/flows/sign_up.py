"""Sign-up: somebody makes an account, where the operator left this door open.

Implements: NIST SP 800-63B-4 §3.1.1.2.
"""

import math
from contextlib import suppress
from dataclasses import dataclass, field

from watchword.protocol.errors import (
    InvalidRequest,
    PasswordRefused,
    SignUpClosed,
    TemporarilyUnavailable,
    TooManyTries,
    UsernameTaken,
)
from watchword.server.domain import throttle
from watchword.server.domain.audit import UserSignedUp
from watchword.server.domain.identifiers import ID_BYTES, parse_email, parse_username, random_id, username_key
from watchword.server.domain.time import Instant
from watchword.server.domain.user import User
from watchword.server.flows.new_password import NotAccepted, hash_accepted
from watchword.server.flows.parts import Parts
from watchword.server.flows.throttling import sign_up_key
from watchword.server.flows.verify_email import send_link
from watchword.server.ports.already_there import AlreadyThere
from watchword.server.ports.passwords import PasswordsBusy


@dataclass(frozen=True, slots=True, kw_only=True)
class SignUp:
    """What somebody typed. ``locale``: the languages of his browser."""

    username: str
    password: str = field(repr=False)
    email: str | None
    network: str | None
    locale: str = ""


async def sign_up(parts: Parts, asked: SignUp, *, now: Instant) -> User:
    """A new user.

    Raises:
        SignUpClosed: the door is not open.
        InvalidRequest, PasswordRefused, UsernameTaken, TooManyTries, TemporarilyUnavailable: no.
    """
    if not parts.sign_up_open:
        raise SignUpClosed(slug="sign_up.closed")
    # First of all: what comes after takes time that somebody else wants.
    await _count(parts, asked.network, now=now)
    try:
        username = parse_username(asked.username)
        email = None if asked.email is None else parse_email(asked.email)
    except ValueError as error:
        raise InvalidRequest(str(error), slug="sign_up.malformed") from None
    try:
        hashed = await hash_accepted(
            parts.passwords, asked.password, username=username, email=email, issuer=parts.issuer
        )
    except NotAccepted as objection:
        raise PasswordRefused(str(objection), slug="sign_up.password") from None
    except PasswordsBusy:
        raise TemporarilyUnavailable(slug="sign_up.busy", retry_after=2) from None
    user = User(
        sub=random_id(parts.entropy.draw(ID_BYTES)),
        username=username,
        username_key=username_key(username),
        created_at=now,
        password_hash=hashed,
        email=email,
    )
    try:
        async with parts.storage.write() as tx:
            await tx.add_user(user)
            await tx.record(UserSignedUp(sub=user.sub), now=now)
            if user.email is not None and parts.sends_mail:
                # That an address has had enough such mail is nothing that a stranger should learn.
                with suppress(TooManyTries):
                    await send_link(parts, tx, user, user.email, now=now, network=asked.network, locale=asked.locale)
    except AlreadyThere:
        raise UsernameTaken(slug="sign_up.taken") from None
    return user


async def _count(parts: Parts, network: str | None, *, now: Instant) -> None:
    """Every try counts, taken names too: the answer 409 cannot be hidden, so asking it must be slow."""
    key = sign_up_key(parts.secrets, network)
    limit = throttle.SIGN_UPS_FROM_ANYWHERE if network is None else throttle.SIGN_UPS
    async with parts.storage.write() as tx:
        bucket = (await tx.lock_buckets((key,)))[key]
        wait = throttle.wait(bucket, now=now)
        if wait > 0:
            raise TooManyTries(slug="sign_up.throttled", retry_after=math.ceil(wait))
        await tx.put_buckets([throttle.after_failure(bucket, key, limit, now=now)])
