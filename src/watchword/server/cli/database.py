"""``watchword migrate``."""

import asyncio
from typing import Annotated

import typer

from watchword.server.cli.running import Failed
from watchword.server.storage.database_url import Database, SqliteDatabase, parse_database_url


def migrate(
    *,
    check: Annotated[bool, typer.Option("--check", help="Change nothing; exit 1 if there is something to do.")] = False,
) -> None:
    """Bring the database to the form that this version wants."""
    typer.echo(asyncio.run(_checked() if check else _migrated()))


async def _checked() -> str:
    from watchword.server.storage import schema

    state = await schema.inspect(_database())
    if state.verdict == "current":
        return f"the database is up to date, at revision {state.wanted}"
    if state.verdict == "unknown":
        raise Failed("the database holds tables of something else, or of a newer version of Watchword")
    at = "is empty" if state.current is None else f"is at revision {state.current}"
    raise Failed(f"the database {at} and wants {state.wanted}: run watchword migrate")


async def _migrated() -> str:
    from watchword.server.storage import schema

    applied = await schema.upgrade(_database())
    return f"applied {', '.join(applied)}" if applied else "the database was up to date already"


def _database() -> Database:
    from watchword.server import settings
    from watchword.server.storage.sqlite_lock import check_owner

    try:
        database = parse_database_url(settings.read().database_url)
    except ValueError as error:
        raise Failed(f"WATCHWORD_DATABASE_URL: {error}") from None
    if isinstance(database, SqliteDatabase):
        check_owner(database)
    return database
