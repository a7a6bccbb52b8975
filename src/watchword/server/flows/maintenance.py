"""What a node does beside answering: follows the log, keeps the key ring, brings messages, sweeps what has ended.

Trouble with the database is waited out; any other trouble is told, and the task goes on.
"""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Final

from watchword.server.flows import key_ring
from watchword.server.flows.backchannel_logout import LogoutCalls
from watchword.server.flows.courier import Bringer, Courier
from watchword.server.flows.mail import Mails, Post
from watchword.server.flows.parts import Parts
from watchword.server.flows.resealing import reseal_again
from watchword.server.flows.reset_password import ForgottenPasswords
from watchword.server.ports.outgoing import Outgoing
from watchword.server.ports.storage import StorageUnavailable

# A rotation by command takes effect in all processes within this time.
_RING_SECONDS: Final = 1.0
_CALENDAR_SECONDS: Final = 60.0
_SWEEP_SECONDS: Final = 60.0
_COURIER_SECONDS: Final = 1.0
_RESEAL_SECONDS: Final = 3600.0
_SWEEP_STEP: Final = 200


@asynccontextmanager
async def maintained(parts: Parts, outgoing: Outgoing, post: Post | None = None) -> AsyncIterator[None]:
    """Run the tasks while the block runs.

    Args:
        parts: of the node.
        outgoing: the way to clients that hear of sign-outs.
        post: the way to users' mailboxes; None where no mail is sent.
    """
    bringers: list[Bringer] = [LogoutCalls(parts, outgoing)]
    if post is not None:
        bringers += [ForgottenPasswords(parts), Mails(parts, post)]
    tasks = [
        asyncio.create_task(parts.log_tail.follow(), name="follow the log"),
        asyncio.create_task(
            _every(parts, _RING_SECONDS, lambda: key_ring.reload(parts.storage, parts.signer)), name="load the ring"
        ),
        asyncio.create_task(_every(parts, _CALENDAR_SECONDS, lambda: _advance(parts)), name="advance the ring"),
        asyncio.create_task(_every(parts, _SWEEP_SECONDS, lambda: sweep(parts)), name="sweep"),
        asyncio.create_task(_every(parts, _RESEAL_SECONDS, lambda: reseal_again(parts)), name="reseal"),
        *(
            asyncio.create_task(
                _every(parts, _COURIER_SECONDS, Courier(parts, bringer).bring), name=f"bring {bringer.load.kind}"
            )
            for bringer in bringers
        ),
    ]
    try:
        yield
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


async def sweep(parts: Parts) -> int:
    """Delete what has ended, in steps small enough to let others pass. Returns how many rows went."""
    total = 0
    while True:
        swept = await parts.storage.sweep(now=parts.clock.now(), limit=_SWEEP_STEP)
        total += swept
        if swept < _SWEEP_STEP:
            return total
        await asyncio.sleep(0.05)


async def _advance(parts: Parts) -> None:
    await key_ring.ensure(parts.storage, parts.signer, now=parts.clock.now())


async def _every(parts: Parts, seconds: float, work: Callable[[], Awaitable[object]]) -> None:
    while True:
        await asyncio.sleep(seconds)
        try:
            await work()
        except StorageUnavailable:
            # The log's follower tells of it; nothing here is urgent.
            continue
        except Exception as error:  # noqa: BLE001 - a task that dies in silence would be worse
            parts.telemetry.warn("maintenance.failed", exception=type(error).__name__, detail=str(error))
