"""Upkeep: keeps a verifier's keys and revocations fresh, for as long as its event loop runs.

Two endless tasks, one for the keys and one for the feed. They only ever add knowledge: whatever fails, what is known
stays, and ages in the open.
"""

import asyncio
import logging
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from watchword.protocol import revocation_feed
from watchword.protocol.metadata import Metadata
from watchword.protocol.rejection import TokenRejected
from watchword.protocol.revocation_feed import SILENCE_SECONDS
from watchword.resource.issuer_door import IssuerDoor, IssuerTrouble, PositionRefused
from watchword.resource.key_cache import Asker
from watchword.resource.memory import Memory
from watchword.resource.revocation_view import Taken
from watchword.resource.verifier import Need, Verifier

_LOG: Final = logging.getLogger("watchword.resource")


@dataclass(frozen=True, slots=True)
class Pace:
    """How patient the upkeep is, in seconds.

    Attributes:
        start: for the first fetch of everything, on which the first verification waits.
        silence: without a good batch, after which the feed counts as cut.
        again: before the first new try at the feed; doubled each time.
        again_most: the longest such pause.
    """

    start: float = 5
    silence: float = SILENCE_SECONDS
    again: float = 0.25
    again_most: float = 3


class Upkeep:
    """Works for one verifier.

    Args:
        verifier: whose keys and revocations are kept.
        door: how to reach the issuer.
        clock: seconds since the epoch.
        chance: a number from 0 up to 1, for spreading retries of many services.
        memory: keeps the knowledge on disk; None keeps it only as long as the process lives.
        pace: how patient to be.
    """

    def __init__(
        self,
        verifier: Verifier,
        door: IssuerDoor,
        *,
        clock: Callable[[], float],
        chance: Callable[[], float],
        memory: Memory | None = None,
        pace: Pace | None = None,
    ) -> None:
        self._verifier = verifier
        self._door = door
        self._clock = clock
        self._chance = chance
        self._memory = memory
        self._pace = pace or Pace()
        self._metadata: Metadata | None = None
        self._begun = asyncio.Event()
        self._fetching: asyncio.Task[None] | None = None
        self._discover_again = True
        self._troubles: set[str] = set()

    async def run(self) -> None:
        """Start, then keep everything fresh until cancelled; save and let go at the end."""
        try:
            await self._start()
            async with asyncio.TaskGroup() as tasks:
                tasks.create_task(self._keep_keys())
                tasks.create_task(self._keep_following())
        finally:
            if self._fetching is not None:
                self._fetching.cancel()
            self._save()
            await self._door.close()

    async def attend(self, need: Need, token: str) -> Need:
        """See to what a verification waits for; bounded in time.

        Raises:
            TokenRejected: the issuer calls the token inactive, or cannot be asked.
        """
        await self._begun.wait()
        if need == "keys":
            await self._fetch_for_unknown("token")
        elif need == "introspection":
            await self._introspect(token)
        return need

    async def _start(self) -> None:
        if self._memory is not None:
            self._metadata = self._memory.load() or self._metadata
        # With yesterday's knowledge at hand a silent issuer is not waited for as long.
        patience = self._pace.start / (2 if len(self._verifier.keys) else 1)
        try:
            async with asyncio.timeout(patience):
                await self._fetch_keys()
                await self._catch_up()
        except TimeoutError:
            self._complain("start", f"not all is known after {patience:g} seconds")
        except IssuerTrouble as trouble:
            self._complain("start", str(trouble))
        finally:
            self._verifier.started = True
            self._verifier.settle()
            self._begun.set()
        self._save()

    # Keys

    async def _keep_keys(self) -> None:
        keys = self._verifier.keys
        while True:
            # Up to a tenth earlier, so that services started together do not ask together.
            await asyncio.sleep(keys.wait(self._clock()) * (1 - self._chance() / 10))
            try:
                await self._fetch_keys()
            except IssuerTrouble as trouble:
                self._complain("keys", str(trouble))
            except Exception:  # noqa: BLE001 - whatever it was, the work goes on
                _LOG.exception("renewing the keys failed")
                await asyncio.sleep(self._pace.again_most)

    async def _fetch_for_unknown(self, asker: Asker) -> None:
        now = self._clock()
        if self._fetching is None:
            if not self._verifier.keys.may_ask_for_unknown(now, asker=asker):
                return
            self._verifier.keys.asked_for_unknown(now, asker=asker)
        try:
            await self._fetch_keys()
        except IssuerTrouble as trouble:
            self._complain("keys", str(trouble))

    async def _fetch_keys(self) -> None:
        """Fetch the key set; whoever comes while a fetch is under way shares it."""
        if self._fetching is None:
            self._verifier.keys.in_flight = True
            self._fetching = asyncio.create_task(self._fetch_keys_once())
            self._fetching.add_done_callback(self._fetched)
        await asyncio.shield(self._fetching)

    def _fetched(self, task: asyncio.Task[None]) -> None:
        self._fetching = None
        self._verifier.keys.in_flight = False
        if not task.cancelled():
            task.exception()  # whoever waited has seen it; nobody may be left to

    async def _fetch_keys_once(self) -> None:
        keys = self._verifier.keys
        try:
            metadata = await self._discover()
            found = await self._door.key_set(metadata.jwks_uri)
        except IssuerTrouble:
            keys.failed(self._clock())
            # The endpoints may have moved.
            self._discover_again = True
            raise
        changed = keys.take(found.keys, now=self._clock(), max_age=found.max_age)
        self._verifier.settle()
        if changed:
            self._verifier.forget_tokens()
            self._save()
        self._recover("keys", "start")

    # Endpoints

    async def _discover(self) -> Metadata:
        if self._metadata is not None and not self._discover_again:
            return self._metadata
        try:
            found = await self._door.metadata()
        except IssuerTrouble:
            if self._metadata is None:
                raise
            return self._metadata
        self._discover_again = False
        if found.revocation_feed_endpoint is None and self._verifier.policy.needs_feed:
            self._verifier.misconfigured = (
                f"{found.issuer} has no revocation feed; to accept that a revoked access token lives on until it "
                "expires, say revocations=INSECURE_WITHOUT_FEED"
            )
        else:
            self._verifier.misconfigured = None
        self._verifier.settle()
        self._metadata = found
        if self._memory is not None:
            self._memory.metadata = found
        return found

    # Feed

    async def _keep_following(self) -> None:
        tries = 0
        while True:
            try:
                if await self._follow():
                    tries = 0
            except IssuerTrouble as trouble:
                self._complain("feed", str(trouble))
            except Exception:  # noqa: BLE001 - whatever it was, the work goes on
                _LOG.exception("following the revocation feed failed")
            pause = min(self._pace.again * 2.0**tries, self._pace.again_most)
            tries = min(tries + 1, 16)
            await asyncio.sleep(pause * (0.5 + self._chance() / 2))

    async def _follow(self) -> bool:
        """Follow the feed until it is cut; whether it brought anything good."""
        url = (await self._discover()).revocation_feed_endpoint
        if url is None:
            self._discover_again = True
            await asyncio.sleep(self._verifier.keys.wait(self._clock()) + 1)
            return False
        good = False
        loop = asyncio.get_running_loop()
        try:
            async with (
                asyncio.timeout(self._pace.silence) as silence,
                self._door.follow(url, after=self._verifier.view.sequence) as batches,
            ):
                async for message in batches:
                    taken = await self._take(message)
                    if taken == "mismatch":
                        _LOG.warning("the revocation log took another course: reading all of it again")
                        return good
                    if taken != "repeated":
                        good = True
                        silence.reschedule(loop.time() + self._pace.silence)
                        self._recover("feed", "start")
        except TimeoutError:
            self._complain("feed", f"no good batch for {self._pace.silence:g} seconds")
        except PositionRefused as refused:
            self._start_again(refused)
        return good

    async def _catch_up(self) -> None:
        """Read all pages up to now, so that the first answer already knows what is revoked."""
        url = (await self._discover()).revocation_feed_endpoint
        courses = 0
        while url is not None and courses < 2:
            try:
                taken = await self._take(await self._door.page(url, after=self._verifier.view.sequence))
            except PositionRefused as refused:
                self._start_again(refused)
                courses += 1
                continue
            if taken in ("followed", "repeated"):
                return
            courses += taken == "mismatch"

    def _start_again(self, refused: PositionRefused) -> None:
        """Read the log from its beginning; what was seen stays. Raises ``refused`` if that was the position."""
        if not self._verifier.view.sequence:
            raise refused
        _LOG.warning("the issuer does not know our position in the revocation log: reading all of it again")
        self._verifier.view.rewind()

    async def _take(self, message: str) -> Taken:
        verifier = self._verifier
        try:
            kid, batch = revocation_feed.parse_batch(message, verifier.find_key, issuer=verifier.issuer)
        except TokenRejected as rejected:
            if rejected.reason != "token.unknown_key":
                raise IssuerTrouble(f"a batch of the feed is refused ({rejected})") from None
            await self._fetch_for_unknown("feed")
            try:
                kid, batch = revocation_feed.parse_batch(message, verifier.find_key, issuer=verifier.issuer)
            except TokenRejected as again:
                raise IssuerTrouble(f"a batch of the feed is refused ({again})") from None
        now = self._clock()
        try:
            taken = verifier.view.take(batch, kid=kid, now=now)
        except TokenRejected as rejected:
            raise IssuerTrouble(f"a batch of the feed is refused ({rejected})") from None
        verifier.settle()
        if self._memory is not None:
            self._memory.save_if_due(news=bool(batch.entries))
        return taken

    async def _introspect(self, token: str) -> None:
        try:
            url = (await self._discover()).introspection_endpoint
            if url is None:
                raise IssuerTrouble("the issuer has no introspection endpoint")
            active = await self._door.introspect(url, token)
        except IssuerTrouble as trouble:
            self._complain("introspection", str(trouble))
            raise TokenRejected("token.revocation_unknown", "neither feed nor introspection answers") from None
        self._recover("introspection")
        if not active:
            raise TokenRejected("token.inactive")

    def _save(self) -> None:
        if self._memory is not None:
            self._memory.save()

    # Words for the log, when something changes and not each time

    def _complain(self, about: str, text: str) -> None:
        level = logging.DEBUG if about in self._troubles else logging.WARNING
        self._troubles.add(about)
        _LOG.log(level, "%s: %s: %s", self._verifier.issuer, about, text)

    def _recover(self, *about: str) -> None:
        for name in about:
            if name in self._troubles:
                self._troubles.remove(name)
                _LOG.info("%s: %s: good again", self._verifier.issuer, name)
