"""What is told of the commands themselves: their help, and what somebody who misspelt one may have meant."""

import re
from collections.abc import Iterator

import pytest
import typer
from tests.unit.server.cli.conftest import Commands

from watchword.server.cli.program import program


def test_help_names_every_command(watchword: Commands) -> None:
    shown = watchword.done("--help").out

    assert all(name in shown for name in ("serve", "users", "apis", "roles", "clients", "sessions", "keys", "migrate"))
    assert watchword("users").status == 2
    assert watchword.done("--version").out.startswith("watchword 0.")


def commands_of(program: typer.Typer, *path: str) -> Iterator[tuple[str, ...]]:
    for command in program.registered_commands:
        name = command.name or (command.callback.__name__ if command.callback else "")
        yield (*path, name)
    for group in program.registered_groups:
        assert group.typer_instance is not None
        yield (*path, group.name or "")
        yield from commands_of(group.typer_instance, *path, group.name or "")


@pytest.mark.parametrize("command", [(), *commands_of(program)], ids=" ".join)
def test_help_writes_arguments_in_capitals_and_cuts_no_line(
    watchword: Commands, monkeypatch: pytest.MonkeyPatch, command: tuple[str, ...]
) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    usage, _, shown = watchword.done(*command, "--help").out.partition("\n")

    assert re.fullmatch(rf"Usage: {' '.join(('watchword', *command))} \[OPTIONS\]( \[?[A-Z]+\]?)*(\.\.\.)?", usage)
    assert re.findall(r"[{}<>]|\.\.\.", shown) == []


def test_help_says_that_a_password_is_required(watchword: Commands) -> None:
    for command in ("create", "set-password"):
        assert re.search(r"--password-stdin .*\[required\]", watchword.done("users", command, "--help").out)


def test_only_what_is_near_is_suggested(watchword: Commands, monkeypatch: pytest.MonkeyPatch) -> None:
    assert watchword.refused("serve", "--bogus", status=2) == "watchword: No such option: --bogus\n"
    assert "--host" in watchword.refused("serve", "--hots", status=2)
    assert "--redirect-uri" in watchword.refused("clients", "create", "web", "--redirect-url", "x", status=2)
    monkeypatch.setenv("WATCHWORD_BOGUS", "x")
    said = watchword.refused("users", "list")
    assert "did you mean" not in said
    assert "WATCHWORD_ISSUER" in said
