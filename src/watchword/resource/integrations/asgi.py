"""Any ASGI application behind access tokens.

For example::

    app = WatchwordMiddleware(app, resource=AsyncResourceServer(issuer=..., audience=...), scope="reports:read")

The verified token is in ``scope["watchword.token"]``.

Implements: RFC 6750 §2.1, §3; RFC 9470 §3.
"""

import logging
import posixpath
from collections.abc import Awaitable, Callable, Iterable, Mapping, MutableMapping
from typing import Any, Final, TypeAlias

from watchword.protocol.bearer import parse_bearer
from watchword.protocol.rejection import TokenRejected
from watchword.resource import AsyncResourceServer, Demand, KeysUnavailable, VerifiedToken
from watchword.resource.refusal import Refusal, render_refusal

_LOG: Final = logging.getLogger("watchword.resource")
TOKEN_KEY: Final = "watchword.token"

AsgiScope: TypeAlias = MutableMapping[str, Any]
Message: TypeAlias = MutableMapping[str, Any]
Receive: TypeAlias = Callable[[], Awaitable[Message]]
Send: TypeAlias = Callable[[Message], Awaitable[None]]
AsgiApp: TypeAlias = Callable[[AsgiScope, Receive, Send], Awaitable[None]]


def token_of(scope: Mapping[str, Any]) -> VerifiedToken:
    """The verified token of a request that came through.

    Args:
        scope: the ASGI scope.

    Raises:
        LookupError: the request was not judged here.
    """
    token: VerifiedToken = scope[TOKEN_KEY]
    return token


async def judge(
    resource: AsyncResourceServer, headers: Iterable[tuple[bytes, bytes]], demand: Demand
) -> VerifiedToken | Refusal:
    """The verified token of a request, or the answer to it. Why it was refused goes to the log, not to the caller.

    Args:
        resource: judges.
        headers: of the request, names in lower case.
        demand: what the token must have.
    """
    try:
        token = parse_bearer([value.decode("latin-1") for name, value in headers if name == b"authorization"])
        return await resource.verify(token, scope=demand.scope, max_age=demand.max_age, acr_values=demand.acr_values)
    except (TokenRejected, KeysUnavailable) as error:
        _LOG.info("refused: %s", error)
        return render_refusal(error)


class WatchwordMiddleware:
    """Lets requests and websockets pass that carry a good access token.

    Args:
        app: what is protected.
        resource: judges the tokens.
        scope: what every token must allow; a space-separated string or several strings.
        max_age: seconds that every user's sign-in may lie back; None for any age (RFC 9470).
        acr_values: the strengths of sign-in that will do; a space-separated string or several strings.
        paths: other demands by the beginning of the path, by whole segments; the longest match counts. Text is another
            scope for the same sign-in; a ``Demand`` stands in place of all of the above.
        public: exact paths that need no token, such as ``/healthz``.

    Paths are meant as ``app`` routes them: decoded, and below its mount or root path. Where one could be read as
    another (doubled slashes, dot segments, backslashes, another case), the demands of both readings must be met.

    Raises:
        ValueError: a demand that is malformed, or a path that no request could have.
    """

    def __init__(
        self,
        app: AsgiApp,
        *,
        resource: AsyncResourceServer,
        scope: str | Iterable[str] = "",
        max_age: int | None = None,
        acr_values: str | Iterable[str] = (),
        paths: Mapping[str, str | Demand] | None = None,
        public: Iterable[str] = (),
    ) -> None:
        self._app = app
        self._resource = resource
        everywhere = Demand(scope, max_age=max_age, acr_values=acr_values)
        self._demands = {"": everywhere}
        self._tidied = {"": everywhere}
        known: set[str] = set()
        for path, other in (paths or {}).items():
            written, tidied = path.rstrip("/"), _tidy(path)
            if tidied != written.casefold():
                raise ValueError(f"a path that no request could have: {path!r}")
            if tidied in known:
                raise ValueError(f"two demands for one path: {path!r}")
            known.add(tidied)
            demand = other if isinstance(other, Demand) else everywhere.with_scope(other)
            self._demands[written] = self._tidied[tidied] = demand
        self._public = frozenset([public] if isinstance(public, str) else public)
        # FastAPI(root_path=...) sets it below us, so the scope that we see lacks it.
        root = getattr(app, "root_path", "")
        self._root = root if isinstance(root, str) else ""

    async def __call__(self, scope: AsgiScope, receive: Receive, send: Send) -> None:
        """Judge, then hand on or answer."""
        if scope["type"] not in ("http", "websocket"):
            await self._app(scope, receive, send)
            return
        path = _below(scope.get("root_path", ""), scope["path"])
        if path in self._public:
            await self._app(scope, receive, send)
            return
        first, *others = self._demanded(path, _below(self._root, scope["path"]))
        found = await judge(self._resource, scope["headers"], first)
        for demand in others:
            if not isinstance(found, Refusal):
                found = await judge(self._resource, scope["headers"], demand)
        if isinstance(found, Refusal):
            await _answer(found, scope, receive, send)
            return
        await self._app({**scope, TOKEN_KEY: found}, receive, send)

    def _demanded(self, path: str, other: str) -> list[Demand]:
        """What each reading of the path demands; nearly always the same."""
        found = [_longest(self._demands, path), _longest(self._tidied, _tidy(path))]
        if self._root and other != path:
            found += [_longest(self._demands, other), _longest(self._tidied, _tidy(other))]
        return list(dict.fromkeys(found))


def _below(root: str, path: str) -> str:
    """The path as the application routes it: ASGI's ``path`` begins with the ``root_path``, where there is one."""
    if root and path.startswith(root) and path[len(root) : len(root) + 1] in ("", "/"):
        return path[len(root) :]
    return path


def _tidy(path: str) -> str:
    """The path as the most lenient reader takes it, such as one that serves files."""
    return posixpath.normpath("/" + path.replace("\\", "/").lstrip("/")).rstrip("/").casefold()


def _longest(demands: Mapping[str, Demand], path: str) -> Demand:
    # No longer than the longest that is known: a path of slashes alone would be looked up thousands of times.
    parts = path.split("/", max(known.count("/") for known in demands) + 1)
    while parts:
        found = demands.get("/".join(parts))
        if found is not None:
            return found
        parts.pop()
    return demands[""]


async def _answer(refusal: Refusal, scope: AsgiScope, receive: Receive, send: Send) -> None:
    kind = "http.response"
    if scope["type"] == "websocket":
        await receive()
        if "websocket.http.response" not in scope.get("extensions", {}):
            await send({"type": "websocket.close", "code": 1008})
            return
        kind = "websocket.http.response"
    headers = {"Content-Type": "application/json", "Content-Length": str(len(refusal.body)), **refusal.headers}
    raw = [(name.lower().encode("ascii"), value.encode("ascii")) for name, value in headers.items()]
    await send({"type": f"{kind}.start", "status": refusal.status, "headers": raw})
    await send({"type": f"{kind}.body", "body": refusal.body})
