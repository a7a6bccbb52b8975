"""Base64url without padding, canonical in both directions.

Implements: RFC 7515 §2, Appendix C; RFC 4648 §3.5, §5.
"""

import binascii

_TO_URL = bytes.maketrans(b"+/", b"-_")
# The two characters of base64 that base64url replaces, and padding, become one that the strict decoder refuses.
_FROM_URL = bytes.maketrans(b"-_+/=", b"+/!!!")
# The last character of a segment may only carry bits that belong to a byte; the others must be zero.
_CANONICAL_LAST = {2: frozenset("AQgw"), 3: frozenset("AEIMQUYcgkosw048")}
_PADDING = {0: b"", 2: b"==", 3: b"="}


def encode(data: bytes) -> str:
    """Text of ``data``, without padding."""
    return binascii.b2a_base64(data, newline=False).rstrip(b"=").translate(_TO_URL).decode("ascii")


def decode(text: str) -> bytes:
    """Bytes of ``text``.

    Raises:
        ValueError: padding, white space, a foreign character, an impossible length, or unused bits that are not
            zero. One value has one spelling, so that a changed token is never the same token.
    """
    rest = len(text) % 4
    if rest and (rest == 1 or text[-1] not in _CANONICAL_LAST[rest]):
        raise ValueError("not canonical base64url")
    try:
        return binascii.a2b_base64(text.encode("ascii").translate(_FROM_URL) + _PADDING[rest], strict_mode=True)
    except ValueError:  # binascii.Error and UnicodeEncodeError are ones
        raise ValueError("not base64url") from None
