"""The authenticator app: set up with a first code, turned off again.

A seed that is being set up is kept nowhere: it travels sealed in the page's form, for this session, until a code proves
that the app has it.

Implements: RFC 6238 §5.1, §5.2; RFC 4226 §4 (R6); NIST SP 800-63B-4 §3.1.4, §4.1.2;
OWASP ASVS 5.0 §6.5.3, §6.5.6, §7.4.3.
"""

import base64
import struct
from dataclasses import dataclass
from typing import Final
from urllib.parse import quote, urlencode

from watchword.protocol import base64url
from watchword.server.domain import totp
from watchword.server.domain.audit import TotpAdded, TotpRemoved
from watchword.server.domain.lifetimes import MINUTE
from watchword.server.domain.login import CLOCKS_APART
from watchword.server.domain.time import Instant, Seconds
from watchword.server.domain.totp import Totp
from watchword.server.flows.browser_session import SignedIn
from watchword.server.flows.factors import end_the_others, enrolled, lock_for_change, must_be_fresh
from watchword.server.flows.notices import tell
from watchword.server.flows.parts import Parts
from watchword.server.flows.recovery_codes import Added, drop_without_factor, first_codes
from watchword.server.ports.sealing import CannotUnseal

# As long as somebody may look for his phone and install an app.
_PENDING: Final[Seconds] = 30 * MINUTE
_HEAD: Final = struct.Struct(">d")


class AlreadySetUp(Exception):
    """There is an authenticator app already."""


class SetUpOver(Exception):
    """The set-up was begun too long ago, or by somebody else."""


class WrongCode(Exception):
    """The code is not of the app that is being set up."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SetUp:
    """A seed that the user is putting into his app. ``sealed`` carries it through the form."""

    seed: bytes
    sealed: str

    def __repr__(self) -> str:
        return "SetUp()"

    @property
    def secret(self) -> str:
        """The seed as apps take it, to be typed."""
        return base64.b32encode(self.seed).decode()

    def uri(self, *, issuer: str, username: str) -> str:
        """The seed as apps take it, to be scanned."""
        query = urlencode(
            {"secret": self.secret, "issuer": issuer, "algorithm": "SHA1", "digits": totp.DIGITS, "period": totp.STEP},
            quote_via=quote,
        )
        # A colon parts the two names, so there is none in them.
        label = ":".join(quote(name.replace(":", " "), safe="") for name in (issuer, username))
        return f"otpauth://totp/{label}?{query}"


async def begin(parts: Parts, signed_in: SignedIn, *, now: Instant) -> SetUp:
    """A new seed for a user whose sign-in may change factors.

    Raises:
        SignInAnew: it may not.
        AlreadySetUp: there is one.
    """
    if (await enrolled(parts, signed_in.user.sub)).totp:
        raise AlreadySetUp
    await must_be_fresh(parts, signed_in, now=now)
    seed = parts.entropy.draw(totp.SEED_BYTES)
    sealed = parts.sealer.seal(_HEAD.pack(now) + seed, purpose=_purpose(signed_in))
    return SetUp(seed=seed, sealed=base64url.encode(sealed))


def resume(parts: Parts, signed_in: SignedIn, sealed: str, *, now: Instant) -> SetUp:
    """The set-up that came back with the form.

    Raises:
        SetUpOver: it is none of this session, or too old.
    """
    try:
        packed = parts.sealer.unseal(base64url.decode(sealed), purpose=_purpose(signed_in))
    except (CannotUnseal, ValueError):
        raise SetUpOver from None
    (begun_at,) = _HEAD.unpack_from(packed)
    if not -CLOCKS_APART <= now - begun_at < _PENDING:
        raise SetUpOver
    return SetUp(seed=packed[_HEAD.size :], sealed=sealed)


async def confirm(parts: Parts, signed_in: SignedIn, set_up: SetUp, typed: str, *, now: Instant, locale: str) -> Added:
    """Keep the app, which has shown a first code. All other sessions end, which may have had a password alone.

    ``locale``: the user's languages, for what he is told by mail.

    Raises:
        SignInAnew, InvalidCredentials: as ``lock_for_change``.
        AlreadySetUp: there is an app by now.
        WrongCode: nothing was changed.
    """
    code = totp.parse_code(typed)
    step = None if code is None else totp.accepted_step(set_up.seed, code, last_step=-1, now=now)
    if step is None:
        raise WrongCode
    sub = signed_in.user.sub
    sealed = parts.sealer.seal(set_up.seed, purpose=totp.purpose_of(sub))
    async with parts.storage.write() as tx:
        # First of all: the app that was just set up makes this very sign-in too weak, when the form is sent once more.
        await tx.lock_user(sub)
        if (await tx.factors(sub)).totp:
            raise AlreadySetUp
        user, _ = await lock_for_change(parts, tx, signed_in, now=now)
        # The first code is used up as well.
        await tx.put_totp(Totp(sub=sub, sealed=sealed, last_step=step, created_at=now))
        codes = await first_codes(parts, tx, user)
        await tx.record(TotpAdded(sub=sub), now=now)
        await tell(parts, tx, user, "totp_added", now=now, locale=locale)
        _, cookie = await end_the_others(parts, tx, user, signed_in, reason="factor_added", now=now)
    return Added(codes=codes, cookie=cookie)


async def turn_off(parts: Parts, signed_in: SignedIn, *, now: Instant, locale: str) -> str | None:
    """Forget the app. All other sessions end.

    Returns:
        The session's new cookie; None where there was no app.

    Raises:
        SignInAnew, InvalidCredentials: as ``lock_for_change``.
    """
    async with parts.storage.write() as tx:
        user, factors = await lock_for_change(parts, tx, signed_in, now=now)
        if not factors.totp:
            return None
        await tx.delete_totp(user.sub)
        await drop_without_factor(tx, user)
        user, cookie = await end_the_others(parts, tx, user, signed_in, reason="factor_removed", now=now)
        await tx.record(TotpRemoved(sub=user.sub), now=now)
        await tell(parts, tx, user, "totp_removed", now=now, locale=locale)
    return cookie


def _purpose(signed_in: SignedIn) -> str:
    return f"new totp\n{signed_in.user.sub}\n{signed_in.session.sid}"
