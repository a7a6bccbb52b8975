"""Signing: who holds private keys."""

import asyncio
from collections.abc import Mapping
from typing import Any, Protocol

from watchword.protocol.jws import VerificationKey
from watchword.server.domain.api import Algorithm
from watchword.server.domain.key_ring import RingKey
from watchword.server.domain.time import Instant


class NoSigningKey(Exception):
    """The ring has no key of that algorithm in state *signing*."""


class Signer(Protocol):
    """Signs with the key that is in turn. ``load`` replaces what it holds.

    Attributes:
        turn: held from before the ring is read until it is loaded, so that an older ring never replaces a newer one.
    """

    turn: asyncio.Lock

    def load(self, keys: list[RingKey]) -> None:
        """Take over the ring: unseal the private keys of *signing*, and all public ones."""
        ...

    async def make(self, alg: Algorithm, *, now: Instant) -> RingKey:
        """A fresh key in state *next*, its private part sealed. It is not loaded yet."""
        ...

    def sign(self, claims: Mapping[str, Any], *, typ: str, alg: Algorithm) -> str:
        """The compact JWS of ``claims`` under the signing key of that algorithm.

        Raises:
            NoSigningKey: there is none.
        """
        ...

    def can_sign(self, alg: Algorithm) -> bool:
        """Whether there is a signing key of that algorithm."""
        ...

    def can_go_on(self, alg: Algorithm) -> bool:
        """Whether nothing is wrong with the *next* key of that algorithm: False if there is one that does not open."""
        ...

    def opens(self, key: RingKey) -> bool:
        """Whether the private part of ``key`` opens under the listed secrets."""
        ...

    def published(self) -> list[VerificationKey]:
        """The keys for ``/jwks``, oldest first."""
        ...

    def find(self, kid: str, /) -> VerificationKey | None:
        """The published key of that id."""
        ...

    def recognise(self, kid: str, /) -> VerificationKey | None:
        """The key of that id, published or *gone*, but not revoked: for tokens that may be old (``id_token_hint``)."""
        ...
