"""Everything that a SQLite database holds, to be compared or searched."""

from typing import Any

from watchword.server.storage.database_url import SqliteDatabase
from watchword.server.storage.sqlite_driver import driver
from watchword.server.storage.tables import metadata


def dump(database: SqliteDatabase, *, besides: tuple[str, ...] = ("throttle",)) -> dict[str, list[Any]]:
    """All rows, by table; not those of ``besides``: the throttle counts tries, whatever becomes of them."""
    connection = driver.connect(str(database.path))
    names = [table.name for table in metadata.sorted_tables if table.name not in besides]
    try:
        return {name: sorted(connection.execute(f"SELECT * FROM {name}").fetchall(), key=repr) for name in names}
    finally:
        connection.close()
