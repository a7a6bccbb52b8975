"""What users have enrolled beside the password, as an operator sees it and takes it away.

Implements: OWASP ASVS 5.0 §6.5.6, §7.4.3; NIST SP 800-63B-4 §4.5.
"""

from dataclasses import dataclass
from typing import Final

from watchword.server.domain.audit import Administered
from watchword.server.domain.factors import Factors
from watchword.server.domain.passkey import Passkey
from watchword.server.domain.time import Instant
from watchword.server.domain.user import User
from watchword.server.flows.admin.users import find, lock
from watchword.server.flows.endings import end_everything
from watchword.server.flows.notices import tell
from watchword.server.flows.parts import Parts

_NOTHING: Final = Factors(totp=False, passkeys=0, recovery_codes=0)


@dataclass(frozen=True, slots=True, kw_only=True)
class Enrolled:
    """A user's factors. ``totp_since``: when the authenticator app was set up; None without one."""

    user: User
    passkeys: list[Passkey]
    totp_since: Instant | None
    recovery_codes: int


async def shown(parts: Parts, name: str) -> Enrolled:
    """What a user has enrolled.

    Raises:
        Refused: there is no such user.
    """
    async with parts.storage.read() as reading:
        user = await find(reading, name)
        totp = await reading.totp(user.sub)
        return Enrolled(
            user=user,
            passkeys=await reading.passkeys_of(user.sub),
            totp_since=None if totp is None else totp.created_at,
            recovery_codes=(await reading.factors(user.sub)).recovery_codes,
        )


async def remove(parts: Parts, name: str) -> tuple[User, bool]:
    """Take all factors and recovery codes from a user, so that his password alone does again. All his sessions end.

    Where there is nothing to take, nothing happens: no session ends, and no mail tells of it.

    Returns:
        The user, and whether there was anything to take.

    Raises:
        Refused: there is no such user.
    """
    now = parts.clock.now()
    async with parts.storage.write() as tx:
        user = await lock(tx, name)
        if await tx.factors(user.sub) == _NOTHING:
            return user, False
        for passkey in await tx.passkeys_of(user.sub):
            await tx.delete_passkey(passkey.credential_id)
        await tx.delete_totp(user.sub)
        await tx.replace_recovery_codes(user.sub, ())
        user = await end_everything(tx, user, reason="factors_removed", now=now)
        await tx.put_user(user)
        await tx.record(Administered(what="user.factors_removed", subject=user.sub), now=now)
        await tell(parts, tx, user, "factors_removed", now=now)
    return user, True
