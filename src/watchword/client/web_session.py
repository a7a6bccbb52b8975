"""What a web application keeps of a user's session, and where it lets him go on. Pure.

Implements: RFC 9700 §4.11.1 (no open redirector); RFC 9470 §4; OpenID Connect Core 1.0 §2;
OpenID Connect Back-Channel Logout 1.0 §2.7.
"""

import re
from typing import Any, Final

import msgspec

from watchword.client.identity import Identity
from watchword.protocol.authentication_class import satisfies

# A path of this very site: one slash, and nothing that a browser reads as another one or strips on the way. Of 500
# characters at most, since it travels in a cookie.
_LOCAL: Final = re.compile(r"/(?![/\\])[\x21-\x5b\x5d-\x7e]{0,499}\Z", re.ASCII)


class Ending(msgspec.Struct, frozen=True, kw_only=True):
    """What the issuer told to be over. ``at``: when it ended, in seconds since the epoch by its clock.

    Attributes:
        subject: whose sessions; None where the session alone is named.
        session_id: the issuer's name of the session; None for all of the user's.
    """

    subject: str | None
    session_id: str | None
    at: float


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

    def is_ended_by(self, ending: Ending) -> bool:
        """Whether this session is meant: by its name, or as one of the user's that began until then."""
        if ending.subject not in (None, self.subject):
            return False
        if ending.session_id is not None:
            return ending.session_id == self.session_id
        # Both times are the issuer's. One that does not say when it began counts as older.
        begun_at = self.claims.get("iat")
        return not isinstance(begun_at, int | float) or begun_at <= ending.at

    def meets(self, *, max_age: int | None, acr_values: tuple[str, ...], now: float) -> bool:
        """Whether the user's sign-in is as recent and as strong as that, as far as is known here."""
        if not satisfies(self.acr or "", acr_values):
            return False
        return max_age is None or (self.auth_time is not None and now - self.auth_time <= max_age)


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


def encode_ending(ending: Ending) -> bytes:
    """The text that a store keeps."""
    return msgspec.json.encode(ending)


def parse_ending(text: bytes | None) -> Ending | None:
    """The ending that was kept; None where there is none, or it is damaged."""
    if text is None:
        return None
    try:
        return msgspec.json.decode(text, type=Ending)
    except ValueError:
        return None


def local_path(text: str | None, *, otherwise: str = "/") -> str:
    """Where to go on, if it is a path of this very site; else ``otherwise``."""
    return text if text is not None and _LOCAL.match(text) else otherwise
