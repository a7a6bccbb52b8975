"""Telemetry for commands: what they did is what they print."""

from typing import Any


class QuietTelemetry:
    """Says nothing."""

    def note(self, slug: str, **fields: Any) -> None:
        """See ``ports.telemetry.Telemetry``."""

    tell = warn = note
