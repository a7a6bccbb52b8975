"""The secret: as it is given, or as it is kept in the data folder of a server on loopback."""

import contextlib
import os
import secrets
from pathlib import Path
from typing import Final

from watchword.server.domain.secret_ring import SecretRing, parse_secrets
from watchword.server.settings.refusal import SettingsError, plainly

MAKE_ONE: Final = "make one with: openssl rand -base64 32"


def parse_ring(text: str, where: str) -> SecretRing:
    """The secrets in ``text``, which stands in ``where``.

    Raises:
        SettingsError: they are no secrets.
    """
    try:
        return parse_secrets(text)
    except UnicodeError:
        raise SettingsError(f"{where} is not text: put back the one from your backup, or {MAKE_ONE}") from None
    except ValueError as error:
        raise SettingsError(f"{where}: {error}; put back the one from your backup, or {MAKE_ONE}") from None


def kept_secret(data_dir: Path, *, making: bool = True) -> SecretRing:
    """The secret of a server on loopback: kept in the data folder, made when there is none and ``making``.

    Raises:
        SettingsError: it is gone, damaged, or readable for others.
    """
    path, database = data_dir / "secret", data_dir / "watchword.db"
    try:
        # Looked for before the secret: whoever makes both makes the secret first, so this order cannot see half of it.
        database_there = database.exists()
        if not path.exists():
            if database_there:
                raise SettingsError(
                    f"{path} is missing but {database} needs it: put it back from your backup, set WATCHWORD_SECRET, "
                    "or move the database away to begin anew"
                )
            if not making:
                raise SettingsError(
                    f"there is nothing of Watchword's in {data_dir}: start `watchword serve` once, or run "
                    "`watchword migrate`; or correct WATCHWORD_DATA_DIR"
                )
            _make_secret(path)
        mode = path.stat().st_mode
        text = path.read_bytes().decode("utf-8")
    except UnicodeError:
        raise SettingsError(f"{path} is not text: put back the one from your backup, or {MAKE_ONE}") from None
    except OSError as error:
        raise SettingsError(f"{path} cannot be read or made: {plainly(error)}; or set WATCHWORD_SECRET") from None
    if mode & 0o077:
        raise SettingsError(f"others may read {path}: chmod 600 it, and make a new one if they have")
    return parse_ring(text, str(path))


def _make_secret(path: Path) -> None:
    """Make the secret appear whole or not at all: two processes that start at once then agree on one."""
    make_folder(path.parent)
    draft = path.with_name(f"secret.{secrets.token_hex(8)}")
    handle = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        with os.fdopen(handle, "w", encoding="ascii") as file:
            file.write(f"{secrets.token_urlsafe(32)}\n")
            file.flush()
            os.fsync(file.fileno())
        # A link, unlike a rename, fails where the other process was first; then its secret counts.
        with contextlib.suppress(FileExistsError):
            path.hardlink_to(draft)
    finally:
        draft.unlink()


def make_folder(folder: Path) -> None:
    """Make the data folder, for its owner alone.

    Raises:
        SettingsError: it cannot be made.
    """
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as error:
        raise SettingsError(f"the data folder {folder} cannot be made: {plainly(error)}") from None
