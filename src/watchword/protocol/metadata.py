"""Discovery: what an issuer says of itself, and how a reader takes it.

Implements: RFC 8414 §2, §3, §3.3; OpenID Connect Discovery 1.0 §3, §4.3.
"""

from ipaddress import ip_address
from urllib.parse import urlsplit

import msgspec

OPENID_PATH = "/.well-known/openid-configuration"
OAUTH_PATH = "/.well-known/oauth-authorization-server"


class Metadata(msgspec.Struct, frozen=True):
    """The members that our own libraries use; others are ignored."""

    issuer: str
    jwks_uri: str
    token_endpoint: str
    revocation_endpoint: str | None = None
    introspection_endpoint: str | None = None
    authorization_challenge_endpoint: str | None = None
    authorization_endpoint: str | None = None
    end_session_endpoint: str | None = None
    userinfo_endpoint: str | None = None
    revocation_feed_endpoint: str | None = None


def well_known(issuer: str) -> str:
    """Where the metadata of ``issuer`` lives (RFC 8414 §3: the path is inserted before the issuer's own)."""
    parts = urlsplit(issuer)
    return f"{parts.scheme}://{parts.netloc}{OAUTH_PATH}{parts.path.rstrip('/')}"


def parse_issuer(text: str) -> str:
    """An issuer identifier, unchanged.

    Raises:
        ValueError: not https (or http on loopback), or with a query, fragment or trailing slash, which would make
            two spellings of one issuer.
    """
    if not text.isascii() or not text.isprintable() or " " in text:
        raise ValueError("an issuer is a URL of printable ASCII")
    parts = urlsplit(text)
    host = parts.hostname or ""
    try:
        _ = parts.port
    except ValueError:
        raise ValueError("a port is a number") from None
    if parts.scheme != "https" and not (parts.scheme == "http" and is_loopback(host)):
        raise ValueError("an issuer is https, or http on loopback")
    if not host or parts.query or "#" in text or "?" in text or "@" in parts.netloc or text.endswith("/"):
        raise ValueError("an issuer has a host, and neither query, fragment, user nor trailing slash")
    return text


def issuer_is_loopback(issuer: str) -> bool:
    """Whether the issuer is this machine: development, where plain http is fine."""
    return is_loopback(urlsplit(issuer).hostname or "")


def is_loopback(host: str) -> bool:
    """Whether the host of a URL is this machine."""
    try:
        return ip_address(host).is_loopback
    except ValueError:
        # RFC 6761 §6.3: names below "localhost" resolve to loopback.
        return host == "localhost" or host.endswith(".localhost")


def parse(document: bytes, *, issuer: str) -> Metadata:
    """The metadata of ``issuer``.

    Raises:
        ValueError: not metadata, or another issuer's: RFC 8414 §3.3, the "issuer" value "MUST be identical".
    """
    try:
        found = msgspec.json.decode(document, type=Metadata)
    except msgspec.DecodeError as error:
        raise ValueError(f"no metadata: {error}") from None
    if found.issuer != issuer:
        raise ValueError("the metadata is another issuer's")
    for url in (getattr(found, name) for name in Metadata.__struct_fields__):
        if url is not None:
            _same_safety(url, issuer)
    return found


def _same_safety(url: str, issuer: str) -> None:
    parts = urlsplit(url)
    plain_allowed = urlsplit(issuer).scheme == "http" and is_loopback(parts.hostname or "")
    if parts.scheme != "https" and not (parts.scheme == "http" and plain_allowed):
        raise ValueError("an endpoint must be https")
