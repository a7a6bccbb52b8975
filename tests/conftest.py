"""What holds for every test: the event loop, and that nothing is skipped in silence.

Under CI a skipped test fails the run; elsewhere skips are counted with their reasons at the end.
"""

import os
from collections import Counter
from typing import Final

import pytest

_SKIPPED: Final = pytest.StashKey[dict[str, str]]()


@pytest.fixture(scope="session")
def anyio_backend() -> str:
    """Async tests run on asyncio, the loop that the server runs on."""
    return "asyncio"


def under_ci() -> bool:
    """Whether this run decides about a submission."""
    return os.environ.get("CI", "").lower() not in ("", "0", "false", "no")


def pytest_configure(config: pytest.Config) -> None:
    config.stash[_SKIPPED] = {}
    config.pluginmanager.register(Skips(config.stash[_SKIPPED]), "watchword-skips")


class Skips:
    """Notes what is skipped. With several workers only the first process's notes count; it hears of all."""

    def __init__(self, skipped: dict[str, str]) -> None:
        self.skipped = skipped

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        if report.skipped and not hasattr(report, "wasxfail"):
            self.skipped[report.nodeid] = _reason(report.longrepr)

    def pytest_collectreport(self, report: pytest.CollectReport) -> None:
        if report.skipped:
            self.skipped[report.nodeid] = _reason(report.longrepr)


def _reason(longrepr: object) -> str:
    reason = longrepr[2] if isinstance(longrepr, tuple) and len(longrepr) == 3 else longrepr
    return str(reason).removeprefix("Skipped: ")


def pytest_sessionfinish(session: pytest.Session) -> None:
    is_worker = hasattr(session.config, "workerinput")
    if session.config.stash[_SKIPPED] and under_ci() and not is_worker and session.exitstatus == pytest.ExitCode.OK:
        session.exitstatus = pytest.ExitCode.TESTS_FAILED


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    skipped = config.stash[_SKIPPED]
    if not skipped:
        return
    verdict = "and that fails a run under CI" if under_ci() else "they would fail a run under CI"
    terminalreporter.section(f"{len(skipped)} skipped, {verdict}", red=under_ci(), yellow=not under_ci())
    for reason, count in Counter(skipped.values()).most_common():
        terminalreporter.line(f"{count:5} x {reason}")
