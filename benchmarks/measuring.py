"""What is measured, and how it is told: CPU time of process trees, medians, a table, JSON.

Wall time on a shared machine means little, and the machine changes its speed; so the CPU time of ours and of a floor
are taken in turns, and the ratio of each pair counts.
"""

import json
import statistics
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass
from typing import Final

import psutil

MICROSECONDS: Final = 1e6


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """One line of the report.

    Attributes:
        value: the median, in ``unit``.
        floor: the median of what it is compared with, or None.
        ratio: the median of the ratios of all rounds, or None.
        target: what it should not exceed: the ratio if there is one, else the value; None where nothing is
            asked.
        remark: what else belongs to the figure.
    """

    name: str
    value: float
    unit: str
    floor: float | None = None
    ratio: float | None = None
    target: float | None = None
    remark: str = ""

    @property
    def reached(self) -> bool | None:
        """Whether the target is met; None where there is none."""
        if self.target is None:
            return None
        return (self.value if self.ratio is None else self.ratio) <= self.target


def compared(
    name: str, ours: Sequence[float], floor: Sequence[float], *, unit: str, target: float | None, remark: str = ""
) -> Finding:
    """The finding of rounds in which ours and the floor took turns."""
    return Finding(
        name=name,
        value=statistics.median(ours),
        unit=unit,
        floor=statistics.median(floor),
        ratio=statistics.median(own / bare for own, bare in zip(ours, floor, strict=True)),
        target=target,
        remark=remark,
    )


def cpu_seconds(root: psutil.Process) -> float:
    """User and system time of a process, its descendants, and those descendants that are gone."""
    total = 0.0
    for process in (root, *root.children(recursive=True)):
        with suppress(psutil.NoSuchProcess):
            times = process.cpu_times()
            total += times.user + times.system + times.children_user + times.children_system
    return total


def show(findings: Sequence[Finding]) -> str:
    """The findings as a table."""
    rows = [("", "median", "floor", "ratio", "target", "")]
    for found in findings:
        # A target of a value stands in that value's unit; one of a ratio is a multiple of the floor.
        of = " x" if found.ratio is not None else f" {found.unit}"
        rows.append(
            (
                found.name,
                f"{_rounded(found.value)} {found.unit}",
                "" if found.floor is None else f"{_rounded(found.floor)} {found.unit}",
                "" if found.ratio is None else f"{found.ratio:.2f} x",
                "" if found.target is None else f"<= {found.target:g}{of}",
                {True: "reached", False: "MISSED", None: ""}[found.reached],
            )
        )
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    lines = ["  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows]
    for found, at in zip(findings, range(1, len(lines)), strict=True):
        if found.remark:
            lines[at] += f"\n    {found.remark}"
    return "\n".join(lines)


def as_json(findings: Sequence[Finding]) -> str:
    """The findings as JSON."""
    return json.dumps([asdict(found) | {"reached": found.reached} for found in findings], indent=2)


def _rounded(value: float) -> str:
    return f"{value:.0f}" if value >= 100 else f"{value:.1f}" if value >= 10 else f"{value:.2f}"
