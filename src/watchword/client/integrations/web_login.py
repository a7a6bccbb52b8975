"""Sign-in by browser for Starlette and FastAPI applications; tokens stay on the server, behind a cookie.

    login = WebLogin(issuer=..., client_id="shop", client_secret=..., redirect_uri="https://shop.example/callback")
    app = FastAPI(routes=[*login.routes])

    @app.get("/orders")
    async def orders(request: Request, user: Annotated[Identity, Depends(login.required)]) -> Page:
        token = await login.token_source(request).token()

In Starlette, ``user = await login.required(request)``. The browser gets a random session name in a ``__Host-`` cookie
and never a token; access tokens refresh silently on the server.

Implements: RFC 10017 §6.1 (backend for frontend); RFC 9700 §2.1, §4.7, §4.11.1, §4.12; RFC 9207 §2.4;
OpenID Connect Core 1.0 §3.1; OpenID Connect RP-Initiated Logout 1.0 §2.
"""

import asyncio
import hashlib
import hmac
import logging
import secrets
import time
from collections.abc import Callable, Iterable
from contextlib import suppress
from typing import Final
from urllib.parse import parse_qsl, urlencode, urlsplit

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from watchword.client.async_token_source import AsyncTokenSource
from watchword.client.authorization import PATIENCE, parse_answer
from watchword.client.errors import ClientError, Misconfigured, SignInAgain
from watchword.client.identity import Identity
from watchword.client.integrations.login_cookies import LoginCookies, Underway
from watchword.client.integrations.login_pages import forbidden, see_other, trouble
from watchword.client.session_store import MemorySessionStore, SessionStore
from watchword.client.token_store import TokenStore
from watchword.client.transport import AsyncTransport
from watchword.client.web_session import WebSession, encode_session, local_path, parse_session
from watchword.protocol.redirect_uri import origin_of, parse_redirect_uri

LIFETIME: Final = 30 * 86400.0
_SWEEP_PAUSE: Final = 600.0
_LARGEST_FORM: Final = 8192
_log = logging.getLogger("watchword.client.web_login")


