"""FastAPI operations behind access tokens, with their scopes in OpenAPI.

For example::

    bearer = WatchwordBearer(AsyncResourceServer(issuer=..., audience=...))
    app = FastAPI(lifespan=bearer.lifespan)

    @app.get("/orders")
    async def orders(token: Annotated[VerifiedToken, bearer.requires("orders:read")]) -> list[Order]:
        return await orders_of(token.subject)

Implements: RFC 6750 §2.1, §3; RFC 9470 §3.
"""

import re
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from typing import Any, Final

from fastapi import HTTPException, Security
from fastapi.openapi.models import OpenIdConnect
from fastapi.requests import HTTPConnection
from fastapi.security import SecurityScopes
from fastapi.security.base import SecurityBase

from watchword.protocol.metadata import OPENID_PATH
from watchword.resource import AsyncResourceServer, Demand, VerifiedToken
from watchword.resource.integrations.asgi import TOKEN_KEY, judge
from watchword.resource.refusal import Refusal

# OpenAPI 3.1, Components Object: names are of these characters.
_NO_NAME: Final = re.compile(r"[^a-zA-Z0-9._-]+")


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
        self._demand = Demand()
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
        demand = self._demand.with_scope(security_scopes.scopes)
        found = await judge(self.resource, connection.scope["headers"], demand)
        if isinstance(found, Refusal):
            raise HTTPException(found.status, found.description, found.headers)
        connection.scope[TOKEN_KEY] = found
        return found

    def requires(self, *scope: str, max_age: int | None = None, acr_values: str | Iterable[str] = ()) -> Any:
        """The marker for ``Annotated[VerifiedToken, ...]`` or ``dependencies=[...]`` that demands all of ``scope``.

        Args:
            scope: what the token must allow.
            max_age: seconds that the user's sign-in may lie back; None for any age (RFC 9470).
            acr_values: the strengths of sign-in that will do; a space-separated string or several strings.

        Raises:
            ValueError: a part that is malformed.
        """
        demand = Demand(scope, max_age=max_age, acr_values=acr_values)
        return Security(self._demanding(demand), scopes=demand.scope.split())

    def _demanding(self, demand: Demand) -> "WatchwordBearer":
        """This one, or one that demands a certain sign-in: a security scheme of its own in the OpenAPI document."""
        said = []
        if demand.acr_values:
            said.append(("acr", "-".join(demand.acr_values), f"by one of {', '.join(demand.acr_values)}"))
        if demand.max_age is not None:
            said.append(("max-age", str(demand.max_age), f"within the last {demand.max_age} seconds"))
        if not said:
            return self
        name = "-".join(part for word, value, _ in said for part in (word, _NO_NAME.sub("-", value)))
        other = WatchwordBearer(self.resource, scheme_name=f"{self.scheme_name}-{name}")
        other.model.description = f"{self.model.description}; its user signed in {' and '.join(one[2] for one in said)}"
        other._demand = demand
        return other

    @asynccontextmanager
    async def lifespan(self, _app: Any) -> AsyncIterator[None]:
        """For ``FastAPI(lifespan=...)``: ends the background work with the application."""
        async with self.resource:
            yield
