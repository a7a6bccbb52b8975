"""Chance from the operating system."""

import os


class SystemEntropy:
    """The system's cryptographic generator."""

    def draw(self, count: int) -> bytes:
        """``count`` unpredictable bytes."""
        return os.urandom(count)
