"""Recovery codes: what a user keeps on paper for the day when phone and keys are gone. Each works once.

Implements: NIST SP 800-63B-4 §3.1.2; OWASP ASVS 5.0 §6.5.2, §6.5.4.
"""

import hashlib
import unicodedata
from typing import Final

COUNT: Final = 10
# 80 random bits each: a hash of one cannot be tried out.
BYTES: Final = 10
# Crockford's: no I, L, O, U, so that nothing is misread.
_ALPHABET: Final = "0123456789abcdefghjkmnpqrstvwxyz"
_READ_AS: Final = str.maketrans({"i": "1", "l": "1", "o": "0"})
_LENGTH: Final = BYTES * 8 // 5
_MAX_TYPED: Final = 64


def format_code(entropy: bytes) -> str:
    """A code to write down, in groups of four.

    Raises:
        ValueError: not 10 bytes.
    """
    if len(entropy) != BYTES:
        raise ValueError("a recovery code has 10 bytes")
    number = int.from_bytes(entropy)
    letters = "".join(_ALPHABET[number >> shift & 31] for shift in range(_LENGTH * 5 - 5, -1, -5))
    return "-".join(letters[start : start + 4] for start in range(0, _LENGTH, 4))


def parse_code(typed: str) -> str | None:
    """The letters of a code as a person types it; None for what can be none."""
    if len(typed) > _MAX_TYPED:
        return None
    plain = unicodedata.normalize("NFKC", typed).casefold().translate(_READ_AS)
    letters = "".join(letter for letter in plain if letter not in " -‐‑‒–—\t")  # noqa: RUF001 - what keyboards make of "-"
    return letters if len(letters) == _LENGTH and set(letters) <= set(_ALPHABET) else None


def hash_of(sub: str, letters: str) -> bytes:
    """What is stored of a code, bound to its user."""
    return hashlib.sha256(f"recovery code\n{sub}\n{letters}".encode()).digest()
