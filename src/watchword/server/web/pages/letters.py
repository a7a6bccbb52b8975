"""What mails say: plain text from templates and texts, in the reader's language.

``mail/<name>.txt`` among the templates is the letter of that name, and ``mail/notice.txt`` stands for those that have
none; the subject is the text ``mail.<name>.subject``. An operator's folder may replace any of them.
"""

from collections.abc import Callable, Iterable, Mapping
from functools import cached_property
from pathlib import Path
from typing import Final, TypeAlias

from watchword.server.ports.mail import Letter
from watchword.server.web.pages.brand import Brand
from watchword.server.web.pages.texts import catalogues

Write: TypeAlias = Callable[[str, str, Mapping[str, str]], Letter]

_SPECIMEN: Final = {
    "username": "ada",
    "at": "0",
    "link": "https://auth.example/link?token=none",
    "lifetime": "1800",
    "account_url": "https://auth.example/account",
    "forgotten_url": "https://auth.example/forgot-password",
}


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

    def try_all(self, names: Iterable[str]) -> None:
        """Word every letter once in every language, so that a broken template shows before somebody waits for a mail.

        Args:
            names: of all letters that are ever sent.

        Raises:
            ValueError: one cannot be worded; the text names it.
        """
        languages = list(catalogues(self._folder))
        for name in names:
            for language in languages:
                try:
                    self.letter(name, locale=language, values=_SPECIMEN)
                except Exception as error:
                    what = f"{type(error).__name__}: {error}"
                    raise ValueError(f"the mail {name!r} cannot be worded in {language!r}: {what}") from error

    @cached_property
    def _write(self) -> Write:
        # A node that sends nothing never loads the template engine.
        from watchword.server.web.pages.letter_engine import LetterEngine  # noqa: PLC0415

        return LetterEngine(self._brand, self._folder).write
