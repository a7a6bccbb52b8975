"""Texts in the reader's language: one catalogue per language, all with the same keys.

A catalogue is a TOML file; tables nest into dotted keys, and ``{name}`` stands for a value. What is counted has two
texts, ``one`` and ``other``. Texts are plain: whatever they or their values hold is escaped.
"""

import tomllib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Final

from markupsafe import Markup, escape

from watchword.server.domain import password_policy

OURS: Final = Path(__file__).resolve().parent / "texts"
DEFAULT: Final = "en"
# Sentences that come from elsewhere in the server, in English, are found again under this table.
_SENTENCES: Final = "sentence."
_LIMITS: Final = {"min": password_policy.MIN_LENGTH, "max": password_policy.MAX_LENGTH}


class Catalogue:
    """The texts of one language. ``fallback``: whose texts stand for those that it lacks."""

    def __init__(self, lang: str, texts: Mapping[str, str], fallback: "Catalogue | None" = None) -> None:
        self.lang = lang
        self.texts: dict[str, str] = {**(fallback.texts if fallback else {}), **texts}

    def text(self, key: str, **values: object) -> Markup:
        """The text, its values filled in.

        Raises:
            KeyError: there is none, or a value is missing.
        """
        return Markup(escape(self.texts[key])).format(**values)  # noqa: S704 - escaped before, and its values by it

    def counted(self, key: str, count: int, **values: object) -> Markup:
        """The text for that many."""
        return self.text(f"{key}.{'one' if count == 1 else 'other'}", count=count, **values)

    def sentences(self) -> dict[str, str]:
        """Sentences from elsewhere in the server, by their keys."""
        keys = (key for key in self.texts if key.startswith(_SENTENCES))
        return {key: self.texts[key].format(**_LIMITS) for key in keys}

    def speaks(self, sentence: str) -> bool:
        """Whether this is one of those sentences: it is meant for the reader, and can be said in any language."""
        return sentence in self.sentences().values()


def catalogues(folder: Path | None) -> dict[str, Catalogue]:
    """All languages: ours, with an operator's changes, and those that he added."""
    own = folder / "texts" if folder is not None else None
    tags = {path.stem for place in (OURS, own) if place is not None for path in place.glob("*.toml")}
    english = Catalogue(DEFAULT, _merged(DEFAULT, own))
    return {tag: english if tag == DEFAULT else Catalogue(tag, _merged(tag, own), english) for tag in sorted(tags)}


def _merged(tag: str, own: Path | None) -> dict[str, str]:
    texts: dict[str, str] = {}
    for place in (OURS, own):
        path = place / f"{tag}.toml" if place is not None else None
        if path is not None and path.is_file():
            texts.update(flat(tomllib.loads(path.read_text("utf-8"))))
    return texts


def flat(table: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, str]]:
    """Dotted keys and their texts.

    Raises:
        ValueError: something else than a text.
    """
    for key, value in table.items():
        if isinstance(value, dict):
            yield from flat(value, f"{prefix}{key}.")
        elif isinstance(value, str):
            yield prefix + key, value
        else:
            raise ValueError(f"{prefix}{key} is no text")


def translated(sentence: str, *, into: Catalogue, of: Catalogue) -> tuple[str, str]:
    """A sentence of the server's, in the reader's language where that has it; and the language that it is in now."""
    for key, known in of.sentences().items():
        if known == sentence:
            return into.sentences()[key], into.lang
    return sentence, of.lang
