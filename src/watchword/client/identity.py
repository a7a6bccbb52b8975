"""Who signed in, as a program sees it. Pure.

Implements: OpenID Connect Core 1.0 §2.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True, slots=True, kw_only=True)
class Identity:
    """The user behind a sign-in, from an ID token that was verified.

    Attributes:
        subject: who, at this issuer; never used for anybody else.
        session_id: the sign-in at the issuer.
        auth_time: when the user proved who he is, in seconds since the epoch.
        acr, amr: how.
        claims: all claims of the ID token.
        id_token: the token itself, for ``id_token_hint``; it opens no door.
    """

    issuer: str
    subject: str
    session_id: str | None
    auth_time: float | None
    acr: str | None
    amr: tuple[str, ...]
    claims: Mapping[str, Any] = field(repr=False)
    id_token: str = field(repr=False)
