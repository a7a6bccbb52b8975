"""Sign-in by user name and password: one flow behind every door, with one counter of failures per account.

Where more than the password is needed, it gives no more than the right to take the second step; see flows/second_step.

Implements: NIST SP 800-63B-4 §3.1.1, §3.2.2; draft-ietf-oauth-first-party-apps §9; OWASP ASVS 5.0 §6.3.3.
Diverges: OWASP ASVS 5.0 §6.3.4 (a user who has passkeys, but no authenticator app, may sign in by the password alone
too, so the ways in are not equally strong; ``acr`` tells which one it was, and applications demand what they need).
"""

import math
from dataclasses import dataclass, replace
from typing import Final

from watchword.protocol.authentication_class import ACR_PASSWORD
from watchword.protocol.errors import InvalidCredentials, TemporarilyUnavailable
from watchword.server.domain import identifiers, password_policy, second_step
from watchword.server.domain.identifiers import username_key
from watchword.server.domain.second_step import NOTHING, Demand, Method, SecondStep
from watchword.server.domain.session import Authentication
from watchword.server.domain.time import Instant
from watchword.server.domain.user import User
from watchword.server.flows import tries
from watchword.server.flows.factors import usable
from watchword.server.flows.parts import Parts
from watchword.server.flows.throttling import ThrottleKeys
from watchword.server.flows.tries import Try
from watchword.server.ports.passwords import PasswordsBusy

_PASSWORD: Final = ("pwd",)


@dataclass(frozen=True, slots=True, kw_only=True)
class PasswordSignIn:
    """A user name and password as they came. ``network``: where from, if there is evidence; for the throttle alone."""

    username: str
    password: str
    network: str | None

    def __repr__(self) -> str:
        return f"PasswordSignIn(network={self.network!r})"


async def sign_in(
    parts: Parts, offered: PasswordSignIn, *, now: Instant, demand: Demand = NOTHING
) -> tuple[User, Authentication | SecondStep]:
    """The user whose password it is, and his proof; or the second step that he has to take first.

    An unknown name, a wrong password and a disabled user get the same answer after the same work.

    Args:
        parts: of the node.
        offered: name and password.
        now: seconds since the epoch.
        demand: how strong the sign-in has to be.

    Raises:
        InvalidCredentials: no. With the slug ``sign_in.passkey_wanted`` the password is right, and leads nowhere: of
            what the user has, a passkey alone is as strong as was asked for.
        TooManyTries: too many failures lately.
        TemporarilyUnavailable: too many sign-ins are waiting.
    """
    user, methods = await _prove(parts, offered, demand=demand, now=now)
    if methods is None:
        raise InvalidCredentials(slug="sign_in.passkey_wanted", detail="only a passkey is as strong as asked for")
    if methods:
        step = SecondStep(
            sub=user.sub,
            username=user.username,
            epoch=user.epoch,
            password_at=now,
            password_mark=second_step.mark_of(user.password_hash),
            nonce=parts.entropy.draw(second_step.NONCE_BYTES),
            methods=methods,
        )
        return user, step
    proof = Authentication(sub=user.sub, epoch=user.epoch, auth_time=math.floor(now), acr=ACR_PASSWORD, amr=_PASSWORD)
    return user, proof


async def check_password(parts: Parts, offered: PasswordSignIn, *, now: Instant) -> User:
    """The user whose password it is: for who is signed in, and is asked for it once more. Nobody signs in by it.

    Raises:
        InvalidCredentials, TooManyTries, TemporarilyUnavailable: as ``sign_in``; it counts as a try likewise.
    """
    user, _ = await _prove(parts, offered, demand=NOTHING, now=now)
    return user


async def _prove(
    parts: Parts, offered: PasswordSignIn, *, demand: Demand, now: Instant
) -> tuple[User, tuple[Method, ...] | None]:
    if len(offered.username) > identifiers.MAX_TYPED_NAME or len(offered.password) > password_policy.MAX_TYPED:
        # Nobody's: that says nothing about anybody, and is not worth any work.
        raise InvalidCredentials(slug="sign_in.refused", detail="longer than any user name or password")
    account = username_key(offered.username)
    keys = ThrottleKeys.of(parts.secrets, account=account, network=offered.network)
    async with parts.turns.turn(keys.turn):
        tried = await tries.count(parts, keys, now=now)
        user, renewed = await _judge(parts, offered, tried, account=account)
        return await _right(parts, tried, user, renewed=renewed, demand=demand, now=now)


async def _judge(parts: Parts, offered: PasswordSignIn, tried: Try, *, account: str) -> tuple[User, str | None]:
    """The user, and the hash of his password under today's parameters if the one that is kept is older."""
    async with parts.storage.read() as reading:
        user = await reading.user_by_name(account)
    password = password_policy.normalise(offered.password)
    try:
        verdict = await parts.passwords.verify(
            password[: password_policy.MAX_LENGTH], None if user is None else user.password_hash
        )
        if user is None or not verdict.right or not user.enabled or len(password) > password_policy.MAX_LENGTH:
            raise InvalidCredentials(slug="sign_in.refused", detail="unknown, disabled, or a wrong password")
        return user, await parts.passwords.hash(password) if verdict.outdated else None
    except PasswordsBusy:
        # Nobody guessed anything: a flood of sign-ins elsewhere must not use up the owner's tries.
        async with parts.storage.write() as tx:
            await tries.forgive(tx, tried)
        raise TemporarilyUnavailable(slug="sign_in.busy", retry_after=2) from None


async def _right(
    parts: Parts, tried: Try, user: User, *, renewed: str | None, demand: Demand, now: Instant
) -> tuple[User, tuple[Method, ...] | None]:
    """The user as he is now, and what his second step can be taken with.

    Empty where he needs none; None where neither the password nor any second step is enough, and a passkey is.
    """
    async with parts.storage.write() as tx:
        # Users come first in the order of locks.
        if renewed is not None:
            current = await tx.lock_user(user.sub)
            if current is not None and current.password_hash == user.password_hash:
                user = replace(current, password_hash=renewed)
                await tx.put_user(user)
        methods = second_step.after_password(usable(parts, await tx.factors(user.sub)), demand)
        if methods or methods is None:
            # Half a sign-in is none: who knows the password alone must not begin anew to count his guesses at the rest.
            await tries.forgive(tx, tried)
        else:
            await tries.succeed(tx, tried, now=now)
    return user, methods
