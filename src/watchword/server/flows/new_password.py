"""A new password: judged by the policy, then hashed. One flow for sign-up and for commands.

Implements: NIST SP 800-63B-4 §3.1.1.2.
"""

from urllib.parse import urlsplit

from watchword.server.domain import password_policy
from watchword.server.ports.passwords import Passwords


class NotAccepted(Exception):
    """The policy refuses the password; the text is a sentence for who chose it."""


async def hash_accepted(passwords: Passwords, password: str, *, username: str, email: str | None, issuer: str) -> str:
    """The hash of ``password``.

    Raises:
        NotAccepted: too short, too long, easy to guess, or built from the user's or the site's name.
        PasswordsBusy: too many are waiting.
    """
    if len(password) > password_policy.MAX_TYPED:
        raise NotAccepted(password_policy.TOO_LONG)
    host = urlsplit(issuer).hostname
    context = tuple(word for word in (username, *(email or "").partition("@")[::2], host, "watchword") if word)
    normal = password_policy.normalise(password)
    # The estimator need not look at what is too long in any case.
    score = await passwords.score(normal[: password_policy.MAX_LENGTH], context=context)
    objection = password_policy.objection(normal, score=score, context=context)
    if objection is not None:
        raise NotAccepted(objection)
    return await passwords.hash(normal)
