"""Demands on the user's sign-in, through each integration."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Annotated, Any

import httpx2
import pytest
from fastapi import FastAPI
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route
from tests.support.rfc import rfc
from tests.unit.resource.builders import make_issuer, make_verifier

from watchword.protocol.rejection import TokenRejected
from watchword.protocol.scope import Scope
from watchword.protocol.step_up import SignInDemand
from watchword.resource import ACR_PASSKEY, ACR_TWO_FACTOR, AsyncResourceServer, Demand, VerifiedToken
from watchword.resource.integrations import fastapi, starlette
from watchword.resource.integrations.asgi import WatchwordMiddleware
from watchword.testing import FrozenClock, TestIssuer


@pytest.fixture
def issuer() -> TestIssuer:
    return TestIssuer(clock=FrozenClock())


@asynccontextmanager
async def calling(app: Any) -> AsyncIterator[httpx2.AsyncClient]:
    async with httpx2.AsyncClient(transport=httpx2.ASGITransport(app), base_url="https://api.test") as client:
        yield client


def bearer(token: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {token}"}


def fastapi_app(resource: AsyncResourceServer) -> FastAPI:
    guard = fastapi.WatchwordBearer(resource)
    app = FastAPI(lifespan=guard.lifespan)

    @app.get("/read")
    async def read(token: Annotated[VerifiedToken, guard.requires("orders")]) -> str:
        return token.subject

    @app.get("/pay")
    async def pay(
        token: Annotated[VerifiedToken, guard.requires("orders", max_age=300, acr_values=ACR_TWO_FACTOR)],
    ) -> str:
        return token.subject

    @app.get("/close", dependencies=[guard.requires(acr_values=[ACR_PASSKEY])])
    def close() -> str:
        return "closed"

    return app


def starlette_app(resource: AsyncResourceServer) -> Starlette:
    guard = starlette.WatchwordBearer(resource)

    @guard.requires("orders")
    async def read(request: Request) -> Response:
        return PlainTextResponse(starlette.token_of(request).subject)

    @guard.requires("orders", max_age=300, acr_values=ACR_TWO_FACTOR)
    async def pay(request: Request) -> Response:
        return PlainTextResponse(starlette.token_of(request).subject)

    return Starlette(routes=[Route("/read", read), Route("/pay", pay)], lifespan=guard.lifespan)


def asgi_app(resource: AsyncResourceServer) -> WatchwordMiddleware:
    async def inner(scope: Any, receive: Any, send: Any) -> None:
        await PlainTextResponse(scope["watchword.token"].subject)(scope, receive, send)

    pay = Demand("orders", max_age=300, acr_values=ACR_TWO_FACTOR)
    return WatchwordMiddleware(inner, resource=resource, scope="orders", paths={"/pay": pay})


MAKERS = [fastapi_app, starlette_app, asgi_app]


@rfc("9470", "3")
@pytest.mark.parametrize("make", MAKERS)
async def test_a_demand_is_made_where_it_was_stated_and_nowhere_else(issuer: TestIssuer, make: Any) -> None:
    async with calling(make(issuer.async_resource_server())) as client:
        fresh = bearer(issuer.token(scope="orders", acr=ACR_PASSKEY))
        weak = bearer(issuer.token(scope="orders"))
        stale = bearer(issuer.token(scope="orders", acr=ACR_TWO_FACTOR, signed_in_ago=400))
        for headers in (fresh, weak, stale):
            assert (await client.get("/read", headers=headers)).status_code == 200
        assert (await client.get("/pay", headers=fresh)).status_code == 200
        for headers in (weak, stale):
            answer = await client.get("/pay", headers=headers)
            challenge = answer.headers["WWW-Authenticate"]
            assert answer.status_code == 401
            assert 'error="insufficient_user_authentication"' in challenge
            assert challenge.endswith(f'acr_values="{ACR_TWO_FACTOR}", max_age="300"')
        narrow = await client.get("/pay", headers=bearer(issuer.token(scope="other")))
        assert narrow.status_code == 403


async def test_a_fastapi_operation_may_demand_a_sign_in_alone(issuer: TestIssuer) -> None:
    async with calling(fastapi_app(issuer.async_resource_server())) as client:
        assert (await client.get("/close", headers=bearer(issuer.token(acr=ACR_PASSKEY)))).status_code == 200
        assert (await client.get("/close", headers=bearer(issuer.token()))).status_code == 401


async def test_the_openapi_document_shows_where_another_sign_in_may_be_wanted(issuer: TestIssuer) -> None:
    document = fastapi_app(issuer.async_resource_server()).openapi()
    [[name]] = [list(one) for one in document["paths"]["/pay"]["get"]["security"]]
    assert name == "watchword-acr-urn-watchword-acr-two-factor-max-age-300"
    scheme = document["components"]["securitySchemes"][name]
    assert scheme["type"] == "openIdConnect"
    assert scheme["description"].endswith(f"signed in by one of {ACR_TWO_FACTOR} and within the last 300 seconds")
    assert document["paths"]["/pay"]["get"]["security"] == [{name: ["orders"]}]
    assert document["paths"]["/read"]["get"]["security"] == [{"watchword": ["orders"]}]


async def test_a_middleware_demands_its_sign_in_of_paths_that_have_another_scope(issuer: TestIssuer) -> None:
    async def inner(scope: Any, receive: Any, send: Any) -> None:
        await PlainTextResponse("through")(scope, receive, send)

    paths: dict[str, str | Demand] = {"/admin": "admin", "/open": Demand()}
    resource = issuer.async_resource_server()
    app = WatchwordMiddleware(inner, resource=resource, scope="read", max_age=60, paths=paths)
    async with calling(app) as client:
        stale = bearer(issuer.token(scope="read admin", signed_in_ago=99))
        statuses = [(await client.get(path, headers=stale)).status_code for path in ("/", "/admin", "/open")]
        assert statuses == [401, 401, 200]


@pytest.mark.parametrize("demanded", [{"max_age": -1}, {"acr_values": 'x"y'}])
def test_a_malformed_demand_is_refused_where_it_is_stated(issuer: TestIssuer, demanded: dict[str, Any]) -> None:
    resource = issuer.async_resource_server()
    for state in (
        lambda: fastapi.WatchwordBearer(resource).requires("a", **demanded),
        lambda: starlette.WatchwordBearer(resource).requires("a", **demanded),
        lambda: WatchwordMiddleware(asgi_app(resource), resource=resource, **demanded),
    ):
        with pytest.raises(ValueError, match=r"max_age|acr_values"):
            state()


def test_a_remembered_token_is_judged_anew_by_each_demand_and_each_moment() -> None:
    issuer, clock = make_issuer()
    verifier = make_verifier(issuer)
    token, none = issuer.token(expires_in=3600), Scope()
    five, passkey = SignInDemand(max_age=5), SignInDemand(acr_values=(ACR_PASSKEY,))
    first = verifier.verify(token, none, now=clock(), sign_in=five)
    assert verifier.verify(token, none, now=clock()) is first, "it is remembered"
    with pytest.raises(TokenRejected, match=r"token\.acr"):
        verifier.verify(token, none, now=clock(), sign_in=passkey)
    with pytest.raises(TokenRejected, match=r"token\.auth_time"):
        verifier.verify(token, none, now=clock() + 16, sign_in=five)
    assert verifier.verify(token, none, now=clock() + 16) is first
