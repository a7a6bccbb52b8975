"""Back-channel logout on a stage: clients that want to hear, and the courier that brings it to them."""

from contextlib import suppress
from dataclasses import dataclass
from typing import Any, Final

from tests.support.cast import public
from tests.support.door import Door
from tests.support.fake_outgoing import FakeOutgoing

from watchword.server.flows.backchannel_logout import LogoutCalls
from watchword.server.flows.browser_session import SignedIn
from watchword.server.flows.courier import Courier

URIS: Final = {"store": "https://store.example/out", "desk": "https://desk.example/out?of=us"}


@dataclass
class Stage:
    """A door whose clients ``store`` and ``desk`` want to hear, and the courier that brings it to them."""

    door: Door
    outgoing: FakeOutgoing
    courier: Courier

    async def told(self) -> list[dict[str, Any]]:
        """What the courier brings now."""
        before = len(self.outgoing.posted)
        await self.courier.bring()
        return self.outgoing.claims()[before:]

    async def waiting(self) -> int:
        """How many deliveries wait, due or not; none is taken by asking."""
        found = -1
        with suppress(_Unchanged):
            async with self.door.parts.storage.write() as tx:
                later = self.door.clock.now() + 3600
                waiting = await tx.lease_deliveries(kind="backchannel_logout", now=later, until=0, limit=10_000)
                found = len(waiting)
                raise _Unchanged
        return found


class _Unchanged(Exception):
    """Rolls a transaction back."""


def courier_of(door: Door, outgoing: FakeOutgoing) -> Courier:
    """Of the node that the door has now."""
    return Courier(door.parts, LogoutCalls(door.parts, outgoing))


async def staged(door: Door) -> Stage:
    """With both clients registered."""
    async with door.parts.storage.write() as tx:
        for name, uri in URIS.items():
            await tx.add_client(public(name, backchannel_logout_uri=uri))
    outgoing = FakeOutgoing()
    return Stage(door, outgoing, courier_of(door, outgoing))


async def signed_in(door: Door, sid: str) -> SignedIn:
    """The user in that session, as the account page sees him."""
    async with door.parts.storage.read() as reading:
        session = await reading.session(sid)
        user = None if session is None else await reading.user(session.sub)
    assert session is not None
    assert user is not None
    return SignedIn(session, user)
