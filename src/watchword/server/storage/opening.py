"""Opening the database that a URL names. Only the driver that is needed is imported."""

from watchword.server.ports.clock import Clock
from watchword.server.ports.storage import Storage
from watchword.server.storage.database_url import Database, SqliteDatabase


async def open_storage(database: Database, *, clock: Clock) -> Storage:
    """The storage on a database that is there and of the wanted revision (``schema.inspect`` tells).

    Args:
        database: what ``parse_database_url`` gave.
        clock: the node's, for an embedded database has no other.

    Raises:
        StorageUnavailable: the database does not answer.
        ModuleNotFoundError: PostgreSQL is named and its driver is not installed.
    """
    if isinstance(database, SqliteDatabase):
        from watchword.server.storage.sqlite import open_sqlite  # noqa: PLC0415

        return await open_sqlite(database, clock=clock)
    from watchword.server.storage.postgres import open_postgres  # noqa: PLC0415

    return await open_postgres(database)
