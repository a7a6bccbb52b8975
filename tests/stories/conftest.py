"""Real processes: a server on each database, with the usual cast."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.support.postgres import running_postgres
from tests.support.running_server import RunningServer, running

KINDS = ["sqlite", pytest.param("postgres", marks=pytest.mark.postgres)]


@pytest.fixture(params=KINDS)
def database_url(request: pytest.FixtureRequest) -> str | None:
    """None for SQLite in the server's own folder, else a fresh PostgreSQL database."""
    return None if request.param == "sqlite" else running_postgres().create_database().dsn


@pytest.fixture
def server(tmp_path: Path, database_url: str | None) -> Iterator[RunningServer]:
    """A running server."""
    with running(tmp_path, database_url=database_url) as found:
        yield found
