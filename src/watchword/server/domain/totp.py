"""Time-based one-time passwords: the second step by an authenticator app.

Implements: RFC 6238 §4, §5.2; RFC 4226 §5.3, §7.2; OWASP ASVS 5.0 §6.5.1, §6.5.5.
"""

import hashlib
import hmac
import unicodedata
from dataclasses import dataclass
from typing import Final

from watchword.server.domain.time import Instant, Seconds

SEED_BYTES: Final = 20
STEP: Final[Seconds] = 30
DIGITS: Final = 6
# RFC 6238 §5.2: "at most one time step is allowed as the network delay"; one more ahead, for clocks that are fast.
STEPS_AROUND: Final = (-1, 0, 1)
_MAX_TYPED: Final = 64


@dataclass(frozen=True, slots=True, kw_only=True)
class Totp:
    """A row: a user's authenticator app.

    Attributes:
        sealed: the seed, encrypted under the server's secret; see ``purpose_of``.
        last_step: the time step of the code that was taken last. No code of it or of an earlier one is taken again.
    """

    sub: str
    sealed: bytes
    last_step: int
    created_at: Instant

    def __repr__(self) -> str:
        return f"Totp(sub={self.sub!r})"


def purpose_of(sub: str) -> str:
    """What a user's seed is sealed for."""
    return f"totp {sub}"


def parse_code(typed: str) -> str | None:
    """The six digits of a code as a person types or pastes it; None for what can be none."""
    if len(typed) > _MAX_TYPED:
        return None
    digits = "".join(unicodedata.normalize("NFKC", typed).split()).replace("-", "")
    return digits if len(digits) == DIGITS and digits.isascii() and digits.isdecimal() else None


def code_at(seed: bytes, step: int) -> str:
    """The code of a time step (RFC 4226 §5.3)."""
    digest = hmac.digest(seed, step.to_bytes(8), hashlib.sha1)
    offset = digest[-1] & 0x0F
    number = int.from_bytes(digest[offset : offset + 4]) & 0x7FFF_FFFF
    return f"{number % 10**DIGITS:0{DIGITS}}"


def came_from_the_future(last_step: int, *, now: Instant) -> bool:
    """Whether a code was taken that cannot have been by this clock, so that no code can be until it catches up."""
    return last_step > int(now // STEP) + STEPS_AROUND[-1]


def accepted_step(seed: bytes, code: str, *, last_step: int, now: Instant) -> int | None:
    """The time step of a good ``code`` that was not taken yet; None for any other.

    RFC 6238 §5.2: "The verifier MUST NOT accept the second attempt of the OTP after the successful validation".
    """
    current = int(now // STEP)
    typed = code.encode("ascii", "replace")
    accepted = None
    for step in (current + around for around in STEPS_AROUND):
        # All of them are compared, whichever fits: the time taken tells nothing.
        fits = step >= 0 and hmac.compare_digest(code_at(seed, step).encode(), typed)
        if fits and step > last_step:
            accepted = step
    return accepted
