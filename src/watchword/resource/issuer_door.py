"""The issuer, as a resource server talks to it: what may be asked, and how an answer can fail."""

from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from typing import Protocol

from watchword.protocol.jws import VerificationKey
from watchword.protocol.metadata import Metadata


class IssuerTrouble(Exception):
    """The issuer gave no usable answer. The text says why, without secrets; what is known stays as it is."""


class PositionRefused(IssuerTrouble):
    """The feed takes the number after which it was asked for no number of its log."""


@dataclass(frozen=True, slots=True)
class KeySet:
    """A fetched key set, and for how many seconds the issuer calls it fresh."""

    keys: dict[str, VerificationKey]
    max_age: float | None


class IssuerDoor(Protocol):
    """Questions to the issuer. Each may raise ``IssuerTrouble``, and takes a bounded time.

    Those to the feed may raise ``PositionRefused``.
    """

    async def metadata(self) -> Metadata:
        """The issuer's metadata, found by its own name."""
        ...

    async def key_set(self, url: str) -> KeySet:
        """The published keys, at least one."""
        ...

    async def page(self, url: str, *, after: int) -> str:
        """The signed batch after that number; 0 asks for all that still matters."""
        ...

    def follow(self, url: str, *, after: int) -> AbstractAsyncContextManager[AsyncIterator[str]]:
        """Signed batches after that number, as they come, for as long as the connection lasts."""
        ...

    async def introspect(self, url: str, token: str) -> bool:
        """Whether the issuer calls the token active."""
        ...

    async def close(self) -> None:
        """Let go of connections."""
        ...
