"""The edge: finds the endpoint, keeps the rules that hold for all of them, and turns every error into an answer.

Paths are few and fixed, so finding one is a look into a dictionary, in front of any router.
"""

from dataclasses import dataclass
from functools import partial
from itertools import count
from secrets import randbelow, token_hex
from typing import Final, Literal

from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.types import Message, Receive, Scope, Send

from watchword.protocol.errors import InvalidClient, MethodNotAllowed, NotFound, OAuthError, TemporarilyUnavailable
from watchword.protocol.metadata import OAUTH_PATH, OPENID_PATH
from watchword.protocol.rejection import TokenRejected
from watchword.server.ports.storage import StorageUnavailable
from watchword.server.ports.telemetry import REQUEST_ID
from watchword.server.web import rendering
from watchword.server.web.accepted import prefers_page
from watchword.server.web.breakage import tell_broken
from watchword.server.web.context import Endpoint, Web
from watchword.server.web.indexed_request import IndexedRequest
from watchword.server.web.page_answers import error_page, see_other

Sharing = Literal["nobody", "everybody", "origins", "origins with cookies"]

_MAX_IN_FLIGHT: Final = 1000
# A request's id only tells requests apart: what this process is called, and how many it had before.
_NODE: Final = token_hex(4)
_SERIAL: Final = count()
_EXPOSED: Final = "www-authenticate, retry-after, x-request-id"
_PREFLIGHT: Final = {
    "access-control-allow-methods": "GET, POST, DELETE",
    "access-control-allow-headers": "authorization, content-type",
    "access-control-max-age": "600",
}


@dataclass(frozen=True, slots=True)
class Route:
    """A path's endpoints by method.

    HEAD is a method like the others: scanners of links send it, so a page that does something upon GET has none.

    Attributes:
        sharing: which web origins may read the answers (CORS).
        challenge: the scheme that a 401 names, unless the client used another.
        vital: answered however many are in flight: from memory, or for many at once.
        for_people: a page, or where the form of one is sent: who comes by another way is led to a page.
    """

    endpoints: dict[str, Endpoint]
    sharing: Sharing = "nobody"
    challenge: str = "Bearer"
    vital: bool = False
    for_people: bool = False


def _allowed(route: Route) -> str:
    return ", ".join(sorted(route.endpoints))


def _used_basic(request: Request) -> bool:
    return request.headers.get("authorization", "").lower().startswith("basic ")


