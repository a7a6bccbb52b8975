"""A pushed authorization request: sent by the client itself, taken up once by the user's browser.

Implements: RFC 9126 §2.2, §4.
"""

from dataclasses import dataclass

from watchword.server.domain.time import Instant

LIFETIME = 90
PREFIX = "urn:ietf:params:oauth:request_uri:"


@dataclass(frozen=True, slots=True, kw_only=True)
class PushedRequest:
    """A row. ``handle_hash``: SHA-256 of the request URI; ``parameters``: as pushed, in order, also repeated ones."""

    handle_hash: bytes
    client_id: str
    parameters: tuple[tuple[str, str], ...]
    expires_at: Instant
