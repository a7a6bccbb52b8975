"""Client authentication: who is calling, by the registered method and no other.

Implements: RFC 6749 §2.3, §2.3.1, §3.2.1; RFC 7591 §2 (``token_endpoint_auth_method``).
"""

import hashlib
import hmac
import math

import msgspec

from watchword.protocol.errors import InvalidClient, TemporarilyUnavailable, UnauthorizedClient
from watchword.server.domain.client import AuthMethod, Client
from watchword.server.domain.time import Instant
from watchword.server.flows.parts import Parts


class ClientCredentials(msgspec.Struct, frozen=True):
    """What a request offers as proof; ``method`` is how it was offered."""

    client_id: str
    method: AuthMethod
    secret: str | None = None

    def __repr__(self) -> str:
        return f"ClientCredentials({self.client_id!r}, {self.method!r})"


async def authenticate(parts: Parts, offered: ClientCredentials, *, now: Instant) -> Client:
    """The client that proved to be itself.

    Raises:
        InvalidClient: unknown, disabled, another method than the registered one, or a wrong secret.
    """
    client = await parts.directory.client(offered.client_id, now=now)
    if client is None:
        raise InvalidClient(slug="client.unknown", detail="no client has this id")
    if client.auth_method != offered.method:
        raise InvalidClient(
            slug="client.method", detail=f"registered for {client.auth_method}, came by {offered.method}"
        )
    if client.secret_hash is not None and not _proves(offered.secret, client.secret_hash):
        raise InvalidClient(slug="client.secret", detail="the secret is wrong")
    if not client.enabled:
        raise InvalidClient(slug="client.disabled", detail="the client is disabled")
    return client


def _proves(secret: str | None, secret_hash: bytes) -> bool:
    return secret is not None and hmac.compare_digest(hashlib.sha256(secret.encode()).digest(), secret_hash)


def must_be_ready(client: Client, *, now: Instant) -> None:
    """Return if tokens may be minted for ``client`` now.

    Raises:
        TemporarilyUnavailable: it was disabled within the last minute, and what is minted now would be born dead.
    """
    if now <= client.disabled_until:
        wait = math.ceil(client.disabled_until - now) + 1
        raise TemporarilyUnavailable(
            "the client was enabled a moment ago: come back shortly", slug="client.just_enabled", retry_after=wait
        )


def must_have(client: Client, grant_type: str) -> None:
    """Return if ``client`` is registered for ``grant_type``.

    Raises:
        UnauthorizedClient: it is not.
    """
    if grant_type not in client.grant_types:
        raise UnauthorizedClient(f"the client is not registered for {grant_type}", slug="client.grant_type")
