"""Settings: the only reader of the environment.

Every value comes from a variable ``WATCHWORD_...``, or from the same name in small letters in ``watchword.toml`` in the
working directory (``WATCHWORD_CONFIG`` names another file). A variable wins over the file, and a flag over both.
``WATCHWORD_SECRET_FILE`` and ``WATCHWORD_DATABASE_URL_FILE`` read the value from a file.

Implements: RFC 8414 §2 (form of the issuer); RFC 9700 §2.6 (https outside of loopback).
"""

import contextlib
import difflib
import os
import re
import secrets
import tomllib
from collections.abc import Iterable
from dataclasses import dataclass, field
from ipaddress import IPv4Network, IPv6Network, ip_network
from pathlib import Path
from typing import Annotated, Any, Final, Literal
from urllib.parse import quote, urlsplit

from pydantic import SecretStr, StrictInt, ValidationError
from pydantic.fields import FieldInfo
from pydantic_settings import BaseSettings, NoDecode, PydanticBaseSettingsSource, SettingsConfigDict

from watchword.protocol.metadata import is_loopback, parse_issuer
from watchword.server.domain.lifetimes import (
    ACCESS_TOKEN,
    DAY,
    HOUR,
    MINUTE,
    NATIVE_APP,
    OVERLAP,
    Lifetimes,
    RefreshLifetime,
)
from watchword.server.domain.secret_ring import SecretRing, parse_secrets
from watchword.server.domain.time import Seconds

Network = IPv4Network | IPv6Network

PREFIX: Final = "WATCHWORD_"
CONFIG_FILE: Final = "watchword.toml"
DEFAULT_PORT: Final = 8000
LOOPBACK: Final = ("127.0.0.1", "::1")
MAKE_ONE: Final = "make one with: openssl rand -base64 32"

_UNITS: Final = {"": 1, "s": 1, "m": MINUTE, "h": HOUR, "d": DAY}
_DURATION = re.compile(r"([0-9]{1,10})([smhd]?)\Z", re.ASCII)
_LONGEST_ACCESS_TOKEN: Final = 1 * DAY
_LONGEST_REFRESH: Final = 3650 * DAY
_LONGEST_OVERLAP: Final = 10 * MINUTE
_FROM_FILES: Final = ("secret", "database_url")


