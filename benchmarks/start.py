"""How long ``watchword serve`` takes to be ready, and what it holds in memory while it has nothing to do.

``python -m benchmarks.start`` measures by itself.
"""

import socket
import statistics
import subprocess
import tempfile
import time
from pathlib import Path
from typing import Final

import psutil
from tests.support.running_server import WATCHWORD, RunningServer

from benchmarks import measuring
from benchmarks.measuring import Finding, cpu_seconds

ROUNDS: Final = 5
_IDLE_SECONDS: Final = 2.0
_PATIENCE_SECONDS: Final = 30
_MEGABYTE: Final = 1e6


def start(*, rounds: int = ROUNDS) -> list[Finding]:
    """Time to ready and idle memory, on a SQLite database that is set up."""
    with tempfile.TemporaryDirectory(prefix="ww-bench-") as folder:
        server = RunningServer(Path(folder))
        _once(server, idle=0)
        measured = [_once(server, idle=_IDLE_SECONDS) for _ in range(rounds)]
    seconds, cpu, memory = (statistics.median(column) for column in zip(*measured, strict=True))
    return [
        Finding(name="ready after", value=seconds, unit="s", target=1, remark=f"wall time; {cpu:.2f} s of it on a CPU"),
        Finding(name="idle memory (USS), SQLite", value=memory, unit="MB", target=75),
    ]


def _once(server: RunningServer, *, idle: float) -> tuple[float, float, float]:
    """Seconds to ready, seconds of CPU until then, megabytes while idle."""
    begun = time.perf_counter()
    with subprocess.Popen(
        [WATCHWORD, "serve"], env=server.environment, cwd=server.folder, stdout=subprocess.DEVNULL
    ) as child:
        process = psutil.Process(child.pid)
        try:
            while not _ready(server.port):
                if child.poll() is not None or time.perf_counter() - begun > _PATIENCE_SECONDS:
                    raise RuntimeError("the server did not become ready")
                time.sleep(0.002)
            seconds, cpu = time.perf_counter() - begun, cpu_seconds(process)
            time.sleep(idle)
            return seconds, cpu, process.memory_full_info().uss / _MEGABYTE
        finally:
            child.terminate()


def _ready(port: int) -> bool:
    try:
        with socket.create_connection(("127.0.0.1", port), timeout=5) as connection:
            connection.sendall(b"GET /readyz HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n\r\n")
            return connection.recv(16).startswith(b"HTTP/1.1 200")
    except OSError:
        return False


if __name__ == "__main__":
    print(measuring.show(start()))
