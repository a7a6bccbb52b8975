"""Ports for the programs that tests start.

A port that the system has free is anybody's until the program listens, and programs take a second to do so: with two
workers, one test's server then answers for another's. So each process of a run takes a block of ports for itself, below
those that the system hands out, and never gives the same one twice.
"""

import errno
import fcntl
import socket
import tempfile
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import TextIO

_FIRST, _LAST = 16_384, 24_576  # Linux hands out ports from 32768; between lie those of the demonstrations
_BLOCK = 512
_LOCKS = Path(tempfile.gettempdir()) / "watchword-test-ports"

# Open while the process lives: the lock goes with it, however it ends.
_held: list[TextIO] = []


def _block() -> Iterator[int]:
    """The ports of the first block that no other process has."""
    _LOCKS.mkdir(exist_ok=True)
    for first in range(_FIRST, _LAST, _BLOCK):
        lock = (_LOCKS / str(first)).open("a")
        with suppress(BlockingIOError):
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            _held.append(lock)
            return iter(range(first, first + _BLOCK))
        lock.close()
    raise AssertionError(f"every block of ports is taken: see {_LOCKS}")


def _ports() -> Iterator[int]:
    while True:
        yield from _block()


_mine = _ports()


def _is_free(port: int) -> bool:
    for family, address in ((socket.AF_INET, "127.0.0.1"), (socket.AF_INET6, "::1")):
        with socket.socket(family) as one:
            one.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                one.bind((address, port))
            except OSError as error:
                # A machine without IPv6 says something else, and nobody has the port there.
                if error.errno == errno.EADDRINUSE:
                    return False
    return True


def free_port() -> int:
    """A port of loopback that nobody has, and that no other test will be given."""
    return next(port for port in _mine if _is_free(port))
