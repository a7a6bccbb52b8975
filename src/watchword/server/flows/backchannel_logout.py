"""Back-channel logout: endings are announced to clients, and the announcements are brought to them.

An announcement is written in the transaction of the ending, so both are there or neither. It is brought afterwards, by
whichever node leases it first; a node that dies meanwhile has it brought again by another. Logging out twice is fine.

Implements: OpenID Connect Back-Channel Logout 1.0 §2.3, §2.4, §2.5, §2.7, §2.8.
"""

import asyncio
import math
from dataclasses import replace
from typing import Final

from watchword.protocol import logout_token
from watchword.protocol.id_token import DEFAULT_ALG
from watchword.server.domain.backchannel_logout import MOST_NAMED, Listener, deliveries, is_taken, listener_of
from watchword.server.domain.delivery import Delivery, after_failure
from watchword.server.domain.identifiers import ID_BYTES, random_id
from watchword.server.domain.session import Session
from watchword.server.domain.time import Instant
from watchword.server.domain.user import User
from watchword.server.flows.parts import Parts
from watchword.server.ports.outgoing import Outgoing, Unreached
from watchword.server.ports.signing import NoSigningKey
from watchword.server.ports.transaction import Writing

TIMEOUT: Final = 5.0
# Longer than an attempt with all that follows it; what a node held when it died is tried again after so long.
LEASE: Final = 15.0
AT_ONCE: Final = 8
# Whatever waits for a client that has just failed waits so long at most before the client is tried again.
LONGEST_REST: Final = 30.0


async def announce_session(tx: Writing, session: Session, *, now: Instant) -> None:
    """Tell the clients of ``session``, whose row is locked in ``tx``, that it ends."""
    listeners = await tx.listeners_of_session(session.sid, now=now)
    await _announce(tx, listeners, occasion="session", now=now)


async def announce_user(tx: Writing, user: User, *, besides: str | None, now: Instant) -> None:
    """Tell the clients of all sessions of ``user``, whose row is locked in ``tx``, that his epoch ends.

    Each message names its session, as every client understands that. Where they would be too many, each client hears
    once that all sessions of the user are over: the one that stays, too, which costs him a visit here, no password.

    Args:
        tx: the transaction of the ending.
        user: with the epoch that ends.
        besides: the session that goes on, if one does.
        now: seconds since the epoch.
    """
    listeners = await tx.listeners_of_user(user.sub, epoch=user.epoch, now=now, limit=MOST_NAMED + 1)
    if len(listeners) > MOST_NAMED:
        listeners = await tx.listening_clients_of_user(user.sub, epoch=user.epoch, now=now)
    told = [one for one in listeners if one.sid is None or one.sid != besides]
    await _announce(tx, told, occasion=f"epoch {user.epoch}", now=now)


async def _announce(tx: Writing, listeners: list[Listener], *, occasion: str, now: Instant) -> None:
    for delivery in deliveries(listeners, occasion=occasion, now=now):
        await tx.add_delivery(delivery)


class Courier:
    """Brings what is due, a few at a time. A client that does not answer holds up its own messages, and no others.

    Args:
        parts: of the node.
        outgoing: the way to the clients.
    """

    def __init__(self, parts: Parts, outgoing: Outgoing) -> None:
        self._parts = parts
        self._outgoing = outgoing
        # Clients that just failed, and until when they are left in peace.
        self._resting: dict[str, Instant] = {}

    async def bring(self) -> None:
        """Bring all that is due.

        Raises:
            StorageUnavailable: what was leased comes again when its lease is over.
        """
        while True:
            now = self._parts.clock.now()
            self._resting = {target: until for target, until in self._resting.items() if until > now}
            # Mostly there is nothing, and to see that takes no transaction that writes.
            async with self._parts.storage.read() as reading:
                if not await reading.is_delivery_due(now=now):
                    return
            async with self._parts.storage.write() as tx:
                leased = await tx.lease_deliveries(now=now, until=now + LEASE, limit=AT_ONCE)
            done = await asyncio.gather(*map(self._bring_one, leased), return_exceptions=True)
            for problem in done:
                if problem is not None:
                    raise problem
            if len(leased) < AT_ONCE:
                return

    async def _bring_one(self, delivery: Delivery) -> None:
        rests_until = self._resting.get(delivery.target)
        if rests_until is not None and rests_until < delivery.expires_at:
            await self._put(replace(delivery, due_at=rests_until))
            return
        listener = listener_of(delivery)
        async with self._parts.storage.read() as reading:
            client = await reading.client(listener.client_id)
        if client is None or client.backchannel_logout_uri != delivery.target:
            # Nobody is called who is not registered any more.
            self._parts.telemetry.tell("backchannel_logout.unregistered", client_id=listener.client_id)
            await self._forget(delivery)
            return
        failure = await self._post(listener)
        if failure is None:
            self._parts.telemetry.note("backchannel_logout.delivered", client_id=listener.client_id, sid=listener.sid)
            await self._forget(delivery)
        else:
            await self._failed(delivery, listener, failure)

    async def _post(self, listener: Listener) -> str | None:
        """Why it was not taken, or None."""
        try:
            token = self._mint(listener)
            status = await self._outgoing.post(listener.target, {"logout_token": token}, seconds=TIMEOUT)
        except Unreached as unreached:
            return str(unreached)
        except NoSigningKey:
            return "no signing key"
        return None if is_taken(status) else f"status {status}"

    def _mint(self, listener: Listener) -> str:
        # Made anew for each try: a token lives for two minutes, and a client may refuse a jti that it has seen.
        claims = logout_token.claims(
            issuer=self._parts.issuer,
            client_id=listener.client_id,
            subject=listener.sub,
            sid=listener.sid,
            issued_at=math.floor(self._parts.clock.now()),
            jti=random_id(self._parts.entropy.draw(ID_BYTES)),
        )
        # §2.4: signed and encrypted as ID tokens are.
        return self._parts.signer.sign(claims, typ=logout_token.TYP, alg=DEFAULT_ALG)

    async def _failed(self, delivery: Delivery, listener: Listener, failure: str) -> None:
        told = {"client_id": listener.client_id, "sub": listener.sub, "sid": listener.sid, "detail": failure}
        now = self._parts.clock.now()
        again = after_failure(delivery, now=now)
        if again is None:
            self._parts.telemetry.warn("backchannel_logout.given_up", tries=delivery.tries + 1, **told)
            await self._forget(delivery)
            return
        if delivery.tries == 0:
            self._parts.telemetry.tell("backchannel_logout.failed", **told)
        self._resting[delivery.target] = min(again.due_at, now + LONGEST_REST)
        await self._put(again)

    async def _put(self, delivery: Delivery) -> None:
        async with self._parts.storage.write() as tx:
            await tx.put_delivery(delivery)

    async def _forget(self, delivery: Delivery) -> None:
        async with self._parts.storage.write() as tx:
            await tx.delete_delivery(delivery.id)
