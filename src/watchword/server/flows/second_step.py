"""The second step of a sign-in: a code of the authenticator app, or a recovery code, after the right password.

Its tries count like tries at the password, in the same buckets, and only the whole sign-in clears them: whoever knows
a password gets no more guesses at codes than a stranger gets at passwords.

Implements: RFC 6238 §5.2; NIST SP 800-63B-4 §3.1.2.2, §3.1.4.2, §3.2.2; OWASP ASVS 5.0 §6.3.1, §6.5.1, §6.5.4;
draft-ietf-oauth-first-party-apps §5.3.1.
Diverges: draft-ietf-oauth-first-party-apps §5.3.1 (an ``auth_session`` is bound to its client, not to a device).
"""

import math
from dataclasses import dataclass, field, replace

from watchword.protocol import base64url
from watchword.protocol.authentication_class import ACR_TWO_FACTOR
from watchword.protocol.errors import InvalidCredentials, InvalidRequest, InvalidSession
from watchword.server.domain import recovery_code, second_step, totp
from watchword.server.domain.audit import RecoveryCodeUsed
from watchword.server.domain.login import CLOCKS_APART
from watchword.server.domain.second_step import Door, Method, SecondStep
from watchword.server.domain.session import Authentication
from watchword.server.domain.time import Instant
from watchword.server.domain.user import User
from watchword.server.flows import tries
from watchword.server.flows.notices import tell
from watchword.server.flows.parts import Parts
from watchword.server.flows.throttling import ThrottleKeys
from watchword.server.flows.tries import Try
from watchword.server.flows.wrong_codes import count_wrong, forget_wrong
from watchword.server.ports.sealing import CannotUnseal
from watchword.server.ports.transaction import Writing


class _ClockBehind(Exception):
    """No code was judged: the last one that was taken is of a time that this node's clock has not reached."""


@dataclass(frozen=True, slots=True, kw_only=True)
class OfferedCode:
    """A code as it was typed, and where from, if there is evidence. ``locale``: as for ``notices.tell``."""

    method: Method
    typed: str = field(repr=False)
    network: str | None
    locale: str = ""

    @classmethod
    def of(cls, *, otp: str | None, recovery_code: str | None, network: str | None, locale: str = "") -> "OfferedCode":
        """The one that was sent.

        Raises:
            InvalidRequest: none, or both.
        """
        if otp and recovery_code:
            raise InvalidRequest("send otp or recovery_code, not both", slug="second_step.two_codes")
        if otp:
            return cls(method="otp", typed=otp, network=network, locale=locale)
        if recovery_code:
            return cls(method="recovery_code", typed=recovery_code, network=network, locale=locale)
        raise InvalidRequest("otp or recovery_code is missing", slug="request.missing_parameter")


def seal(parts: Parts, step: SecondStep, *, door: Door, bound_to: str) -> str:
    """The step as it travels, good at this door and for this browser or client alone."""
    return base64url.encode(parts.sealer.seal(second_step.pack(step), purpose=_purpose(door, bound_to)))


def unseal(parts: Parts, sealed: str, *, door: Door, bound_to: str, now: Instant) -> SecondStep:
    """The step that came back.

    Raises:
        InvalidSession: it is none of ours, another's, for another door, or too old.
    """
    step = _unsealed(parts, sealed, door=door, bound_to=bound_to)
    # The node that judged the password may be ahead of this one.
    if not -CLOCKS_APART <= now - step.password_at < second_step.LIFETIME:
        raise InvalidSession(slug="second_step.over", detail="too old")
    return step


def name_in(parts: Parts, sealed: str, *, door: Door, bound_to: str) -> str:
    """The user name in a step that is over, for this browser to show again; empty where it is none of ours."""
    try:
        return _unsealed(parts, sealed, door=door, bound_to=bound_to).username
    except InvalidSession:
        return ""


