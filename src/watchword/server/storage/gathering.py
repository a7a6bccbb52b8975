"""Names of several rows gathered into one text, by a function whose name differs between the databases."""

from typing import Any, Final

from sqlalchemy import Text
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql.functions import FunctionElement

# What stands between the names: the unit separator, which no name has.
SEPARATOR: Final = "\x1f"


class Gathered(FunctionElement[str]):
    """All values of a column in one text, in no order, with SEPARATOR between."""

    name = "gathered"
    type = Text()
    inherit_cache = True


@compiles(Gathered, "sqlite")
def _on_sqlite(element: Gathered, compiler: Any, **options: Any) -> str:
    return f"group_concat({compiler.process(element.clauses, **options)}, char(31))"


@compiles(Gathered, "postgresql")
def _on_postgresql(element: Gathered, compiler: Any, **options: Any) -> str:
    return f"string_agg({compiler.process(element.clauses, **options)}, chr(31))"
