"""Loading the key ring: an older one never replaces a newer one."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

import pytest
from tests.support.door import Door

from watchword.server.flows import key_ring
from watchword.server.ports.signing import Signer
from watchword.server.ports.storage import Storage
from watchword.server.ports.transaction import Reading

PATIENCE = 5


class SlowStorage:
    """What was read here arrives only when the test lets it."""

    def __init__(self, inner: Storage) -> None:
        self._inner = inner
        self.was_read = asyncio.Event()
        self.arrives = asyncio.Event()

    @asynccontextmanager
    async def read(self) -> AsyncIterator[Reading]:
        async with self._inner.read() as reading:
            yield reading
        self.was_read.set()
        await self.arrives.wait()


async def ensured(storage: Storage, signer: Signer, door: Door) -> None:
    await key_ring.ensure(storage, signer, now=door.clock.now())


async def reloaded(storage: Storage, signer: Signer, _: Door) -> None:
    await key_ring.reload(storage, signer)


@pytest.mark.parametrize("slowly", [ensured, reloaded])
@pytest.mark.parametrize("quickly", [ensured, reloaded])
async def test_an_older_ring_never_replaces_a_newer_one(
    two_nodes: Door,
    slowly: Callable[[Any, Signer, Door], Awaitable[None]],
    quickly: Callable[[Any, Signer, Door], Awaitable[None]],
) -> None:
    here, there = two_nodes.nodes[0].parts, two_nodes.nodes[1].parts
    slow = SlowStorage(here.storage)
    older = asyncio.ensure_future(slowly(slow, here.signer, two_nodes))
    async with asyncio.timeout(PATIENCE):
        await slow.was_read.wait()
        await key_ring.rotate(there.storage, there.signer, now=two_nodes.clock.now())
        newer = asyncio.ensure_future(quickly(here.storage, here.signer, two_nodes))
        for _ in range(20):
            await asyncio.sleep(0)
        slow.arrives.set()
        await asyncio.gather(older, newer)
    assert {key.kid for key in here.signer.published()} == {key.kid for key in there.signer.published()}
