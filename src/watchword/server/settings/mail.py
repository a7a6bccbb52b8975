"""Mail: by which server it is sent, and in whose name. Without both there is none.

Implements: RFC 8314 §3 (TLS, and no password without it); RFC 3986 §3.2.
"""

import re
from dataclasses import dataclass, field
from typing import Final, Literal
from urllib.parse import SplitResult, unquote, urlsplit

from watchword.protocol.metadata import is_loopback
from watchword.server.domain.identifiers import parse_email
from watchword.server.settings.refusal import SettingsError
from watchword.server.settings.written import Written

_FORM: Final = "smtp://user:password@host:587 (STARTTLS) or smtps://user:password@host:465"
_PORTS: Final = {"smtp": 587, "smtps": 465}
_LONGEST_NAME: Final = 60
# RFC 5322 §3.2.3: what an address is made of if nothing in it is quoted.
_ADDRESS: Final = r"[A-Za-z0-9.!#$%&'*+/=?^_`{|}~-]+@[A-Za-z0-9](?:[A-Za-z0-9.-]*[A-Za-z0-9])?"
_SENDER = re.compile(rf"(?:(?P<name>[^<>]*)<(?P<bracketed>{_ADDRESS})>|(?P<bare>{_ADDRESS}))\Z", re.ASCII)


@dataclass(frozen=True, slots=True, kw_only=True)
class Mail:
    """How mail leaves.

    Attributes:
        security: ``starttls`` is insisted on; ``none`` only where the host is loopback.
        sender_name: what mail programs show beside the address; may be empty.
    """

    host: str
    port: int
    security: Literal["starttls", "tls", "none"]
    username: str | None
    password: str | None = field(repr=False)
    sender_name: str
    sender_address: str


def mail_of(written: Written) -> Mail | None:
    """How mail leaves; None where it does not.

    Raises:
        SettingsError: one of the two settings is missing or will not do. It never quotes the URL.
    """
    if written.smtp_url is None and written.mail_from is None:
        return None
    if written.smtp_url is None:
        raise SettingsError(f"WATCHWORD_MAIL_FROM needs WATCHWORD_SMTP_URL (or _FILE), such as {_FORM}")
    if written.mail_from is None:
        raise SettingsError("WATCHWORD_SMTP_URL needs WATCHWORD_MAIL_FROM, such as Accounts <accounts@example.com>")
    url = _split(written.smtp_url.get_secret_value().strip())
    name, address = _sender(written.mail_from)
    host = url.hostname or ""
    plain = url.scheme == "smtp" and is_loopback(host)
    return Mail(
        host=host,
        port=url.port or _PORTS[url.scheme],
        security="tls" if url.scheme == "smtps" else "none" if plain else "starttls",
        username=None if url.username is None else _decoded(url.username),
        password=None if url.password is None else _decoded(url.password),
        sender_name=name,
        sender_address=address,
    )


def _split(text: str) -> SplitResult:
    try:
        url = urlsplit(text)
        port = url.port
    except ValueError:
        raise SettingsError(f"WATCHWORD_SMTP_URL is no URL; write {_FORM}") from None
    if url.scheme not in _PORTS or not url.hostname or not text.isprintable() or " " in text:
        raise SettingsError(f"WATCHWORD_SMTP_URL is written as {_FORM}")
    if url.path not in ("", "/") or url.query or url.fragment:
        # Most often a password that holds one of these characters.
        raise SettingsError(
            f"WATCHWORD_SMTP_URL ends with the port: {_FORM}; "
            "in a password, write / ? # @ : % as %2F %3F %23 %40 %3A %25"
        )
    if port == 0:
        raise SettingsError("WATCHWORD_SMTP_URL: a port is a number from 1 to 65535")
    if (url.username is None) != (url.password is None) or url.username == "":
        raise SettingsError("WATCHWORD_SMTP_URL has a user name and a password, or neither")
    return url


def _decoded(text: str) -> str:
    try:
        found = unquote(text, errors="strict")
    except UnicodeError:
        found = "\n"
    if not found.isprintable():
        raise SettingsError("WATCHWORD_SMTP_URL: user name and password are visible characters")
    return found


def _sender(text: str) -> tuple[str, str]:
    found = _SENDER.match(text.strip())
    try:
        address = "" if found is None else parse_email(found["bracketed"] or found["bare"])
    except ValueError:
        address = ""
    if found is None or not address:
        raise SettingsError(
            "WATCHWORD_MAIL_FROM is an address, or Name <address>, such as Accounts <accounts@example.com>; "
            "the address is ASCII"
        )
    name = (found["name"] or "").strip().strip('"')
    if not name.isprintable() or len(name) > _LONGEST_NAME:
        raise SettingsError(f"the name in WATCHWORD_MAIL_FROM is at most {_LONGEST_NAME} visible characters")
    return name, address
