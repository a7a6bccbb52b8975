"""The courier: brings what waits for somebody outside, and tries again what was not taken.

A delivery is written in the transaction of what it tells of, so both are there or neither. It is brought afterwards, by
whichever node leases it first; a node that dies meanwhile has it brought again by another, so it may come twice.

Each kind of delivery has a courier of its own: a mail server that is down holds up mail, and nothing else. What waits
for somebody who does not answer lies untouched while he rests, however much it is, and then one message tries first.
"""

import asyncio
from dataclasses import dataclass, replace
from typing import Final, Protocol

from watchword.server.domain.delivery import FIRST_PAUSE, Delivery, DeliveryKind, after_failure
from watchword.server.domain.time import Instant, Seconds
from watchword.server.flows.parts import Parts
from watchword.server.ports.storage import StorageUnavailable

# Whatever waits for somebody who has just failed waits so long at most before he is tried again.
LONGEST_REST: Final = 30.0
# What waits for so many at most is passed over in the database; for more of them it is put off one by one.
_MOST_PASSED_OVER: Final = 32


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
        place: who must answer for all of them, by the name that ``NotTaken`` gives him; None where it is the target of
            each.
    """

    kind: DeliveryKind
    at_once: int
    lease: Seconds
    place: str | None = None


@dataclass(frozen=True, slots=True)
class _Rest:
    """Somebody who did not answer, so many times in a row, and until when he is left in peace."""

    until: Instant
    failures: int


class Bringer(Protocol):
    """Knows how to bring one kind of delivery."""

    @property
    def load(self) -> Load:
        """What it takes."""
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
        # Who failed when he was last tried.
        self._rests: dict[str, _Rest] = {}

    async def bring(self) -> None:
        """Bring all that is due.

        Raises:
            StorageUnavailable: what was leased comes again when its lease is over.
        """
        load = self._bringer.load
        while True:
            now = self._parts.clock.now()
            # Who rested long ago and was not tried since has nothing that waits for him.
            self._rests = {place: rest for place, rest in self._rests.items() if rest.until + 2 * LONGEST_REST > now}
            resting = [place for place, rest in self._rests.items() if rest.until > now]
            if load.place in resting:
                return
            besides = resting[:_MOST_PASSED_OVER]
            # Mostly there is nothing, and to see that takes no transaction that writes.
            async with self._parts.storage.read() as reading:
                if not await reading.is_delivery_due(kind=load.kind, now=now, besides=besides):
                    return
            limit = 1 if load.place in self._rests else load.at_once
            async with self._parts.storage.write() as tx:
                until = now + load.lease
                leased = await tx.lease_deliveries(kind=load.kind, now=now, until=until, limit=limit, besides=besides)
            done = await asyncio.gather(*map(self._bring_one, leased), return_exceptions=True)
            for problem in done:
                if problem is not None:
                    raise problem
            if len(leased) < limit:
                return

    async def _bring_one(self, delivery: Delivery) -> None:
        place = self._place_of(delivery)
        rest = self._rests.get(place)
        if rest is not None and self._parts.clock.now() < rest.until < delivery.expires_at:
            await self._put(replace(delivery, due_at=rest.until))
            return
        try:
            await self._bringer.bring(delivery)
        except NotTaken as failure:
            await self._failed(delivery, failure)
        except StorageUnavailable:
            raise
        except Exception as error:  # noqa: BLE001 - one that cannot be brought must not hold up those behind it
            # Its text may hold what was to be sent.
            reason = type(error).__name__
            self._parts.telemetry.warn("maintenance.failed", exception=reason, detail=f"in a {delivery.kind} delivery")
            await self._failed(delivery, NotTaken(reason, resting=None))
        else:
            self._rests.pop(place, None)
            await self._forget(delivery)

    def _place_of(self, delivery: Delivery) -> str:
        return delivery.target if self._bringer.load.place is None else self._bringer.load.place

    async def _failed(self, delivery: Delivery, failure: NotTaken) -> None:
        now = self._parts.clock.now()
        again = after_failure(delivery, now=now)
        if failure.resting is None:
            # Whoever has something against this one alone has answered.
            self._rests.pop(self._place_of(delivery), None)
        else:
            self._let_rest(failure.resting, now=now)
        if again is None:
            self._bringer.tell_given_up(delivery, str(failure))
            await self._forget(delivery)
            return
        await self._put(again)
        # Told afterwards: what the log says is done, also if the node dies now.
        if delivery.tries == 0:
            self._bringer.tell_failed(delivery, str(failure))

    def _let_rest(self, place: str, *, now: Instant) -> None:
        rest = self._rests.get(place, _Rest(now, 0))
        # Those that were brought side by side have failed once, all together.
        if rest.until <= now:
            wait = min(LONGEST_REST, FIRST_PAUSE * 2.0 ** min(rest.failures, 20))
            self._rests[place] = _Rest(now + wait, rest.failures + 1)

    async def _put(self, delivery: Delivery) -> None:
        async with self._parts.storage.write() as tx:
            await tx.put_delivery(delivery)

    async def _forget(self, delivery: Delivery) -> None:
        async with self._parts.storage.write() as tx:
            await tx.delete_delivery(delivery.id)
