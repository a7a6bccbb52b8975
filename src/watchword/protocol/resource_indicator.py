"""Resource indicators: which API a token is for.

Implements: RFC 8707 §2.
"""

from urllib.parse import urlsplit


def parse_resource(text: str) -> str:
    """The resource's URI, unchanged.

    Raises:
        ValueError: not an absolute URI, or one with a fragment. RFC 8707 §2: "Its value MUST be an absolute URI" and
            "MUST NOT include a fragment component".
    """
    if len(text) > 512 or not text.isascii() or not text.isprintable() or " " in text:
        raise ValueError("a resource is an absolute URI of at most 512 characters")
    parts = urlsplit(text)
    if not parts.scheme or not (parts.netloc or parts.path) or "#" in text:
        raise ValueError("a resource is an absolute URI without a fragment")
    if parts.scheme in ("http", "https") and not parts.hostname:
        raise ValueError("a resource names a host")
    return text
