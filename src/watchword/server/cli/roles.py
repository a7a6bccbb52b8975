"""``watchword roles``."""

from typing import Annotated, Any

import typer

from watchword.protocol.scope import Scope
from watchword.server.cli.printing import AsJson, print_done, print_records
from watchword.server.cli.running import run

program = typer.Typer(help="Roles: which users may have which scopes.", no_args_is_help=True, rich_markup_mode=None)


@program.command()
def create(
    name: Annotated[str, typer.Argument(metavar="NAME", help="The role's name.")],
    *,
    scope: Annotated[list[str], typer.Option(metavar="S", help="A scope that only its holders get; may be repeated.")],
    as_json: AsJson = False,
) -> None:
    """Make a role. A scope that some role names needs such a role; one that none names is open to every user."""
    from watchword.server.flows.admin import roles

    tokens = [token for text in scope for token in text.split()]
    made, given = run(lambda parts: roles.create(parts, name, scopes=tokens), beginning=True)
    print_done(f"created role {made} with {given}", _record(made, given), as_json=as_json)


@program.command("list")
def list_(*, as_json: AsJson = False) -> None:
    """Show all roles."""
    from watchword.server.flows.admin import roles

    found = [_record(name, scope) for name, scope in run(roles.listed)]
    print_records(found, columns=("name", "scope"), as_json=as_json, none="no roles yet")


def _record(name: str, scope: Scope) -> dict[str, Any]:
    return {"name": name, "scope": sorted(scope)}
