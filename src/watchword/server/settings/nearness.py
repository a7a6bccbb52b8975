"""What was meant by a name that nobody knows, if anything near it is known."""

import difflib
from collections.abc import Iterable
from typing import Final

# What all names have in common says nothing of how near two of them are.
_IN_COMMON: Final = ("WATCHWORD_", "--")


def nearest(name: str, known: Iterable[str]) -> str | None:
    """The one of ``known`` that ``name`` is most likely a slip of; None where none is near."""
    bare = {_bare(one): one for one in known}
    near = difflib.get_close_matches(_bare(name), bare, n=1)
    return bare[near[0]] if near else None


def _bare(name: str) -> str:
    for prefix in _IN_COMMON:
        name = name.removeprefix(prefix)
    return name
