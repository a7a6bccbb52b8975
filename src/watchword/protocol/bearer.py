"""The Authorization header: bearer tokens and HTTP Basic client credentials.

Implements: RFC 6750 §2.1; RFC 7617 §2; RFC 6749 §2.3.1.
Diverges: access tokens are taken from the header alone, never from the query (RFC 9700 §4.3.2) nor from a form.
"""

import base64
import binascii
import re
from urllib.parse import quote_plus, unquote_plus

from watchword.protocol.rejection import TokenRejected

_B64_TOKEN = re.compile(r"[A-Za-z0-9._~+/-]+=*\Z", re.ASCII)


def parse_bearer(headers: list[str]) -> str:
    """The token in the ``Authorization`` headers of one request.

    Raises:
        TokenRejected: ``token.missing`` when there is none (or another scheme), ``token.two_methods`` for two
            headers, ``token.malformed`` for characters outside RFC 6750 §2.1.
    """
    if not headers:
        raise TokenRejected("token.missing")
    if len(headers) > 1:
        raise TokenRejected("token.two_methods")
    scheme, _, token = headers[0].partition(" ")
    if scheme.lower() != "bearer":
        raise TokenRejected("token.missing", "the scheme is not Bearer")
    token = token.strip(" ")
    if _B64_TOKEN.match(token) is None:
        raise TokenRejected("token.malformed", "not a b64token")
    return token


def parse_basic(header: str) -> tuple[str, str] | None:
    """Client id and secret from an ``Authorization`` header, or None when it is of another scheme.

    Raises:
        ValueError: HTTP Basic that is malformed.
    """
    scheme, _, encoded = header.partition(" ")
    if scheme.lower() != "basic":
        return None
    try:
        client_id, colon, secret = (
            binascii.a2b_base64(encoded.strip(" "), strict_mode=True).decode("utf-8").partition(":")
        )
        # RFC 6749 §2.3.1: both are encoded with application/x-www-form-urlencoded first.
        pair = _unquoted(client_id), _unquoted(secret)
    except (binascii.Error, UnicodeDecodeError):
        raise ValueError("malformed HTTP Basic credentials") from None
    if not colon:
        raise ValueError("malformed HTTP Basic credentials")
    return pair


def _unquoted(text: str) -> str:
    return unquote_plus(text, errors="strict") if "%" in text or "+" in text else text


def render_basic(client_id: str, secret: str) -> str:
    """The ``Authorization`` header of a client that proves its secret (RFC 6749 §2.3.1: encoded as in a form first)."""
    pair = f"{quote_plus(client_id)}:{quote_plus(secret)}"
    return f"Basic {base64.b64encode(pair.encode('ascii')).decode('ascii')}"
