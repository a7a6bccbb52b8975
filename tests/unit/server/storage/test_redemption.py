"""Judging a batch, and gathering what comes in: without a database."""

import asyncio
from collections.abc import Callable
from typing import Any

import pytest
from msgspec.structs import replace
from tests.support.builders import NOW, a_grant, a_standing

from watchword.server.domain.grant import Grant, Standing
from watchword.server.domain.revocation import of_grant
from watchword.server.ports.storage import Decision, StorageUnavailable
from watchword.server.storage.redemption import ADVANCED, ROTATED, Coalescer, Waiting, judge


def rotate(grant: Grant, _: Standing) -> Decision[int]:
    return Decision(grant.generation, NOW, replace(grant, generation=grant.generation + 1))


def waiting(grant: Grant, decide: Callable[[Grant, Standing], Decision[Any]]) -> Waiting:
    return Waiting(grant.id, decide, asyncio.get_running_loop().create_future())


async def test_many_decisions_on_one_grant_fold_to_one_row() -> None:
    grant, other = a_grant(), a_grant()
    batch = [waiting(grant, rotate), waiting(other, rotate), waiting(grant, rotate)]
    judged = judge(batch, {one.id: (one, a_standing()) for one in (grant, other)})
    assert [one.outcome for one in batch] == [0, 0, 1]
    assert [one.generation for one in judged.advanced] == [2, 1]


@pytest.mark.parametrize("name", ADVANCED)
async def test_each_column_that_a_refresh_changes_is_among_those_written(name: str) -> None:
    grant, other = a_grant(), a_grant()

    def changed(found: Grant, _: Standing) -> Decision[None]:
        return Decision(None, NOW, replace(found, **{name: b"another" if name.endswith("_by") else 7}))

    batch = [waiting(other, rotate), waiting(grant, changed)]
    judged = judge(batch, {one.id: (one, a_standing()) for one in (grant, other)})
    assert (len(judged.advanced), name in judged.columns) == (2, True)


async def test_a_rotation_among_its_likes_writes_no_column_that_only_strangers_change() -> None:
    grant = a_grant()
    judged = judge([waiting(grant, rotate)], {grant.id: (grant, a_standing())})
    assert judged.columns == ROTATED


async def test_a_row_that_changes_more_than_a_rotation_does_is_written_whole() -> None:
    grant = a_grant()
    batch = [waiting(grant, lambda found, _: Decision(None, NOW, replace(found, ended_at=NOW)))]
    judged = judge(batch, {grant.id: (grant, a_standing())})
    assert ([one.ended_at for one in judged.changed], judged.advanced) == ([NOW], [])


async def test_what_a_decision_that_raised_asked_for_is_not_written() -> None:
    grant = a_grant()

    def broken(*_: Any) -> Decision[None]:
        raise LookupError

    entry = of_grant(grant.gid, now=NOW, longest=1)
    batch = [waiting(grant, broken), waiting(grant, lambda *_: Decision("ok", NOW, None, (entry,)))]
    judged = judge(batch, {grant.id: (grant, a_standing())})
    assert isinstance(batch[0].error, LookupError)
    assert (batch[1].outcome, judged.entries, judged.advanced) == ("ok", [entry], [])


async def test_judging_again_forgets_the_first_time() -> None:
    grant = a_grant()
    batch = [waiting(grant, rotate)]
    judge(batch, {grant.id: (grant, a_standing())})
    judge(batch, {})
    assert (batch[0].outcome, batch[0].error) == (None, None)


async def test_what_arrives_while_a_batch_is_under_way_goes_into_the_next() -> None:
    sizes: list[int] = []
    gate, begun = asyncio.Event(), asyncio.Event()

    async def carry(batch: list[Waiting]) -> None:
        sizes.append(len(batch))
        begun.set()
        await gate.wait()

    coalescer = Coalescer(carry, workers=1, size=10)
    first = coalescer.submit(b"1", rotate)
    await begun.wait()
    rest = [coalescer.submit(b"1", rotate) for _ in range(15)]
    gate.set()
    await asyncio.gather(first, *rest)
    assert sizes == [1, 10, 5]


async def test_one_batch_is_under_way_while_it_is_quick_and_holds_all() -> None:
    running: list[int] = []

    async def carry(batch: list[Waiting]) -> None:
        running.append(len(batch))
        for _ in range(3):
            await asyncio.sleep(0)

    coalescer = Coalescer(carry, workers=2, size=10)
    first = coalescer.submit(b"1", rotate)
    while not running:
        await asyncio.sleep(0)
    rest = [coalescer.submit(b"1", rotate) for _ in range(9)]
    await asyncio.gather(first, *rest)
    assert running == [1, 9]


@pytest.mark.parametrize("arrives", ["before it is late", "once it is late"])
async def test_a_batch_that_takes_long_holds_up_nobody_else(arrives: str) -> None:
    gate, begun = asyncio.Event(), asyncio.Event()

    async def carry(batch: list[Waiting]) -> None:
        if batch[0].grant_id == b"stuck":
            begun.set()
            await gate.wait()

    coalescer = Coalescer(carry, workers=2, size=10)
    stuck = coalescer.submit(b"stuck", rotate)
    await begun.wait()
    if arrives == "once it is late":
        await coalescer.submit(b"another", rotate)
    async with asyncio.timeout(30):
        await coalescer.submit(b"free", rotate)
    assert not stuck.done()
    gate.set()
    await stuck


async def test_one_after_the_other_each_is_carried() -> None:
    async def carry(batch: list[Waiting]) -> None:
        for one in batch:
            one.outcome = one.grant_id

    coalescer = Coalescer(carry, workers=1, size=10)
    async with asyncio.timeout(5):
        assert [await coalescer.submit(bytes([number]), rotate) for number in range(20)] == [
            bytes([number]) for number in range(20)
        ]


async def test_no_more_batches_are_under_way_than_there_are_workers() -> None:
    running = most = 0

    async def carry(batch: list[Waiting]) -> None:
        nonlocal running, most
        running += 1
        most = max(most, running)
        for _ in range(3):
            await asyncio.sleep(0)
        running -= 1

    coalescer = Coalescer(carry, workers=2, size=1)
    await asyncio.gather(*(coalescer.submit(b"1", rotate) for _ in range(20)))
    assert most == 2


async def test_a_batch_that_fails_fails_for_each_with_an_error_of_his_own() -> None:
    async def carry(batch: list[Waiting]) -> None:
        raise StorageUnavailable("the disk is full")

    coalescer = Coalescer(carry, workers=1, size=10)
    found = await asyncio.gather(*(coalescer.submit(b"1", rotate) for _ in range(3)), return_exceptions=True)
    assert [str(one) for one in found] == ["the disk is full"] * 3
    assert len({id(one) for one in found}) == 3


async def test_a_closed_coalescer_takes_no_more() -> None:
    async def carry(batch: list[Waiting]) -> None:
        return

    coalescer = Coalescer(carry, workers=1, size=10)
    pending = coalescer.submit(b"1", rotate)
    await coalescer.close()
    assert pending.done()
    with pytest.raises(StorageUnavailable):
        coalescer.submit(b"1", rotate)
