"""FastAPI operations behind access tokens, with their scopes in OpenAPI.

For example::

    bearer = WatchwordBearer(AsyncResourceServer(issuer=..., audience=...))
    app = FastAPI(lifespan=bearer.lifespan)

    @app.get("/orders")
    async def orders(token: Annotated[VerifiedToken, bearer.requires("orders:read")]) -> list[Order]:
        return await orders_of(token.subject)

Implements: RFC 6750 §2.1, §3.
"""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from fastapi import HTTPException, Security
from fastapi.openapi.models import OpenIdConnect
from fastapi.requests import HTTPConnection
from fastapi.security import SecurityScopes
from fastapi.security.base import SecurityBase

from watchword.protocol.metadata import OPENID_PATH
from watchword.resource import AsyncResourceServer, VerifiedToken
from watchword.resource.integrations.asgi import TOKEN_KEY, judge
from watchword.resource.refusal import Refusal
from watchword.resource.verifier import parse_demand


class WatchwordBearer(SecurityBase):
    """A dependency that gives the ``VerifiedToken`` of a request, or answers 401, 403 or 503.

    Use ``requires``, or ``Security(bearer, scopes=[...])`` as FastAPI's own documentation does.

    Args:
        resource: judges the tokens.
        scheme_name: how the OpenAPI document calls it.
    """

    def __init__(self, resource: AsyncResourceServer, *, scheme_name: str = "watchword") -> None:
        self.resource = resource
        self.scheme_name = scheme_name
        # Discovery tells an OpenAPI reader all endpoints, and needs no network here.
        self.model = OpenIdConnect(
            openIdConnectUrl=f"{resource.issuer}{OPENID_PATH}",
            description=f"An access token of {resource.issuer}, sent as `Authorization: Bearer ...`",
        )

    async def __call__(self, connection: HTTPConnection, security_scopes: SecurityScopes) -> VerifiedToken:
        """The token of this request.

        Raises:
            HTTPException: with the right status, ``WWW-Authenticate`` or ``Retry-After``.
        """
        found = await judge(self.resource, connection.scope["headers"], security_scopes.scopes)
        if isinstance(found, Refusal):
            raise HTTPException(found.status, found.description, found.headers)
        connection.scope[TOKEN_KEY] = found
        return found

    def requires(self, *scope: str) -> Any:
        """The marker for ``Annotated[VerifiedToken, ...]`` or ``dependencies=[...]`` that demands all of ``scope``.

        Raises:
            ValueError: malformed scope.
        """
        return Security(self, scopes=sorted(parse_demand(scope)))

    @asynccontextmanager
    async def lifespan(self, _app: Any) -> AsyncIterator[None]:
        """For ``FastAPI(lifespan=...)``: ends the background work with the application."""
        async with self.resource:
            yield
