"""What mails say: plain text from templates and texts, in the reader's language.

``mail/<name>.txt`` among the templates is the letter of that name, and ``mail/notice.txt`` stands for those that have
none; the subject is the text ``mail.<name>.subject``. An operator's folder may replace any of them.
"""

from collections.abc import Callable, Mapping
from functools import cached_property
from pathlib import Path
from typing import TypeAlias

from watchword.server.ports.mail import Letter
from watchword.server.web.pages.brand import Brand

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
