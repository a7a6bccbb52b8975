"""The cookies of a web login: one for the session, and a short-lived one for each sign-in under way.

The session's cookie is a random name and nothing else. A transaction travels sealed (AES-256-GCM) in a cookie of its
own, named after its state: so it is bound to the browser that began it, several tabs do not get in each other's way,
and whoever just knocks leaves nothing on the server.

Implements: RFC 6265 §4.1.2; RFC 9700 §4.7 (a transaction is bound to the user agent); RFC 10017 §6.1 (cookies).
Diverges: on plain http, which is for loopback alone, cookies have neither ``Secure`` nor the ``__Host-`` prefix.
"""

import base64
import hashlib
import hmac
import os
from typing import Final, Literal

import msgspec
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from msgspec import structs
from starlette.requests import Request
from starlette.responses import Response

from watchword.client.authorization import PATIENCE, Transaction
from watchword.client.errors import Misconfigured

# Sign-ins that one browser may have under way; the oldest make room.
_TABS: Final = 5
_SESSION_LENGTH: Final = 43
# Browsers keep a cookie of 4,096 bytes, name and value; servers read some 8 KB of all cookies together.
_LARGEST: Final = 4000
_LARGEST_WITH_NEXT: Final = 3500
_ALL_TABS: Final = 6000


class Underway(msgspec.Struct, frozen=True):
    """A transaction, and the path to go on to afterwards."""

    transaction: Transaction
    next: str


class LoginCookies:
    """Reads and writes the cookies of one application.

    Args:
        name: of the session's cookie, without a prefix.
        secret: keys are derived from it; the same for all processes of the application.
        is_plain: served by plain http, on loopback.
    """

    def __init__(self, *, name: str, secret: str, is_plain: bool) -> None:
        self._session = name if is_plain else f"__Host-{name}"
        self._plain = is_plain
        derived = HKDF(SHA256(), 64, salt=None, info=b"watchword web login").derive(secret.encode())
        self._box, self._form_key = AESGCM(derived[:32]), derived[32:]

    def session_of(self, request: Request) -> str | None:
        """The session's random name, as the browser sent it."""
        value = request.cookies.get(self._session)
        return value if value and len(value) == _SESSION_LENGTH and value.isascii() else None

    def set_session(self, response: Response, value: str, *, seconds: float) -> None:
        """Hand out the session's cookie."""
        self._set(response, self._session, value, seconds=seconds)

    def drop_session(self, response: Response) -> None:
        """Take the session's cookie away."""
        self._set(response, self._session, "", seconds=0)

    def form_token(self, session: str) -> str:
        """What a form of this session must carry."""
        return _text(hmac.digest(self._form_key, session.encode(), "sha256"))

    def set_transaction(self, request: Request, response: Response, underway: Underway) -> None:
        """Bind a sign-in to the browser. Where the path to go on to makes it too large, it goes on to ``/``.

        Raises:
            Misconfigured: what is asked for is too much for a cookie.
        """
        name = self._name(underway.transaction.state)
        sealed = self._seal(name, underway)
        if len(name) + len(sealed) > _LARGEST_WITH_NEXT:
            sealed = self._seal(name, structs.replace(underway, next="/"))
        if len(name) + len(sealed) > _LARGEST:
            raise Misconfigured("the scope and resources of a sign-in are too long for a cookie")
        self._set(response, name, sealed, seconds=PATIENCE)
        # Browsers send the oldest first.
        left, room = _TABS - 1, _ALL_TABS - len(name) - len(sealed)
        for other, value in reversed(request.cookies.items()):
            if other.startswith(f"{self._session}-") and other != name:
                left, room = left - 1, room - len(other) - len(value)
                if left < 0 or room < 0:
                    self._set(response, other, "", seconds=0)

    def transaction_of(self, request: Request, state: str) -> Underway | None:
        """The sign-in that this browser began under ``state``."""
        name = self._name(state)
        try:
            sealed = base64.urlsafe_b64decode(request.cookies.get(name, "") + "==")
            opened = self._box.decrypt(sealed[:12], sealed[12:], name.encode())
            return msgspec.json.decode(opened, type=Underway)
        except (ValueError, InvalidTag):
            return None

    def drop_transaction(self, response: Response, state: str) -> None:
        """A sign-in is over, however it ended."""
        self._set(response, self._name(state), "", seconds=0)

    def _seal(self, name: str, underway: Underway) -> str:
        nonce = os.urandom(12)
        return _text(nonce + self._box.encrypt(nonce, msgspec.json.encode(underway), name.encode()))

    def _name(self, state: str) -> str:
        return f"{self._session}-{hashlib.sha256(state.encode()).hexdigest()[:16]}"

    def _set(self, response: Response, name: str, value: str, *, seconds: float) -> None:
        # Lax: the browser comes back from the issuer's site, and must be known then.
        same_site: Literal["lax"] = "lax"
        response.set_cookie(
            name, value, max_age=int(seconds), path="/", secure=not self._plain, httponly=True, samesite=same_site
        )


def _text(octets: bytes) -> str:
    return base64.urlsafe_b64encode(octets).decode("ascii").rstrip("=")
