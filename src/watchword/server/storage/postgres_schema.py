"""Inspecting and upgrading a PostgreSQL database."""

from collections.abc import Callable
from typing import Any

import asyncpg
from sqlalchemy.exc import DBAPIError

from watchword.server.storage.database_url import PostgresDatabase
from watchword.server.storage.postgres_errors import translated
from watchword.server.storage.postgres_pool import connect

_TABLES = "SELECT table_name FROM information_schema.tables WHERE table_schema = current_schema()"


async def inspect_postgres(database: PostgresDatabase) -> tuple[set[str], str | None]:
    """Names of the tables, and the revision."""
    connection = await connect(database)
    try:
        with translated():
            names = {row[0] for row in await connection.fetch(_TABLES)}
            revision = None
            if "alembic_version" in names:
                revision = await connection.fetchval("SELECT version_num FROM alembic_version")
    finally:
        connection.terminate()
    return names - {"alembic_version"}, revision


async def upgrade_postgres(database: PostgresDatabase, run_migrations: Callable[[Any], list[str]]) -> list[str]:
    """Run the migrations in one transaction. Of two at once, one fails on the other's tables and looks again."""
    from sqlalchemy.ext.asyncio import create_async_engine  # noqa: PLC0415
    from sqlalchemy.pool import NullPool  # noqa: PLC0415

    # Migrations may take longer than a statement that a user waits for.
    engine = create_async_engine(
        "postgresql+asyncpg://",
        async_creator=lambda: connect(database, patient=True),
        poolclass=NullPool,
    )
    try:
        with translated():
            async with engine.connect() as connection, connection.begin():
                return await connection.run_sync(run_migrations)
    except DBAPIError as error:
        # What the driver said is the cause of what SQLAlchemy's adapter says.
        said = None if error.orig is None else error.orig.__cause__
        if isinstance(said, asyncpg.InsufficientPrivilegeError):
            with translated():
                raise said from None
        raise
    finally:
        await engine.dispose()
