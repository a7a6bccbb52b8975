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


class Counting(MemoryTokenStore):
    """Counts how often it is read."""

    loads = 0

    def load(self) -> bytes | None:
        self.loads += 1
        return super().load()


def test_while_one_thread_renews_the_others_take_the_good_token(server: FakeTokenServer, clock: Clock) -> None:
    source = TokenSource(server.issuer, "app", clock=clock)
    source.sign_in("alice", PASSWORD)
    first = source.token()
    clock.now += 900 * 0.95
    gate, asked = threading.Event(), threading.Event()
    server.fail("/token", Fault(gate=gate, asked=asked))
    with ThreadPoolExecutor(1) as pool, ThreadPoolExecutor(1) as others:
        renewing = pool.submit(source.token)
        assert asked.wait(10)
        try:
            assert others.submit(source.token).result(5) == first
        finally:
            gate.set()
        assert renewing.result(10) != first


def test_the_store_is_free_while_the_old_token_is_handed_back(server: FakeTokenServer) -> None:
    store = MemoryTokenStore()
    source = TokenSource(server.issuer, "app", store=store)
    source.sign_in("alice", PASSWORD)
    gate, asked = threading.Event(), threading.Event()
    server.fail("/revoke", Fault(gate=gate, asked=asked))
    with ThreadPoolExecutor(1) as pool:
        again = pool.submit(source.sign_in, "alice", PASSWORD)
        assert asked.wait(10)
        free = store.try_lock()
        gate.set()
        again.result(10)
    assert free
    store.unlock()


async def test_fifty_tasks_make_one_refresh(server: FakeTokenServer, clock: Clock) -> None:
    store = Counting()
    async with AsyncTokenSource(server.issuer, "app", store=store, clock=clock) as source:
        await source.sign_in("alice", PASSWORD)
        store.loads = 0
        clock.now += 1000
        tokens = await asyncio.gather(*(source.token() for _ in range(50)))
    assert len(set(tokens)) == 1
    assert server.count("/token", "refresh_token") == 1
    assert store.loads == 2, "one run for all: a look before the lock, and one under it"


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
