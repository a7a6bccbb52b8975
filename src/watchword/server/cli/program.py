"""The program: all commands in one tree, and one line for whatever goes wrong."""

import os
import sys
from collections.abc import Sequence
from typing import Annotated, Any, Final

import typer

from watchword import __version__
from watchword.server.cli import apis, clients, database, keys, roles, serving, sessions, users
from watchword.server.cli.plain_help import PlainCommand
from watchword.server.cli.running import Failed, in_one_line, sentence_for

program = typer.Typer(
    name="watchword",
    help="The token authority for microservices: signs in, issues tokens, takes them back.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)
_PARTS: Final = {
    "users": users.program,
    "apis": apis.program,
    "roles": roles.program,
    "clients": clients.program,
    "sessions": sessions.program,
    "keys": keys.program,
}
program.command("serve")(serving.serve)
for _name, _part in _PARTS.items():
    program.add_typer(_part, name=_name)
program.command("migrate")(database.migrate)
for _part in (program, *_PARTS.values()):
    for _command in _part.registered_commands:
        _command.cls = PlainCommand


def _tell_version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"watchword {__version__}")
        raise typer.Exit


@program.callback()
def _root(
    *,
    version: Annotated[
        bool, typer.Option("--version", callback=_tell_version, is_eager=True, help="Show the version.")
    ] = False,
) -> None:
    """The token authority for microservices: signs in, issues tokens, takes them back."""


def run(arguments: Sequence[str] | None = None) -> int:
    """Run one command; returns its exit status."""
    try:
        status = program(
            args=None if arguments is None else list(arguments), prog_name="watchword", standalone_mode=False
        )
        sys.stdout.flush()
    except typer.TyperException as error:
        # Shown when a group is called without a command: its help is the answer, not a complaint.
        if type(error).__name__ == "NoArgsIsHelpError":
            typer.echo(error.format_message(), err=True)
        else:
            _complain(_sentence_of(error))
        return error.exit_code or 1
    except BrokenPipeError:
        # Whoever read our output has seen enough; nothing may be written when the interpreter flushes at its end.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1
    except (KeyboardInterrupt, typer.Abort):
        _complain("interrupted")
        return 130
    except Failed as error:
        if str(error):
            _complain(str(error))
        return error.status
    except Exception as error:  # noqa: BLE001 - the last line of defence: one line, and no traceback
        _complain(sentence_for(error))
        return 1
    return status if isinstance(status, int) else 0


def _sentence_of(error: Any) -> str:
    """What is wrong with the command line. The library guesses an option by its dashes too: only near ones are told."""
    from watchword.server.settings import nearest

    if getattr(error, "possibilities", None):
        error.possibilities = [one for one in error.possibilities if nearest(error.option_name, [one])]
    return str(error.format_message()).replace(": Value error, ", ": ")


def _complain(sentence: str) -> None:
    sys.stderr.write(f"watchword: {in_one_line(sentence)}\n")
