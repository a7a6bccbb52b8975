"""Wrong codes after a right password: somebody may know the password, so the operator and the user hear of it.

Implements: OWASP ASVS 5.0 §6.3.5; NIST SP 800-63B-4 §3.2.2.
"""

import hashlib
from typing import Final

from watchword.server.domain import throttle
from watchword.server.domain.audit import SecondStepFailed
from watchword.server.domain.lifetimes import DAY
from watchword.server.domain.time import Instant
from watchword.server.domain.user import User
from watchword.server.flows.notices import tell
from watchword.server.flows.parts import Parts
from watchword.server.flows.throttling import wrong_code_key
from watchword.server.ports.transaction import Writing

# Two slips are nobody's business; and a month of guesses makes a few rows, not a hundred.
_FIRST_TOLD: Final = 3
_THEN_EACH: Final = 10


async def count_wrong(parts: Parts, sub: str, *, now: Instant, locale: str) -> None:
    """One more in a row. Of some there is an audit event, and once a day at most the user is told.

    Args:
        parts: of the node.
        sub: whose password it was.
        now: seconds since the epoch.
        locale: as for ``notices.tell``.
    """
    key = wrong_code_key(parts.secrets, sub=sub)
    async with parts.storage.write() as tx:
        user = await tx.lock_user(sub)
        if user is None:
            return
        bucket = (await tx.lock_buckets((key,)))[key]
        counted = throttle.after_failure(bucket, key, throttle.WRONG_CODES, now=now)
        await tx.put_buckets([counted])
        if counted.failures != _FIRST_TOLD and counted.failures % _THEN_EACH:
            return
        await tx.record(SecondStepFailed(sub=sub, failures=counted.failures), now=now)
        day = int(now // DAY)
        if await tx.spend(_told_key(sub, day), until=(day + 1) * DAY):
            await tell(parts, tx, user, "second_step_failed", now=now, locale=locale)


async def forget_wrong(parts: Parts, tx: Writing, user: User) -> None:
    """They are not in a row any more: the user, who is locked in ``tx``, has signed in."""
    key = wrong_code_key(parts.secrets, sub=user.sub)
    # Most sign-ins have no row, and make none.
    if key in await tx.buckets((key,)):
        await tx.put_buckets([throttle.cleared(key)])


def _told_key(sub: str, day: int) -> bytes:
    return hashlib.sha256(f"wrong codes told\n{sub}\n{day}".encode()).digest()