class WebLogin:
    """Signs the users of one web application in and out.

    Args:
        issuer: the authorization server, exactly as its metadata spells it.
        client_id: the application, a confidential client.
        client_secret: its secret; keys for its cookies are derived from it, too.
        redirect_uri: where the browser comes back to; its path is the callback's route.
        scope: what to ask for; ``openid`` is always among it.
        resource: the API that access tokens are for, if not told by the scopes.
        resources: further APIs, for ``token_source(request, resource=...)``.
        post_logout_redirect_uri: where the browser goes after a sign-out; registered for the client.
        session_store: where sessions are kept; in memory if None, which is for one process.
        login_path: the route that begins a sign-in.
        logout_path: the route that a form posts to, to sign out.
        cookie_name: of the session's cookie.
        lifetime: seconds after which a user signs in again, at the latest.
        transport: the way to the issuer.
        clock: seconds since the epoch.

    Raises:
        Misconfigured: an argument that cannot be right.
    """

    def __init__(
        self,
        *,
        issuer: str,
        client_id: str,
        client_secret: str,
        redirect_uri: str,
        scope: str | Iterable[str] = "openid",
        resource: str | None = None,
        resources: Iterable[str] = (),
        post_logout_redirect_uri: str | None = None,
        session_store: SessionStore | None = None,
        login_path: str = "/login",
        logout_path: str = "/logout",
        cookie_name: str = "web-login",
        lifetime: float = LIFETIME,
        transport: AsyncTransport | None = None,
        clock: Callable[[], float] = time.time,
    ) -> None:
        try:
            origin = origin_of(parse_redirect_uri(redirect_uri))
        except ValueError as error:
            raise Misconfigured(str(error)) from None
        if origin is None or not client_secret:
            raise Misconfigured("a web application has an https redirect URI and a client secret")
        self._issuer, self._client_id, self._client_secret = issuer, client_id, client_secret
        self._redirect_uri, self._origin = redirect_uri, origin
        asked = scope.split() if isinstance(scope, str) else list(scope)
        self._scope = " ".join(dict.fromkeys(["openid", *asked]))
        self._resource, self._resources = resource, tuple(resources)
        self._after_logout = post_logout_redirect_uri
        self._lifetime, self._transport, self._clock = lifetime, transport, clock
        self._store = MemorySessionStore(clock=clock) if session_store is None else session_store
        self._cookies = LoginCookies(
            name=cookie_name, secret=client_secret, is_plain=urlsplit(redirect_uri).scheme == "http"
        )
        self._swept_at = clock()
        self.login_path = login_path
        self._source(self._store.place("a-"))  # what cannot be right is said now
        self.routes: list[Route] = [
            Route(login_path, self._login, methods=["GET"], name="login"),
            Route(urlsplit(redirect_uri).path or "/", self._callback, methods=["GET"], name="callback"),
            Route(logout_path, self._logout, methods=["POST"], name="logout"),
        ]

    def __repr__(self) -> str:
        return f"WebLogin({self._issuer!r}, {self._client_id!r})"

    async def user(self, request: Request) -> Identity | None:
        """Who is signed in; None for nobody."""
        session = await self._session(request)
        return None if session is None else session.identity

    async def required(self, request: Request) -> Identity:
        """Who is signed in: a dependency for FastAPI, and a call in Starlette.

        Raises:
            HTTPException: nobody is. A page that is being opened goes to the sign-in and comes back (303); whatever
                else asks is told 401.
        """
        user = await self.user(request)
        if user is not None:
            return user
        if not _opens_a_page(request):
            raise HTTPException(401, "sign in", {"Cache-Control": "no-store"})
        raise HTTPException(303, "sign in", {"Location": self.login_url(request), "Cache-Control": "no-store"})

    def login_url(self, request: Request) -> str:
        """The path that signs in, and comes back to the page of this request."""
        here = request.url.path + (f"?{request.url.query}" if request.url.query else "")
        there = local_path(here) if request.method == "GET" else "/"
        return f"{self.login_path}?{urlencode({'next': there})}"

    def token_source(
        self, request: Request, *, scope: str | Iterable[str] | None = None, resource: str | None = None
    ) -> AsyncTokenSource:
        """Access tokens of this request's user; they refresh silently.

        Args:
            request: of a user who is signed in; without one, the source raises ``SignInAgain``.
            scope: narrower than the application's.
            resource: another API than the application's usual one.
        """
        name = self._cookies.session_of(request)
        # A cookie that nobody gave out names an empty place.
        place = self._store.place(_place_name("t", name or secrets.token_urlsafe(32)))
        return self._source(place, scope=scope, resource=resource)

    def form_token(self, request: Request) -> str:
        """What the form that signs out carries in its field ``csrf``; empty where nobody is signed in."""
        name = self._cookies.session_of(request)
        return "" if name is None else self._cookies.form_token(name)

    async def own_form(self, request: Request) -> dict[str, str]:
        """The fields of a form that this very session was shown, by its field ``csrf``.

        Raises:
            HTTPException: 403; it came from elsewhere, or another session.
        """
        name, body = self._cookies.session_of(request), b""
        async for piece in request.stream():
            body += piece
            if len(body) > _LARGEST_FORM:
                raise HTTPException(413, "the form is too large")
        with suppress(ValueError):
            fields = dict(parse_qsl(body.decode(), keep_blank_values=True, max_num_fields=50))
            sent = fields.get("csrf", "").encode()
            known = "" if name is None else self._cookies.form_token(name)
            if known and self._is_own_site(request) and hmac.compare_digest(sent, known.encode()):
                return fields
        raise HTTPException(403, "the form is too old, or came from another site")

    async def begin(
        self,
        request: Request,
        *,
        go_on_to: str,
        max_age: int | None = None,
        acr_values: Iterable[str] = (),
    ) -> Response:
        """Send the browser to the issuer: for a sign-in, or for a fresher or stronger one (RFC 9470).

        Args:
            request: of the browser.
            go_on_to: the path of this site to come back to.
            max_age: seconds that the sign-in may lie back.
            acr_values: the strengths of sign-in that will do.
        """
        source = self._source(self._store.place("a-"))
        try:
            begun = await source.begin_sign_in(
                self._redirect_uri, resources=self._resources, max_age=max_age, acr_values=acr_values
            )
        except ClientError as error:
            return self._trouble(error)
        response = see_other(begun.url)
        self._cookies.set_transaction(request, response, Underway(begun.transaction, local_path(go_on_to)))
        return response

    async def sign_in_again(self, request: Request, _: Exception) -> Response:
        """An exception handler for ``SignInAgain``: the grant is over, so the session ends and sign-in begins."""
        response = (
            see_other(self.login_url(request)) if _opens_a_page(request) else Response("sign in", status_code=401)
        )
        await self._end(request)
        self._cookies.drop_session(response)
        return response

    async def _login(self, request: Request) -> Response:
        return await self.begin(request, go_on_to=request.query_params.get("next") or "/")

    async def _callback(self, request: Request) -> Response:
        state = request.query_params.get("state", "")
        try:
            underway = await self._take(request, state)
            name = secrets.token_urlsafe(32)
            source = self._source(self._store.place(_place_name("t", name)))
            identity = await source.finish_sign_in(underway.transaction, request.url.query)
            if identity is None:  # openid is always asked for
                raise SignInAgain("no ID token came", reason="wrong_id_token")
            session = WebSession.of(identity, until=self._clock() + self._lifetime)
            await asyncio.to_thread(self._store.place(_place_name("s", name)).save, encode_session(session))
        except OSError:
            _log.exception("the session store is in trouble")
            return Response("the session store is in trouble", 503, {"Retry-After": "5"})
        except ClientError as error:
            response = self._trouble(error)
        else:
            # A session that was there before ends: its name may be known to others (fixation).
            await self._end(request)
            response = see_other(underway.next)
            self._cookies.set_session(response, name, seconds=self._lifetime)
        if state:
            self._cookies.drop_transaction(response, state)
        await self._sweep()
        return response

    async def _take(self, request: Request, state: str) -> Underway:
        """The sign-in that this browser began, once.

        Raises:
            SignInAgain: it began none with this state, or that one is over.
        """
        underway = self._cookies.transaction_of(request, state)
        if underway is None:
            raise SignInAgain("this browser has begun no such sign-in", reason="wrong_state")
        # Judged before anything is noted, so that only answers to the browser's own transactions leave a trace.
        parse_answer(request.url.query)
        mark = self._store.place(_place_name("u", state))
        if not await asyncio.to_thread(_mark, mark):
            raise SignInAgain("this sign-in is over already", reason="wrong_state")
        return underway

    async def _logout(self, request: Request) -> Response:
        if self._cookies.session_of(request) is not None:
            try:
                await self.own_form(request)
            except HTTPException:
                return forbidden(login_url=self.login_path)
        session = await self._end(request)
        response = see_other(await self._goodbye(session))
        self._cookies.drop_session(response)
        return response

    def _is_own_site(self, request: Request) -> bool:
        origin, site = request.headers.get("origin"), request.headers.get("sec-fetch-site")
        # A page with the policy "no-referrer" sends "null" for its origin, even to its own site.
        known = origin in (None, self._origin) or (origin == "null" and site == "same-origin")
        return known and site in (None, "same-origin")

    async def _goodbye(self, session: WebSession | None) -> str:
        """The issuer's page that ends the session there as well; here, if it cannot be found out."""
        if session is None:
            return "/"
        source = self._source(self._store.place("a-"))
        try:
            return await source.sign_out_url(session.id_token, return_to=self._after_logout) or "/"
        except ClientError:
            return "/"

    async def _end(self, request: Request) -> WebSession | None:
        """End the session of this request: here at once, and its grant at the issuer if it can be told."""
        name = self._cookies.session_of(request)
        if name is None:
            return None
        place = self._store.place(_place_name("s", name))
        session = parse_session(await asyncio.to_thread(place.load), now=self._clock())
        await asyncio.to_thread(place.clear)
        with suppress(ClientError):
            await self._source(self._store.place(_place_name("t", name))).sign_out()
        return session

    async def _session(self, request: Request) -> WebSession | None:
        name = self._cookies.session_of(request)
        if name is None:
            return None
        kept = await asyncio.to_thread(self._store.place(_place_name("s", name)).load)
        return parse_session(kept, now=self._clock())

    def _source(
        self, place: TokenStore, *, scope: str | Iterable[str] | None = None, resource: str | None = None
    ) -> AsyncTokenSource:
        other = resource not in (None, self._resource)
        return AsyncTokenSource(
            self._issuer,
            self._client_id,
            client_secret=self._client_secret,
            acts_for="user",
            # Another API gets what was granted there, whatever that is.
            scope=scope if scope is not None else "" if other else self._scope,
            resource=resource if other else self._resource,
            store=place,
            transport=self._transport,
            clock=self._clock,
        )

    def _trouble(self, error: ClientError) -> Response:
        level = logging.INFO if isinstance(error, SignInAgain) else logging.WARNING
        _log.log(level, "a sign-in failed: %s (%s)", error, error.reason)
        return trouble(error, login_url=self.login_path)

    async def _sweep(self) -> None:
        now = self._clock()
        if now - self._swept_at > _SWEEP_PAUSE:
            self._swept_at = now
            with suppress(OSError):
                await asyncio.to_thread(lambda: self._store.sweep(older_than=max(self._lifetime, PATIENCE)))


def _opens_a_page(request: Request) -> bool:
    """Whether a person looks at the answer: a redirect to a sign-in helps no script."""
    mode = request.headers.get("sec-fetch-mode")
    return request.method in ("GET", "HEAD") and (
        mode == "navigate" if mode is not None else "text/html" in request.headers.get("accept", "")
    )


def _place_name(kind: str, secret: str) -> str:
    return f"{kind}-{hashlib.sha256(secret.encode()).hexdigest()}"


def _mark(place: TokenStore) -> bool:
    """Whether this is the first time."""
    if not place.try_lock():
        return False
    try:
        if place.load() is not None:
            return False
        place.save(b"spent")
        return True
    finally:
        place.unlock()
