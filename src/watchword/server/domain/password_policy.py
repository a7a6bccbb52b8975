"""Which new passwords are accepted.

Implements: NIST SP 800-63B-4 §3.1.1.2 (length, no composition rules, blocklist, Unicode by code point).
"""

from collections.abc import Sequence
from typing import Final

from watchword.server.domain import normal_form

MIN_LENGTH: Final = 15
MAX_LENGTH: Final = 1024
# As typed: a letter may come in up to four pieces. What is longer is not even looked at.
MAX_TYPED: Final = 4 * MAX_LENGTH
TOO_LONG: Final = f"use at most {MAX_LENGTH} characters"
# On zxcvbn's scale of 0 to 4: below 3 a guesser with a list needs less than 10^8 tries.
MIN_SCORE: Final = 3


def normalise(password: str) -> str:
    """The password as it is hashed: NFKC, so that two keyboards give one password (SP 800-63B-4 §3.1.1.2)."""
    return normal_form.nfkc(password)


def objection(password: str, *, score: int, context: Sequence[str]) -> str | None:
    """Why ``password`` is refused, as a sentence for the user; None when it is accepted.

    Args:
        password: normalised.
        score: of the strength estimate, 0 to 4.
        context: words that a guesser would try first: user name, e-mail, the site.
    """
    if len(password) < MIN_LENGTH:
        return f"use at least {MIN_LENGTH} characters: a few words in a row will do"
    if len(password) > MAX_LENGTH:
        return TOO_LONG
    folded = password.casefold()
    for word in context:
        if len(word) >= 4 and word.casefold() in folded and len(folded.replace(word.casefold(), "")) < MIN_LENGTH - 5:
            return "do not build it from your name or this site's"
    if score < MIN_SCORE:
        return "this is easy to guess: use words that do not belong together"
    return None
