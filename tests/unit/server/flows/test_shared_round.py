"""Rounds of work that many share."""

import asyncio
from itertools import pairwise

import pytest

from watchword.server.flows.shared_round import SharedRound

PATIENCE = 5


async def test_who_asks_before_a_round_begins_shares_it_and_who_asks_later_gets_another() -> None:
    begun, gate = 0, asyncio.Event()

    async def work() -> None:
        nonlocal begun
        begun += 1
        await gate.wait()

    shared = SharedRound(work, pause=0)
    early = [asyncio.create_task(shared()) for _ in range(10)]
    async with asyncio.timeout(PATIENCE):
        while not begun:
            await asyncio.sleep(0)
        late = [asyncio.create_task(shared()) for _ in range(10)]
        await asyncio.sleep(0)
        assert begun == 1
        gate.set()
        await asyncio.gather(*early)
        await asyncio.gather(*late)
    assert begun == 2


async def test_rounds_keep_their_distance() -> None:
    loop = asyncio.get_running_loop()
    begun: list[float] = []

    async def work() -> None:
        begun.append(loop.time())

    shared = SharedRound(work, pause=0.05)
    for _ in range(3):
        await shared()
    assert [later - earlier >= 0.049 for earlier, later in pairwise(begun)] == [True, True]


async def test_a_failure_is_everybodys_and_the_next_round_is_a_new_one() -> None:
    fails = True

    async def work() -> None:
        if fails:
            raise OSError("once")

    shared = SharedRound(work, pause=0)
    failed = await asyncio.gather(shared(), shared(), return_exceptions=True)
    assert [type(one) for one in failed] == [OSError, OSError]
    fails = False
    await shared()


async def test_who_goes_away_stops_no_round() -> None:
    done = 0

    async def work() -> None:
        nonlocal done
        await asyncio.sleep(0)
        done += 1

    shared = SharedRound(work, pause=0)
    first, second = asyncio.create_task(shared()), asyncio.create_task(shared())
    await asyncio.sleep(0)
    first.cancel()
    await second
    with pytest.raises(asyncio.CancelledError):
        await first
    assert done == 1
