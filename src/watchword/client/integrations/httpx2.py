"""Tokens on the requests of an httpx2 client, sync or async.

    source = TokenSource("https://auth.example", "app", store=FileTokenStore("tokens.json"))
    auth = TokenAuth(source, origins=["https://orders.example"])
    client = httpx2.Client(base_url="https://orders.example", auth=auth)

A token is put on requests to the stated origins and no others. httpx2 takes it off again where a redirect leads to
another origin, and a redirect that comes back gets none.

A service that wants a fresher or stronger sign-in gets no other token, for a refresh changes neither: the caller gets
``StepUpRequired`` with what is wanted.

Implements: RFC 6750 §2.1, §3; RFC 9700 §4.10 (a token goes to the server it is meant for); RFC 9470 §3, §4.
"""

import asyncio
from collections.abc import AsyncGenerator, Generator, Iterable

import httpx2

from watchword.client.async_token_source import AsyncTokenSource
from watchword.client.errors import Misconfigured, StepUpRequired
from watchword.client.token_source import TokenSource
from watchword.protocol.redirect_uri import origin_of, parse_origin
from watchword.protocol.step_up import parse_challenge


class TokenAuth(httpx2.Auth):
    """Puts the source's token on requests; a 401 to it is answered once, with another token.

    Args:
        source: an ``AsyncTokenSource`` serves async clients, a ``TokenSource`` both.
        origins: where the token may go: URLs of which scheme, host and port count, such as a client's ``base_url``.

    Raises:
        Misconfigured: no origin, or one that is neither https nor loopback.
    """

    def __init__(self, source: TokenSource | AsyncTokenSource, *, origins: Iterable[str]) -> None:
        self._source = source
        self._origins = frozenset(_origin(url) for url in ([origins] if isinstance(origins, str) else origins))
        if not self._origins:
            raise Misconfigured("name the origins that may see the token", reason="no_origins")

    def __repr__(self) -> str:
        return f"TokenAuth({self._source!r}, origins={sorted(self._origins)!r})"

    def sync_auth_flow(self, request: httpx2.Request) -> Generator[httpx2.Request, httpx2.Response, None]:
        """Called by httpx2.

        Raises:
            SignInAgain, TryLater, Misconfigured: there is no token to send.
            StepUpRequired: the service wants a more recent or a stronger sign-in.
        """
        source = self._source
        if not isinstance(source, TokenSource):
            raise Misconfigured("an AsyncTokenSource serves async clients only", reason="async_source")
        if not self._may_see(request):
            yield request
            return
        token = source.token()
        response = yield _with(request, token)
        if _refused(response, token) and _repeatable(request):
            another = source.renew(token)
            if another != token:
                # The other one may meet a demand, too; that it is refused for another reason is the caller's to see.
                last = yield _with(request, another)
                _refused(last, another)

    async def async_auth_flow(self, request: httpx2.Request) -> AsyncGenerator[httpx2.Request, httpx2.Response]:
        """Called by httpx2.

        Raises:
            SignInAgain, TryLater, Misconfigured: there is no token to send.
            StepUpRequired: the service wants a more recent or a stronger sign-in.
        """
        if not self._may_see(request):
            yield request
            return
        source = self._source
        token = await (asyncio.to_thread(source.token) if isinstance(source, TokenSource) else source.token())
        response = yield _with(request, token)
        if _refused(response, token) and _repeatable(request):
            another = await (
                asyncio.to_thread(source.renew, token) if isinstance(source, TokenSource) else source.renew(token)
            )
            if another != token:
                # The other one may meet a demand, too; that it is refused for another reason is the caller's to see.
                last = yield _with(request, another)
                _refused(last, another)

    def _may_see(self, request: httpx2.Request) -> bool:
        # What the caller has put there himself is his affair.
        return "Authorization" not in request.headers and origin_of(str(request.url)) in self._origins


def _origin(url: str) -> str:
    try:
        return parse_origin(origin_of(url.strip().lower()) or "")
    except ValueError:
        raise Misconfigured("an origin is https, or http on loopback", reason="wrong_origin") from None


def _with(request: httpx2.Request, token: str) -> httpx2.Request:
    request.headers["Authorization"] = f"Bearer {token}"
    return request


def _refused(response: httpx2.Response, token: str) -> bool:
    """Whether it was this token that was refused: not another scheme, nor the end of a redirect without it.

    Raises:
        StepUpRequired: the token is good, and its user's sign-in is not enough.
    """
    if response.status_code != 401 or response.request.headers.get("Authorization") != f"Bearer {token}":
        return False
    demand = parse_challenge(response.headers.get_list("WWW-Authenticate"))
    if demand is not None:
        raise StepUpRequired(acr_values=demand.acr_values, max_age=demand.max_age)
    challenge = response.headers.get("WWW-Authenticate", "bearer").lower()
    return "bearer" in challenge


def _repeatable(request: httpx2.Request) -> bool:
    """Whether the body is at hand: one that was streamed away cannot be sent again."""
    try:
        _ = request.content
    except httpx2.RequestNotRead:
        return False
    return True
