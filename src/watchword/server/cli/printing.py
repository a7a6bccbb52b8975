"""How records are printed: as columns for people, as JSON for programs."""

import json
import unicodedata
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Annotated, Any, TypeAlias

import typer

Record: TypeAlias = Mapping[str, Any]

AsJson: TypeAlias = Annotated[bool, typer.Option("--json", help="Print JSON instead of columns.")]


def print_records(records: Sequence[Record], *, columns: Sequence[str], as_json: bool, none: str) -> None:
    """All ``records``: a JSON list, or the named columns; ``none`` is said to people when there are none."""
    if as_json:
        print_json(list(records))
    elif not records:
        typer.echo(none, err=True)
    else:
        rows = [[_cell(record.get(column)) for column in columns] for record in records]
        _print_columns([[column.replace("_", " ").upper() for column in columns], *rows])


def print_record(record: Record, *, as_json: bool) -> None:
    """One record: a JSON object, or a line for each member."""
    if as_json:
        print_json(record)
    else:
        _print_columns([[name.replace("_", " "), _cell(value)] for name, value in record.items()])


def print_done(sentence: str, record: Record, *, as_json: bool) -> None:
    """What was done: a sentence, or the record it was done to as JSON."""
    if as_json:
        print_json(record)
    else:
        typer.echo(_visible(sentence))


def print_json(value: Any) -> None:
    """``value`` as JSON."""
    typer.echo(json.dumps(value, indent=2, ensure_ascii=False))


def moment(instant: float | None) -> str | None:
    """An instant as people and programs read it: RFC 3339, UTC, whole seconds."""
    if instant is None:
        return None
    return datetime.fromtimestamp(int(instant), UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def _cell(value: Any) -> str:
    if value is None or value in ([], ""):
        return "-"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, list | tuple):
        return " ".join(_cell(one) for one in value)
    return _visible(str(value))


def _visible(text: str) -> str:
    # What users chose may hold characters that move a terminal's cursor.
    return "".join(c if c.isprintable() else "\ufffd" for c in text)


def _print_columns(rows: list[list[str]]) -> None:
    widths = [max(_width(row[at]) for row in rows) for at in range(len(rows[0]))]
    for row in rows:
        cells = (cell + " " * (width - _width(cell)) for cell, width in zip(row, widths, strict=True))
        typer.echo("  ".join(cells).rstrip())


def _width(text: str) -> int:
    if text.isascii():
        return len(text)
    return sum(
        0 if unicodedata.combining(c) else 2 if unicodedata.east_asian_width(c) in ("F", "W") else 1 for c in text
    )
