"""Scope: a set of scope tokens.

Implements: RFC 6749 §3.3; OpenID Connect Core 1.0 §5.4, §11.
"""

import re
from collections.abc import Iterable
from functools import lru_cache

_TOKEN = re.compile(r"[\x21\x23-\x5b\x5d-\x7e]{1,128}\Z", re.ASCII)
_LIMIT = 100
_MOST_CHARACTERS = 2048
# Anybody can make up scopes: what is kept is short, and little.
_KEPT_CHARACTERS = 512

OPENID_SCOPES = frozenset({"openid", "profile", "email", "offline_access"})


class Scope(frozenset[str]):
    """A set of scope tokens, written in sorted order, so that equal scopes have one spelling."""

    __slots__ = ()

    @staticmethod
    def parse(text: str) -> "Scope":
        """The scope that ``text`` names; the empty text is the empty scope.

        Raises:
            ValueError: a character outside RFC 6749 §3.3, two spaces in a row, a space at an end, or more than
                100 tokens or 2,048 characters.
        """
        return _known(text) if len(text) <= _KEPT_CHARACTERS else Scope(_tokens(text))

    @staticmethod
    def of(tokens: Iterable[str]) -> "Scope":
        """The scope of ``tokens``, each checked.

        Raises:
            ValueError: as ``parse``.
        """
        return Scope.parse(" ".join(tokens))

    def __str__(self) -> str:
        return _spelled(self)

    def __repr__(self) -> str:
        return f"Scope({str(self)!r})"

    @property
    def of_apis(self) -> "Scope":
        """Without the scopes of OpenID Connect, which belong to no API."""
        return Scope(self - OPENID_SCOPES)


def _tokens(text: str) -> tuple[str, ...]:
    if len(text) > _MOST_CHARACTERS:
        raise ValueError("too long a scope")
    tokens = tuple(text.split(" ")) if text else ()
    if len(tokens) > _LIMIT:
        raise ValueError("too many scope tokens")
    for token in tokens:
        if _TOKEN.match(token) is None:
            raise ValueError("malformed scope")
    return tokens


@lru_cache(maxsize=1024)
def _known(text: str) -> Scope:
    return Scope(_tokens(text))


@lru_cache(maxsize=256)
def _spelled(scope: Scope) -> str:
    # The same few scopes go into token after token.
    return " ".join(sorted(scope))
