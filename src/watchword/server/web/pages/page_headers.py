"""The headers of every page: no framing, no foreign content, no inline code, no copies.

Implements: RFC 9700 §4.2.4 (Referrer-Policy), §4.16 (framing); RFC 6749 §10.13; Content Security Policy Level 3.
"""

import re
from collections.abc import Iterable
from typing import Final
from urllib.parse import urlsplit

from watchword.server.web.pages.contexts import Context

_FIXED: Final = {
    "cache-control": "no-store",
    "x-content-type-options": "nosniff",
    "x-frame-options": "DENY",
    "cross-origin-resource-policy": "same-origin",
    "permissions-policy": "accelerometer=(), autoplay=(), camera=(), display-capture=(), encrypted-media=(), "
    "fullscreen=(), geolocation=(), gyroscope=(), magnetometer=(), microphone=(), midi=(), payment=(), "
    "picture-in-picture=(), screen-wake-lock=(), usb=(), xr-spatial-tracking=()",
}
_HOST = re.compile(r"[a-z0-9](?:[a-z0-9.-]*[a-z0-9])?\Z", re.ASCII)
_SCHEME = re.compile(r"[a-z][a-z0-9+.-]*\Z", re.ASCII)


def page_headers(page: Context, *, form_targets: Iterable[str], script: bool, fetches: bool) -> dict[str, str]:
    """The headers of an answer that is a page.

    Args:
        page: what kind it is.
        form_targets: URLs of elsewhere that its forms post to, or are redirected to; the port ``*`` stands for any.
        script: whether it loads a script of ours.
        fetches: whether that script asks this server for more.
    """
    targets = " ".join(dict.fromkeys(["'self'", *(form_source(url) for url in form_targets)]))
    policy = [
        "default-src 'none'",
        "style-src 'self'",
        "img-src 'self'",
        "font-src 'self'",
        *(["script-src 'self'"] if script else []),
        *(["connect-src 'self'"] if fetches else []),
        f"form-action {targets}",
        "frame-ancestors 'none'",
        "base-uri 'none'",
    ]
    return {
        **_FIXED,
        "content-security-policy": "; ".join(policy),
        # Under no-referrer a browser sends `Origin: null` with a form, even to the page's own server, and the check
        # against forged forms would have nothing to compare. Under same-origin nothing leaves for elsewhere either.
        "referrer-policy": "same-origin" if page.posts_to_us else "no-referrer",
        # An application that signs in by a pop-up window waits to be told by it. Any other value would cut the two
        # apart for good, also after the window has come back to the application.
        "cross-origin-opener-policy": "unsafe-none" if page.in_flow else "same-origin",
    }


def form_source(url: str) -> str:
    """What stands for ``url`` in ``form-action``: its origin, or its scheme where that has no host.

    Raises:
        ValueError: not absolute.
    """
    parts = urlsplit(url)
    if _SCHEME.match(parts.scheme) is None:
        raise ValueError("a form's target elsewhere is an absolute URL")
    host = parts.hostname or ""
    # The policy's grammar knows no IPv6 addresses; the scheme is the closest that it can say.
    if parts.scheme not in ("http", "https") or _HOST.match(host) is None:
        return f"{parts.scheme}:"
    port = "*" if parts.netloc.endswith(":*") else parts.port
    return f"{parts.scheme}://{host}" if port is None else f"{parts.scheme}://{host}:{port}"
