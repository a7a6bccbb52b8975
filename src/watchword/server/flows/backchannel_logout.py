"""Back-channel logout: endings are announced to clients, and the announcements are brought to them.

An announcement is written in the transaction of the ending, and brought by the courier. Logging out twice is fine.

Clients take a token that names a user alone for the end of all his sessions, whenever it comes. So where he has a
session with the client by then, the ones that are over are named one by one instead.

Implements: OpenID Connect Back-Channel Logout 1.0 §2.3, §2.4, §2.5, §2.7, §2.8.
"""

import math
from dataclasses import replace
from typing import Final

from watchword.protocol import logout_token
from watchword.protocol.id_token import DEFAULT_ALG
from watchword.server.domain.backchannel_logout import (
    MOST_NAMED,
    Listener,
    deliveries,
    ended_at,
    is_taken,
    listener_of,
)
from watchword.server.domain.delivery import Delivery
from watchword.server.domain.identifiers import ID_BYTES, random_id
from watchword.server.domain.session import Session
from watchword.server.domain.time import Instant
from watchword.server.domain.user import User
from watchword.server.flows.courier import Load, NotTaken
from watchword.server.flows.parts import Parts
from watchword.server.ports.outgoing import Outgoing, Unreached
from watchword.server.ports.signing import NoSigningKey
from watchword.server.ports.transaction import Writing

TIMEOUT: Final = 5.0
LEASE: Final = 15.0
AT_ONCE: Final = 8


async def announce_session(tx: Writing, session: Session, *, now: Instant) -> None:
    """Tell the clients of ``session``, whose row is locked in ``tx``, that it ends.

    So are those told whose sessions were opened in it: they know it by no other name. Their grants, made to outlive it,
    go on: §2.7, "Refresh tokens issued with the offline_access property normally SHOULD NOT be revoked".
    """
    listeners = await tx.listeners_of_session(session.sid, now=now)
    await _announce(tx, listeners, occasion=f"session {session.sid}", now=now)


async def announce_user(tx: Writing, user: User, *, besides: str | None, now: Instant) -> None:
    """Tell the clients of all sessions of ``user``, whose row is locked in ``tx``, that his epoch ends.

    Each message names its session, as every client understands that. Where they would be too many, each client hears
    once that all sessions of the user are over.

    Args:
        tx: the transaction of the ending.
        user: with the epoch that ends.
        besides: the session that goes on, if one does.
        now: seconds since the epoch.
    """
    found = await tx.listeners_of_user(user.sub, epoch=user.epoch, besides=besides, now=now, limit=MOST_NAMED + 1)
    if len(found) > MOST_NAMED:
        found = await tx.listening_clients_of_user(user.sub, epoch=user.epoch, now=now)
    await _announce(tx, found, occasion=f"epoch {user.epoch}", now=now)


async def _announce(tx: Writing, listeners: list[Listener], *, occasion: str, now: Instant) -> None:
    for delivery in deliveries(listeners, occasion=occasion, now=now):
        await tx.add_delivery(delivery)


class LogoutCalls:
    """Brings announcements to clients.

    Args:
        parts: of the node.
        outgoing: the way to the clients.
    """

    load: Final = Load(kind="backchannel_logout", at_once=AT_ONCE, lease=LEASE)

    def __init__(self, parts: Parts, outgoing: Outgoing) -> None:
        self._parts = parts
        self._outgoing = outgoing

    async def bring(self, delivery: Delivery) -> None:
        """See ``Bringer``."""
        listener = listener_of(delivery)
        async with self._parts.storage.read() as reading:
            client = await reading.client(listener.client_id)
        if client is None or client.backchannel_logout_uri != delivery.target:
            # Nobody is called who is not registered any more.
            self._parts.telemetry.tell("backchannel_logout.unregistered", client_id=listener.client_id)
            return
        if listener.sid is None:
            named = await self._named_instead(listener)
            if named is not None:
                await self._announce_later(named, delivery)
                return
        failure = await self._post(listener, ended=ended_at(delivery))
        if failure is not None:
            raise NotTaken(failure, resting=delivery.target)
        self._parts.telemetry.note("backchannel_logout.delivered", client_id=listener.client_id, sid=listener.sid)

    def tell_failed(self, delivery: Delivery, reason: str) -> None:
        """See ``Bringer``."""
        self._parts.telemetry.tell("backchannel_logout.failed", **_told(delivery), detail=reason)

    def tell_given_up(self, delivery: Delivery, reason: str) -> None:
        """See ``Bringer``."""
        self._parts.telemetry.warn(
            "backchannel_logout.given_up", tries=delivery.tries + 1, **_told(delivery), detail=reason
        )

    async def _named_instead(self, listener: Listener) -> list[Listener] | None:
        """The sessions of the user with the client that are over; None where he has no other there that goes on."""
        now = self._parts.clock.now()
        async with self._parts.storage.read() as reading:
            user = await reading.user(listener.sub)
            if user is None:
                return None
            living = await reading.listening_clients_of_user(user.sub, epoch=user.epoch, now=now)
            if listener.client_id not in {one.client_id for one in living}:
                return None
            found = []
            for session in await reading.sessions_of(user.sub):
                # One that was ended by itself was told of then.
                if session.epoch < user.epoch and session.ended_at is None:
                    found += await reading.listeners_of_session(session.sid, now=now)
            # What was opened in another session comes twice, by the same name.
            return [one for one in dict.fromkeys(found) if one.client_id == listener.client_id]

    async def _announce_later(self, listeners: list[Listener], instead_of: Delivery) -> None:
        # If this node dies on the way some are written again, under another name: logging out twice is fine.
        occasion = random_id(self._parts.entropy.draw(ID_BYTES))
        made = deliveries(listeners, occasion=occasion, now=self._parts.clock.now())
        for start in range(0, len(made), MOST_NAMED):
            async with self._parts.storage.write() as tx:
                for delivery in made[start : start + MOST_NAMED]:
                    await tx.add_delivery(replace(delivery, expires_at=instead_of.expires_at))

    async def _post(self, listener: Listener, *, ended: Instant) -> str | None:
        """Why it was not taken, or None."""
        try:
            token = self._mint(listener, ended=ended)
            status = await self._outgoing.post(listener.target, {"logout_token": token}, seconds=TIMEOUT)
        except Unreached as unreached:
            return str(unreached)
        except NoSigningKey:
            return "no signing key"
        return None if is_taken(status) else f"status {status}"

    def _mint(self, listener: Listener, *, ended: Instant) -> str:
        # Made anew for each try: a token lives for two minutes, and a client may refuse a jti that it has seen.
        claims = logout_token.claims(
            issuer=self._parts.issuer,
            client_id=listener.client_id,
            subject=listener.sub,
            sid=listener.sid,
            issued_at=math.floor(self._parts.clock.now()),
            jti=random_id(self._parts.entropy.draw(ID_BYTES)),
            # What is named needs no date.
            ended_at=math.floor(ended) if listener.sid is None else None,
        )
        # §2.4: signed and encrypted as ID tokens are.
        return self._parts.signer.sign(claims, typ=logout_token.TYP, alg=DEFAULT_ALG)


def _told(delivery: Delivery) -> dict[str, str | None]:
    listener = listener_of(delivery)
    return {"client_id": listener.client_id, "sub": listener.sub, "sid": listener.sid}
