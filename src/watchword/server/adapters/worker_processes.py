"""Several processes of one program: started, watched, replaced when one dies, ended together."""

import multiprocessing
import signal
from collections import deque
from collections.abc import Callable
from multiprocessing import connection
from multiprocessing.context import SpawnProcess
from time import monotonic
from types import FrameType
from typing import Any, Final

# A worker that cannot even start would otherwise be replaced for ever; one that dies now and then shall be.
_MOST_DEATHS_PER_WORKER: Final = 5
_WINDOW_SECONDS: Final = 60.0
_GRACE_SECONDS: Final = 10


def supervise(work: Callable[..., None], arguments: tuple[Any, ...], *, count: int) -> int:
    """Run ``work(*arguments)`` in ``count`` processes until SIGTERM or SIGINT. Returns the exit status."""
    context = multiprocessing.get_context("spawn")
    stopping = False

    def start() -> SpawnProcess:
        process = context.Process(target=work, args=arguments)
        process.start()
        return process

    def stop(_: int, __: FrameType | None) -> None:
        nonlocal stopping
        stopping = True
        for process in workers:
            process.terminate()

    workers: list[SpawnProcess] = []
    signal.signal(signal.SIGTERM, stop)
    signal.signal(signal.SIGINT, stop)
    workers.extend(start() for _ in range(count))
    # The moments of the last deaths; full of recent ones, it says that it cannot go on.
    deaths: deque[float] = deque(maxlen=_MOST_DEATHS_PER_WORKER * count)
    while not stopping and not (len(deaths) == deaths.maxlen and deaths[-1] - deaths[0] < _WINDOW_SECONDS):
        connection.wait([process.sentinel for process in workers], timeout=1)
        for at, process in enumerate(workers):
            if not process.is_alive() and not stopping:
                deaths.append(monotonic())
                workers[at] = start()
    for process in workers:
        process.terminate()
        process.join(_GRACE_SECONDS)
        if process.is_alive():
            process.kill()
    return 0 if stopping else 1
