"""An authorization request on its way through the browser: as few bytes as possible, and never too many.

While the user signs in or consents, the request stands in an address, and proxies take lines of 8 KB as a rule. Whether
it fits depends on its parameters alone, so what was accepted once can always be finished.

Implements: OAuth 2.1 §3.1 (unknown parameters are ignored; the size is bounded).
"""

import json
import struct
import zlib
from collections.abc import Sequence
from typing import Final, TypeAlias

from watchword.server.domain.login import NOT_SEEN, NotSeen
from watchword.server.domain.time import Instant

Parameters: TypeAlias = Sequence[tuple[str, str]]

# In characters, as they stand in the address: with the longest of our paths the line stays below 8 KB.
MAX_SEALED: Final = 7 * 1024
# What sealing adds at most (a version, a nonce, a tag), and of four characters three bytes are left.
_SEAL: Final = 64
_HEAD: Final = struct.Struct(">dB32s")
_NONE, _HELD, _NOT_SEEN = range(3)
_MAX_PACKED: Final = MAX_SEALED // 4 * 3 - _SEAL - _HEAD.size
# Bytes that cannot be compressed gain a few.
_SURELY_FITS: Final = _MAX_PACKED - 128


def fits(parameters: Parameters) -> bool:
    """Whether the parameters are few enough to travel."""
    written = _written(parameters)
    return len(written) <= _SURELY_FITS or len(zlib.compress(written)) <= _MAX_PACKED


def pack(parameters: Parameters, *, since: Instant, before: bytes | NotSeen | None) -> bytes:
    """The parameters, when they came, and the hash of the session cookie that the browser held then."""
    match before:
        case None:
            head = _HEAD.pack(since, _NONE, b"")
        case NotSeen():
            head = _HEAD.pack(since, _NOT_SEEN, b"")
        case held:
            head = _HEAD.pack(since, _HELD, held)
    return head + zlib.compress(_written(parameters))


def unpack(packed: bytes) -> tuple[list[tuple[str, str]], Instant, bytes | NotSeen | None]:
    """What ``pack`` was given. Nobody else made these bytes: they come from under our seal.

    Raises:
        ValueError: another version of ours packed it.
    """
    try:
        since, kind, before = _HEAD.unpack_from(packed)
        before = {_NONE: None, _HELD: before, _NOT_SEEN: NOT_SEEN}[kind]
        parameters = json.loads(zlib.decompress(packed[_HEAD.size :]))
    except (struct.error, zlib.error, KeyError) as error:
        raise ValueError("packed otherwise") from error
    return [(name, value) for name, value in parameters], since, before


def _written(parameters: Parameters) -> bytes:
    return json.dumps([list(pair) for pair in parameters], ensure_ascii=False, separators=(",", ":")).encode()
