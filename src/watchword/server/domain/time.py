"""Time as the rules see it: an argument."""

from typing import TypeAlias

Instant: TypeAlias = float
"""Seconds since the epoch."""

Seconds: TypeAlias = float
"""A length of time."""
