"""Base64url without padding, canonical in both directions.

Implements: RFC 7515 §2, Appendix C; RFC 4648 §3.5, §5.
"""

import binascii
import re

_ALPHABET = re.compile(r"[A-Za-z0-9_-]*\Z", re.ASCII)
_TO_STANDARD = str.maketrans("-_", "+/")
# The last character of a segment may only carry bits that belong to a byte; the others must be zero.
_CANONICAL_LAST = {2: frozenset("AQgw"), 3: frozenset("AEIMQUYcgkosw048")}


def encode(data: bytes) -> str:
    """Text of ``data``, without padding."""
    return binascii.b2a_base64(data, newline=False).decode("ascii").rstrip("=").replace("+", "-").replace("/", "_")


def decode(text: str) -> bytes:
    """Bytes of ``text``.

    Raises:
        ValueError: padding, white space, a foreign character, an impossible length, or unused bits that are not
            zero. One value has one spelling, so that a changed token is never the same token.
    """
    if _ALPHABET.match(text) is None:
        raise ValueError("not base64url")
    rest = len(text) % 4
    if rest:
        if rest == 1 or text[-1] not in _CANONICAL_LAST[rest]:
            raise ValueError("not canonical base64url")
        text += "=="[: 4 - rest]
    return binascii.a2b_base64(text.translate(_TO_STANDARD))
