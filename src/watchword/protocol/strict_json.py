"""JSON objects without the ambiguities that attackers like.

Duplicate members, NaN, Infinity, anything but an object, and nesting beyond reason are refused.

Implements: RFC 8259 §4; RFC 7515 §4 (duplicate header parameter names); RFC 7519 §4 (duplicate claim names).
"""

import json
from collections.abc import Mapping
from typing import Any, NoReturn


def _no_duplicates(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    members = dict(pairs)
    if len(members) != len(pairs):
        raise ValueError("duplicate member")
    return members


def _no_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is not JSON")


_decoder = json.JSONDecoder(object_pairs_hook=_no_duplicates, parse_constant=_no_constant)


def parse_object(data: bytes) -> dict[str, Any]:
    """The members of the one JSON object in ``data``.

    Raises:
        ValueError: not UTF-8, not JSON, not an object, a duplicate member at any depth, NaN or Infinity.
    """
    try:
        members = _decoder.decode(data.decode("utf-8"))
    except RecursionError:
        raise ValueError("nested too deeply") from None
    if type(members) is not dict:
        raise ValueError("not a JSON object")
    return members


def render_object(members: Mapping[str, Any]) -> bytes:
    """Compact UTF-8 JSON, members in the order given."""
    return json.dumps(members, ensure_ascii=False, separators=(",", ":"), allow_nan=False).encode("utf-8")