class Edge:
    """The ASGI application for the protocol endpoints."""

    def __init__(self, web: Web, routes: dict[str, Route], *, prefix: str, own_origin: str) -> None:
        self._web = web
        self._routes = {prefix + path: route for path, route in routes.items()}
        if prefix:
            # RFC 8414 §3: for an issuer with a path, the well-known part comes first.
            self._routes.update({path + prefix: routes[path] for path in (OAUTH_PATH, OPENID_PATH)})
        self._prefix = prefix
        self._own_origin = own_origin
        self._in_flight = 0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """One HTTP request."""
        request = IndexedRequest(scope, partial(self._received, receive))
        # A task serves one request, so its context ends with it.
        request_id = f"{_NODE}{next(_SERIAL):08x}"
        REQUEST_ID.set(request_id)
        route = self._routes.get(scope["path"]) or self._folder_of(scope["path"])
        counted = route is not None and not route.vital
        self._in_flight += counted
        try:
            response = await self._answer(request, route)
            if route is not None and "origin" in request.headers:
                await self._share(request, response, route)
        except ClientDisconnect:
            return
        finally:
            self._in_flight -= counted
        if response.status_code >= 400:
            response.headers["x-request-id"] = request_id
        await response(scope, receive, send)

    def _folder_of(self, path: str) -> Route | None:
        """The route of a folder, whose key ends with a slash: it takes one name below."""
        folder, _, name = path.rpartition("/")
        return self._routes.get(f"{folder}/") if name else None

    async def _received(self, receive: Receive) -> Message:
        """What ``receive`` brings. A request that waits for its client is not in flight: any client may dawdle."""
        self._in_flight -= 1
        try:
            message = await receive()
        finally:
            self._in_flight += 1
        self._must_have_room()
        return message

    def _must_have_room(self) -> None:
        if self._in_flight > _MAX_IN_FLIGHT:
            # What waits without a bound is answered by nobody in the end.
            raise TemporarilyUnavailable(slug="server.overloaded", retry_after=1 + randbelow(4))

    async def _answer(self, request: Request, route: Route | None) -> Response:
        scheme = "Bearer" if route is None else route.challenge
        try:
            if route is not None and request.method == "OPTIONS" and route.sharing != "nobody":
                return Response(None, 204, _PREFLIGHT)
            endpoint = self._endpoint_for(request, route)
            if route is None or not route.vital:
                self._must_have_room()
            return await endpoint(self._web, request)
        except OAuthError as error:
            self._tell(request, error.slug, error=error.code, status=error.status, detail=error.detail)
            if isinstance(error, InvalidClient) and _used_basic(request):
                # RFC 6749 §5.2: the header "field matching the authentication scheme used by the client".
                scheme = "Basic"
            response = rendering.refusal(error, scheme=scheme)
            if isinstance(error, MethodNotAllowed) and route is not None:
                response.headers["allow"] = _allowed(route)
            return response
        except TokenRejected as rejected:
            self._tell(request, rejected.reason, status=rejected.status, detail=rejected.detail)
            return rendering.rejection(rejected)
        except StorageUnavailable as trouble:
            self._web.parts.telemetry.warn("storage.unavailable", path=self._path(request), detail=str(trouble))
            busy = TemporarilyUnavailable(slug="storage.unavailable", retry_after=1 + randbelow(3))
            return rendering.refusal(busy, scheme=scheme)
        except ClientDisconnect:
            raise
        except Exception as error:  # noqa: BLE001 - the last line of defence; nothing unexpected reaches a client
            return self._broken(request, error)

    def _endpoint_for(self, request: Request, route: Route | None) -> Endpoint:
        """What answers; for a person who came by a way that is none, a page that says so, or where he can go on.

        Raises:
            NotFound: there is nothing at this path.
            MethodNotAllowed: not by this method.
        """
        if route is None:
            if prefers_page(request):
                return self._nothing_here
            raise NotFound(slug="request.no_such_path")
        endpoint = route.endpoints.get(request.method)
        if endpoint is not None:
            return endpoint
        if route.for_people and prefers_page(request):
            return partial(self._other_way, route)
        raise MethodNotAllowed(slug="request.method")

    async def _nothing_here(self, web: Web, request: Request) -> Response:
        if request.scope["path"].removesuffix("/") == self._prefix:
            # The issuer's own address, typed by a person.
            return see_other(f"{self._own_origin}{self._prefix}/account")
        self._tell(request, "request.no_such_path", status=404)
        return error_page(web, request, "not_found")

    async def _other_way(self, route: Route, web: Web, request: Request) -> Response:
        if request.method == "GET":
            # The answer to a form stands under the form's address, where a person presses Enter.
            return see_other(f"{self._own_origin}{self._page_with_form_for(request.scope['path'])}")
        self._tell(request, "request.method", status=405)
        response = error_page(web, request, "bad_request")
        response.status_code = 405
        response.headers["allow"] = _allowed(route)
        return response

    def _page_with_form_for(self, path: str) -> str:
        """The page above all of its kind (the account page), else the sign-in page, which leads on."""
        above = f"{self._prefix}/{path.removeprefix(self._prefix).split('/')[1]}"
        found = self._routes.get(above)
        return above if found is not None and "GET" in found.endpoints else f"{self._prefix}/login"

    def _tell(self, request: Request, slug: str, **fields: object) -> None:
        self._web.parts.telemetry.tell(slug, method=request.method, path=self._path(request), **fields)

    def _path(self, request: Request) -> str:
        """The path for the log; one that nobody offers may hold anything, a misplaced token too."""
        path: str = request.scope["path"]
        return path if path in self._routes else "(unknown)"

    def _broken(self, request: Request, error: Exception) -> Response:
        return rendering.broken(tell_broken(self._web, error, method=request.method, path=self._path(request)))

    async def _share(self, request: Request, response: Response, route: Route) -> None:
        """Let scripts of registered origins read the answer; never any origin, never ``*`` with cookies."""
        origin = request.headers["origin"]
        if route.sharing == "everybody":
            response.headers["access-control-allow-origin"] = "*"
            return
        if route.sharing == "nobody":
            return
        response.headers["vary"] = "Origin"
        try:
            allowed = await self._web.parts.directory.origins(now=self._web.parts.clock.now())
        except StorageUnavailable:
            return
        except Exception as error:  # noqa: BLE001 - as in _answer; what was done is told to those who may read it anyway
            if response.status_code != 500:
                # Else the log has it under the id that the answer names: one request, one line.
                self._broken(request, error)
            return
        if origin == self._own_origin or origin in allowed:
            response.headers["access-control-allow-origin"] = origin
            response.headers["access-control-expose-headers"] = _EXPOSED
            if route.sharing == "origins with cookies":
                response.headers["access-control-allow-credentials"] = "true"
