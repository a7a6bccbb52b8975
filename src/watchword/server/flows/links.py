"""One-time links, as flows make and find them.

Implements: OWASP ASVS 5.0 §6.4.1 (random, for one use, for a short time), §6.4.3.
"""

from watchword.server.domain.identifiers import ID_BYTES
from watchword.server.domain.one_time_link import LIFETIME, OneTimeLink, Purpose, parse_link
from watchword.server.domain.time import Instant
from watchword.server.domain.user import User
from watchword.server.flows.parts import Parts
from watchword.server.ports.transaction import Reading, Writing

PURPOSES: tuple[Purpose, ...] = ("reset_password", "verify_email")


class LinkDead(Exception):
    """The link was used, replaced or killed, its time is over, or it is none of ours. Which of them is not said."""


async def make_link(
    parts: Parts, tx: Writing, user: User, purpose: Purpose, email: str, *, now: Instant
) -> OneTimeLink:
    """A new link for ``user``, who is locked in ``tx``; the one that he had for this purpose is dead."""
    link = OneTimeLink(
        id=parts.entropy.draw(ID_BYTES),
        purpose=purpose,
        sub=user.sub,
        email=email,
        epoch=user.epoch,
        expires_at=now + LIFETIME[purpose],
    )
    await tx.put_link(link)
    return link


async def purpose_of(parts: Parts, token: str, *, now: Instant) -> Purpose:
    """What the link with that token is for. Nothing is used up.

    Raises:
        LinkDead: nothing.
    """
    link_id = parse_link(token, parts.secrets)
    if link_id is None:
        raise LinkDead
    async with parts.storage.read() as reading:
        link = await reading.link(link_id)
        user = None if link is None else await reading.user(link.sub)
    if link is None or user is None or not link.lives(user=user, now=now):
        raise LinkDead
    return link.purpose


async def found(
    parts: Parts, reading: Reading, token: str | None, purpose: Purpose, *, now: Instant
) -> tuple[OneTimeLink, User]:
    """The living link with that token, and its user.

    Raises:
        LinkDead: there is none for this purpose.
    """
    link_id = parse_link(token, parts.secrets) if token else None
    link = None if link_id is None else await reading.link(link_id)
    user = None if link is None else await reading.user(link.sub)
    if link is None or user is None or link.purpose != purpose or not link.lives(user=user, now=now):
        raise LinkDead
    return link, user


async def taken(
    parts: Parts, tx: Writing, token: str | None, purpose: Purpose, *, now: Instant
) -> tuple[OneTimeLink, User]:
    """As ``found``, for good: the user is locked in ``tx``, and the link is used up.

    Raises:
        LinkDead: there is none for this purpose, or somebody was faster. Nothing is used up then.
    """
    link, _ = await found(parts, tx, token, purpose, now=now)
    user = await tx.lock_user(link.sub)
    # A link's row is never changed but only replaced, so what it says was true before the lock, too.
    if user is None or not link.lives(user=user, now=now) or await tx.take_link(link.id) is None:
        raise LinkDead
    return link, user


async def kill_links(tx: Writing, sub: str) -> None:
    """Kill all links of a user, who is locked in ``tx``."""
    for purpose in PURPOSES:
        await tx.delete_link(sub, purpose)
