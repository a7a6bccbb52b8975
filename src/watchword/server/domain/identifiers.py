"""Names of things: random ids, user names, client ids and names.

Implements: RFC 9700 §4.15 (a client id must not be taken for a user's ``sub``); RFC 8265 §3.3 in spirit.
"""

import re
import unicodedata

from watchword.protocol import base64url
from watchword.server.domain import normal_form
from watchword.server.domain.passkey import MAX_NAME

_RANDOM_ID = re.compile(r"[A-Za-z0-9_-]{22}\Z", re.ASCII)
_CLIENT_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9._~-]{1,63}\Z", re.ASCII)
ID_BYTES = 16
# As typed, before letters and accents are put together. What is longer is not even looked at.
MAX_TYPED_NAME = 512
# Letters, marks and symbols that show nothing (Unicode's Default_Ignorable_Code_Point beyond category Cf, and the blank
# Braille pattern): with them two names could look alike.
_INVISIBLE = re.compile(
    "[\u034f\u115f\u1160\u17b4\u17b5\u180b-\u180f\u2800\u3164\ufe00-\ufe0f\uffa0\U000e0100-\U000e01ef]"
)


def random_id(entropy: bytes) -> str:
    """16 random bytes as an id of 22 characters: ``sub``, ``sid``, ``gid``, ``jti``.

    Raises:
        ValueError: not 16 bytes.
    """
    if len(entropy) != ID_BYTES:
        raise ValueError("an id has 16 bytes")
    return base64url.encode(entropy)


def parse_client_id(text: str) -> str:
    """A client id as an operator may choose one.

    Raises:
        ValueError: other characters, or text that could be a user's ``sub``.
    """
    if _CLIENT_ID.match(text) is None:
        raise ValueError("a client id is 2 to 64 letters, digits and ._~- and starts with a letter or digit")
    # A `sub` has exactly 22 characters of base64url, so no client id may.
    if _RANDOM_ID.match(text) is not None:
        raise ValueError("a client id of exactly 22 such characters could be taken for a user: choose another length")
    return text


def parse_username(text: str) -> str:
    """A user name to show, trimmed and normalised (NFC).

    Raises:
        ValueError: empty, longer than 128 code points, or with control or invisible characters.
    """
    name = normal_form.nfc(text.strip()) if len(text) <= MAX_TYPED_NAME else ""
    if not 1 <= len(name) <= 128:
        raise ValueError("a user name has 1 to 128 characters")
    if not _visible(name) or not username_key(name):
        raise ValueError("a user name has visible characters only")
    return name


def parse_client_name(text: str) -> str:
    """A client's name as users read it, trimmed and normalised (NFC).

    Raises:
        ValueError: empty, longer than 80 code points, or with control or invisible characters.
    """
    name = normal_form.nfc(text.strip()) if len(text) <= MAX_TYPED_NAME else ""
    if not 1 <= len(name) <= 80 or not _visible(name):
        raise ValueError("a client's name has 1 to 80 visible characters")
    return name


def parse_passkey_name(text: str) -> str:
    """What a user calls a passkey, trimmed and normalised (NFC).

    Raises:
        ValueError: empty, longer than 64 code points, or with control or invisible characters.
    """
    name = normal_form.nfc(text.strip()) if len(text) <= MAX_TYPED_NAME else ""
    if not 1 <= len(name) <= MAX_NAME or not _visible(name):
        raise ValueError("a passkey's name has 1 to 64 visible characters")
    return name


def _visible(name: str) -> bool:
    hidden = any(unicodedata.category(c) in ("Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp") for c in name)
    return not hidden and _INVISIBLE.search(name) is None


def username_key(text: str) -> str:
    """What makes two user names the same: NFKC and case folding, twice, as folding can undo the normal form.

    White space is cut off afterwards, since some accents are a space and a mark in NFKC.
    """
    folded = normal_form.nfkc(text).strip().casefold()
    return normal_form.nfkc(folded).strip().casefold()


def email_key(address: str) -> str:
    """What makes two addresses the same. Providers ignore case, also where the standard lets them mind it."""
    return normal_form.nfkc(address).strip().casefold()


def parse_email(text: str) -> str:
    """An e-mail address, loosely: one @, a dot behind it, visible characters only. Only a message to it proves it.

    Raises:
        ValueError: certainly none.
    """
    address = text.strip()
    local, at, domain = address.rpartition("@")
    if (
        not (at and local and "." in domain.strip("."))
        or len(address) > 254
        or re.search(r"[\s<>,;]", address)
        # A quoted local part may hold one; no mailbox of our days has it, and not every relay reads it alike.
        or "@" in local
        or not _visible(address)
    ):
        raise ValueError("this is no e-mail address")
    return address
