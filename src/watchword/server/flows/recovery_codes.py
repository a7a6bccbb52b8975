"""Recovery codes: made with the first factor, made anew on wish, gone with the last factor. Shown once, kept as hashes.

Implements: NIST SP 800-63B-4 §3.1.2.2; OWASP ASVS 5.0 §6.5.2, §6.5.6.
"""

import hashlib
from dataclasses import dataclass, field

from watchword.server.domain import recovery_code
from watchword.server.domain.audit import RecoveryCodesMade
from watchword.server.domain.factors import FRESH
from watchword.server.domain.login import CLOCKS_APART
from watchword.server.domain.time import Instant
from watchword.server.domain.user import User
from watchword.server.flows.browser_session import SignedIn
from watchword.server.flows.factors import lock_for_change
from watchword.server.flows.notices import tell
from watchword.server.flows.parts import Parts
from watchword.server.ports.transaction import Writing


@dataclass(frozen=True, slots=True, kw_only=True)
class Added:
    """What came of a new factor.

    Attributes:
        codes: the user's first recovery codes, to be shown once; None where he has some.
        cookie: the session's new cookie, where all others ended; None where none did.
    """

    codes: list[str] | None = field(repr=False)
    cookie: str | None = field(repr=False)


class NothingToRecover(Exception):
    """The user has no factor that a recovery code could stand in for."""


class MadeAlready(Exception):
    """This form made codes already."""


async def first_codes(parts: Parts, tx: Writing, user: User) -> list[str] | None:
    """The first set of ``user``, who is locked in ``tx`` and gets a factor there; None when some codes are left."""
    if (await tx.factors(user.sub)).recovery_codes:
        return None
    return await _make(parts, tx, user)


async def new_codes(parts: Parts, signed_in: SignedIn, *, once: str, now: Instant, locale: str) -> list[str]:
    """Another set, in the place of the one before.

    Args:
        parts: of the node.
        signed_in: whose they are.
        once: what the form has that was shown to him, and no other form. One that comes twice makes codes once, or
            those that he has just printed would be dead.
        now: seconds since the epoch.
        locale: the user's languages, for what he is told by mail.

    Raises:
        SignInAnew, InvalidCredentials: as ``lock_for_change``.
        NothingToRecover: the user has no factor.
        MadeAlready: the form comes once more; nothing was changed.
    """
    async with parts.storage.write() as tx:
        user, factors = await lock_for_change(parts, tx, signed_in, now=now)
        if not factors.totp and not factors.passkeys:
            raise NothingToRecover
        # For longer, no form is taken without another sign-in, and then it was shown for the session before.
        key = hashlib.sha256(f"recovery codes\n{user.sub}\n{once}".encode()).digest()
        if not await tx.spend(key, until=now + FRESH + CLOCKS_APART):
            raise MadeAlready
        codes = await _make(parts, tx, user)
        await tx.record(RecoveryCodesMade(sub=user.sub), now=now)
        await tell(parts, tx, user, "recovery_codes_made", now=now, locale=locale)
    return codes


async def drop_without_factor(tx: Writing, user: User) -> None:
    """After a factor was removed in ``tx``: where it was the last one, the codes that stood in for it go, too."""
    left = await tx.factors(user.sub)
    if not left.totp and not left.passkeys:
        await tx.replace_recovery_codes(user.sub, ())


async def _make(parts: Parts, tx: Writing, user: User) -> list[str]:
    codes = [recovery_code.format_code(parts.entropy.draw(recovery_code.BYTES)) for _ in range(recovery_code.COUNT)]
    hashes = [recovery_code.hash_of(user.sub, code.replace("-", "")) for code in codes]
    await tx.replace_recovery_codes(user.sub, hashes)
    return codes
