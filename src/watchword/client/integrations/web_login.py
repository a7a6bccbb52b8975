"""Sign-in by browser for Starlette and FastAPI applications; tokens stay on the server, behind a cookie.

    login = WebLogin(issuer=..., client_id="shop", client_secret=..., redirect_uri="https://shop.example/callback")
    app = FastAPI(routes=[*login.routes])

    @app.get("/orders")
    async def orders(request: Request, user: Annotated[Identity, Depends(login.required)]) -> Page:
        token = await login.token_source(request).token()

In Starlette, ``user = await login.required(request)``. The browser gets a random session name in a ``__Host-`` cookie
and never a token; access tokens refresh silently on the server. Sessions that end at the issuer end here.

Implements: RFC 10017 §6.1 (backend for frontend); RFC 9700 §2.1, §4.7, §4.11.1, §4.12; RFC 9207 §2.4; RFC 9470 §4;
OpenID Connect Core 1.0 §3.1; OpenID Connect RP-Initiated Logout 1.0 §2; OpenID Connect Back-Channel Logout 1.0 §2.7.
"""

import hmac
import logging
import secrets
import time
from collections.abc import Callable, Iterable
from contextlib import suppress
from typing import Final
from urllib.parse import urlencode, urlsplit

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from watchword.client.async_token_source import AsyncTokenSource
from watchword.client.authorization import parse_answer
from watchword.client.errors import ClientError, Misconfigured, SignInAgain, StepUpRequired
from watchword.client.identity import Identity
from watchword.client.integrations.forms import read_form
from watchword.client.integrations.login_cookies import LoginCookies, Underway
from watchword.client.integrations.login_pages import forbidden, see_other, trouble
from watchword.client.integrations.login_sessions import LoginSessions
from watchword.client.integrations.logout_listener import LogoutListener
from watchword.client.session_store import MemorySessionStore, SessionStore
from watchword.client.token_store import TokenStore
from watchword.client.transport import AsyncTransport
from watchword.client.web_session import WebSession, local_path
from watchword.protocol.redirect_uri import origin_of, parse_redirect_uri

