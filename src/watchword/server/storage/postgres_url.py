"""What may stand in a PostgreSQL URL.

The driver would find most mistakes by itself, but late, and in words that may hold the password. No sentence here
repeats a part of the URL: where one character is written wrongly, any part may be the password's.
"""

import re
from typing import Final, NamedTuple
from urllib.parse import SplitResult, parse_qsl, unquote

_HOST: Final = re.compile(r"(\[[^\[\]]+\]|[^:\[\]]*)(?::(.*))?")
_PERCENT: Final = "special characters in a user name or password are written as %40 for @, %3A for :, %2F for /"

# The options that are about finding the server and proving who we are, and some that a session is told.
_TLS_VERSIONS: Final = frozenset({"TLSv1.2", "TLSv1.3"})
_OPTIONS: Final[dict[str, frozenset[str] | None]] = {
    "host": None,
    "port": None,
    "user": None,
    "password": None,
    "passfile": None,
    "sslmode": frozenset({"disable", "allow", "prefer", "require", "verify-ca", "verify-full"}),
    "sslnegotiation": frozenset({"postgres", "direct"}),
    "sslrootcert": None,
    "sslcert": None,
    "sslkey": None,
    "sslpassword": None,
    "sslcrl": None,
    "ssl_min_protocol_version": _TLS_VERSIONS,
    "ssl_max_protocol_version": _TLS_VERSIONS,
    "krbsrvname": None,
    "gsslib": frozenset({"gssapi", "sspi"}),
    # Deciding reads, and those that the feed vouches by, are the primary's, whether the URL says so or not.
    "target_session_attrs": frozenset({"primary", "read-write"}),
    "options": None,
    "application_name": None,
    "search_path": None,
    "synchronous_commit": None,
}
_KNOWN: Final = f"{', '.join(_OPTIONS)}; what else a session is to be set to goes into options=-c..."


class Place(NamedTuple):
    """One of the servers that a URL names. ``host`` may be a socket's folder; without a port it is the usual one."""

    host: str
    port: int | None


def check_postgres_url(parts: SplitResult) -> None:
    """Return if the driver will understand the URL.

    Raises:
        ValueError: it will not. Nothing of the URL is repeated.
    """
    if "@" in parts.netloc.rpartition("@")[0]:
        raise ValueError(f"the database URL has a second @: {_PERCENT}")
    for name, value in _options(parts).items():
        if name not in _OPTIONS:
            raise ValueError(f"the database URL has an option that Watchword does not know: it takes {_KNOWN}")
        allowed = _OPTIONS[name]
        if allowed is not None and value not in allowed:
            raise ValueError(f"{name} in the database URL is one of {', '.join(sorted(allowed))}")
    places(parts)


def places(parts: SplitResult) -> list[Place]:
    """The servers that the URL names, in its order; none where that is left to the driver and its environment.

    Raises:
        ValueError: a host or a port cannot be read.
    """
    options = _options(parts)
    ports = [_port(port) for port in options["port"].split(",")] if "port" in options else []
    written = parts.netloc.rpartition("@")[2]
    if written:
        if ports:
            raise ValueError("the database URL names its port behind the host, as in host:5433, or there is another")
        return [_place(unquote(one)) for one in written.split(",")]
    if "host" not in options:
        return []
    found = [_place(one) for one in options["host"].split(",")]
    if len(ports) > 1 and len(ports) != len(found):
        raise ValueError("the database URL does not name as many ports as hosts")
    if len(ports) == 1:
        ports *= len(found)
    return [Place(place.host, port) for place, port in zip(found, ports, strict=True)] if ports else found


def _options(parts: SplitResult) -> dict[str, str]:
    if not parts.query:
        return {}
    try:
        return dict(parse_qsl(parts.query, strict_parsing=True))
    except ValueError:
        raise ValueError("the options in the database URL are name=value, with & between them") from None


def _place(text: str) -> Place:
    if text.startswith("/"):
        return Place(text, None)
    read = _HOST.fullmatch(text)
    if read is None or not text:
        raise ValueError(f"the database URL names a host or port that cannot be read: {_PERCENT}")
    host, port = read.groups()
    return Place(host.strip("[]"), None if port is None else _port(port))


def _port(text: str) -> int:
    if not (text.isascii() and text.isdigit() and 1 <= int(text) <= 65535):
        raise ValueError(f"a port in the database URL is a number from 1 to 65535; {_PERCENT}")
    return int(text)
