"""Consent: what a user allowed an application, remembered until he takes it back.

Implements: OpenID Connect Core 1.0 §3.1.2.4; RFC 8252 §8.6; RFC 9700 §4.11.2.
"""

from dataclasses import dataclass
from urllib.parse import urlsplit

from watchword.protocol.redirect_uri import LOOPBACK_HOSTS
from watchword.protocol.scope import Scope
from watchword.server.domain.client import Client
from watchword.server.domain.time import Instant


@dataclass(frozen=True, slots=True, kw_only=True)
class Consent:
    """A row: one user, one client. ``granted_at``: seconds since the epoch, of the newest consent."""

    sub: str
    client_id: str
    scope: Scope
    audiences: tuple[str, ...]
    granted_at: Instant


def is_needed(
    client: Client, *, scope: Scope, audiences: tuple[str, ...], redirect_uri: str, given: Consent | None, asked: bool
) -> bool:
    """Whether the user must be asked before a code is given.

    Args:
        client: who asks. A first-party client is the operator's own and is not asked for.
        scope: what would be granted.
        audiences: whom it would be granted for.
        redirect_uri: where the code would go.
        given: what the user allowed before.
        asked: ``prompt=consent``.
    """
    if asked:
        return True
    if client.first_party:
        return False
    # RFC 8252 §8.6: an application on loopback or behind a private scheme cannot prove who it is, so a remembered
    # consent may have been given to another one.
    if client.type == "public" and not proves_itself(redirect_uri):
        return True
    return given is None or not scope <= given.scope or not set(audiences) <= set(given.audiences)


def proves_itself(redirect_uri: str) -> bool:
    """Whether only the application itself can get what is sent there."""
    parts = urlsplit(redirect_uri)
    return parts.scheme == "https" and parts.hostname not in LOOPBACK_HOSTS
