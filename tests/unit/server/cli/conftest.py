"""The commands in this process, on a database in memory, with nothing set."""

import io
import json
import os
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from tests.support.memory_storage import MemoryDatabase, MemoryStorage
from tests.unit.server.admin.conftest import CountingEntropy, ToldClock, parts_on

from watchword.server import app, settings
from watchword.server.cli import main
from watchword.server.flows.parts import Parts
from watchword.server.ports.storage import Storage
from watchword.server.ports.telemetry import Telemetry
from watchword.server.settings import Settings

PASSWORD = "correct horse battery staple"


@dataclass(frozen=True)
class Said:
    """How a command ended, and what it said."""

    status: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        return json.loads(self.out)


class Commands:
    """Runs ``watchword ...`` in this process.

    Attributes:
        storage: opens the database that the commands work on.
    """

    def __init__(
        self, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], storage: Callable[[], Storage]
    ) -> None:
        self.storage = storage
        self._monkeypatch = monkeypatch
        self._capsys = capsys

    def __call__(self, *arguments: str, stdin: bytes = b"") -> Said:
        self._monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(stdin)))
        status = main(arguments)
        captured = self._capsys.readouterr()
        return Said(status, captured.out, captured.err)

    def done(self, *arguments: str, stdin: bytes = b"") -> Said:
        """A command that must succeed, without a word on stderr."""
        said = self(*arguments, stdin=stdin)
        assert (said.status, said.err) == (0, "")
        return said

    def refused(self, *arguments: str, stdin: bytes = b"", status: int = 1) -> str:
        """A command that must fail: its one line on stderr, with nothing on stdout."""
        said = self(*arguments, stdin=stdin)
        assert (said.status, said.out) == (status, "")
        assert said.err.startswith("watchword: ")
        assert said.err.endswith("\n")
        assert said.err.count("\n") == 1
        return said.err


@pytest.fixture
def watchword(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Commands:
    for name in [name for name in os.environ if name.startswith("WATCHWORD_")]:
        monkeypatch.delenv(name)
    monkeypatch.chdir(tmp_path)
    # As ``serve`` leaves it: the secret is there.
    settings.read()
    database, clock, entropy = MemoryDatabase(), ToldClock(), CountingEntropy()

    @asynccontextmanager
    async def opened(_: Settings, __: Telemetry, *, beginning: bool) -> AsyncIterator[Parts]:
        parts = parts_on(database, clock, entropy)
        yield parts
        await parts.storage.close()

    monkeypatch.setattr(app, "opened", opened)
    return Commands(monkeypatch, capsys, lambda: MemoryStorage(clock, database))
