"""Refresh, client credentials and introspection over HTTP: CPU time per operation, ours and the floor in turns.

``python -m benchmarks.endpoints [sqlite|postgres] [refresh|client|introspect]...`` measures by itself.
"""

import argparse
import tempfile
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import msgspec
import psutil

from benchmarks import measuring, stage
from benchmarks.load import CONNECTIONS, Load, Plan
from benchmarks.measuring import MICROSECONDS, Finding, cpu_seconds

ROUNDS: Final = 5
SECONDS: Final = 2.0
_WARM_UP_SECONDS: Final = 0.5
# More than are kept anywhere, so that each token is a new one.
_FRESH_TOKENS: Final = 2000

_TARGETS: Final = {"refresh": 1.5, "client": 1.4, "introspect": 1.6}
_NAMES: Final = {"refresh": "refresh with rotation", "client": "client credentials", "introspect": "introspection"}


@dataclass(frozen=True, slots=True)
class Side:
    """A server under load."""

    process: psutil.Process
    plan: Plan


def sqlite(what: Sequence[str] = tuple(_TARGETS), *, rounds: int = ROUNDS, seconds: float = SECONDS) -> list[Finding]:
    """All of ``what`` on SQLite."""
    with ExitStack() as cleanup:
        folder = Path(cleanup.enter_context(tempfile.TemporaryDirectory(prefix="ww-bench-")))
        own = cleanup.enter_context(stage.ours(folder / "ours"))
        floor = cleanup.enter_context(stage.bare(database_url=f"sqlite:///{folder}/floor.db"))
        findings = []
        for one in what:
            of_server, _ = _measure(_sides(one, own, floor), rounds=rounds, seconds=seconds)
            findings.append(
                measuring.compared(
                    f"{_NAMES[one]}, SQLite", *of_server, unit="us", target=_TARGETS[one], remark=_REMARKS[one]
                )
            )
        return findings


def postgres(*, rounds: int = ROUNDS, seconds: float = SECONDS) -> list[Finding]:
    """Refresh on PostgreSQL: the server, the database, and both together."""
    with ExitStack() as cleanup:
        folder = Path(cleanup.enter_context(tempfile.TemporaryDirectory(prefix="ww-bench-")))
        database = cleanup.enter_context(stage.postgres())
        own = cleanup.enter_context(stage.ours(folder / "ours", database_url=database.create_database().dsn))
        floor = cleanup.enter_context(stage.bare(database_url=database.create_database().dsn))
        sides = _sides("refresh", own, floor)
        of_server, of_database = _measure(sides, database=stage.postmaster(database), rounds=rounds, seconds=seconds)
        together = [[a + b for a, b in zip(*pair, strict=True)] for pair in zip(of_server, of_database, strict=True)]
        name = f"{_NAMES['refresh']}, PostgreSQL"
        return [
            measuring.compared(name, *together, unit="us", target=_TARGETS["refresh"], remark=_REMARKS["refresh"]),
            measuring.compared("  of that the server", *of_server, unit="us", target=None),
            measuring.compared("  of that PostgreSQL", *of_database, unit="us", target=None),
        ]


_REMARKS: Final = {
    "refresh": f"floor: form, one coalesced durable UPDATE, ES256 signature, JSON; {CONNECTIONS} in flight",
    "client": f"floor: form, ES256 signature, JSON; {CONNECTIONS} in flight",
    "introspect": f"floor: form, ES256 verification, JSON; each token for the first time; {CONNECTIONS} in flight",
}


def _sides(what: str, own: stage.Ours, floor: stage.Bare) -> tuple[Side, Side]:
    ours, bare = Plan(port=own.server.port, path="/token", forms=[]), Plan(port=floor.port, path=f"/{what}", forms=[])
    if what == "refresh":
        form = "grant_type=refresh_token&client_id=web&refresh_token={refresh_token}"
        rotating = {"forms": [form], "chained": True, "must_hold": '"refresh_token":'}
        ours = _with(ours, **rotating, first_tokens=own.refresh_tokens())
        bare = _with(bare, **rotating, first_tokens=[f"{at}.1" for at in range(CONNECTIONS)])
    elif what == "client":
        form = "grant_type=client_credentials&scope=orders.read"
        ours = _with(ours, forms=[form], authorization=own.service.authorization, must_hold='"access_token":')
        bare = _with(bare, forms=[f"{form}&client_id=reports"], must_hold='"access_token":')
    else:
        tokens = own.access_tokens(_FRESH_TOKENS)
        ours = _with(
            ours,
            path="/introspect",
            forms=[f"token={token}" for token in tokens],
            authorization=own.resource.authorization,
            must_hold='"active":true',
        )
        forms = [f"token={token}" for token in floor.access_tokens(_FRESH_TOKENS)]
        bare = _with(bare, forms=forms, must_hold='"active":true')
    return Side(own.process, ours), Side(floor.process, bare)


def _with(plan: Plan, **changes: Any) -> Plan:
    return msgspec.structs.replace(plan, **changes)


def _measure(
    sides: tuple[Side, Side], *, rounds: int, seconds: float, database: psutil.Process | None = None
) -> tuple[list[list[float]], list[list[float]]]:
    """Microseconds per operation of the server and of the database, for each side and round."""
    of_server: list[list[float]] = [[], []]
    of_database: list[list[float]] = [[], []]
    with ExitStack() as cleanup:
        loads = [cleanup.enter_context(Load(side.plan)) for side in sides]
        for load in loads:
            load.run(_WARM_UP_SECONDS)
        for _ in range(rounds):
            for at, (side, load) in enumerate(zip(sides, loads, strict=True)):
                before = cpu_seconds(side.process), 0.0 if database is None else cpu_seconds(database)
                count = load.run(seconds)
                after = cpu_seconds(side.process), 0.0 if database is None else cpu_seconds(database)
                of_server[at].append((after[0] - before[0]) / count * MICROSECONDS)
                of_database[at].append((after[1] - before[1]) / count * MICROSECONDS)
    return of_server, of_database


def main() -> None:
    """Measure what is named; all when nothing is."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.endpoints")
    parser.add_argument("what", nargs="*", metavar="|".join(("sqlite", "postgres", *_TARGETS)))
    parser.add_argument("--rounds", type=int, default=ROUNDS)
    parser.add_argument("--seconds", type=float, default=SECONDS, help="of load per side and round")
    arguments = parser.parse_args()
    what = [name for name in _TARGETS if name in arguments.what] or list(_TARGETS)
    findings: list[Finding] = []
    if "postgres" not in arguments.what or "sqlite" in arguments.what:
        findings += sqlite(what, rounds=arguments.rounds, seconds=arguments.seconds)
    if "sqlite" not in arguments.what and "refresh" in what:
        findings += postgres(rounds=arguments.rounds, seconds=arguments.seconds)
    print(measuring.show(findings))


if __name__ == "__main__":
    main()
