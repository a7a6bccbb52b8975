"""Several processes of one program: those that die are replaced, unless they die faster than they work."""

import os
import signal
import time
from collections.abc import Iterator
from typing import Any

import pytest

from watchword.server.adapters import worker_processes
from watchword.server.adapters.worker_processes import supervise


@pytest.fixture(autouse=True)
def signals() -> Iterator[None]:
    """The supervisor takes signals for good; here it gives them back."""
    before = {sig: signal.getsignal(sig) for sig in (signal.SIGTERM, signal.SIGINT)}
    yield
    for sig, reaction in before.items():
        signal.signal(sig, reaction)


class Worker:
    """A process that is dead as soon as it is looked at."""

    sentinel = 0

    def __init__(self, **_: Any) -> None: ...

    def start(self) -> None: ...

    def is_alive(self) -> bool:
        return False

    terminate = kill = start

    def join(self, _: float) -> None: ...


class Context:
    Process = Worker


def deaths_until_it_gives_up(monkeypatch: pytest.MonkeyPatch, *, every: float, at_most: int) -> int:
    """How many workers died until the supervisor gave up, one each ``every`` seconds; told to end at ``at_most``."""
    now, deaths = 0.0, 0

    def passes(*_: object, **__: object) -> None:
        nonlocal now, deaths
        if deaths == at_most:
            os.kill(os.getpid(), signal.SIGTERM)
            return
        now, deaths = now + every, deaths + 1

    monkeypatch.setattr("multiprocessing.get_context", lambda _: Context)
    monkeypatch.setattr("multiprocessing.connection.wait", passes)
    monkeypatch.setattr(worker_processes, "monotonic", lambda: now)
    status = supervise(lambda: None, (), count=1)
    assert status == (0 if deaths == at_most else 1)
    return deaths


def test_workers_that_die_at_once_are_not_replaced_for_ever(monkeypatch: pytest.MonkeyPatch) -> None:
    assert deaths_until_it_gives_up(monkeypatch, every=1, at_most=100) == 5


def test_deaths_now_and_then_are_not_held_against_it_for_life(monkeypatch: pytest.MonkeyPatch) -> None:
    assert deaths_until_it_gives_up(monkeypatch, every=20, at_most=100) == 100


@pytest.mark.slow
def test_a_program_that_cannot_start_ends_the_supervisor_with_1() -> None:
    began = time.monotonic()
    assert supervise(os._exit, (3,), count=1) == 1
    assert time.monotonic() - began < 30