LIFETIME: Final = 30 * 86400.0
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
        backchannel_logout_path: the route by which the issuer tells that sessions are over; registered for the client.
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
        backchannel_logout_path: str = "/backchannel-logout",
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
        self._transport, self._clock = transport, clock
        store = MemorySessionStore(clock=clock) if session_store is None else session_store
        self._sessions = LoginSessions(store, issuer=issuer, lifetime=lifetime, clock=clock)
        self._cookies = LoginCookies(
            name=cookie_name, secret=client_secret, is_plain=urlsplit(redirect_uri).scheme == "http"
        )
        self.login_path = login_path
        self._source(self._sessions.nobodys())  # what cannot be right is said now
        listener = LogoutListener(
            issuer=issuer, client_id=client_id, sessions=self._sessions, transport=transport, clock=clock
        )
        self.routes: list[Route] = [
            Route(login_path, self._login, methods=["GET"], name="login"),
            Route(urlsplit(redirect_uri).path or "/", self._callback, methods=["GET"], name="callback"),
            Route(logout_path, self._logout, methods=["POST"], name="logout"),
            Route(backchannel_logout_path, listener.receive, methods=["POST"], name="backchannel_logout"),
        ]

    def __repr__(self) -> str:
        return f"WebLogin({self._issuer!r}, {self._client_id!r})"

    async def user(self, request: Request) -> Identity | None:
        """Who is signed in; None for nobody."""
        session = await self._sessions.find(self._cookies.session_of(request))
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
        place = self._sessions.tokens_while_it_lasts(self._cookies.session_of(request))
        return self._source(place, scope=scope, resource=resource)

    def form_token(self, request: Request) -> str:
        """What the form that signs out carries in its field ``csrf``; empty where nobody is signed in."""
        name = self._cookies.session_of(request)
        return "" if name is None else self._cookies.form_token(name)

    async def own_form(self, request: Request) -> dict[str, str]:
        """The fields of a form that this very session was shown, by its field ``csrf``.

        Raises:
            HTTPException: 403; it came from elsewhere, or another session. 413; it is too large.
        """
        name = self._cookies.session_of(request)
        with suppress(ValueError):
            fields = dict(await read_form(request, longest=_LARGEST_FORM))
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
        acr_values: str | Iterable[str] = (),
    ) -> Response:
        """Send the browser to the issuer: for a sign-in, or for a fresher or stronger one (RFC 9470).

        Args:
            request: of the browser.
            go_on_to: the path of this site to come back to, of at most 500 characters; ``/`` in place of a longer one.
            max_age: seconds that the sign-in may lie back.
            acr_values: the strengths of sign-in that will do.
        """
        source = self._source(self._sessions.nobodys())
        try:
            begun = await source.begin_sign_in(
                self._redirect_uri, resources=self._resources, max_age=max_age, acr_values=acr_values
            )
            response = see_other(begun.url)
            self._cookies.set_transaction(request, response, Underway(begun.transaction, local_path(go_on_to)))
        except ClientError as error:
            return self._trouble(error)
        return response

    async def step_up(self, request: Request, wanted: StepUpRequired, *, go_on_to: str | None = None) -> Response:
        """Send the user to sign in as a service wants it, and back to his page; his session stays meanwhile.

        Args:
            request: of the browser. A script is told 401: a redirect to a sign-in would not help it.
            wanted: what the call to the service raised.
            go_on_to: the path of this site to come back to; by default the page that is being opened, or the one
                whose form was sent.
        """
        if not _navigates(request):
            return Response("sign in", 401, {"Cache-Control": "no-store"})
        session = await self._sessions.find(self._cookies.session_of(request))
        max_age, acr_values = wanted.max_age, wanted.acr_values
        if session is not None and session.meets(max_age=max_age, acr_values=acr_values, now=self._clock()):
            # The service sees it otherwise. The issuer might agree with us, and the browser go round without end.
            max_age = 0
        there = self._page_of(request) if go_on_to is None else go_on_to
        return await self.begin(request, go_on_to=there, max_age=max_age, acr_values=acr_values)

    async def sign_in_again(self, request: Request, error: Exception) -> Response:
        """An exception handler for ``SignInAgain``: the grant is over, so the session ends and sign-in begins.

        ``StepUpRequired``, which is one of its kind, goes to ``step_up``.
        """
        if isinstance(error, StepUpRequired):
            return await self.step_up(request, error)
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
            source = self._source(self._sessions.tokens(name))
            identity = await source.finish_sign_in(underway.transaction, request.url.query)
            if identity is None:  # openid is always asked for
                raise SignInAgain("no ID token came", reason="wrong_id_token")
            await self._sessions.begin(name, identity)
        except OSError:
            _log.exception("the session store is in trouble")
            return Response("the session store is in trouble", 503, {"Retry-After": "5"})
        except ClientError as error:
            response = self._trouble(error)
        else:
            # A session that was there before ends: its name may be known to others (fixation).
            await self._end(request)
            response = see_other(underway.next)
            self._cookies.set_session(response, name, seconds=self._sessions.lifetime)
        if state:
            self._cookies.drop_transaction(response, state)
        await self._sessions.sweep()
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
        if not await self._sessions.first_time(state):
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
        source = self._source(self._sessions.nobodys())
        try:
            return await source.sign_out_url(session.id_token, return_to=self._after_logout) or "/"
        except ClientError:
            return "/"

    async def _end(self, request: Request) -> WebSession | None:
        """End the session of this request: here at once, and its grant at the issuer if it can be told."""
        name = self._cookies.session_of(request)
        if name is None:
            return None
        session = await self._sessions.forget(name)
        with suppress(ClientError):
            await self._source(self._sessions.tokens(name)).sign_out()
        return session

    def _page_of(self, request: Request) -> str:
        """The page that is being opened; of a form that was sent, the page that it stood on, if the browser tells."""
        url = str(request.url) if request.method in ("GET", "HEAD") else request.headers.get("referer", "")
        try:
            parts, is_ours = urlsplit(url), request.method in ("GET", "HEAD") or origin_of(url) == self._origin
        except ValueError:
            return "/"
        return local_path(parts.path + (f"?{parts.query}" if parts.query else "")) if is_ours else "/"

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


def _opens_a_page(request: Request) -> bool:
    """Whether a person looks at the answer, and nothing was sent: a redirect to a sign-in helps no script."""
    return request.method in ("GET", "HEAD") and _navigates(request)


def _navigates(request: Request) -> bool:
    """Whether a person looks at the answer."""
    mode = request.headers.get("sec-fetch-mode")
    return mode == "navigate" if mode is not None else "text/html" in request.headers.get("accept", "")
