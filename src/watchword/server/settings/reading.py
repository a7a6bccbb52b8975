"""From what is written to what it means.

Implements: RFC 8414 §2 (form of the issuer); RFC 9700 §2.6 (https outside of loopback).
"""

from dataclasses import dataclass, field
from ipaddress import IPv4Network, IPv6Network, ip_network
from pathlib import Path
from typing import Final
from urllib.parse import quote, urlsplit

from watchword.protocol.metadata import is_loopback, parse_issuer
from watchword.server.domain.lifetimes import Lifetimes
from watchword.server.domain.secret_ring import SecretRing
from watchword.server.settings.durations import lifetimes_of
from watchword.server.settings.kept_secret import MAKE_ONE, kept_secret, make_folder, parse_ring
from watchword.server.settings.looks import Brand, brand_of, templates_of
from watchword.server.settings.mail import Mail, mail_of
from watchword.server.settings.refusal import SettingsError
from watchword.server.settings.written import read_written

Network = IPv4Network | IPv6Network

DEFAULT_PORT: Final = 8000
LOOPBACK: Final = ("127.0.0.1", "::1")


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """What the operator decided.

    Attributes:
        hosts: addresses to listen on.
        database_url: as written; it may hold a password, so it is not shown.
        trusted_proxies: networks whose forwarding headers count; empty for ``none``; None when nothing was said.
        brand: what pages look like.
        templates: a folder whose templates win over ours.
        mail: how it leaves; None where it does not.
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
    brand: Brand
    templates: Path | None
    mail: Mail | None
    development: bool


def read(
    *, host: str | None = None, port: int | None = None, workers: int | None = None, making: bool = True
) -> Settings:
    """The settings of this process. Makes the data folder and the secret where development may have them made.

    Args:
        host: the flag ``--host``: one address instead of loopback.
        port: the flag ``--port``.
        workers: the flag ``--workers``.
        making: False where nothing is to be made, and a missing secret is an error.

    Raises:
        SettingsError: with the sentence for the operator.
    """
    written = read_written()
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
        ring = parse_ring(written.secret.get_secret_value(), "WATCHWORD_SECRET")
    elif development:
        ring = kept_secret(data_dir, making=making)
    else:
        raise SettingsError(f"{issuer} is not loopback, so it needs WATCHWORD_SECRET (or _FILE): {MAKE_ONE}")
    if explicit is None and making:
        make_folder(data_dir)
    return Settings(
        issuer=issuer,
        hosts=_hosts(host if host is not None else written.host),
        port=bound,
        workers=count,
        database_url=database_url,
        secrets=ring,
        data_dir=data_dir,
        trusted_proxies=None if written.trusted_proxies is None else parse_trusted_proxies(written.trusted_proxies),
        lifetimes=lifetimes_of(written),
        sign_up_open=written.sign_up == "open",
        brand=brand_of(written),
        templates=templates_of(written),
        mail=mail_of(written),
        development=development,
    )


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
