"""Scope: a set of scope tokens.

Implements: RFC 6749 §3.3; OpenID Connect Core 1.0 §5.4, §11.
"""

import re
from collections.abc import Iterable
from functools import lru_cache
from typing import Self

_TOKEN = re.compile(r"[\x21\x23-\x5b\x5d-\x7e]{1,128}\Z", re.ASCII)
_LIMIT = 100

OPENID_SCOPES = frozenset({"openid", "profile", "email", "offline_access"})


class Scope(frozenset[str]):
    """A set of scope tokens, written in sorted order, so that equal scopes have one spelling."""

    __slots__ = ()

    @classmethod
    def parse(cls, text: str) -> Self:
        """The scope that ``text`` names; the empty text is the empty scope.

        Raises:
            ValueError: a character outside RFC 6749 §3.3, two spaces in a row, a space at an end, or more than
                100 tokens.
        """
        return cls(_tokens(text))

    @classmethod
    def of(cls, tokens: Iterable[str]) -> Self:
        """The scope of ``tokens``, each checked.

        Raises:
            ValueError: as ``parse``.
        """
        return cls.parse(" ".join(tokens))

    def __str__(self) -> str:
        return " ".join(sorted(self))

    def __repr__(self) -> str:
        return f"Scope({str(self)!r})"

    def only(self, allowed: Iterable[str]) -> "Scope":
        """What of this scope is in ``allowed``."""
        return Scope(self.intersection(allowed))

    @property
    def of_apis(self) -> "Scope":
        """Without the scopes of OpenID Connect, which belong to no API."""
        return Scope(self - OPENID_SCOPES)


@lru_cache(maxsize=4096)
def _tokens(text: str) -> tuple[str, ...]:
    tokens = tuple(text.split(" ")) if text else ()
    if len(tokens) > _LIMIT:
        raise ValueError("too many scope tokens")
    for token in tokens:
        if _TOKEN.match(token) is None:
            raise ValueError("malformed scope")
    return tokens
