"""``watchword serve``."""

import gc
from typing import Annotated

import typer

from watchword.server.cli.running import Failed


def serve(
    *,
    host: Annotated[
        str | None, typer.Option(metavar="H", help="Address to listen on instead of 127.0.0.1 and ::1.")
    ] = None,
    port: Annotated[
        int | None, typer.Option(metavar="P", help="Port to listen on; 8000 unless the issuer names one.")
    ] = None,
    workers: Annotated[int | None, typer.Option(metavar="N", help="Processes; more than one needs PostgreSQL.")] = None,
) -> None:
    """Run the authorization server until it is told to stop."""
    from watchword.server import node, settings

    # Commands run without collections (see main); a server lives long, and what it has imported stays for good.
    gc.freeze()
    gc.enable()
    status = node.serve(settings.read(host=host, port=port, workers=workers))
    if status != 0:
        raise Failed(status=status)
