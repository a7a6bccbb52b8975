"""Unicode's normal forms in linear time.

Combining marks that follow one letter are put in order with insertions, so that thousands of them in the wrong order
take seconds. Here they are sorted first, and what comes out is the same text.

Implements: Unicode Standard Annex 15 §1.2 (NFC, NFKC).
"""

from typing import Final, Literal
from unicodedata import combining, normalize

# So few are in order at once, whatever they are.
_SHORT: Final = 64


def nfc(text: str) -> str:
    """``text`` in NFC: letters and their accents in one piece."""
    return text if text.isascii() else normalize("NFC", _in_order(text, "NFD"))


def nfkc(text: str) -> str:
    """``text`` in NFKC: as NFC, and what only looks different (wide letters, ligatures) is the same."""
    return text if text.isascii() else normalize("NFKC", _in_order(text, "NFKD"))


def _in_order(text: str, form: Literal["NFD", "NFKD"]) -> str:
    """``text``, taken apart where it is long, with the marks of each letter in canonical order."""
    if len(text) <= _SHORT:
        return text
    ordered: list[str] = []
    marks: list[str] = []
    for piece in "".join([normalize(form, character) for character in text]):
        if combining(piece):
            marks.append(piece)
            continue
        if marks:
            ordered += sorted(marks, key=combining)
            marks.clear()
        ordered.append(piece)
    return "".join(ordered + sorted(marks, key=combining))
