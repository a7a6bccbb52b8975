"""The URL of the database: what is understood, and what is refused with which sentence."""

from pathlib import Path
from urllib.parse import urlsplit

import pytest

from watchword.server.storage.database_url import PostgresDatabase, SqliteDatabase, parse_database_url
from watchword.server.storage.postgres_url import places


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


@pytest.mark.parametrize(
    ("rest", "found"),
    [
        ("//me@/name?host=/run/postgresql", [("/run/postgresql", None)]),
        ("//me:p%40ss@db.example/name", [("db.example", None)]),
        ("//one:1,two/name", [("one", 1), ("two", None)]),
        ("//[::1]:3/name", [("::1", 3)]),
        ("//%2Frun%2Fpg/name?options=-csearch_path%3Dw", [("/run/pg", None)]),
        ("///name?host=/a,/b&port=6000", [("/a", 6000), ("/b", 6000)]),
        ("///name?host=one,two&port=1,2&sslmode=require", [("one", 1), ("two", 2)]),
        ("//one,two/name?target_session_attrs=read-write", [("one", None), ("two", None)]),
        ("///name", []),
    ],
)
def test_postgresql_may_be_several_servers(rest: str, found: list[tuple[str, int | None]]) -> None:
    database = parse_database_url(f"postgresql:{rest}")
    assert isinstance(database, PostgresDatabase)
    assert places(urlsplit(database.dsn)) == found


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
        ("postgresql://root:hunter2@db:hunter2/x", "from 1 to 65535"),
        ("postgresql://root:hunter2@db:70000/x", "from 1 to 65535"),
        ("postgresql://root:hunter2@db:/x", "from 1 to 65535"),
        ("postgresql://root:hunter2/hunter2@db/x", "written as %40"),
        ("postgresql://root:hunter2@hunter2@db/x", "written as %40"),
        ("postgresql://root:hunter2@one,,two/x", "written as %40"),
        ("postgresql://root:hunter2@one:1,two:hunter2/x", "from 1 to 65535"),
        ("postgresql:///x?host=one,two,three&port=1,2", "as many ports as hosts"),
        ("postgresql:///x?host=one&port=hunter2", "from 1 to 65535"),
        ("postgresql://db/x?port=5433", "behind the host"),
        ("postgresql://db/x?sslmode=hunter2", "sslmode in the database URL is one of allow, disable"),
        ("postgresql://db/x?password=a&hunter2=b", "does not know: it takes host, port"),
        ("postgresql://db/x?hunter2", "name=value"),
        ("postgresql://db/x?target_session_attrs=any", "is one of primary, read-write"),
        ("postgresql://db/x?target_session_attrs=standby", "is one of primary, read-write"),
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
