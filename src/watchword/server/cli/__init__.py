"""``watchword``: the operator's commands.

A command prints what it found or made on stdout and exits with 0, or prints one line on stderr and exits with another
number: 1 when it was refused or could not be done, 2 when it was misspelt, 130 when it was interrupted.
"""

import gc
from collections.abc import Sequence


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command and return its exit status.

    Args:
        arguments: those behind the program's name; the process's own when left out.
    """
    # A command is over before a collection would find anything, and looking costs a tenth of its time.
    gc.disable()
    try:
        from watchword.server.cli.program import run

        return run(arguments)
    finally:
        gc.enable()
