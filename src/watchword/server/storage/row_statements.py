"""Statements that add, change or put whole rows of a table, and lock them."""

from collections.abc import Sequence
from typing import Any

from sqlalchemy import Select, Table, bindparam, delete, update

from watchword.server.storage.statement import Insert, Statement, fixed


def adding(table: Table, *, without: Sequence[str] = ()) -> Statement:
    """Insert a row."""
    return fixed(table.insert().values(_values(table, without=without)))


def adding_if_free(table: Table) -> Statement:
    """Insert a row and answer with its key, or with nothing where a key is taken."""
    # An insert that fails would end the whole transaction on PostgreSQL; this one answers with no row instead.
    key = next(iter(table.primary_key))
    return Statement(lambda insert: insert(table).values(_values(table)).on_conflict_do_nothing().returning(key))


def changing(table: Table, **computed: Any) -> Statement:
    """Replace the row whose key is ``key``; columns in ``computed`` are set to that instead of a value."""
    key = next(iter(table.primary_key))
    values = _values(table, without=(key.name, *computed)) | computed
    return fixed(update(table).where(key == bindparam("key")).values(values))


def putting(table: Table) -> Statement:
    """Insert a row, or replace the one of the same key."""
    keys = list(table.primary_key)

    def build(insert: Insert) -> Any:
        new = insert(table).values(_values(table))
        others = _values(table, without=[key.name for key in keys])
        return new.on_conflict_do_update(index_elements=keys, set_={name: new.excluded[name] for name in others})

    return Statement(build)


def locking(core: Select[Any]) -> Statement:
    """``core`` as a read for writing. SQLite has one writer at a time and needs no locks of rows."""
    return fixed(core.with_for_update())


def staying(core: Select[Any]) -> Statement:
    """``core`` as a read of rows that nobody deletes before the commit; they may be changed otherwise."""
    return fixed(core.with_for_update(read=True, key_share=True))


def dropping(column: Any, name: str) -> Statement:
    """Delete the rows whose ``column`` is the value ``name``."""
    return fixed(delete(column.table).where(column == bindparam(name)))


def _values(table: Table, *, without: Sequence[str] = ()) -> dict[str, Any]:
    return {column.name: bindparam(column.name, type_=column.type) for column in table.c if column.name not in without}
