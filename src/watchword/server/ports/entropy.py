"""Chance."""

from typing import Protocol


class Entropy(Protocol):
    """Draws what nobody can guess."""

    def draw(self, count: int) -> bytes:
        """``count`` bytes from the system's cryptographic generator."""
        ...
