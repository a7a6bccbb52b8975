"""``python -m benchmarks``: all measurements, as a table, and with ``--json`` as JSON. Takes about two minutes."""

import argparse
import signal
import sys
from collections.abc import Callable
from functools import partial
from typing import Final

from benchmarks import endpoints, measuring, stage
from benchmarks.measuring import Finding
from benchmarks.start import start
from benchmarks.verification import verification

_MEASURES: Final[dict[str, Callable[[], list[Finding]]]] = {
    "verification": verification,
    "start": start,
    "sqlite": endpoints.sqlite,
    "postgres": endpoints.postgres,
}
_QUICK: Final[dict[str, Callable[[], list[Finding]]]] = {
    "verification": partial(verification, rounds=3),
    "start": partial(start, rounds=1),
    "sqlite": partial(endpoints.sqlite, rounds=1, seconds=1.0),
    "postgres": partial(endpoints.postgres, rounds=1, seconds=1.0),
}


def main() -> None:
    """Measure all, or what is named."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("what", nargs="*", metavar="|".join(_MEASURES), help="all when left out")
    parser.add_argument("--json", action="store_true", help="JSON on stdout instead of the table")
    parser.add_argument("--quick", action="store_true", help="one short round: whether it works, not how fast it is")
    arguments = parser.parse_args()
    unknown = set(arguments.what) - _MEASURES.keys()
    if unknown:
        parser.error(f"unknown: {', '.join(sorted(unknown))}")
    # Ended by others, it still stops the servers that it started.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
    measures = _QUICK if arguments.quick else _MEASURES
    findings: list[Finding] = []
    for name in arguments.what or measures:
        sys.stderr.write(f"measuring {name} ...\n")
        sys.stderr.flush()
        findings += measures[name]()
    if arguments.json:
        print(measuring.as_json(findings))
    else:
        print(f"CPU time per operation, medians; {stage.on_cores()}\n")
        print(measuring.show(findings))


if __name__ == "__main__":
    main()
