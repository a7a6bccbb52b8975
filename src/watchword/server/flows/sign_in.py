"""Sign-in by user name and password: one flow behind every door, with one counter of failures per account.

Implements: NIST SP 800-63B-4 §3.1.1, §3.2.2; draft-ietf-oauth-first-party-apps §9.
"""

import math
from dataclasses import dataclass, replace
from typing import Final, TypeAlias

from watchword.protocol.authentication_class import ACR_PASSWORD
from watchword.protocol.errors import InvalidCredentials, TemporarilyUnavailable, TooManyTries
from watchword.server.domain import identifiers, password_policy, throttle
from watchword.server.domain.identifiers import username_key
from watchword.server.domain.session import Authentication
from watchword.server.domain.throttle import Bucket, Limit
from watchword.server.domain.time import Instant
from watchword.server.domain.user import User
from watchword.server.flows.parts import Parts
from watchword.server.flows.throttling import ThrottleKeys
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


async def sign_in(parts: Parts, offered: PasswordSignIn, *, now: Instant) -> tuple[User, Authentication]:
    """The user who proved to be himself.

    An unknown name, a wrong password and a disabled user get the same answer after the same work.

    Raises:
        InvalidCredentials: no.
        TooManyTries: too many failures lately.
        TemporarilyUnavailable: too many sign-ins are waiting.
    """
    if len(offered.username) > identifiers.MAX_TYPED_NAME or len(offered.password) > password_policy.MAX_TYPED:
        # Nobody's: that says nothing about anybody, and is not worth any work.
        raise InvalidCredentials(slug="sign_in.refused", detail="longer than any user name or password")
    account = username_key(offered.username)
    keys = ThrottleKeys.of(parts.secrets, account=account, network=offered.network)
    async with parts.turns.turn(keys.turn):
        user = await _judge(parts, offered, keys, account=account, now=now)
    authentication = Authentication(
        sub=user.sub, epoch=user.epoch, auth_time=math.floor(now), acr=ACR_PASSWORD, amr=_PASSWORD
    )
    return user, authentication


async def _judge(parts: Parts, offered: PasswordSignIn, keys: ThrottleKeys, *, account: str, now: Instant) -> User:
    tried = await _count_try(parts, keys, now=now)
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
        await _forgive_try(parts, keys, tried)
        raise TemporarilyUnavailable(slug="sign_in.busy", retry_after=2) from None
    await _uncount_try(parts, keys, tried, user=user, renewed=renewed, now=now)
    return user


_Tried: TypeAlias = list[tuple[Bucket, Limit]]


def _counting(keys: ThrottleKeys, found: dict[bytes, Bucket], *, now: Instant) -> list[tuple[bytes, Limit]]:
    """The buckets that a try counts in."""
    strangers = (keys.account, throttle.ACCOUNT_FROM_STRANGERS)
    if keys.account_from_network is None or keys.network is None:
        # No evidence: what everybody shares must not count, or one guesser would shut out all.
        return [strangers]
    here = (keys.account_from_network, throttle.ACCOUNT_FROM_NETWORK)
    # The owner's own networks are counted apart, so neither strangers nor his neighbours' failures can shut him out.
    if throttle.is_known(found[keys.account_from_network], now=now):
        return [here, (keys.account_from_known, throttle.ACCOUNT_FROM_KNOWN)]
    return [here, (keys.network, throttle.NETWORK), strangers]


async def _count_try(parts: Parts, keys: ThrottleKeys, *, now: Instant) -> _Tried:
    """Count the try before its outcome is known, so that a thousand at once are not all the first."""
    async with parts.storage.write() as tx:
        found = await tx.lock_buckets(keys.all)
        counting = _counting(keys, found, now=now)
        wait = max(throttle.wait(found[key], now=now) for key, _ in counting)
        if wait > 0:
            raise TooManyTries(slug="sign_in.throttled", retry_after=math.ceil(wait))
        tried = [(throttle.after_failure(found[key], key, limit, now=now), limit) for key, limit in counting]
        await tx.put_buckets([bucket for bucket, _ in tried])
    return tried


def _taken_back(found: dict[bytes, Bucket], tried: _Tried) -> dict[bytes, Bucket]:
    return {counted.key: throttle.without_one(found[counted.key], limit, counted=counted) for counted, limit in tried}


async def _forgive_try(parts: Parts, keys: ThrottleKeys, tried: _Tried) -> None:
    async with parts.storage.write() as tx:
        found = await tx.lock_buckets(keys.all)
        await tx.put_buckets(list(_taken_back(found, tried).values()))


async def _uncount_try(
    parts: Parts, keys: ThrottleKeys, tried: _Tried, *, user: User, renewed: str | None, now: Instant
) -> None:
    async with parts.storage.write() as tx:
        # Users come first in the order of locks.
        if renewed is not None:
            current = await tx.lock_user(user.sub)
            if current is not None and current.password_hash == user.password_hash:
                await tx.put_user(replace(current, password_hash=renewed))
        found = await tx.lock_buckets(keys.all)
        changed = _taken_back(found, tried)
        # The failures before this were not the account's last word: what counts is how many come in a row.
        for key in (keys.account, keys.account_from_known):
            if found[key].failures > 0:
                changed[key] = throttle.cleared(key)
        if keys.account_from_network is not None:
            key = keys.account_from_network
            # None: the row need not be written again. The try was counted there, so it is not so here.
            changed[key] = throttle.after_success(found[key], key, now=now) or changed[key]
        await tx.put_buckets(list(changed.values()))
