"""One-time links: what an e-mail lets its reader do, once.

The token in a link is an id and a tag over it under the server's secret, as with refresh tokens: a database dump holds
no link that works. There is one link for each purpose of a user; a newer one takes the place of the one before.

Implements: OWASP ASVS 5.0 §6.4.1, §6.4.3; NIST SP 800-63B-4 §3.1.3.1.
"""

import hmac
from dataclasses import dataclass
from typing import Final, Literal

from watchword.protocol import base64url
from watchword.server.domain.identifiers import ID_BYTES
from watchword.server.domain.lifetimes import DAY, MINUTE
from watchword.server.domain.secret_ring import MAC_BYTES, SecretRing, mac
from watchword.server.domain.time import Instant, Seconds
from watchword.server.domain.user import User

Purpose = Literal["reset_password", "verify_email"]

PREFIX: Final = "wwl_"
LIFETIME: Final[dict[Purpose, Seconds]] = {"reset_password": 30 * MINUTE, "verify_email": 1 * DAY}


@dataclass(frozen=True, slots=True, kw_only=True)
class OneTimeLink:
    """A row.

    Attributes:
        id: 16 random bytes.
        email: the address that it goes to; with ``verify_email`` the one that it proves.
        epoch: the user's when it was made; a raised one kills it.
    """

    id: bytes
    purpose: Purpose
    sub: str
    email: str
    epoch: int
    expires_at: Instant

    def __repr__(self) -> str:
        return f"OneTimeLink({self.purpose!r}, sub={self.sub!r})"

    def lives(self, *, user: User, now: Instant) -> bool:
        """Whether the link does anything for ``user`` now.

        One that resets a password is good only while its address is the user's, and proved.
        """
        if self.sub != user.sub or self.epoch != user.epoch or not user.enabled or now >= self.expires_at:
            return False
        return self.purpose == "verify_email" or (user.email_verified and user.email == self.email)


def format_link(link_id: bytes, secrets: SecretRing) -> str:
    """The token for the link with that id."""
    return PREFIX + base64url.encode(link_id + mac(secrets.newest.link, link_id))


def parse_link(text: str, secrets: SecretRing) -> bytes | None:
    """The id in a token of ours; None for anything else, without asking the database."""
    try:
        raw = base64url.decode(text.removeprefix(PREFIX)) if text.startswith(PREFIX) else b""
    except ValueError:
        return None
    link_id, tag = raw[:ID_BYTES], raw[ID_BYTES:]
    if len(tag) != MAC_BYTES:
        return None
    return link_id if any(hmac.compare_digest(tag, mac(key.link, link_id)) for key in secrets.keys) else None
