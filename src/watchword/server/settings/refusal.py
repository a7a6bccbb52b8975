"""What an operator is told when a setting will not do."""

import os


class SettingsError(Exception):
    """A setting is wrong or missing. The text is one sentence for the operator, and says what to do."""


def plainly(error: Exception) -> str:
    """What went wrong with a file, without what stands in it."""
    if isinstance(error, OSError) and error.errno is not None:
        return os.strerror(error.errno).lower()
    return "it is not UTF-8 text" if isinstance(error, UnicodeError) else str(error)
