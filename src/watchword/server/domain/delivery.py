"""Deliveries: messages to somebody outside, kept until they were taken or given up. They survive a restart."""

from dataclasses import dataclass, replace
from typing import Final, Literal

from watchword.server.domain.lifetimes import DAY, MINUTE
from watchword.server.domain.time import Instant

DeliveryKind = Literal["backchannel_logout", "mail", "forgotten_password"]

FIRST_PAUSE: Final = 5.0
LONGEST_PAUSE: Final = 30 * MINUTE
GIVE_UP_AFTER: Final = 1 * DAY


@dataclass(frozen=True, slots=True, kw_only=True)
class Delivery:
    """A row.

    Attributes:
        target: the URL or address that it goes to.
        content: what the message is made of when it is sent; never a token.
        due_at: when it is tried next.
        expires_at: when it is given up.
    """

    id: str
    kind: DeliveryKind
    target: str
    content: dict[str, str]
    due_at: Instant
    expires_at: Instant
    tries: int = 0


def after_failure(delivery: Delivery, *, now: Instant) -> Delivery | None:
    """The delivery with its next try, or None when it is given up."""
    pause = min(LONGEST_PAUSE, FIRST_PAUSE * 2.0 ** min(delivery.tries, 20))
    if now + pause >= delivery.expires_at:
        return None
    return replace(delivery, tries=delivery.tries + 1, due_at=now + pause)
