"""``watchword keys``."""

from typing import Annotated, Any, Final

import typer

from watchword.server.cli.printing import AsJson, moment, print_records
from watchword.server.cli.running import IDS_MAY_BEGIN_WITH_A_DASH, run
from watchword.server.domain.key_ring import RingKey

program = typer.Typer(help="Signing keys.", no_args_is_help=True, rich_markup_mode=None)

_COLUMNS: Final = ("kid", "alg", "state", "since", "published_until")


@program.command("list")
def list_(*, as_json: AsJson = False) -> None:
    """Show all signing keys, oldest first."""
    from watchword.server.flows.admin import keys

    _print(run(keys.listed), as_json=as_json)


@program.command()
def rotate(*, as_json: AsJson = False) -> None:
    """Sign with the next keys from now on. Tokens under the old ones stay good until they expire."""
    from watchword.server.flows.admin import keys

    _print(run(keys.rotate), as_json=as_json)


@program.command(context_settings=IDS_MAY_BEGIN_WITH_A_DASH)
def revoke(
    kid: Annotated[str, typer.Argument(metavar="KID", help="The key's id.")], *, as_json: AsJson = False
) -> None:
    """Destroy a key, with every token that it signed. They die in every service at once: for emergencies."""
    from watchword.server.flows.admin import keys

    _print(run(lambda parts: keys.revoke(parts, kid)), as_json=as_json)


def _print(ring: list[RingKey], *, as_json: bool) -> None:
    records = [_record(key) for key in ring]
    print_records(records, columns=_COLUMNS, as_json=as_json, none="no keys yet: serve makes them")


def _record(key: RingKey) -> dict[str, Any]:
    return {
        "kid": key.kid,
        "alg": key.alg,
        "state": key.state,
        "published": key.published,
        "created_at": moment(key.created_at),
        "since": moment(key.since),
        "published_until": moment(key.published_until),
    }
