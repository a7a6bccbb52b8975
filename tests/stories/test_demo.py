"""``make demo`` tells its story to the end, or says what went otherwise; and leaves nothing behind."""

import os
import re
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import psutil
import pytest
from tests.support.running_server import wait_until

# One at a time: each is four programs.
pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("demo")]

REPOSITORY = Path(__file__).parents[2]
CHAPTERS = (
    "Three programs start",
    "Sign-in",
    "A call with the access token",
    "A call without the scope",
    "The access token expires",
    "The client library refreshes silently",
    "The authorization server is stopped",
    "An answer is lost",
    "A refresh token is stolen",
    "Sign-out",
)


class Demo:
    """The demonstration in a process of its own; what it has said so far is in ``said``."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.process = subprocess.Popen(
            [sys.executable, "-m", "examples.demo"],
            cwd=REPOSITORY,
            env={**os.environ, "TMPDIR": str(folder), "PYTHONIOENCODING": "utf-8"},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            encoding="utf-8",
        )
        self.said = ""
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def _read(self) -> None:
        assert self.process.stdout is not None
        for line in self.process.stdout:
            self.said += line

    def programs(self) -> list[psutil.Process]:
        """The processes that it has started and that still run."""
        with suppress(psutil.NoSuchProcess):
            return list(psutil.Process(self.process.pid).children(recursive=True))
        return []

    def has_come_to(self, title: str) -> None:
        wait_until(lambda: title in self.said or self.process.poll() is not None, seconds=60, what=title)
        assert title in self.said, self.said

    def end(self) -> int:
        status = self.process.wait(90)
        self._reader.join(10)
        assert self.process.stdout is not None
        self.process.stdout.close()
        return status


@contextmanager
def demo_in(folder: Path) -> Iterator[Demo]:
    started = Demo(folder)
    try:
        yield started
    finally:
        if started.process.poll() is None:
            started.process.terminate()
        started.end()


def gone(process: psutil.Process) -> bool:
    return not process.is_running() or process.status() == psutil.STATUS_ZOMBIE


def test_the_demonstration_happens_as_told(tmp_path: Path) -> None:
    with demo_in(tmp_path) as demo:
        status = demo.end()

    assert status == 0, demo.said
    assert re.findall(r"^ *\d+  (.+)$", demo.said, re.MULTILINE) == list(CHAPTERS)
    assert re.search(r"both refuse tokens that have not expired: inventory \d+ ms, orders \d+ ms", demo.said)
    assert re.search(r"eyJ[\w-]{20}|wwr_[\w-]{20}|four words in a row", demo.said) is None, "a token or password whole"
    assert "\x1b[" not in demo.said, "colours are for terminals"
    assert list(tmp_path.iterdir()) == []


def test_ctrl_c_leaves_nothing_behind(tmp_path: Path) -> None:
    with demo_in(tmp_path) as demo:
        demo.has_come_to("The access token expires")
        programs = demo.programs()
        demo.process.send_signal(signal.SIGINT)
        status = demo.end()

    assert status == 130, demo.said
    assert len(programs) >= 3
    assert all(gone(program) for program in programs)
    assert list(tmp_path.iterdir()) == []


def test_what_does_not_happen_as_told_ends_the_demonstration_with_an_error(tmp_path: Path) -> None:
    with demo_in(tmp_path) as demo:
        demo.has_come_to("The access token expires")
        programs = demo.programs()
        next(program for program in programs if "examples.orders.app:app" in program.cmdline()).kill()
        status = demo.end()

    assert status == 1, demo.said
    assert "This did not happen as told" in demo.said
    assert all(gone(program) for program in programs)
    assert list(tmp_path.iterdir()) == []
