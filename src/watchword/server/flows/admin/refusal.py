"""What an operator is told when a command cannot be done."""

from collections.abc import Iterable


class Refused(Exception):
    """The command asks for what cannot be; nothing changed. The text is one sentence for the operator."""


def listing(names: Iterable[str]) -> str:
    """What there is instead of what was named, for the end of a sentence."""
    found = sorted(names)
    if not found:
        return "there is none yet"
    shown = ", ".join(found[:10])
    return f"there is {shown}" if len(found) <= 10 else f"there is {shown} and {len(found) - 10} more"
