"""The way to the issuer over HTTP: our own requests and answers outside, httpx2 within, loaded when first needed.

Each request has a connection of its own. They are minutes apart, and so nothing is left open that a fork, an event
loop or a sleeping laptop could spoil. Redirects are not followed: they would carry tokens to somewhere else.

Implements: RFC 9110 §10.2.3 (Retry-After); RFC 9700 §4.12 (no credentials through redirects).
"""

import asyncio
import ssl
import time
from typing import Any, Final, Protocol

from watchword.client.cut_off import CutOff
from watchword.client.messages import Answer, Request, Unreachable, parse_retry_after

DEFAULT_TIMEOUT: Final = 10.0
_LARGEST: Final = 1024 * 1024


class Transport(Protocol):
    """Carries requests to the issuer."""

    def send(self, request: Request) -> Answer | Unreachable:
        """What came back, within bounded time. Never raises for network trouble, and follows no redirect."""
        ...


class AsyncTransport(Protocol):
    """Carries requests to the issuer, for tasks."""

    async def send(self, request: Request) -> Answer | Unreachable:
        """See ``Transport``."""
        ...


class _Http:
    """What both transports are made of.

    Args:
        timeout: seconds for a whole exchange.
        tls: for a private certificate authority or a client certificate; the system's trust store if None.
    """

    def __init__(self, *, timeout: float = DEFAULT_TIMEOUT, tls: ssl.SSLContext | None = None) -> None:
        self._timeout = timeout
        self._tls = tls

    def _options(self, request: Request) -> dict[str, Any]:
        import httpx2  # noqa: PLC0415 (slow to load, and not needed while tokens are fresh)

        if self._tls is None and request.url.startswith("https:"):
            self._tls = httpx2.create_ssl_context()
        return {
            # Plain http needs none, and the trust store takes 20 ms to read: an empty one, which trusts nobody.
            "verify": ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT) if self._tls is None else self._tls,
            # A first address that nobody is at leaves time for a second one.
            "timeout": httpx2.Timeout(self._timeout, connect=self._timeout / 2),
            "follow_redirects": False,
            # Plain http is for loopback alone, which no proxy reaches.
            "trust_env": request.url.startswith("https:"),
        }


class HttpTransport(_Http):
    """Carries requests for threads."""

    def send(self, request: Request) -> Answer | Unreachable:
        """See ``Transport``."""
        options = self._options(request)
        import httpx2  # noqa: PLC0415 (as above)

        with CutOff(self._timeout) as cut_off:
            try:
                with (
                    httpx2.Client(**options) as client,
                    client.stream(
                        request.method,
                        request.url,
                        headers=request.headers,
                        content=request.body,
                        extensions={"trace": cut_off.trace},
                    ) as response,
                ):
                    body = bytearray()
                    for piece in response.iter_bytes():
                        body += piece
                        if len(body) > _LARGEST:
                            return Unreachable("the answer is too large")
                        if cut_off.over:
                            break
            except (httpx2.HTTPError, httpx2.InvalidURL, OSError) as error:
                return Unreachable("the answer takes too long") if cut_off.over else _unreachable(error)
            if cut_off.over:  # also where the cut looks like the answer's own end
                return Unreachable("the answer takes too long")
            return _answer(response.status_code, bytes(body), response.headers.get("retry-after"))


class AsyncHttpTransport(_Http):
    """Carries requests for tasks (asyncio)."""

    async def send(self, request: Request) -> Answer | Unreachable:
        """See ``Transport``."""
        options = await asyncio.to_thread(self._options, request)  # reading the trust store takes a while
        import httpx2  # noqa: PLC0415 (as above)

        try:
            async with (
                asyncio.timeout(self._timeout),
                httpx2.AsyncClient(**options) as client,
                client.stream(request.method, request.url, headers=request.headers, content=request.body) as response,
            ):
                body = bytearray()
                async for piece in response.aiter_bytes():
                    body += piece
                    if len(body) > _LARGEST:
                        return Unreachable("the answer is too large")
                return _answer(response.status_code, bytes(body), response.headers.get("retry-after"))
        except TimeoutError:
            return Unreachable("the answer takes too long")
        except (httpx2.HTTPError, httpx2.InvalidURL, OSError) as error:
            return _unreachable(error)


def _answer(status: int, body: bytes, retry_after: str | None) -> Answer:
    return Answer(status, body, parse_retry_after(retry_after, now=time.time()))


def _unreachable(error: Exception) -> Unreachable:
    # The kind alone, for an error's text may quote what was sent; but a wrong certificate deserves its name.
    reason = type(error).__name__
    if "CERTIFICATE_VERIFY_FAILED" in str(error):
        reason += " (the issuer's certificate is not trusted here)"
    return Unreachable(reason)
