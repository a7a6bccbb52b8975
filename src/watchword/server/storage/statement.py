"""Statements: written once in Core, compiled once per database, executed on the driver's own connection.

Core's ordinary path of execution costs some 100 microseconds each time; compiled ahead, a statement is its SQL text
and the order of its values.
"""

from collections.abc import Callable, Generator, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple, TypeAlias, TypeVar

from sqlalchemy import Dialect, Executable, Table
from sqlalchemy.sql import ClauseElement
from sqlalchemy.sql.compiler import SQLCompiler

T = TypeVar("T")

Row: TypeAlias = Sequence[Any]
Rows: TypeAlias = Sequence[Row]
# ``insert`` of a dialect: the two have one grammar for ON CONFLICT, but no common class.
Insert: TypeAlias = Callable[[Table], Any]


@dataclass(frozen=True, slots=True, eq=False)
class Statement:
    """A statement. ``build`` makes it with the dialect's ``insert``."""

    build: Callable[[Insert], Executable]


def fixed(core: Executable) -> Statement:
    """A statement that is the same on both databases."""
    return Statement(lambda _: core)


class Call(NamedTuple):
    """One execution: a statement and the values of its parameters."""

    statement: Statement
    values: dict[str, Any]


Steps: TypeAlias = Generator[Call, Rows, T]
"""Work on a database as a generator: yields calls, is sent rows, returns its result. Two drivers run it: one blocking,
on SQLite's thread, one awaiting, on PostgreSQL."""


class Compiled(NamedTuple):
    """SQL text, the names of its parameters in order, and the values of those that never change."""

    sql: str
    names: tuple[str, ...]
    constants: dict[str, Any]

    def bind(self, values: dict[str, Any]) -> tuple[Any, ...]:
        """The values in the order of the text."""
        if self.constants:
            values = self.constants | values
        return tuple([values[name] for name in self.names])


@dataclass(slots=True)
class Compiler:
    """Compiles for one database, each statement once."""

    dialect: Dialect
    insert: Insert
    _done: dict[Statement, Compiled] = field(default_factory=dict)

    def __call__(self, statement: Statement) -> Compiled:
        """The compiled ``statement``."""
        found = self._done.get(statement)
        if found is None:
            found = self._done[statement] = self._compile(statement)
        return found

    def _compile(self, statement: Statement) -> Compiled:
        core = statement.build(self.insert)
        if not isinstance(core, ClauseElement):
            raise TypeError("not a Core statement")
        compiled = core.compile(dialect=self.dialect)
        if not isinstance(compiled, SQLCompiler):
            raise TypeError("not a statement")
        names = tuple(compiled.positiontup or ())
        constants = {name: bound.value for name, bound in compiled.binds.items() if bound.value is not None}
        return Compiled(str(compiled), names, constants)


def drive(steps: Steps[T], execute: Callable[[Call], Rows]) -> T:
    """Run ``steps`` to the end on a connection that blocks."""
    try:
        call = next(steps)
        while True:
            call = steps.send(execute(call))
    except StopIteration as end:
        result: T = end.value
        return result
