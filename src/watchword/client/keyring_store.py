"""Tokens in the system's keyring (extra ``keyring``).

Some keyrings take only small values (Windows: 2,560 bytes), so what is kept is cut into parts. The parts are written
first, under new names, and then the entry that names them; so a crash leaves the old whole. A keyring has no lock:
a file in the user's own folder is locked instead, one for each entry.
"""

import hashlib
import secrets
from contextlib import suppress
from pathlib import Path
from typing import Final, Protocol

import msgspec

from watchword.client.errors import Misconfigured
from watchword.client.file_lock import FileLock, needs_a_hand

_PART: Final = 1000
_MOST_PARTS: Final = 1000


class Keyring(Protocol):
    """What is used of the ``keyring`` package, or of one of its backends."""

    def get_password(self, service: str, username: str, /) -> str | None:
        """The value, or None."""
        ...

    def set_password(self, service: str, username: str, password: str, /) -> None:
        """Keep the value."""
        ...

    def delete_password(self, service: str, username: str, /) -> None:
        """Forget the value."""
        ...


class _Head(msgspec.Struct, frozen=True):
    """The entry that names the parts."""

    parts: int
    name: str
    sha256: str


class KeyringTokenStore:
    """Keeps one sign-in in the keyring, under ``service`` and ``username``.

    Args:
        service: the program, as the keyring's own window will show it.
        username: tells several sign-ins of one program apart.
        keyring: a backend of the ``keyring`` package; its default one if None.
        lock_path: the file that is locked; by default one below ``~/.local/state/watchword``.

    Raises:
        Misconfigured: the extra is not installed, or there are no file locks.
    """

    def __init__(
        self,
        service: str,
        username: str = "tokens",
        *,
        keyring: Keyring | None = None,
        lock_path: Path | None = None,
    ) -> None:
        self._service = service
        self._username = username
        self._keyring = keyring or _default_keyring()
        if lock_path is None:
            name = hashlib.sha256(f"{service}\0{username}".encode()).hexdigest()[:24]
            lock_path = Path.home() / ".local" / "state" / "watchword" / f"{name}.lock"
        self._lock_path = lock_path
        self._lock = FileLock(lock_path)

    def __repr__(self) -> str:
        return f"KeyringTokenStore({self._service!r}, {self._username!r})"

    def load(self) -> bytes | None:
        """See ``TokenStore``."""
        # Once more where the parts do not fit: somebody may have saved between our two looks.
        return self._load() or self._load()

    def save(self, text: bytes) -> None:
        """See ``TokenStore``. The caller holds the lock."""
        before = self._head()
        name = secrets.token_hex(4)
        value = text.decode("utf-8")
        parts = [value[start : start + _PART] for start in range(0, len(value), _PART)]
        if len(parts) > _MOST_PARTS:
            raise Misconfigured("too much for a keyring", reason="store_unusable")
        for number, part in enumerate(parts):
            self._set(f"{self._username}.{name}.{number}", part)
        head = _Head(len(parts), name, hashlib.sha256(text).hexdigest())
        self._set(self._username, msgspec.json.encode(head).decode("ascii"))
        self._forget_parts(before)

    def clear(self) -> None:
        """See ``TokenStore``."""
        before = self._head()
        self._forget_parts(before)
        self._delete(self._username)
        if self._get(self._username) is not None:
            raise OSError("the keyring keeps its entry")

    def try_lock(self) -> bool:
        """See ``TokenStore``."""
        try:
            self._lock_path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        except OSError as error:
            if needs_a_hand(error) or isinstance(error, FileExistsError):
                raise Misconfigured(f"cannot make {self._lock_path.parent}", reason="store_unusable") from None
            raise
        return self._lock.try_acquire()

    def unlock(self) -> None:
        """See ``TokenStore``."""
        self._lock.release()

    def _load(self) -> bytes | None:
        head = self._head()
        if head is None:
            return None
        parts = [self._get(f"{self._username}.{head.name}.{number}") for number in range(head.parts)]
        text = "".join(part or "" for part in parts).encode("utf-8")
        return text if hashlib.sha256(text).hexdigest() == head.sha256 else None

    def _head(self) -> _Head | None:
        value = self._get(self._username)
        try:
            head = None if value is None else msgspec.json.decode(value, type=_Head)
        except ValueError:
            return None
        return head if head is not None and 0 <= head.parts <= _MOST_PARTS else None

    def _forget_parts(self, head: _Head | None) -> None:
        for number in range(0 if head is None else head.parts):
            self._delete(f"{self._username}.{head.name if head else ''}.{number}")

    def _get(self, name: str) -> str | None:
        try:
            return self._keyring.get_password(self._service, name)
        except Exception as error:  # noqa: BLE001 (every backend raises what it likes)
            raise _trouble(error) from None

    def _set(self, name: str, value: str) -> None:
        try:
            self._keyring.set_password(self._service, name, value)
        except Exception as error:  # noqa: BLE001 (as above)
            raise _trouble(error) from None

    def _delete(self, name: str) -> None:
        with suppress(Exception):  # what is not there is deleted; what stays is a dead part
            self._keyring.delete_password(self._service, name)


def _default_keyring() -> Keyring:
    try:
        import keyring  # noqa: PLC0415 (an extra, and slow to load)
    except ImportError:
        raise Misconfigured("the keyring store needs: pip install 'watchword[keyring]'", reason="no_keyring") from None
    found: Keyring = keyring.get_keyring()
    return found


def _trouble(error: Exception) -> Exception:
    # The backend's own text is left out: nobody promises that it never quotes the value.
    kind = type(error).__name__
    if kind in ("NoKeyringError", "InitError"):
        return Misconfigured("there is no keyring on this system: use a FileTokenStore", reason="no_keyring")
    return OSError(f"the keyring is in trouble ({kind})")
