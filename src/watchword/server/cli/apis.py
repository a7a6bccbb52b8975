"""``watchword apis``."""

from typing import Annotated, Any, get_args

import typer

from watchword.server.cli.printing import AsJson, print_done, print_records
from watchword.server.cli.running import run
from watchword.server.domain.api import Algorithm, Api

program = typer.Typer(help="APIs: resource servers and their scopes.", no_args_is_help=True, rich_markup_mode=None)


@program.command()
def create(
    audience: Annotated[
        str, typer.Argument(metavar="AUDIENCE", help="The API's URI, which becomes the aud of its tokens.")
    ],
    *,
    scope: Annotated[list[str], typer.Option(metavar="S", help="A scope that the API understands; may be repeated.")],
    alg: Annotated[
        Algorithm, typer.Option(metavar="|".join(get_args(Algorithm)), help="How its access tokens are signed.")
    ] = "ES256",
    access_token_ttl: Annotated[
        str | None, typer.Option(help="Life of its access tokens, such as 90s or 15m.", metavar="DURATION")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Register an API."""
    from watchword.server.flows.admin import apis

    ttl = None if access_token_ttl is None else _ttl(access_token_ttl)
    tokens = [token for text in scope for token in text.split()]
    api = run(lambda parts: apis.create(parts, audience, scopes=tokens, alg=alg, access_token_ttl=ttl), beginning=True)
    print_done(f"created API {api.audience} with {api.scope}", _record(api), as_json=as_json)


@program.command("list")
def list_(*, as_json: AsJson = False) -> None:
    """Show all APIs."""
    from watchword.server.flows.admin import apis

    found = [_record(api) for api in run(apis.listed)]
    shown = found if as_json else [_told(one) for one in found]
    columns = ("audience", "scope", "alg", "access_token_ttl")
    print_records(shown, columns=columns, as_json=as_json, none="no APIs yet")


def _ttl(text: str) -> float:
    from watchword.server.settings import parse_access_token_ttl

    try:
        return parse_access_token_ttl(text)
    except ValueError as error:
        raise typer.BadParameter(str(error), param_hint="--access-token-ttl") from None


def _told(record: dict[str, Any]) -> dict[str, Any]:
    """As people read it: a duration in the form in which it is typed."""
    from watchword.server.settings import write_duration

    ttl = record["access_token_ttl"]
    return {**record, "access_token_ttl": None if ttl is None else write_duration(ttl)}


def _record(api: Api) -> dict[str, Any]:
    return {
        "audience": api.audience,
        "scope": sorted(api.scope),
        "alg": api.alg,
        "access_token_ttl": None if api.access_token_ttl is None else int(api.access_token_ttl),
    }
