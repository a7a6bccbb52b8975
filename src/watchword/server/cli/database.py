"""``watchword migrate``."""

from typing import Annotated

import typer

from watchword.server.cli.running import Failed


def migrate(
    *,
    check: Annotated[bool, typer.Option("--check", help="Change nothing; exit 1 if there is something to do.")] = False,
) -> None:
    """Bring the database to the form that this version wants."""
    from watchword.server import settings
    from watchword.server.storage import schema
    from watchword.server.storage.database_url import parse_database_url

    written = settings.read()
    try:
        database = parse_database_url(written.database_url)
    except ValueError as error:
        raise Failed(f"WATCHWORD_DATABASE_URL: {error}") from None
    state = schema.inspect(database)
    if state.current == state.wanted:
        typer.echo(f"the database is up to date ({state.wanted})")
    elif check:
        raise Failed(f"the database is at {state.current or 'nothing'} and wants {state.wanted}: watchword migrate")
    else:
        schema.upgrade(database)
        typer.echo(f"migrated the database from {state.current or 'nothing'} to {state.wanted}")
