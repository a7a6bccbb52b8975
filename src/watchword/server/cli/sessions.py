"""``watchword sessions``."""

from typing import Annotated, Any, Final

import typer

from watchword.server.cli.printing import AsJson, moment, print_done, print_records
from watchword.server.cli.running import IDS_MAY_BEGIN_WITH_A_DASH, Failed, run
from watchword.server.domain.device import device_name
from watchword.server.domain.session import Session

program = typer.Typer(help="Sessions: sign-ins of users.", no_args_is_help=True, rich_markup_mode=None)

_COLUMNS: Final = ("sid", "state", "device", "created_at", "expires_at")


@program.command("list")
def list_(
    *, user: Annotated[str, typer.Option(metavar="NAME", help="Whose sessions.")], as_json: AsJson = False
) -> None:
    """Show the sessions of a user, newest first."""
    from watchword.server.flows.admin import sessions

    found = run(lambda parts: sessions.listed(parts, user))
    records = [{**_record(seen.session), "state": seen.state, "ended_reason": seen.reason} for seen in found]
    if not as_json:
        # People read the short name that the account page shows.
        records = [{**record, "device": device_name(record["device"])} for record in records]
    print_records(records, columns=_COLUMNS, as_json=as_json, none=f"{user} has no sessions")


@program.command(context_settings=IDS_MAY_BEGIN_WITH_A_DASH)
def revoke(
    sid: Annotated[str | None, typer.Argument(metavar="SID", help="The session to end.")] = None,
    *,
    user: Annotated[str | None, typer.Option(metavar="NAME", help="End all sessions of this user.")] = None,
    as_json: AsJson = False,
) -> None:
    """End one session, or all sessions of a user. Every service knows within about a second."""
    from watchword.server.flows.admin import sessions

    if (sid is None) is (user is None):
        raise Failed("name either a session or --user NAME", status=2)
    if sid is not None:
        session = run(lambda parts: sessions.revoke(parts, sid))
        print_done(f"ended session {sid}", {**_record(session), "state": "ended"}, as_json=as_json)
    if user is not None:
        ended = run(lambda parts: sessions.revoke_all(parts, user))
        record = {"sub": ended.sub, "username": ended.username, "epoch": ended.epoch}
        print_done(f"ended all sessions of {ended.username}", record, as_json=as_json)


def _record(session: Session) -> dict[str, Any]:
    return {
        "sid": session.sid,
        "sub": session.sub,
        "device": session.device,
        "acr": session.acr,
        "amr": list(session.amr),
        "created_at": moment(session.created_at),
        "expires_at": moment(session.expires_at),
        "ended_at": moment(session.ended_at),
        "ended_reason": session.ended_reason,
    }
