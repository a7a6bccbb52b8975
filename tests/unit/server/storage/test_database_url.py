"""The URL of the database: what is understood, and what is refused with which sentence."""

from pathlib import Path

import pytest

from watchword.server.storage.database_url import PostgresDatabase, SqliteDatabase, parse_database_url


@pytest.mark.parametrize(
    ("text", "path"),
    [
        ("sqlite:///watchword.db", "watchword.db"),
        ("sqlite:///./data/w.db", "data/w.db"),
        ("sqlite:////var/lib/w.db", "/var/lib/w.db"),
        (" sqlite:///a%20b.db\n", "a b.db"),
    ],
)
def test_sqlite_takes_relative_and_absolute_paths(text: str, path: str) -> None:
    assert parse_database_url(text) == SqliteDatabase(Path(path))


@pytest.mark.parametrize("scheme", ["postgres", "postgresql"])
def test_postgresql_keeps_its_dsn(scheme: str) -> None:
    found = parse_database_url(f"{scheme}://me:pw@db.example:5433/name?sslmode=require")
    assert found == PostgresDatabase("postgresql://me:pw@db.example:5433/name?sslmode=require")


def test_a_repr_shows_where_and_not_who_or_by_which_password() -> None:
    found = parse_database_url("postgresql://me:hunter2@db.example/name?password=hunter2")
    assert repr(found) == "PostgresDatabase('postgresql://db.example/name')"


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("", "no kind that Watchword knows"),
        ("watchword.db", "no kind that Watchword knows"),
        ("mysql://root:hunter2@localhost/x", "no kind that Watchword knows"),
        ("postgresql+psycopg://root:hunter2@localhost/x", "names a driver"),
        ("sqlite+aiosqlite:///x.db", "names a driver"),
        ("postgresql://root:hunter2@localhost", "names no database"),
        ("postgresql://root:hunter2@localhost/", "names no database"),
        ("postgresql://[bad/hunter2", "cannot be read"),
        ("sqlite://", "three slashes"),
        ("sqlite://x.db", "three slashes"),
        ("sqlite:///", "names no file"),
        ("sqlite:///:memory:", "names no file"),
        ("sqlite:///folder/", "names no file"),
        ("sqlite:///x.db?mode=ro", "no options"),
        ("sqlite:///x%00.db", "no options"),
    ],
)
def test_what_is_refused_is_refused_with_help_and_without_the_password(text: str, sentence: str) -> None:
    with pytest.raises(ValueError, match=sentence) as refused:
        parse_database_url(text)
    assert "hunter2" not in str(refused.value)