async def take(parts: Parts, step: SecondStep, offered: OfferedCode, *, now: Instant) -> tuple[User, Authentication]:
    """The user who has proved to be himself by password and code. The code and the step are used up.

    Raises:
        InvalidSession: the step was used, or the user was disabled, logged out, or given another password since.
        InvalidCredentials: the code is wrong, or was used before.
        TooManyTries: too many failures lately, of this or any other factor.
    """
    async with parts.storage.read() as reading:
        user = await reading.user(step.sub)
    if user is None or not step.is_for(user):
        raise _over()
    keys = ThrottleKeys.of(parts.secrets, account=user.username_key, network=offered.network)
    async with parts.turns.turn(keys.turn):
        tried = await tries.count(parts, keys, now=now)
        try:
            user = await _judge(parts, step, offered, tried, now=now)
        except InvalidCredentials:
            await count_wrong(parts, step.sub, now=now, locale=offered.locale)
            raise
        except _ClockBehind:
            async with parts.storage.write() as tx:
                await tries.forgive(tx, tried)
            parts.telemetry.warn("totp.clock_went_back", sub=step.sub)
            raise _wrong() from None
    if user is None:
        raise _over()
    proof = Authentication(
        sub=user.sub,
        epoch=user.epoch,
        # The instant of completion.
        auth_time=math.floor(now),
        acr=ACR_TWO_FACTOR,
        amr=second_step.AMR[offered.method],
    )
    return user, proof


def _unsealed(parts: Parts, sealed: str, *, door: Door, bound_to: str) -> SecondStep:
    try:
        return second_step.unpack(parts.sealer.unseal(base64url.decode(sealed), purpose=_purpose(door, bound_to)))
    except (CannotUnseal, ValueError):
        raise InvalidSession(slug="second_step.over", detail="not ours, or not this caller's") from None


async def _judge(parts: Parts, step: SecondStep, offered: OfferedCode, tried: Try, *, now: Instant) -> User | None:
    """The user, whose code and step are used up; None where no code was judged, as the step is over."""
    async with parts.storage.write() as tx:
        # Users come first in the order of locks. A wrong code was counted before, and takes back all of this.
        user = await tx.lock_user(step.sub)
        if user is None or not step.is_for(user) or not await _spend(tx, step):
            await tries.forgive(tx, tried)
            return None
        await _use_up(parts, tx, user, offered, now=now)
        await forget_wrong(parts, tx, user)
        await tries.succeed(tx, tried, now=now)
        return user


async def _spend(tx: Writing, step: SecondStep) -> bool:
    return await tx.spend(step.spent_key, until=step.password_at + second_step.LIFETIME + CLOCKS_APART)


async def _use_up(parts: Parts, tx: Writing, user: User, offered: OfferedCode, *, now: Instant) -> None:
    if offered.method == "otp":
        await _use_totp(parts, tx, user, offered.typed, now=now)
    else:
        await _use_recovery_code(parts, tx, user, offered, now=now)


async def _use_totp(parts: Parts, tx: Writing, user: User, typed: str, *, now: Instant) -> None:
    found = await tx.lock_totp(user.sub)
    code = totp.parse_code(typed)
    if found is None or code is None:
        raise _wrong()
    if totp.came_from_the_future(found.last_step, now=now):
        raise _ClockBehind
    try:
        seed = parts.sealer.unseal(found.sealed, purpose=totp.purpose_of(user.sub))
    except CannotUnseal:
        parts.telemetry.warn("totp.unreadable", sub=user.sub)
        raise _wrong() from None
    step = totp.accepted_step(seed, code, last_step=found.last_step, now=now)
    if step is None:
        raise _wrong()
    # Sealed anew, too: what a node with an older secret has sealed meanwhile moves to the newest one by its use.
    sealed = parts.sealer.seal(seed, purpose=totp.purpose_of(user.sub))
    await tx.put_totp(replace(found, sealed=sealed, last_step=step))


async def _use_recovery_code(parts: Parts, tx: Writing, user: User, offered: OfferedCode, *, now: Instant) -> None:
    letters = recovery_code.parse_code(offered.typed)
    if letters is None or not await tx.take_recovery_code(user.sub, recovery_code.hash_of(user.sub, letters)):
        raise _wrong()
    left = (await tx.factors(user.sub)).recovery_codes
    await tx.record(RecoveryCodeUsed(sub=user.sub, left=left), now=now)
    await tell(parts, tx, user, "recovery_code_used", now=now, locale=offered.locale)


def _wrong() -> InvalidCredentials:
    return InvalidCredentials("the code is not right", slug="second_step.refused", detail="a wrong or used code")


def _over() -> InvalidSession:
    return InvalidSession(slug="second_step.over", detail="used, or the user is another one since")


def _purpose(door: Door, bound_to: str) -> str:
    return f"second step\n{door}\n{bound_to}"
