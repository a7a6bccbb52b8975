"""The issuer over HTTP: bounded in size and time, no redirects, nothing but https (or http on loopback).

Implements: RFC 8414 §3; RFC 7517 §5; RFC 7662 §2.1; RFC 8725 §3.10.
"""

import asyncio
import re
import ssl
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Any, Final, TypeVar

import httpx2
import msgspec

from watchword.protocol import jwk_set, metadata
from watchword.protocol.bearer import render_basic
from watchword.protocol.metadata import Metadata, issuer_is_loopback
from watchword.protocol.revocation_feed import MAX_BATCH_LENGTH, SSE_EVENT
from watchword.resource.event_stream import EventStream
from watchword.resource.issuer_door import IssuerTrouble, KeySet, PositionRefused

_DOCUMENT_LIMIT: Final = 256 * 1024
_BATCH_LIMIT: Final = MAX_BATCH_LENGTH + 1024
_MAX_AGE: Final = re.compile(r"(?:^|[\s,])max-age=(\d{1,9})(?:$|[\s,])", re.ASCII)


T = TypeVar("T")


class _Page(msgspec.Struct, frozen=True):
    sequence: int
    batch: str


class _Introspection(msgspec.Struct, frozen=True):
    active: bool


class HttpIssuerDoor:
    """An ``IssuerDoor``.

    Args:
        issuer: the issuer identifier.
        client_id, client_secret: how this resource server proves itself; None where the feed is open.
        seconds: for a whole answer, however slowly it drips.
    """

    def __init__(
        self, issuer: str, *, client_id: str | None = None, client_secret: str | None = None, seconds: float = 5
    ) -> None:
        self._issuer = issuer
        self._seconds = seconds
        self._credentials: dict[str, str] = {}
        if client_id is not None and client_secret is not None:
            self._credentials = {"Authorization": render_basic(client_id, client_secret)}
        # A proxy from the environment has no business between two programs on one machine.
        self._client = httpx2.AsyncClient(
            follow_redirects=False,
            trust_env=not issuer_is_loopback(issuer),
            timeout=httpx2.Timeout(seconds, connect=min(seconds, 3)),
            headers={"Accept-Encoding": "identity", "User-Agent": "watchword-resource"},
        )

    async def metadata(self) -> Metadata:
        """The issuer's metadata (RFC 8414 §3.3: refused unless it names the very issuer)."""
        body, _ = await self._ask("GET", metadata.well_known(self._issuer), limit=_DOCUMENT_LIMIT)
        try:
            return metadata.parse(body, issuer=self._issuer)
        except ValueError as error:
            raise IssuerTrouble(str(error)) from None

    async def key_set(self, url: str) -> KeySet:
        """The published keys."""
        body, headers = await self._ask("GET", url, limit=_DOCUMENT_LIMIT)
        try:
            keys = jwk_set.parse(body)
        except ValueError as error:
            raise IssuerTrouble(f"the key set cannot be used: {error}") from None
        if not keys:
            raise IssuerTrouble("the key set holds no key that could verify a token")
        max_age = _MAX_AGE.search(headers.get("cache-control", "").lower())
        return KeySet(keys, float(max_age[1]) if max_age else None)

    async def page(self, url: str, *, after: int) -> str:
        """One signed batch, as JSON."""
        body, _ = await self._ask(
            "GET",
            url,
            limit=_BATCH_LIMIT,
            at_400=PositionRefused,
            params={"after": str(after)},
            headers={"Accept": "application/json", **self._credentials},
        )
        return _parse(body, _Page).batch

    @asynccontextmanager
    async def follow(self, url: str, *, after: int) -> AsyncIterator[AsyncIterator[str]]:
        """Signed batches as server-sent events; a silent connection is the caller's to cut."""
        headers = {"Accept": "text/event-stream", "Cache-Control": "no-store", **self._credentials}
        if after:
            headers["Last-Event-ID"] = str(after)
        timeout = httpx2.Timeout(self._seconds, read=None)
        with _as_trouble():
            async with self._client.stream("GET", url, headers=headers, timeout=timeout) as response:
                _good(response, at_400=PositionRefused)
                if not response.headers.get("content-type", "").startswith("text/event-stream"):
                    raise IssuerTrouble("the feed does not answer with an event stream")
                yield self._batches(response)

    async def _batches(self, response: httpx2.Response) -> AsyncIterator[str]:
        stream = EventStream(limit=_BATCH_LIMIT)
        with _as_trouble():
            async for chunk in response.aiter_raw():
                try:
                    events = stream.feed(chunk)
                except ValueError as error:
                    raise IssuerTrouble(str(error)) from None
                for event in events:
                    if event.name == SSE_EVENT:
                        yield event.data

    async def introspect(self, url: str, token: str) -> bool:
        """Whether the token is active (RFC 7662 §2.2)."""
        form = {"token": token, "token_type_hint": "access_token"}
        body, _ = await self._ask("POST", url, limit=_DOCUMENT_LIMIT, data=form, headers=self._credentials)
        return _parse(body, _Introspection).active

    async def close(self) -> None:
        """Let go of connections."""
        await self._client.aclose()

    async def _ask(
        self, method: str, url: str, *, limit: int, at_400: type[IssuerTrouble] = IssuerTrouble, **request: Any
    ) -> tuple[bytes, Mapping[str, str]]:
        try:
            with _as_trouble():
                async with asyncio.timeout(self._seconds), self._client.stream(method, url, **request) as response:
                    _good(response, at_400=at_400)
                    body = bytearray()
                    async for chunk in response.aiter_raw():
                        body += chunk
                        if len(body) > limit:
                            raise IssuerTrouble(f"the answer is longer than {limit} bytes")
                    return bytes(body), response.headers
        except TimeoutError:
            raise IssuerTrouble(f"no whole answer within {self._seconds:g} seconds") from None


class _as_trouble:  # noqa: N801 - used as a statement
    """Errors of the HTTP library become ours, without the request, which may carry credentials."""

    def __enter__(self) -> None:
        return None

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, _: object) -> None:
        if isinstance(error, (httpx2.HTTPError, httpx2.InvalidURL, httpx2.StreamError, OSError)) and not isinstance(
            error, TimeoutError
        ):
            reason = "its certificate is not trusted" if _untrusted(error) else type(error).__name__
            raise IssuerTrouble(f"the issuer cannot be reached ({reason})") from None


def _untrusted(error: BaseException | None) -> bool:
    while error is not None:
        if isinstance(error, ssl.SSLCertVerificationError):
            return True
        error = error.__cause__ or error.__context__
    return False


def _good(response: httpx2.Response, *, at_400: type[IssuerTrouble]) -> None:
    if response.status_code in (401, 403):
        hint = "give client_id and client_secret of a client that serves the API"
        raise IssuerTrouble(f"the issuer answers {response.status_code}: {hint}")
    if response.is_redirect:
        raise IssuerTrouble("the issuer answers with a redirect, which is not followed")
    if response.status_code != 200:
        kind = at_400 if response.status_code == 400 else IssuerTrouble
        raise kind(f"the issuer answers {response.status_code}")
    if response.headers.get("content-encoding", "identity").lower() != "identity":
        raise IssuerTrouble("the issuer answers in a content encoding that was not asked for")


def _parse(body: bytes, form: type[T]) -> T:
    try:
        return msgspec.json.decode(body, type=form)
    except ValueError:  # msgspec.DecodeError is one
        raise IssuerTrouble("the issuer's answer has not the expected form") from None
