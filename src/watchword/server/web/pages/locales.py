"""Which language a reader wants.

Implements: RFC 9110 §12.5.4 (Accept-Language); RFC 4647 §3.4 (lookup); OpenID Connect Core 1.0 §3.1.2.1
(``ui_locales``).
"""

import re
from collections.abc import Iterable, Sequence
from typing import Final

_TAG = re.compile(r"[A-Za-z]{2,8}(?:-[A-Za-z0-9]{1,8}){0,5}\Z", re.ASCII)
_QUALITY = re.compile(r"q=(0(?:\.[0-9]{0,3})?|1(?:\.0{0,3})?)\Z", re.ASCII)
_MAX_HEADER: Final = 1000
_MAX_TAGS: Final = 20


def preferred_locales(accept_language: str, ui_locales: Sequence[str] = ()) -> tuple[str, ...]:
    """Language tags in the reader's order: what the application asked for in his name, then what his browser says.

    Args:
        accept_language: the header's value, empty if there is none. What is malformed in it is passed over.
        ui_locales: of the authorization request.
    """
    ranked: list[tuple[float, str]] = []
    for part in accept_language[:_MAX_HEADER].split(",")[:_MAX_TAGS]:
        tag, _, parameter = (piece.strip() for piece in part.partition(";"))
        quality = _QUALITY.match(parameter.lower()) if parameter else None
        weight = 1.0 if not parameter else float(quality[1]) if quality else 0.0
        if weight > 0:
            ranked.append((weight, tag))
    ranked.sort(key=lambda pair: -pair[0])
    wanted = [*ui_locales[:_MAX_TAGS], *(tag for _, tag in ranked)]
    return tuple(dict.fromkeys(tag for tag in wanted if _TAG.match(tag)))


def chosen(wanted: Iterable[str], offered: Iterable[str], *, default: str) -> str:
    """The first of ``wanted`` that is offered, itself or less precisely (``de`` for ``de-CH``)."""
    by_tag = {tag.lower(): tag for tag in offered}
    for tag in wanted:
        subtags = tag.lower().split("-")
        while subtags:
            if (found := by_tag.get("-".join(subtags))) is not None:
                return found
            subtags.pop()
    return default