class SettingsError(Exception):
    """A setting is wrong or missing. The text is one sentence for the operator, and says what to do."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """What the operator decided.

    Attributes:
        hosts: addresses to listen on.
        database_url: as written; it may hold a password, so it is not shown.
        trusted_proxies: networks whose forwarding headers count; empty for ``none``; None when nothing was said.
        development: the issuer is loopback.
    """

    issuer: str
    hosts: tuple[str, ...]
    port: int
    workers: int
    database_url: str = field(repr=False)
    secrets: SecretRing
    data_dir: Path
    trusted_proxies: tuple[Network, ...] | None
    lifetimes: Lifetimes
    sign_up_open: bool
    development: bool


def read(*, host: str | None = None, port: int | None = None, workers: int | None = None) -> Settings:
    """The settings of this process. Makes the data folder and the secret where development may have them made.

    Args:
        host: the flag ``--host``: one address instead of loopback.
        port: the flag ``--port``.
        workers: the flag ``--workers``.

    Raises:
        SettingsError: with the sentence for the operator.
    """
    written = _read_written()
    bound, issuer = _issuer_and_port(written.issuer, port if port is not None else written.port)
    development = is_loopback(urlsplit(issuer).hostname or "")
    data_dir = Path(written.data_dir or "watchword-data").absolute()
    database_url, explicit = f"sqlite:///{quote(str(data_dir / 'watchword.db'))}", written.database_url
    if explicit is not None:
        database_url = explicit.get_secret_value().strip()
    count = next((one for one in (workers, written.workers) if one is not None), 1)
    if count < 1:
        raise SettingsError("the number of workers is at least 1")
    if count > 1 and database_url.startswith("sqlite:"):
        raise SettingsError("SQLite serves one process: take --workers 1, or PostgreSQL by WATCHWORD_DATABASE_URL")
    if written.secret is not None:
        ring = _parse_ring(written.secret.get_secret_value(), "WATCHWORD_SECRET")
    elif development:
        ring = _kept_secret(data_dir)
    else:
        raise SettingsError(f"{issuer} is not loopback, so it needs WATCHWORD_SECRET (or _FILE): {MAKE_ONE}")
    if explicit is None:
        _make_folder(data_dir)
    return Settings(
        issuer=issuer,
        hosts=_hosts(host if host is not None else written.host),
        port=bound,
        workers=count,
        database_url=database_url,
        secrets=ring,
        data_dir=data_dir,
        trusted_proxies=None if written.trusted_proxies is None else parse_trusted_proxies(written.trusted_proxies),
        lifetimes=_lifetimes(written),
        sign_up_open=written.sign_up == "open",
        development=development,
    )


def parse_duration(text: str | int) -> Seconds:
    """Seconds from ``90s``, ``15m``, ``12h``, ``14d`` or bare seconds.

    Raises:
        ValueError: another form.
    """
    match = _DURATION.match(str(text).strip())
    if match is None:
        raise ValueError("a duration is a whole number with s, m, h or d behind it, such as 90s, 15m or 14d")
    return int(match[1]) * _UNITS[match[2]]


def parse_access_token_ttl(text: str | int) -> Seconds:
    """The lifetime of access tokens: 1 second to 1 day.

    Raises:
        ValueError: another form, or beyond the bounds.
    """
    return _bounded(text, least=1, most=_LONGEST_ACCESS_TOKEN)


def parse_trusted_proxies(text: str | list[str]) -> tuple[Network, ...]:
    """The networks named in ``text``, separated by commas; none of them for ``none``.

    Raises:
        SettingsError: one is neither an address nor a network.
    """
    listed = [part.strip() for part in (text.split(",") if isinstance(text, str) else text)]
    if listed == ["none"]:
        return ()
    try:
        return tuple(ip_network(part) for part in listed)
    except ValueError as error:
        raise SettingsError(
            f"WATCHWORD_TRUSTED_PROXIES is addresses or networks separated by commas, or none: {error}"
        ) from None


class _Written(BaseSettings):
    """The values as written, before they mean anything."""

    model_config = SettingsConfigDict(env_prefix=PREFIX, extra="forbid", hide_input_in_errors=True)

    issuer: str | None = None
    host: str | None = None
    port: int | None = None
    workers: int | None = None
    database_url: SecretStr | None = None
    database_url_file: str | None = None
    secret: SecretStr | None = None
    secret_file: str | None = None
    data_dir: str | None = None
    trusted_proxies: Annotated[str | list[str] | None, NoDecode] = None
    access_token_ttl: str | StrictInt | None = None
    refresh_idle_ttl: str | StrictInt | None = None
    refresh_absolute_ttl: str | StrictInt | None = None
    refresh_overlap: str | StrictInt | None = None
    sign_up: Literal["open", "closed"] = "closed"

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,  # noqa: ARG003 - the library calls by name
        file_secret_settings: PydanticBaseSettingsSource,  # noqa: ARG003 - as above
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """First the environment, then the file, whose values come as arguments."""
        return _FilesOpened(settings_cls, env_settings), _FilesOpened(settings_cls, init_settings)


class _FilesOpened(PydanticBaseSettingsSource):
    """A source whose ``*_FILE`` values are replaced by what stands in the files, before another source is asked."""

    def __init__(self, settings_cls: type[BaseSettings], inner: PydanticBaseSettingsSource) -> None:
        super().__init__(settings_cls)
        self._inner = inner

    def get_field_value(self, field: FieldInfo, field_name: str) -> tuple[Any, str, bool]:
        """One value as the inner source has it."""
        return self._inner.get_field_value(field, field_name)

    def __call__(self) -> dict[str, Any]:
        """All values."""
        found = self._inner()
        for name, value in found.items():
            if isinstance(value, str) and not value.strip():
                raise SettingsError(f"{PREFIX}{name.upper()} is empty: give it a value or take it away")
        for name in _FROM_FILES:
            path = found.pop(f"{name}_file", None)
            if path is not None and name in found:
                raise SettingsError(f"{PREFIX}{name.upper()} and {PREFIX}{name.upper()}_FILE exclude each other")
            if path is not None:
                found[name] = _content_of(Path(str(path)), what=f"{PREFIX}{name.upper()}_FILE")
        return found


def _read_written() -> _Written:
    named = os.environ.get(f"{PREFIX}CONFIG")
    _refuse_unknown(
        (name for name in os.environ if name.startswith(PREFIX)),
        known=[f"{PREFIX}{name.upper()}" for name in (*_Written.model_fields, "config")],
        where="the environment",
    )
    try:
        in_file = tomllib.loads(Path(named or CONFIG_FILE).read_text("utf-8"))
    except FileNotFoundError:
        if named is not None:
            raise SettingsError(f"WATCHWORD_CONFIG names {named}, and there is no such file") from None
        in_file = {}
    except (OSError, ValueError) as error:
        raise SettingsError(f"{named or CONFIG_FILE} cannot be read: {_plainly(error)}") from None
    _refuse_unknown(in_file, known=list(_Written.model_fields), where=named or CONFIG_FILE)
    try:
        return _Written(**in_file)
    except ValidationError as error:
        first = error.errors(include_input=False, include_url=False, include_context=False)[0]
        name = str(first["loc"][0])
        raise SettingsError(f"{PREFIX}{name.upper()} ({name} in {CONFIG_FILE}): {first['msg'].lower()}") from None


def _refuse_unknown(names: Iterable[str], *, known: list[str], where: str) -> None:
    for name in names:
        if name not in known:
            near = difflib.get_close_matches(name, known, n=1, cutoff=0.5)
            hint = f"did you mean {near[0]}?" if near else f"known are {', '.join(known)}"
            raise SettingsError(f"{name} in {where} is no setting of Watchword: {hint}")


def _issuer_and_port(issuer: str | None, port: int | None) -> tuple[int, str]:
    if port is not None and not 1 <= port <= 65535:
        raise SettingsError("a port is a number from 1 to 65535")
    if issuer is None:
        return port or DEFAULT_PORT, f"http://localhost:{port or DEFAULT_PORT}"
    try:
        parts = urlsplit(parse_issuer(issuer))
        own = parts.port if parts.scheme == "http" else None
    except ValueError as error:
        raise SettingsError(f"WATCHWORD_ISSUER is {issuer!r}: {error}") from None
    return port or own or DEFAULT_PORT, issuer


def _hosts(host: str | None) -> tuple[str, ...]:
    if host is None or host == "localhost":
        return LOOPBACK
    return (host.strip("[]"),)


def _lifetimes(written: _Written) -> Lifetimes:
    def of(name: str, default: Seconds, *, least: Seconds, most: Seconds) -> Seconds:
        text: str | int | None = getattr(written, name)
        try:
            return default if text is None else _bounded(text, least=least, most=most)
        except ValueError as error:
            raise SettingsError(f"{PREFIX}{name.upper()}: {error}") from None

    absolute = of("refresh_absolute_ttl", NATIVE_APP.absolute, least=1, most=_LONGEST_REFRESH)
    idle = of("refresh_idle_ttl", min(NATIVE_APP.idle, absolute), least=1, most=_LONGEST_REFRESH)
    if idle > absolute:
        raise SettingsError("WATCHWORD_REFRESH_IDLE_TTL is at most WATCHWORD_REFRESH_ABSOLUTE_TTL (90d if unset)")
    return Lifetimes(
        access_token=of("access_token_ttl", ACCESS_TOKEN, least=1, most=_LONGEST_ACCESS_TOKEN),
        refresh=RefreshLifetime(idle=idle, absolute=absolute),
        overlap=of("refresh_overlap", OVERLAP, least=0, most=_LONGEST_OVERLAP),
    )


def _bounded(text: str | int, *, least: Seconds, most: Seconds) -> Seconds:
    seconds = parse_duration(text)
    if not least <= seconds <= most:
        raise ValueError(f"{text} is not within {least:.0f} and {most:.0f} seconds")
    return seconds


def _parse_ring(text: str, where: str) -> SecretRing:
    try:
        return parse_secrets(text)
    except UnicodeError:
        raise SettingsError(f"{where} is not text: put back the one from your backup, or {MAKE_ONE}") from None
    except ValueError as error:
        raise SettingsError(f"{where}: {error}; put back the one from your backup, or {MAKE_ONE}") from None


def _content_of(path: Path, *, what: str) -> str:
    try:
        text = path.read_text("utf-8").strip()
    except (OSError, ValueError) as error:
        raise SettingsError(f"{what} names {path}, which cannot be read: {_plainly(error)}") from None
    if not text:
        raise SettingsError(f"{what} names {path}, which is empty: write the value into it")
    return text


def _kept_secret(data_dir: Path) -> SecretRing:
    """The secret of a server on loopback: kept in the data folder, made when there is none."""
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
            _make_secret(path)
        mode = path.stat().st_mode
        text = path.read_bytes().decode("utf-8")
    except UnicodeError:
        raise SettingsError(f"{path} is not text: put back the one from your backup, or {MAKE_ONE}") from None
    except OSError as error:
        raise SettingsError(f"{path} cannot be read or made: {_plainly(error)}; or set WATCHWORD_SECRET") from None
    if mode & 0o077:
        raise SettingsError(f"others may read {path}: chmod 600 it, and make a new one if they have")
    return _parse_ring(text, str(path))


def _make_secret(path: Path) -> None:
    """Make the secret appear whole or not at all: two processes that start at once then agree on one."""
    _make_folder(path.parent)
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


def _make_folder(folder: Path) -> None:
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as error:
        raise SettingsError(f"the data folder {folder} cannot be made: {_plainly(error)}") from None


def _plainly(error: Exception) -> str:
    if isinstance(error, OSError) and error.errno is not None:
        return os.strerror(error.errno).lower()
    return "it is not UTF-8 text" if isinstance(error, UnicodeError) else str(error)
