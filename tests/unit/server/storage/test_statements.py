"""Statements and the library under them."""

import pytest
from sqlalchemy import select
from sqlalchemy.dialects.sqlite import dialect
from sqlalchemy.schema import CreateIndex, CreateTable

from watchword.server.storage import (
    consents,
    deliveries,
    listeners,
    pushed_requests,
    reads,
    revocation_log,
    sweeping,
    writes,
)
from watchword.server.storage import tables as t
from watchword.server.storage.postgres_pool import compiler as postgres_compiler
from watchword.server.storage.row_statements import locking
from watchword.server.storage.rows import storable
from watchword.server.storage.sqlite_driver import SqliteLibrary, driver, sqlite_library
from watchword.server.storage.sqlite_thread import _compiler as sqlite_compiler
from watchword.server.storage.statement import Statement, fixed

ALL = [
    value
    for module in (consents, deliveries, listeners, pushed_requests, reads, revocation_log, sweeping, writes)
    for value in vars(module).values()
    if isinstance(value, Statement) and value is not reads.LOCK_GRANTS
]


@pytest.mark.parametrize("number", range(len(ALL)))
def test_a_statement_compiles_for_both_databases_with_the_same_parameters(number: int) -> None:
    on_sqlite, on_postgres = sqlite_compiler(ALL[number]), postgres_compiler(ALL[number])
    # SQLite has no LIMIT without OFFSET; that one is a constant.
    assert set(on_sqlite.names) - set(on_sqlite.constants) == set(on_postgres.names) - set(on_postgres.constants)


def test_a_statement_is_compiled_once() -> None:
    assert sqlite_compiler(reads.GRANT) is sqlite_compiler(reads.GRANT)


def test_the_load_of_a_refresh_finds_every_row_by_its_primary_key() -> None:
    connection = driver.connect(":memory:")
    for table in t.metadata.sorted_tables:
        connection.execute(str(CreateTable(table).compile(dialect=dialect())))
    plan = connection.execute("EXPLAIN QUERY PLAN " + sqlite_compiler(reads.GRANT).sql, (b"x",)).fetchall()
    connection.close()
    steps = [row[3] for row in plan if "SUBQUERY" not in row[3]]
    assert len(steps) == 5
    assert all(step.startswith("SEARCH") and "sqlite_autoindex" in step for step in steps)


def test_locks_are_taken_on_postgresql_and_needed_nowhere_else() -> None:
    statement = locking(select(t.codes.c.sub))
    assert postgres_compiler(statement).sql.endswith("FOR UPDATE")
    assert "FOR UPDATE" not in sqlite_compiler(statement).sql
    in_order = postgres_compiler(reads.LOCK_GRANTS).sql
    assert in_order.endswith("ORDER BY grants.id FOR UPDATE OF grants")


def plan_of(statement: Statement) -> list[str]:
    """How SQLite finds the rows."""
    connection = driver.connect(":memory:")
    for table in t.metadata.sorted_tables:
        connection.execute(str(CreateTable(table).compile(dialect=dialect())))
        for index in table.indexes:
            connection.execute(str(CreateIndex(index).compile(dialect=dialect())))
    sql, names, _ = sqlite_compiler(statement)
    plan = connection.execute(f"EXPLAIN QUERY PLAN {sql}", [0] * len(names)).fetchall()
    connection.close()
    return [row[3] for row in plan]


def test_the_session_of_a_cookie_is_found_by_an_index() -> None:
    plan = plan_of(reads._SESSION_BY_COOKIE)
    assert any("uq_sessions_cookie_hash" in step for step in plan)
    assert not any(step.startswith("SCAN") for step in plan)


@pytest.mark.parametrize("statement", [listeners._OF_SESSION, listeners._OF_USER, listeners._CLIENTS_OF_USER])
def test_who_listens_is_found_by_indexes(statement: Statement) -> None:
    plan = plan_of(statement)
    assert [step for step in plan if step.startswith("SEARCH")]
    assert not any(step.startswith("SCAN") for step in plan)
    opened_in = any("ix_sessions_opened_in" in step for step in plan)
    assert opened_in is (statement is listeners._OF_SESSION)


def test_what_is_no_statement_is_refused() -> None:
    with pytest.raises(TypeError):
        sqlite_compiler(fixed("SELECT 1"))  # type: ignore[arg-type] # that is the point


def test_the_library_says_whether_it_is_safe() -> None:
    library = sqlite_library()
    assert library.module in ("pysqlite3", "sqlite3")
    assert len(library.version) == 3
    assert SqliteLibrary("x", (3, 51, 3)).safe
    assert not SqliteLibrary("x", (3, 51, 2)).safe


@pytest.mark.parametrize(("text", "can"), [("", True), ("ä\n", True), ("a\0", False), ("\udfff", False)])
def test_what_a_database_can_hold(text: str, *, can: bool) -> None:
    assert storable(text) is can
