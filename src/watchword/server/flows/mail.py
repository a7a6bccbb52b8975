"""Mail: posted in the transaction of what it is about, then worded and sent by the courier.

A link's token is made when the mail is sent, from the link's id: what lies in the database opens nothing. Its host is
the issuer's, which comes from the operator's settings alone.

Implements: OWASP ASVS 5.0 §6.4.1, §6.4.3; RFC 9700 §4.2.4 in spirit (what a URL that holds a secret may be told).
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from watchword.protocol import base64url
from watchword.server.domain.delivery import Delivery
from watchword.server.domain.identifiers import ID_BYTES, random_id
from watchword.server.domain.one_time_link import OneTimeLink, format_link
from watchword.server.domain.time import Instant
from watchword.server.flows.courier import Load, NotTaken
from watchword.server.flows.parts import Parts
from watchword.server.ports.mail import Mail, Mailer, PutOff, Refused, Unreached, Wording
from watchword.server.ports.storage import StorageUnavailable
from watchword.server.ports.transaction import Writing

# Four at a time is what a relay takes from one neighbour without a murmur; the lease outlasts a slow one.
AT_ONCE: Final = 4
LEASE: Final = 60.0
_RELAY: Final = "relay"


@dataclass(frozen=True, slots=True)
class Post:
    """The way to users' mailboxes."""

    mailer: Mailer
    wording: Wording


async def post(
    parts: Parts, tx: Writing, name: str, to: str, *, content: Mapping[str, str], now: Instant, until: Instant
) -> None:
    """Have a mail sent after the commit of ``tx``.

    Args:
        parts: of the node.
        tx: the transaction of what it is about.
        name: which letter.
        to: the address.
        content: what stands in it, the reader's ``locale`` included; with ``link``, an id of a link.
        now: seconds since the epoch.
        until: when it is given up.
    """
    delivery = Delivery(
        id=random_id(parts.entropy.draw(ID_BYTES)),
        kind="mail",
        target=to,
        content={"mail": name, **content},
        due_at=now,
        expires_at=until,
    )
    await tx.add_delivery(delivery)


async def post_link(parts: Parts, tx: Writing, link: OneTimeLink, *, content: Mapping[str, str], now: Instant) -> None:
    """Have the mail sent that brings ``link``. It is of no use any more when the link is over."""
    whole = {**content, "link": base64url.encode(link.id)}
    await post(parts, tx, link.purpose, link.email, content=whole, now=now, until=link.expires_at)


class Mails:
    """Brings mail.

    Args:
        parts: of the node.
        way: to users' mailboxes.
    """

    load: Final = Load(kind="mail", at_once=AT_ONCE, lease=LEASE, place=_RELAY)

    def __init__(self, parts: Parts, way: Post) -> None:
        self._parts = parts
        self._way = way

    async def bring(self, delivery: Delivery) -> None:
        """See ``Bringer``. A mail that cannot be worded or addressed would not be any better later."""
        try:
            await self._send(delivery)
        except (NotTaken, StorageUnavailable):
            raise
        except Exception as error:  # noqa: BLE001 - whatever it is, it is this mail's own trouble
            # The text of an error may hold the address, or what the letter says.
            self._parts.telemetry.warn("mail.broken", **_told(delivery), detail=type(error).__name__)

    async def _send(self, delivery: Delivery) -> None:
        values = await self._values(delivery)
        if values is None:
            self._parts.telemetry.note("mail.obsolete", **_told(delivery))
            return
        name, locale = delivery.content["mail"], delivery.content.get("locale", "")
        letter = self._way.wording.letter(name, locale=locale, values=values)
        try:
            await self._way.mailer.send(
                Mail(id=delivery.id, to=delivery.target, letter=letter, at=self._parts.clock.now())
            )
        except Unreached as unreached:
            raise NotTaken(str(unreached), resting=_RELAY) from None
        except PutOff as put_off:
            raise NotTaken(str(put_off), resting=None) from None
        except Refused as refused:
            self._parts.telemetry.warn("mail.refused", **_told(delivery), detail=str(refused))
            return
        self._parts.telemetry.note("mail.sent", **_told(delivery))

    async def _values(self, delivery: Delivery) -> dict[str, str] | None:
        """What stands in the letter; None if its link does nothing any more."""
        issuer, content = self._parts.issuer, delivery.content
        values = {
            "username": content.get("username", ""),
            "at": content.get("at", ""),
            "link": "",
            "lifetime": "0",
            "account_url": f"{issuer}/account",
            "forgotten_url": f"{issuer}/forgot-password",
        }
        if "link" not in content:
            return values
        link_id = base64url.decode(content["link"])
        async with self._parts.storage.read() as reading:
            link = await reading.link(link_id)
            user = None if link is None else await reading.user(link.sub)
        now = self._parts.clock.now()
        if link is None or user is None or not link.lives(user=user, now=now):
            return None
        token = format_link(link.id, self._parts.secrets)
        return {
            **values,
            "link": f"{issuer}/link?token={token}",
            "lifetime": str(math.floor(link.expires_at - now)),
        }

    def tell_failed(self, delivery: Delivery, reason: str) -> None:
        """See ``Bringer``."""
        self._parts.telemetry.warn("mail.failed", **_told(delivery), detail=reason)

    def tell_given_up(self, delivery: Delivery, reason: str) -> None:
        """See ``Bringer``."""
        self._parts.telemetry.warn("mail.given_up", tries=delivery.tries + 1, **_told(delivery), detail=reason)


def _told(delivery: Delivery) -> dict[str, str]:
    # The id is the one in the mail's Message-ID, by which a relay's log can be searched; addresses are nobody's affair.
    return {"mail": delivery.content.get("mail", ""), "message": delivery.id}
