"""Something unexpected: one line in the log, and an id by which the operator finds it."""

import traceback
from secrets import token_hex

from watchword.server.web.context import Web


def tell_broken(web: Web, error: Exception, *, method: str, path: str) -> str:
    """Write the log line of ``error``, and return the id that it carries. ``path``: one that is safe to log."""
    error_id = token_hex(8)
    # Frames, not the message: a driver's message may quote the values that it was given.
    frames = [f"{frame.filename}:{frame.lineno} {frame.name}" for frame in traceback.extract_tb(error.__traceback__)]
    web.parts.telemetry.warn(
        "server.error",
        error_id=error_id,
        method=method,
        path=path,
        exception=type(error).__name__,
        frames=frames,
    )
    return error_id
