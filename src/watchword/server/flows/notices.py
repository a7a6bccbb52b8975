"""Notices: a user hears by e-mail of what was changed about his account, in case it was not him.

Implements: OWASP ASVS 5.0 §6.3.5, §6.3.7; NIST SP 800-63B-4 §4.6.
"""

import math
from typing import Literal

from watchword.server.domain.delivery import GIVE_UP_AFTER
from watchword.server.domain.time import Instant
from watchword.server.domain.user import User
from watchword.server.flows.mail import post
from watchword.server.flows.parts import Parts
from watchword.server.ports.transaction import Writing

Notice = Literal[
    "password_changed",
    "email_changed",
    "passkey_added",
    "passkey_removed",
    "passkey_suspicious",
    "totp_added",
    "totp_removed",
    "recovery_codes_made",
    "recovery_code_used",
    "second_step_failed",
    "factors_removed",
]


async def tell(
    parts: Parts, tx: Writing, user: User, notice: Notice, *, now: Instant, to: str | None = None, locale: str = ""
) -> None:
    """Write to the user's verified address, after the commit of ``tx``; without one, or without mail, nothing happens.

    Args:
        parts: of the node.
        tx: the transaction of the change.
        user: whose account was changed.
        notice: what to say.
        now: seconds since the epoch.
        to: another address that was the user's, instead.
        locale: language tags that the user prefers, separated by spaces; nothing for the default language.
    """
    address = to or (user.email if user.email_verified else None)
    if address is None or not parts.sends_mail:
        return
    content = {"username": user.username, "at": str(math.floor(now)), "locale": locale}
    await post(parts, tx, notice, address, content=content, now=now, until=now + GIVE_UP_AFTER)
