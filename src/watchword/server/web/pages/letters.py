"""What mails say: plain text from templates and texts, in the reader's language.

``mail/<name>.txt`` among the templates is the letter of that name, and ``mail/notice.txt`` stands for those that have
none; the subject is the text ``mail.<name>.subject``. An operator's folder may replace any of them.
"""

import textwrap
from collections.abc import Callable, Mapping
from functools import cached_property
from pathlib import Path
from typing import Final, TypeAlias

from watchword.server.ports.mail import Letter
from watchword.server.web.pages.brand import Brand

# RFC 5322 §2.1.1: a line "SHOULD be no more than 78 characters". Links are left whole.
_WIDTH: Final = 72
Write: TypeAlias = Callable[[str, str, Mapping[str, str]], Letter]


class Letters:
    """All letters, in the name of an operator's brand.

    Args:
        brand: whose mail this is.
        folder: the operator's templates and texts; None for ours alone.
    """

    def __init__(self, brand: Brand, folder: Path | None) -> None:
        self._brand = brand
        self._folder = folder

    def letter(self, name: str, *, locale: str, values: Mapping[str, str]) -> Letter:
        """See ``ports.mail.Wording``. Values: username, at, link, lifetime, account_url and forgotten_url."""
        return self._write(name, locale, values)

    @cached_property
    def _write(self) -> Write:
        # A node that sends nothing never loads the template engine.
        from watchword.server.web.pages.letter_engine import LetterEngine  # noqa: PLC0415

        return LetterEngine(self._brand, self._folder).write


def wrapped(text: str) -> str:
    """``text`` in lines that any mail program shows whole."""
    lines = [
        textwrap.wrap(line, _WIDTH, break_long_words=False, break_on_hyphens=False) or [""]
        for line in text.strip().splitlines()
    ]
    return "\n".join(part for parts in lines for part in parts) + "\n"
