"""Starlette endpoints behind access tokens.

For example::

    bearer = WatchwordBearer(AsyncResourceServer(issuer=..., audience=...))

    @bearer.requires("inventory:read")
    async def items(request: Request) -> Response:
        token = token_of(request)

    app = Starlette(routes=[Route("/items", items)], lifespan=bearer.lifespan)

To protect a whole application use the middleware of ``watchword.resource.integrations.asgi``; ``token_of`` serves both.

Implements: RFC 6750 §2.1, §3; RFC 9470 §3.
"""

import inspect
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable
from contextlib import asynccontextmanager
from functools import wraps
from typing import Any, TypeAlias

from starlette.concurrency import run_in_threadpool
from starlette.requests import HTTPConnection, Request
from starlette.responses import Response

from watchword.resource import AsyncResourceServer, Demand, VerifiedToken
from watchword.resource.integrations import asgi
from watchword.resource.refusal import Refusal

Endpoint: TypeAlias = Callable[..., Awaitable[Response] | Response]


def token_of(request: HTTPConnection) -> VerifiedToken:
    """The verified token of a request.

    Raises:
        LookupError: the endpoint demands no token.
    """
    return asgi.token_of(request.scope)


class WatchwordBearer:
    """Demands access tokens of endpoints.

    Args:
        resource: judges the tokens.
    """

    def __init__(self, resource: AsyncResourceServer) -> None:
        self.resource = resource

    def requires(
        self, *scope: str, max_age: int | None = None, acr_values: str | Iterable[str] = ()
    ) -> Callable[[Endpoint], Callable[..., Awaitable[Response]]]:
        """Decorates an endpoint, or a method of one: it runs only for tokens that allow all of ``scope``.

        Args:
            scope: what the token must allow.
            max_age: seconds that the user's sign-in may lie back; None for any age (RFC 9470).
            acr_values: the strengths of sign-in that will do; a space-separated string or several strings.

        Raises:
            ValueError: a part that is malformed.
        """
        demand = Demand(scope, max_age=max_age, acr_values=acr_values)

        def decorate(endpoint: Endpoint) -> Callable[..., Awaitable[Response]]:
            @wraps(endpoint)
            async def protected(*args: Any, **kwargs: Any) -> Response:
                request = next(arg for arg in (*args, *kwargs.values()) if isinstance(arg, Request))
                found = await asgi.judge(self.resource, request.scope["headers"], demand)
                if isinstance(found, Refusal):
                    return Response(found.body, found.status, found.headers, "application/json")
                request.scope[asgi.TOKEN_KEY] = found
                if inspect.iscoroutinefunction(endpoint):
                    answer: Response = await endpoint(*args, **kwargs)
                else:
                    answer = await run_in_threadpool(endpoint, *args, **kwargs)  # type: ignore[arg-type] # it is plain
                return answer

            return protected

        return decorate

    @asynccontextmanager
    async def lifespan(self, _app: Any) -> AsyncIterator[None]:
        """For ``Starlette(lifespan=...)``: ends the background work with the application."""
        async with self.resource:
            yield
