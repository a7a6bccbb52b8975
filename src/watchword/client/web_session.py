"""What a web application keeps of a user's session, and where it lets him go on. Pure.

Implements: RFC 9700 §4.11.1 (no open redirector); OpenID Connect Core 1.0 §2.
"""

import re
from typing import Any, Final

import msgspec

from watchword.client.identity import Identity

# A path of this very site: one slash, and nothing that a browser reads as another one or strips on the way.
_LOCAL: Final = re.compile(r"/(?![/\\])[\x21-\x5b\x5d-\x7e]{0,2000}\Z", re.ASCII)


class WebSession(msgspec.Struct, frozen=True, kw_only=True):
    """A user's session at the application. ``until``: seconds since the epoch."""

    issuer: str
    subject: str
    session_id: str | None
    auth_time: float | None
    acr: str | None
    amr: tuple[str, ...]
    claims: dict[str, Any]
    id_token: str
    until: float

    def __repr__(self) -> str:
        return f"WebSession(until={self.until})"

    @classmethod
    def of(cls, identity: Identity, *, until: float) -> "WebSession":
        """A session of this user."""
        return cls(
            issuer=identity.issuer,
            subject=identity.subject,
            session_id=identity.session_id,
            auth_time=identity.auth_time,
            acr=identity.acr,
            amr=identity.amr,
            claims=dict(identity.claims),
            id_token=identity.id_token,
            until=until,
        )

    @property
    def identity(self) -> Identity:
        """Who the user is."""
        return Identity(
            issuer=self.issuer,
            subject=self.subject,
            session_id=self.session_id,
            auth_time=self.auth_time,
            acr=self.acr,
            amr=self.amr,
            claims=self.claims,
            id_token=self.id_token,
        )


def encode_session(session: WebSession) -> bytes:
    """The text that a store keeps."""
    return msgspec.json.encode(session)


def parse_session(text: bytes | None, *, now: float) -> WebSession | None:
    """The session that was kept; None where there is none, it is damaged, or it is over."""
    if text is None:
        return None
    try:
        session = msgspec.json.decode(text, type=WebSession)
    except ValueError:
        return None
    return session if now < session.until else None


def local_path(text: str | None, *, otherwise: str = "/") -> str:
    """Where to go on, if it is a path of this very site; else ``otherwise``."""
    return text if text is not None and _LOCAL.match(text) else otherwise
