"""Forms from the bodies of requests: read within bounds, nothing guessed.

Implements: RFC 9110 §15.5.14 (413).
"""

from typing import Final
from urllib.parse import parse_qsl

from starlette.exceptions import HTTPException
from starlette.requests import Request

_MOST_FIELDS: Final = 50


async def read_form(request: Request, *, longest: int) -> list[tuple[str, str]]:
    """The fields of a form, in their order.

    Args:
        request: with a body of ``application/x-www-form-urlencoded``.
        longest: octets.

    Raises:
        HTTPException: 413; it is longer.
        ValueError: it is no such form.
    """
    body = b""
    async for piece in request.stream():
        body += piece
        if len(body) > longest:
            raise HTTPException(413, "the form is too large")
    return parse_qsl(body.decode(), keep_blank_values=True, errors="strict", max_num_fields=_MOST_FIELDS)
