"""Redirect URIs, web origins, and where a client hears of sign-outs: what may be registered.

Implements: RFC 8252 §7.1, §7.3, §8.4; RFC 9700 §2.1, §4.1.3; RFC 6454 §6.1.
"""

import re
from urllib.parse import SplitResult, urlsplit

LOOPBACK_HOSTS = frozenset({"127.0.0.1", "::1", "localhost"})
# RFC 8252 §7.1: a private-use scheme is a reversed domain name of the app's maker, so it has a dot.
_PRIVATE_USE = re.compile(r"[a-z][a-z0-9+-]*(\.[a-z0-9+-]+)+\Z", re.ASCII)


def parse_redirect_uri(text: str) -> str:
    """A redirect URI that may be registered, unchanged.

    Raises:
        ValueError: relative, with a fragment or user information, or neither https, loopback http nor a private-use
            scheme.
    """
    parts = _split(text)
    if parts.scheme == "https" and parts.hostname:
        return text
    if parts.scheme == "http" and parts.hostname in LOOPBACK_HOSTS:
        return text
    if not parts.netloc and _PRIVATE_USE.match(parts.scheme) and parts.path:
        return text
    raise ValueError("a redirect URI is https, http on loopback, or of a private-use scheme with a dot")


def matches(registered: str, given: str) -> bool:
    """Whether ``given`` is the registered redirect URI: the same text, the port of a loopback address aside.

    RFC 8252 §7.3: the authorization server "MUST allow any port to be specified at the time of the request for
    loopback IP redirect URIs"; ``localhost`` is treated alike, as many applications use it.
    """
    if registered == given:
        return True
    ours, theirs = _loopback(registered), _loopback(given)
    return ours is not None and ours == theirs


_LOOPBACK = re.compile(
    r"http://(127\.0\.0\.1|\[::1\]|localhost)(?::([1-9][0-9]{0,4}))?((?:/[\x21-\x7e]*)?)\Z", re.ASCII
)


def _loopback(text: str) -> tuple[str, str] | None:
    """Host and everything behind the port of a loopback redirect URI, read by its text alone; None for another."""
    found = _LOOPBACK.match(text)
    if found is None or "#" in text or int(found[2] or 0) > 65535:
        return None
    return found[1], found[3]


def parse_backchannel_logout_uri(text: str) -> str:
    """A URI where a client hears of sessions that ended, unchanged (OpenID Connect Back-Channel Logout 1.0 §2.2).

    Raises:
        ValueError: relative, with a fragment or user information, or neither https nor http on loopback.
    """
    parts = _split(text)
    if not parts.hostname or not (
        parts.scheme == "https" or (parts.scheme == "http" and parts.hostname in LOOPBACK_HOSTS)
    ):
        raise ValueError("a back-channel logout URI is https, or http on loopback")
    return text


def parse_origin(text: str) -> str:
    """A web origin, in the spelling that browsers send.

    Raises:
        ValueError: no origin, or http where the host is not loopback.
    """
    parts = _split(text)
    if text != origin_of(text):
        raise ValueError("an origin is scheme://host or scheme://host:port, in lower case, without a default port")
    if parts.scheme not in ("http", "https") or (parts.scheme == "http" and parts.hostname not in LOOPBACK_HOSTS):
        raise ValueError("an origin is https, or http on loopback")
    return text


def origin_of(uri: str) -> str | None:
    """The web origin of a redirect URI; None for a private-use scheme."""
    parts = urlsplit(uri)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        return None
    host = f"[{parts.hostname}]" if ":" in parts.hostname else parts.hostname
    default = 443 if parts.scheme == "https" else 80
    return f"{parts.scheme}://{host}" + (f":{parts.port}" if parts.port not in (None, default) else "")


def _split(text: str) -> SplitResult:
    if len(text) > 2048 or not text.isascii() or not text.isprintable() or any(c in text for c in ' #\\"<>'):
        raise ValueError("a URI of printable ASCII without a fragment is wanted")
    parts = urlsplit(text)
    if "@" in parts.netloc or (parts.netloc and not parts.hostname):
        raise ValueError("a URI names a host and no user")
    try:
        _ = parts.port
    except ValueError:
        raise ValueError("a port is a number") from None
    return parts
