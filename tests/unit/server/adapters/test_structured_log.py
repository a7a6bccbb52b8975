"""Log lines on a terminal: what strangers send gives no orders to it."""

import io
import logging
import sys
from collections.abc import Iterator

import pytest
import structlog

from watchword.server.adapters import structured_log
from watchword.server.adapters.structured_log import StructuredLog


class Terminal(io.StringIO):
    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        super().__init__()
        self._monkeypatch = monkeypatch

    def isatty(self) -> bool:
        return True

    def begin(self) -> None:
        """Log to here from now on: pytest has a stderr of its own for each phase of a test."""
        self._monkeypatch.setattr(sys, "stderr", self)
        structured_log.configure()


@pytest.fixture
def terminal(monkeypatch: pytest.MonkeyPatch) -> Iterator[Terminal]:
    """A terminal; afterwards the log is as before."""
    yield Terminal(monkeypatch)
    structlog.reset_defaults()
    logging.basicConfig(level=logging.WARNING, handlers=[], force=True)


# An escape sequence, the same in one character of C1, a new line, a backspace, text from right to left.
@pytest.mark.parametrize("order", ["\x1b[2J", "\x9b2J", "\r\n", "\x08", "\u202e", "\x00"])
def test_control_characters_do_not_reach_a_terminal(terminal: Terminal, order: str) -> None:
    terminal.begin()
    StructuredLog().tell("request.method", method=f"X{order}Y", detail=f"a{order}b")
    (line,) = terminal.getvalue().splitlines()
    told = line.partition("request.method")[2]
    assert order not in told
    assert ascii(order)[1:-1] in told


def test_lines_of_libraries_give_no_orders_either(terminal: Terminal) -> None:
    terminal.begin()
    logging.getLogger("some.library").warning("took %s", "\x1b]0;owned\x07")
    assert "\x1b]0" not in terminal.getvalue()
    assert "owned" in terminal.getvalue()


def test_what_is_harmless_is_written_as_it_is(terminal: Terminal) -> None:
    terminal.begin()
    StructuredLog().tell("some.slug", detail="Zoë-was-here")
    assert "Zoë-was-here" in terminal.getvalue()
