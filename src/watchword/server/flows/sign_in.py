"""Sign-in by user name and password: one flow behind every door, with one counter of failures per account.

Implements: NIST SP 800-63B-4 §3.1.1, §3.2.2; draft-ietf-oauth-first-party-apps §9.
"""

import math
from dataclasses import dataclass, replace
from typing import Final, TypeAlias

from watchword.protocol.errors import InvalidCredentials, TemporarilyUnavailable, TooManyTries
from watchword.server.domain import password_policy, throttle
from watchword.server.domain.identifiers import username_key
from watchword.server.domain.session import ACR_PASSWORD, Authentication
from watchword.server.domain.throttle import Bucket, Limit
from watchword.server.domain.time import Instant
from watchword.server.domain.user import User
from watchword.server.flows.parts import Parts
from watchword.server.flows.throttling import ThrottleKeys
from watchword.server.ports.passwords import PasswordsBusy

_PASSWORD: Final = ("pwd",)


@dataclass(frozen=True, slots=True, kw_only=True)
class PasswordSignIn:
    """A user name and password as they came. ``network``: where from, as far as is known; for the throttle alone."""

    username: str
    password: str
    network: str

    def __repr__(self) -> str:
        return f"PasswordSignIn(network={self.network!r})"


async def sign_in(parts: Parts, offered: PasswordSignIn, *, now: Instant) -> tuple[User, Authentication]:
    """The user who proved to be himself.

    An unknown name, a wrong password and a disabled user get the same answer after the same work.

    Raises:
        InvalidCredentials: no.
        TooManyTries: too many failures lately.
        TemporarilyUnavailable: too many sign-ins are waiting.
    """
    account = username_key(offered.username[:512])
    keys = ThrottleKeys.of(parts.secrets, account=account, network=offered.network)
    await _count_try(parts, keys, now=now)
    async with parts.storage.read() as reading:
        user = await reading.user_by_name(account)
    password = password_policy.normalise(offered.password)
    try:
        verdict = await parts.passwords.verify(
            password[: password_policy.MAX_LENGTH], None if user is None else user.password_hash
        )
        if user is None or not verdict.right or not user.enabled or len(password) > password_policy.MAX_LENGTH:
            raise InvalidCredentials(slug="sign_in.refused", detail="unknown, disabled, or a wrong password")
        renewed = await parts.passwords.hash(password) if verdict.outdated else None
    except PasswordsBusy:
        # Nobody guessed anything: a flood of sign-ins elsewhere must not use up the owner's tries.
        await _forgive_try(parts, keys, now=now)
        raise TemporarilyUnavailable(slug="sign_in.busy", retry_after=2) from None
    await _uncount_try(parts, keys, user=user, renewed=renewed, now=now)
    authentication = Authentication(
        sub=user.sub, epoch=user.epoch, auth_time=math.floor(now), acr=ACR_PASSWORD, amr=_PASSWORD
    )
    return user, authentication


_Counted: TypeAlias = list[tuple[bytes, Limit]]


def _counted(keys: ThrottleKeys, found: dict[bytes, Bucket], *, now: Instant) -> _Counted:
    """The buckets that a try counts in."""
    counted: _Counted = [(keys.account_from_network, throttle.ACCOUNT_FROM_NETWORK), (keys.network, throttle.NETWORK)]
    # The owner's own networks are not counted with the strangers', so these cannot shut him out.
    if not throttle.is_known(found[keys.account_from_network], now=now):
        counted.append((keys.account, throttle.ACCOUNT_FROM_STRANGERS))
    return counted


async def _count_try(parts: Parts, keys: ThrottleKeys, *, now: Instant) -> None:
    """Count the try before its outcome is known, so that a thousand at once are not all the first."""
    async with parts.storage.write() as tx:
        found = await tx.lock_buckets(keys.all)
        counted = _counted(keys, found, now=now)
        wait = max(throttle.wait(found[key], now=now) for key, _ in counted)
        if wait > 0:
            raise TooManyTries(slug="sign_in.throttled", retry_after=math.ceil(wait))
        await tx.put_buckets([throttle.after_failure(found[key], key, limit, now=now) for key, limit in counted])


async def _forgive_try(parts: Parts, keys: ThrottleKeys, *, now: Instant) -> None:
    async with parts.storage.write() as tx:
        found = await tx.lock_buckets(keys.all)
        counted = _counted(keys, found, now=now)
        await tx.put_buckets([throttle.without_one(found[key], limit) for key, limit in counted])


async def _uncount_try(parts: Parts, keys: ThrottleKeys, *, user: User, renewed: str | None, now: Instant) -> None:
    async with parts.storage.write() as tx:
        # Users come first in the order of locks.
        if renewed is not None:
            current = await tx.lock_user(user.sub)
            if current is not None and current.password_hash == user.password_hash:
                await tx.put_user(replace(current, password_hash=renewed))
        found = await tx.lock_buckets(keys.all)
        # The failures before this were not the account's last word: what counts is how many come in a row.
        changed = [throttle.without_one(found[keys.network], throttle.NETWORK), throttle.cleared(keys.account)]
        success = throttle.after_success(found[keys.account_from_network], keys.account_from_network, now=now)
        if success is not None:
            changed.append(success)
        await tx.put_buckets(changed)
