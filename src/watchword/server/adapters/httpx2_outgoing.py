"""Requests to others by httpx2, which is loaded with the first of them.

Each request has a connection of its own. Nothing of an answer's body is read, so none is too large.

Implements: RFC 9110 §15.4 (redirects are not followed); OpenID Connect Back-Channel Logout 1.0 §2.5.
"""

import asyncio
import ssl
from collections.abc import Mapping
from typing import Any

from watchword.protocol.redirect_uri import parse_backchannel_logout_uri
from watchword.server.ports.outgoing import Unreached


class Httpx2Outgoing:
    """Sends over TLS, verified by the system's trust store, and plainly to loopback alone.

    Args:
        tls: another trust store.
    """

    def __init__(self, *, tls: ssl.SSLContext | None = None) -> None:
        self._tls = tls

    async def post(self, url: str, form: Mapping[str, str], *, seconds: float) -> int:
        """See ``ports.outgoing.Outgoing``."""
        try:
            parse_backchannel_logout_uri(url)
        except ValueError:
            raise Unreached("the address is neither https nor http on loopback") from None
        # Loading the library and the trust store takes a while: off the event loop.
        options = await asyncio.to_thread(self._options, plain=url.startswith("http:"))
        import httpx2  # noqa: PLC0415 (a server that sends nothing never loads it)

        try:
            async with (
                asyncio.timeout(seconds),
                httpx2.AsyncClient(timeout=seconds, follow_redirects=False, **options) as client,
                client.stream("POST", url, data=dict(form)) as response,
            ):
                return int(response.status_code)
        except TimeoutError:
            raise Unreached("no answer in time") from None
        except (httpx2.HTTPError, httpx2.InvalidURL, OSError, ValueError) as error:
            raise Unreached(_reason(error)) from None

    def _options(self, *, plain: bool) -> dict[str, Any]:
        import httpx2  # noqa: PLC0415 (as above)

        if plain:
            # Loopback needs no trust store (this one trusts nobody), and no proxy of the environment reaches it.
            return {"verify": ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT), "trust_env": False}
        if self._tls is None:
            self._tls = httpx2.create_ssl_context()
        return {"verify": self._tls, "trust_env": True}


def _reason(error: Exception) -> str:
    # The kind alone, for an error's text may quote what was sent; but a wrong certificate deserves its name.
    if "CERTIFICATE_VERIFY_FAILED" in str(error):
        return "its certificate is not trusted here"
    return type(error).__name__
