"""How a command runs: settings, parts, one flow, one event loop; and what is said when it cannot be done."""

import asyncio
import traceback
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Final, TypeVar

from watchword.server.flows.admin.refusal import Refused
from watchword.server.flows.parts import Parts
from watchword.server.ports.passwords import PasswordsBusy
from watchword.server.ports.storage import StorageUnavailable

T = TypeVar("T")


class Failed(Exception):
    """The command ends with ``status``. The text, if any, is one sentence for the operator."""

    def __init__(self, sentence: str = "", *, status: int = 1) -> None:
        super().__init__(sentence)
        self.status = status


def run(work: Callable[[Parts], Awaitable[T]], *, beginning: bool = False) -> T:
    """Carry out one flow on the database of the settings, beside a running server or without one.

    With ``beginning``, database and secret are made where there are none yet. Other commands would find nothing there,
    or are at a place that was mistyped.
    """
    from watchword.server import settings
    from watchword.server.adapters.quiet_telemetry import QuietTelemetry
    from watchword.server.app import opened

    async def whole() -> T:
        async with opened(settings.read(making=beginning), QuietTelemetry(), beginning=beginning) as parts:
            return await work(parts)

    return asyncio.run(whole())


def sentence_for(error: Exception) -> str:
    """What the operator is told of ``error``. Foreseen ones speak for themselves; of others only the place is told.

    The text of an unforeseen error may hold anything, a password from a database URL too.
    """
    from watchword.server.ports.sealing import CannotUnseal
    from watchword.server.settings import SettingsError
    from watchword.server.storage.schema import ForeignDatabase
    from watchword.server.storage.sqlite_lock import AlreadyServed, WrongUser

    if isinstance(error, Refused | SettingsError | ForeignDatabase | AlreadyServed | WrongUser):
        return str(error)
    if isinstance(error, StorageUnavailable):
        return f"the database does not answer, and nothing was changed: {str(error) or 'try again'}"
    if isinstance(error, PasswordsBusy):
        return "too many passwords are being hashed: try again"
    if isinstance(error, CannotUnseal):
        return f"{error}: put back the secret that the database was made with, behind the new one"
    if isinstance(error, ModuleNotFoundError) and error.name == "asyncpg":
        return 'PostgreSQL needs its driver: pip install "watchword[postgres]"'
    frames = traceback.extract_tb(error.__traceback__)
    place = f" at {Path(frames[-1].filename).name}:{frames[-1].lineno}" if frames else ""
    return f"this should not have happened: {type(error).__name__}{place}"


# Ids are base64url and may begin with a dash; a command that takes one must not see a flag in it.
IDS_MAY_BEGIN_WITH_A_DASH: Final = {"ignore_unknown_options": True}


def in_one_line(text: str) -> str:
    """``text`` without line breaks and other control characters, which could play tricks on a terminal."""
    return " ".join("".join(c if c.isprintable() else " " for c in text).split())
