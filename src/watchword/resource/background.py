"""One daemon thread with an event loop of its own, in which an ``Upkeep`` works for both shells.

It begins at first use, ends with ``stop``, and begins anew in a forked child: the child keeps what was known, and its
verifier waits for a fresh start before it answers.
"""

import asyncio
import logging
import os
import threading
import weakref
from collections.abc import Callable
from concurrent.futures import Future
from typing import Any, Final, Protocol

from watchword.resource.errors import Closed
from watchword.resource.upkeep import Upkeep
from watchword.resource.verifier import Need, Verifier

_LOG: Final = logging.getLogger("watchword.resource")
_STOP_SECONDS: Final = 5


class Attendant(Protocol):
    """Whoever sees to what a verification waits for."""

    def attend(self, need: Need, token: str) -> "Future[Need]":
        """See to ``need``; the future ends with it, or with what the caller of ``verify`` is to get raised."""
        ...

    def open(self) -> None:
        """Allow work, also after ``stop``."""
        ...

    def stop(self) -> None:
        """End all work. Idempotent."""
        ...


class Background:
    """An ``Attendant`` that works in a thread.

    Args:
        verifier: whose upkeep it is; told to wait for a new start after a fork.
        make: makes the upkeep, inside the thread.
    """

    def __init__(self, verifier: Verifier, make: Callable[[], Upkeep]) -> None:
        self._verifier = verifier
        self._make = make
        self._closed = False
        self._lock = threading.Lock()
        self._job: _Job | None = None
        _alive.add(self)

    def attend(self, need: Need, token: str) -> "Future[Need]":
        """See to ``need`` in the thread; begins it if there is none. Does not block.

        Raises:
            Closed: after ``stop``.
        """
        with self._lock:
            if self._closed:
                raise Closed
            if self._job is None or not self._job.thread.is_alive():
                self._job = _Job(self._verifier, self._make)
                self._job.thread.start()
            return self._job.attend(need, token)

    def open(self) -> None:
        """Allow work, also after ``stop``; the thread begins when it is needed."""
        self._closed = False

    def stop(self) -> None:
        """End the thread, after a last snapshot; waits a few seconds at most. Idempotent."""
        with self._lock:
            self._closed = True
            job, self._job = self._job, None
        if job is not None:
            job.stop()
        self._verifier.started = False
        self._verifier.settle()

    def after_fork(self) -> None:
        """Forget the thread, which exists in the parent alone."""
        # Its loop still looks at the parent's descriptors: it must neither be used nor closed nor collected here, for
        # each would reach into the parent.
        _of_the_parent.append(self._job)
        self._job = None
        self._lock = threading.Lock()
        self._verifier.started = False
        self._verifier.keys.in_flight = False
        self._verifier.settle()


class _Job:
    """One thread, from its start to its end."""

    def __init__(self, verifier: Verifier, make: Callable[[], Upkeep]) -> None:
        self._verifier = verifier
        self._make = make
        # A plain loop: the thread must not depend on, nor share anything with, the application's choice.
        self._loop = asyncio.SelectorEventLoop()
        self._upkeep: asyncio.Future[Upkeep] = self._loop.create_future()
        self._stopping = asyncio.Event()
        self._waiting: set[Future[Need]] = set()
        self.thread = threading.Thread(target=self._run, name="watchword-resource", daemon=True)

    def attend(self, need: Need, token: str) -> "Future[Need]":
        outcome: Future[Need] = Future()
        outcome.set_running_or_notify_cancel()
        self._waiting.add(outcome)
        outcome.add_done_callback(self._waiting.discard)
        try:
            asyncio.run_coroutine_threadsafe(self._attend(need, token, outcome), self._loop)
        except RuntimeError:  # the loop has just ended
            outcome.set_exception(Closed())
        return outcome

    def stop(self) -> None:
        try:
            self._loop.call_soon_threadsafe(self._stopping.set)
        except RuntimeError:  # the loop has ended by itself
            return
        if self.thread is not threading.current_thread():
            self.thread.join(_STOP_SECONDS)

    async def _attend(self, need: Need, token: str, outcome: "Future[Need]") -> None:
        try:
            upkeep = await asyncio.shield(self._upkeep)
            outcome.set_result(await upkeep.attend(need, token))
        except Exception as error:  # noqa: BLE001 - it is raised where somebody waits
            outcome.set_exception(error)

    def _run(self) -> None:
        try:
            with asyncio.Runner(loop_factory=lambda: self._loop) as runner:
                runner.run(self._work())
        except Exception:  # noqa: BLE001 - the last frame of a thread
            _LOG.exception("the upkeep of keys and revocations ended; the next token begins it anew")
            self._verifier.started = False
            self._verifier.settle()
        finally:
            for outcome in list(self._waiting):
                outcome.set_exception(Closed())

    async def _work(self) -> None:
        upkeep = self._make()
        self._upkeep.set_result(upkeep)
        work = asyncio.ensure_future(upkeep.run())
        stop = asyncio.ensure_future(self._stopping.wait())
        await asyncio.wait((work, stop), return_when=asyncio.FIRST_COMPLETED)
        stop.cancel()
        if not work.done():
            work.cancel()
            await asyncio.wait((work,))
        if not work.cancelled():
            work.result()


_alive: "weakref.WeakSet[Background]" = weakref.WeakSet()
_of_the_parent: list[Any] = []


def _after_fork() -> None:
    for background in list(_alive):
        background.after_fork()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork)
