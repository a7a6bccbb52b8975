"""JSON objects without the ambiguities that attackers like.

Duplicate members, NaN, Infinity, anything but an object, and nesting beyond reason are refused.

Implements: RFC 8259 §4, §8.2; RFC 7515 §4 (duplicate header parameter names); RFC 7519 §4 (duplicate claim names).
"""

import json
import math
from collections.abc import Mapping
from typing import Any, NoReturn

import msgspec


def _no_duplicates(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    members = dict(pairs)
    if len(members) != len(pairs):
        raise ValueError("duplicate member")
    return members


def _no_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is not JSON")


def _whole(text: str) -> int:
    try:
        return int(text)
    except ValueError:  # more digits than the interpreter wants to read (RFC 8259 §6 allows such a limit)
        raise ValueError("a number beyond all bounds") from None


def _finite(text: str) -> float:
    number = float(text)
    if not math.isfinite(number):
        raise ValueError("a number beyond all bounds")
    return number


_decoder = json.JSONDecoder(
    object_pairs_hook=_no_duplicates, parse_constant=_no_constant, parse_float=_finite, parse_int=_whole
)
_quick = msgspec.json.Decoder()
_compact = msgspec.json.Encoder()


def parse_object(data: bytes) -> dict[str, Any]:
    """The members of the one JSON object in ``data``.

    Raises:
        ValueError: not UTF-8, not JSON, not an object, a duplicate member at any depth, NaN, Infinity, a number beyond
            all bounds, or half a surrogate pair. Its text is ours, short, repeats nothing, and may be passed on.
    """
    # What encodes again to the very same bytes is compact JSON with every member once: nothing is left to judge.
    # Everything else, good or bad, is judged by the strict decoder, which takes four times as long.
    try:
        members = _quick.decode(data)
        if type(members) is dict and _compact.encode(members) == data:
            return members
    except (ValueError, RecursionError):  # msgspec.DecodeError is one
        pass
    return _parse_slowly(data)


def _parse_slowly(data: bytes) -> dict[str, Any]:
    try:
        members = _decoder.decode(data.decode("utf-8"))
        if b"\\u" in data:
            # RFC 8259 §8.2: half a surrogate pair is no character; it would blow up wherever the text is written.
            json.dumps(members, ensure_ascii=False).encode("utf-8")
    except json.JSONDecodeError:
        raise ValueError("not JSON") from None
    except RecursionError:
        raise ValueError("nested too deeply") from None
    except UnicodeDecodeError:
        raise ValueError("not UTF-8") from None
    except UnicodeEncodeError:
        raise ValueError("half a surrogate pair") from None
    if type(members) is not dict:
        raise ValueError("not a JSON object")
    return members


def render_object(members: Mapping[str, Any]) -> bytes:
    """Compact UTF-8 JSON, members in the order given."""
    return json.dumps(members, ensure_ascii=False, separators=(",", ":"), allow_nan=False).encode("utf-8")
