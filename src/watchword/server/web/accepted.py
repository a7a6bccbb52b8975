"""Who reads an answer: a person in a browser, or a program.

Implements: RFC 9110 §12.5.1 (Accept).
"""

import re
from typing import Final

from starlette.requests import Request

_MAX_HEADER: Final = 1000
_MAX_RANGES: Final = 20
_QUALITY = re.compile(r"q=(0(?:\.[0-9]{0,3})?|1(?:\.0{0,3})?)\Z", re.ASCII)


def prefers_page(request: Request) -> bool:
    """Whether the reader would rather have a page than JSON. Who takes anything, or says nothing, is a program."""
    accepted = request.headers.get("accept", "")[:_MAX_HEADER]
    weights: dict[str, float] = {}
    for part in accepted.split(",")[:_MAX_RANGES]:
        media_range, *parameters = (piece.strip().lower() for piece in part.split(";"))
        qualities = [_QUALITY.match(parameter) for parameter in parameters if parameter.startswith("q=")]
        weights[media_range] = min((float(found[1]) if found else 0.0 for found in qualities), default=1.0)
    return _weight(weights, "text/html") > _weight(weights, "application/json")


def _weight(weights: dict[str, float], media_type: str) -> float:
    """§12.5.1: "the most specific reference has precedence"."""
    whole_kind = f"{media_type.partition('/')[0]}/*"
    return next((weights[one] for one in (media_type, whole_kind, "*/*") if one in weights), 0.0)
