"""Sealing: what is handed out, or written down, and must come back unread and unchanged."""

from typing import Protocol


class CannotUnseal(Exception):
    """Sealed under a secret that is not listed, for something else, or changed since."""


class Sealer(Protocol):
    """Encrypts and authenticates under the server's secrets."""

    def seal(self, plain: bytes, *, purpose: str) -> bytes:
        """``plain``, encrypted and bound to ``purpose``."""
        ...

    def unseal(self, sealed: bytes, *, purpose: str) -> bytes:
        """What was sealed for ``purpose``.

        Raises:
            CannotUnseal: no listed secret opens it.
        """
        ...

    def resealed(self, sealed: bytes, *, purpose: str) -> bytes | None:
        """The same value under the newest secret; None where that one opens it as it is.

        Raises:
            CannotUnseal: as ``unseal``.
        """
        ...
