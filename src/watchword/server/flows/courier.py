"""The courier: brings what waits for somebody outside, and tries again what was not taken.

A delivery is written in the transaction of what it tells of, so both are there or neither. It is brought afterwards, by
whichever node leases it first; a node that dies meanwhile has it brought again by another, so it may come twice.

Each kind of delivery has a courier of its own: a mail server that is down holds up mail, and nothing else.
"""

import asyncio
from dataclasses import dataclass, replace
from typing import Final, Protocol

from watchword.server.domain.delivery import Delivery, DeliveryKind, after_failure
from watchword.server.domain.time import Instant, Seconds
from watchword.server.flows.parts import Parts

# Whatever waits for somebody who has just failed waits so long at most before he is tried again.
LONGEST_REST: Final = 30.0


class NotTaken(Exception):
    """It is tried again. The text is a short reason without anything of what was sent.

    ``resting``: the name of who did not answer; all that waits for him rests a while. None where it was this one alone.
    """

    def __init__(self, reason: str, *, resting: str | None) -> None:
        super().__init__(reason)
        self.resting = resting


@dataclass(frozen=True, slots=True, kw_only=True)
class Load:
    """How much a courier carries.

    Attributes:
        kind: of his deliveries.
        at_once: how many he brings side by side.
        lease: longer than one attempt with all that follows it; what a node held when it died is tried again after so
            many seconds.
    """

    kind: DeliveryKind
    at_once: int
    lease: Seconds


class Bringer(Protocol):
    """Knows how to bring one kind of delivery."""

    @property
    def load(self) -> Load:
        """What it takes."""
        ...

    def place_of(self, delivery: Delivery) -> str:
        """Who must answer, by the name that ``NotTaken`` gives him."""
        ...

    async def bring(self, delivery: Delivery) -> None:
        """Bring it; when this returns, it is done with, one way or the other.

        Raises:
            NotTaken: it is tried again.
        """
        ...

    def tell_failed(self, delivery: Delivery, reason: str) -> None:
        """Say that the first try failed."""
        ...

    def tell_given_up(self, delivery: Delivery, reason: str) -> None:
        """Say that the last try failed."""
        ...


class Courier:
    """Brings what is due, a few at a time. Who does not answer holds up his own messages, and no others.

    Args:
        parts: of the node.
        bringer: of one kind of delivery.
    """

    def __init__(self, parts: Parts, bringer: Bringer) -> None:
        self._parts = parts
        self._bringer = bringer
        # Who just failed, and until when he is left in peace.
        self._resting: dict[str, Instant] = {}

    async def bring(self) -> None:
        """Bring all that is due.

        Raises:
            StorageUnavailable: what was leased comes again when its lease is over.
        """
        load = self._bringer.load
        while True:
            now = self._parts.clock.now()
            self._resting = {place: until for place, until in self._resting.items() if until > now}
            # Mostly there is nothing, and to see that takes no transaction that writes.
            async with self._parts.storage.read() as reading:
                if not await reading.is_delivery_due(kind=load.kind, now=now):
                    return
            async with self._parts.storage.write() as tx:
                until = now + load.lease
                leased = await tx.lease_deliveries(kind=load.kind, now=now, until=until, limit=load.at_once)
            done = await asyncio.gather(*map(self._bring_one, leased), return_exceptions=True)
            for problem in done:
                if problem is not None:
                    raise problem
            if len(leased) < load.at_once:
                return

    async def _bring_one(self, delivery: Delivery) -> None:
        rests_until = self._resting.get(self._bringer.place_of(delivery))
        if rests_until is not None and rests_until < delivery.expires_at:
            await self._put(replace(delivery, due_at=rests_until))
            return
        try:
            await self._bringer.bring(delivery)
        except NotTaken as failure:
            await self._failed(delivery, failure)
        else:
            await self._forget(delivery)

    async def _failed(self, delivery: Delivery, failure: NotTaken) -> None:
        now = self._parts.clock.now()
        again = after_failure(delivery, now=now)
        if failure.resting is not None:
            wait = LONGEST_REST if again is None else min(LONGEST_REST, again.due_at - now)
            self._resting[failure.resting] = now + wait
        if again is None:
            self._bringer.tell_given_up(delivery, str(failure))
            await self._forget(delivery)
            return
        if delivery.tries == 0:
            self._bringer.tell_failed(delivery, str(failure))
        await self._put(again)

    async def _put(self, delivery: Delivery) -> None:
        async with self._parts.storage.write() as tx:
            await tx.put_delivery(delivery)

    async def _forget(self, delivery: Delivery) -> None:
        async with self._parts.storage.write() as tx:
            await tx.delete_delivery(delivery.id)
