"""Back-channel logout: who hears of an ending, and by which messages.

Implements: OpenID Connect Back-Channel Logout 1.0 §2.4, §2.5, §2.8.
"""

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

from watchword.server.domain.delivery import GIVE_UP_AFTER, Delivery
from watchword.server.domain.identifiers import ID_BYTES, random_id
from watchword.server.domain.time import Instant

# One ending writes at most so many messages session by session, so that its transaction stays small whatever a user
# or a program of his has piled up. Beyond it each client is told once that all sessions of the user are over.
MOST_NAMED: Final = 200
# §2.8: 200, and "OPs should be prepared to also process an HTTP 204 No Content response as a successful response".
_TAKEN: Final = frozenset({200, 204})


@dataclass(frozen=True, slots=True, kw_only=True)
class Listener:
    """A client that wants to hear of the end of a session; of all sessions of the user where ``sid`` is None."""

    client_id: str
    target: str
    sub: str
    sid: str | None = None


def deliveries(listeners: Iterable[Listener], *, occasion: str, now: Instant) -> list[Delivery]:
    """One delivery for each listener, due at once.

    Args:
        listeners: who is told.
        occasion: what ended, as a text that is never used for another ending.
        now: seconds since the epoch.
    """
    return [
        Delivery(
            id=_id(occasion, listener),
            kind="backchannel_logout",
            target=listener.target,
            content=_content(listener),
            due_at=now,
            expires_at=now + GIVE_UP_AFTER,
        )
        for listener in listeners
    ]


def listener_of(delivery: Delivery) -> Listener:
    """Whom a delivery is for."""
    return Listener(
        client_id=delivery.content["client_id"],
        target=delivery.target,
        sub=delivery.content["sub"],
        sid=delivery.content.get("sid"),
    )


def ended_at(delivery: Delivery) -> Instant:
    """When that happened which a delivery tells of."""
    return delivery.expires_at - GIVE_UP_AFTER


def is_taken(status: int) -> bool:
    """Whether the client says that it has ended the session. Anything else, a redirect too, is tried again."""
    return status in _TAKEN


def _content(listener: Listener) -> dict[str, str]:
    content = {"client_id": listener.client_id, "sub": listener.sub}
    return content if listener.sid is None else content | {"sid": listener.sid}


def _id(occasion: str, listener: Listener) -> str:
    # Each ending happens once, so what it is about is a name of its own.
    name = "\n".join((occasion, listener.client_id, listener.sub, listener.sid or ""))
    return random_id(hashlib.sha256(name.encode()).digest()[:ID_BYTES])
