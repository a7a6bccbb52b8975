"""Many callers, one refresh: threads, tasks, and callers that go away."""

import asyncio
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from tests.support.fake_token_server import FakeTokenServer, Fault
from tests.unit.client.driving import PASSWORD, Clock, until

from watchword.client import AsyncTokenSource, FileTokenStore, MemoryTokenStore, SignInAgain, TokenSource


def test_twenty_threads_make_one_refresh(server: FakeTokenServer, clock: Clock, tmp_path: Path) -> None:
    store = FileTokenStore(tmp_path / "tokens.json")
    # Two sources over one file, as two parts of a program would have.
    sources = [
        TokenSource(server.issuer, "app", store=FileTokenStore(tmp_path / "tokens.json"), clock=clock) for _ in "ab"
    ]
    TokenSource(server.issuer, "app", store=store, clock=clock).sign_in("alice", PASSWORD)
    clock.now += 1000
    start = threading.Barrier(20)

    def ask(number: int) -> str:
        start.wait(10)
        return sources[number % 2].token()

    with ThreadPoolExecutor(20) as pool:
        tokens = set(pool.map(ask, range(20)))
    assert len(tokens) == 1
    assert server.count("/token", "refresh_token") == 1


async def test_fifty_tasks_make_one_refresh(server: FakeTokenServer, clock: Clock) -> None:
    async with AsyncTokenSource(server.issuer, "app", clock=clock) as source:
        await source.sign_in("alice", PASSWORD)
        clock.now += 1000
        tokens = await asyncio.gather(*(source.token() for _ in range(50)))
    assert len(set(tokens)) == 1
    assert server.count("/token", "refresh_token") == 1


async def test_all_who_wait_hear_of_a_failure_each_for_himself(server: FakeTokenServer, clock: Clock) -> None:
    source = AsyncTokenSource(server.issuer, "app", clock=clock)
    await source.sign_in("alice", PASSWORD)
    clock.now += 1000
    server.end("rt-0-1")
    errors = await asyncio.gather(*(source.token() for _ in range(10)), return_exceptions=True)
    assert {type(error) for error in errors} == {SignInAgain}
    assert len({id(error) for error in errors}) == 10
    assert server.count("/token", "refresh_token") == 1


async def test_while_one_task_renews_the_others_take_the_good_token(server: FakeTokenServer, clock: Clock) -> None:
    source = AsyncTokenSource(server.issuer, "app", clock=clock)
    await source.sign_in("alice", PASSWORD)
    first = await source.token()
    clock.now += 900 * 0.95
    gate = threading.Event()
    server.fail("/token", Fault(gate=gate))
    renewing = asyncio.create_task(source.token())
    await until(lambda: server.count("/token", "refresh_token") == 1)
    assert await source.token() == first
    gate.set()
    assert await renewing != first


async def test_a_cancelled_caller_does_not_lose_the_new_refresh_token(server: FakeTokenServer, clock: Clock) -> None:
    store = MemoryTokenStore()
    source = AsyncTokenSource(server.issuer, "app", store=store, clock=clock)
    await source.sign_in("alice", PASSWORD)
    clock.now += 1000
    gate = threading.Event()
    server.fail("/token", Fault(gate=gate))
    caller = asyncio.create_task(source.token())
    await until(lambda: server.count("/token", "refresh_token") == 1)
    caller.cancel()
    with pytest.raises(asyncio.CancelledError):
        await caller
    gate.set()
    await source.aclose()
    assert b"rt-0-2" in (store.load() or b"")


async def test_a_loop_that_ends_in_the_middle_gives_the_lock_back(server: FakeTokenServer, clock: Clock) -> None:
    store = MemoryTokenStore()
    source = AsyncTokenSource(server.issuer, "app", store=store, clock=clock)
    await source.sign_in("alice", PASSWORD)
    clock.now += 1000
    gate = threading.Event()
    server.fail("/token", Fault(gate=gate))
    caller = asyncio.create_task(source.token())
    await until(lambda: server.count("/token", "refresh_token") == 1)
    for task in set(source._tasks[asyncio.get_running_loop()]):
        task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await caller
    gate.set()
    assert store.try_lock()
    store.unlock()
    assert await source.token() in server.issued
