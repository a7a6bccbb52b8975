"""The template engine for mails: plain text, nothing escaped. Imported at the first mail."""

import textwrap
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from jinja2 import BaseLoader, ChoiceLoader, Environment, FileSystemLoader, PrefixLoader, StrictUndefined

from watchword.server.ports.mail import Letter
from watchword.server.web.pages import moments
from watchword.server.web.pages.brand import Brand
from watchword.server.web.pages.engine import OURS
from watchword.server.web.pages.locales import chosen
from watchword.server.web.pages.texts import DEFAULT, catalogues

# RFC 5322 §2.1.1: a line "SHOULD be no more than 78 characters". Links are left whole.
_WIDTH: Final = 72


class LetterEngine:
    """Templates and texts of mails, loaded once.

    Args:
        brand: whose mail this is.
        folder: the operator's templates and texts.
    """

    def __init__(self, brand: Brand, folder: Path | None) -> None:
        ours = FileSystemLoader(OURS)
        loaders: list[BaseLoader] = [ours, PrefixLoader({"watchword": ours})]
        if folder is not None:
            loaders.insert(0, FileSystemLoader(folder))
        self._templates = Environment(
            loader=ChoiceLoader(loaders),
            autoescape=False,  # noqa: S701 - plain text, in which an escaped name would be a wrong one
            undefined=StrictUndefined,
            auto_reload=False,
            keep_trailing_newline=True,
            trim_blocks=True,
            lstrip_blocks=True,
        )
        self._brand = brand
        self._catalogues = catalogues(folder)

    def write(self, name: str, locale: str, values: Mapping[str, str]) -> Letter:
        """See ``ports.mail.Wording``."""
        texts = self._catalogues[chosen(locale.split(), self._catalogues, default=DEFAULT)]

        def said(key: str, **given: str) -> str:
            return texts.text(key, **given).unescape()

        template = self._templates.select_template([f"mail/{name}.txt", "mail/notice.txt"])
        text = template.render(
            values,
            mail=name,
            brand=self._brand,
            lang=texts.lang,
            t=said,
            moment=lambda at: moments.spelled(float(at), texts),
            span=lambda seconds: moments.span(float(seconds), texts).unescape(),
        )
        subject = " ".join(said(f"mail.{name}.subject", brand=self._brand.name).split())
        return Letter(lang=texts.lang, subject=subject, text=_wrapped(text))


def _wrapped(text: str) -> str:
    """``text`` in lines that any mail program shows whole."""
    lines = [
        textwrap.wrap(line, _WIDTH, break_long_words=False, break_on_hyphens=False) or [""]
        for line in text.strip().splitlines()
    ]
    return "\n".join(part for parts in lines for part in parts) + "\n"
