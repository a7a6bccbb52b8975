"""What ``--help`` shows of a command: arguments by their names alone, ``NAME`` and ``[SID]``."""

from typing import Any

from typer.core import TyperCommand


class PlainCommand(TyperCommand):
    """A command whose help says ``NAME`` where the library writes ``{NAME}`` and ``NAME <str>``."""

    def collect_usage_pieces(self, ctx: Any) -> list[str]:
        """The line behind ``Usage:``, word by word."""
        return [piece.strip("{}") for piece in super().collect_usage_pieces(ctx)]

    def format_options(self, ctx: Any, formatter: Any) -> None:
        """Arguments and options, each with what it is for."""
        rows: dict[str, list[tuple[str, str]]] = {"Arguments": [], "Options": []}
        for one in self.get_params(ctx):
            row = one.get_help_record(ctx)
            if row is not None and one.param_type_name == "argument":
                rows["Arguments"].append((row[0].partition(" ")[0], row[1]))
            elif row is not None:
                rows["Options"].append(row)
        for title, shown in rows.items():
            if shown:
                with formatter.section(title):
                    formatter.write_dl(shown)
