"""Chance from the operating system."""

import secrets


class SystemEntropy:
    """The system's cryptographic generator."""

    def draw(self, count: int) -> bytes:
        """``count`` unpredictable bytes."""
        return secrets.token_bytes(count)
