"""Proof Key for Code Exchange, S256 only.

Implements: RFC 7636 §4.1, §4.2, §4.6.
Diverges: ``plain`` is not offered, and leaving the method out, which means ``plain``, is refused (RFC 9700 §2.1.1).
"""

import hashlib
import hmac
import re

from watchword.protocol import base64url

METHOD = "S256"
_VERIFIER = re.compile(r"[A-Za-z0-9._~-]{43,128}\Z", re.ASCII)


def parse_challenge(challenge: str, method: str) -> str:
    """The challenge, known to be one.

    Raises:
        ValueError: another method than S256, or no SHA-256 in base64url.
    """
    if method != METHOD:
        raise ValueError("code_challenge_method must be S256")
    if len(challenge) != 43 or len(base64url.decode(challenge)) != 32:
        raise ValueError("code_challenge must be 43 characters of base64url")
    return challenge


def parse_verifier(verifier: str) -> str:
    """The verifier, known to have the form of one.

    Raises:
        ValueError: shorter than 43, longer than 128, or with other characters.
    """
    if _VERIFIER.match(verifier) is None:
        raise ValueError("code_verifier must be 43 to 128 unreserved characters")
    return verifier


def challenge_of(verifier: str) -> str:
    """BASE64URL(SHA256(ASCII(verifier)))."""
    return base64url.encode(hashlib.sha256(verifier.encode("ascii")).digest())


def matches(verifier: str, challenge: str) -> bool:
    """Whether ``verifier`` is the one behind ``challenge``; compared in constant time."""
    return hmac.compare_digest(challenge_of(verifier), challenge)
