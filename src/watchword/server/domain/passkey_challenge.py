"""The challenge of a passkey's ceremony: random, for one browser, for ten minutes, for one use.

It is stored nowhere while the user makes up his mind: it travels sealed in the page, and only one that did its work
leaves a mark, so that it cannot work again.

Implements: W3C Web Authentication Level 3 §13.4.3; NIST SP 800-63B-4 §3.2.7.
"""

import hashlib
import hmac
import struct
from dataclasses import dataclass
from typing import Final

from watchword.server.domain.lifetimes import MINUTE
from watchword.server.domain.login import CLOCKS_APART
from watchword.server.domain.time import Instant, Seconds

BYTES: Final = 32
LIFETIME: Final[Seconds] = 10 * MINUTE
_PACKED: Final = struct.Struct(f">{BYTES}sd32s")


@dataclass(frozen=True, slots=True, kw_only=True)
class Challenge:
    """A challenge. ``browser``: the imprint of the browser that it was given to, 32 bytes."""

    value: bytes
    made_at: Instant
    browser: bytes

    def __repr__(self) -> str:
        return f"Challenge(made_at={self.made_at!r})"

    @property
    def key(self) -> bytes:
        """What is remembered of one that was used."""
        return hashlib.sha256(b"passkey challenge\n" + self.value).digest()

    @property
    def remembered_until(self) -> Instant:
        """When no node takes it any more, whatever its clock says."""
        return self.made_at + LIFETIME + 2 * CLOCKS_APART

    def is_of(self, browser: bytes) -> bool:
        """Whether it was given to that browser."""
        return hmac.compare_digest(self.browser, browser)

    def lives(self, *, now: Instant) -> bool:
        """Whether it is young enough. The node that made it may be ahead of this one."""
        return -CLOCKS_APART <= now - self.made_at < LIFETIME

    def packed(self) -> bytes:
        """As it is sealed."""
        return _PACKED.pack(self.value, self.made_at, self.browser)


def unpack(packed: bytes) -> Challenge:
    """What ``packed`` was made of. Nobody else made these bytes: they come from under our seal.

    Raises:
        ValueError: another version of ours packed it.
    """
    try:
        value, made_at, browser = _PACKED.unpack(packed)
    except struct.error as error:
        raise ValueError("packed otherwise") from error
    return Challenge(value=value, made_at=made_at, browser=browser)
