"""FastAPI, Starlette and plain ASGI, over an issuer in memory."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Annotated, Any

import httpx2
import pytest
from fastapi import FastAPI, Security
from starlette.applications import Starlette
from starlette.endpoints import HTTPEndpoint
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response
from starlette.routing import Route, WebSocketRoute
from starlette.testclient import TestClient, WebSocketDenialResponse
from starlette.websockets import WebSocket
from tests.support.rfc import rfc

from watchword.resource import AsyncResourceServer, VerifiedToken
from watchword.resource.integrations import fastapi, starlette
from watchword.resource.integrations.asgi import AsgiApp, Message, WatchwordMiddleware, token_of
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

    @app.get("/orders")
    async def orders(token: Annotated[VerifiedToken, guard.requires("orders:read")]) -> dict[str, str]:
        return {"subject": token.subject}

    @app.post("/orders", dependencies=[Security(guard, scopes=["orders:write"])])
    def write() -> str:
        return "written"

    return app


def starlette_app(resource: AsyncResourceServer) -> Starlette:
    guard = starlette.WatchwordBearer(resource)

    @guard.requires("orders:read")
    async def orders(request: Request) -> Response:
        return JSONResponse({"subject": starlette.token_of(request).subject})

    class Orders(HTTPEndpoint):
        @guard.requires("orders:read")
        def get(self, request: Request) -> Response:
            return JSONResponse({"subject": starlette.token_of(request).subject})

    return Starlette(routes=[Route("/orders", orders), Route("/sync", Orders)], lifespan=guard.lifespan)


def asgi_app(resource: AsyncResourceServer) -> AsgiApp:
    async def orders(request: Request) -> Response:
        return JSONResponse({"subject": token_of(request.scope).subject})

    async def health(request: Request) -> Response:
        return PlainTextResponse("well")

    async def socket(websocket: WebSocket) -> None:
        await websocket.accept()
        await websocket.send_text(token_of(websocket.scope).subject)
        await websocket.close()

    inner: Any = Starlette(
        routes=[
            Route("/orders", orders),
            Route("/admin/users", orders),
            Route("/administrator", orders),
            Route("/healthz", health),
            WebSocketRoute("/socket", socket),
        ]
    )
    return WatchwordMiddleware(
        inner, resource=resource, scope="orders:read", paths={"/admin": "admin"}, public=["/healthz"]
    )


MAKERS = [fastapi_app, starlette_app, asgi_app]


@pytest.mark.parametrize("make", MAKERS)
async def test_a_good_token_comes_through(issuer: TestIssuer, make: Any) -> None:
    async with calling(make(issuer.async_resource_server())) as client:
        answer = await client.get("/orders", headers=bearer(issuer.token("alice", scope="orders:read more")))
        assert (answer.status_code, answer.json()) == (200, {"subject": "alice"})


@rfc("6750", "3")
@pytest.mark.parametrize("make", MAKERS)
async def test_without_a_token_the_answer_is_401_without_an_error_code(issuer: TestIssuer, make: Any) -> None:
    async with calling(make(issuer.async_resource_server())) as client:
        answer = await client.get("/orders")
        assert (answer.status_code, answer.headers["WWW-Authenticate"]) == (401, "Bearer")


@rfc("6750", "3.1")
@pytest.mark.parametrize("make", MAKERS)
async def test_a_bad_token_is_401_and_too_small_a_scope_403(issuer: TestIssuer, make: Any) -> None:
    async with calling(make(issuer.async_resource_server())) as client:
        expired = await client.get("/orders", headers=bearer(issuer.token(expires_in=-60)))
        assert expired.status_code == 401
        assert 'error="invalid_token"' in expired.headers["WWW-Authenticate"]
        narrow = await client.get("/orders", headers=bearer(issuer.token(scope="orders")))
        assert narrow.status_code == 403
        challenge = narrow.headers["WWW-Authenticate"]
        assert 'error="insufficient_scope"' in challenge
        assert 'scope="orders:read"' in challenge


@rfc("6750", "2")
@pytest.mark.parametrize("make", MAKERS)
async def test_two_tokens_in_one_request_are_400(issuer: TestIssuer, make: Any) -> None:
    async with calling(make(issuer.async_resource_server())) as client:
        value = f"Bearer {issuer.token(scope='orders:read')}"
        answer = await client.get("/orders", headers=[("Authorization", value), ("Authorization", value)])
        assert answer.status_code == 400


@pytest.mark.parametrize("make", MAKERS)
async def test_why_a_token_was_refused_is_not_told_to_its_bearer(issuer: TestIssuer, make: Any) -> None:
    async with calling(make(issuer.async_resource_server())) as client:
        dead = issuer.token(scope="orders:read", sid="dead")
        issuer.revoke(session="dead")
        texts = set()
        for token in (dead, issuer.token(expires_in=-60), issuer.token(audience="https://other.test")):
            answer = await client.get("/orders", headers=bearer(token))
            texts.add((answer.status_code, answer.headers["WWW-Authenticate"], answer.text))
        assert len(texts) == 1


@pytest.mark.parametrize("make", MAKERS)
async def test_an_outage_is_503_with_retry_after_and_no_challenge(issuer: TestIssuer, make: Any) -> None:
    issuer.reachable = False
    async with calling(make(issuer.async_resource_server())) as client:
        answer = await client.get("/orders", headers=bearer(issuer.token(scope="orders:read")))
        assert answer.status_code == 503
        assert int(answer.headers["Retry-After"]) >= 1
        assert "WWW-Authenticate" not in answer.headers


@pytest.mark.parametrize("make", MAKERS)
async def test_a_feed_that_is_cut_for_too_long_is_503_too(issuer: TestIssuer, make: Any) -> None:
    assert isinstance(issuer.clock, FrozenClock)
    async with calling(make(issuer.async_resource_server())) as client:
        headers = bearer(issuer.token(scope="orders:read", expires_in=3600))
        assert (await client.get("/orders", headers=headers)).status_code == 200
        issuer.reachable = False
        issuer.clock.advance(301)
        answer = await client.get("/orders", headers=headers)
        assert (answer.status_code, "WWW-Authenticate" in answer.headers) == (503, False)


@pytest.mark.parametrize("value", ["Basic abc", "Bearer", "Bearer a b", "Bearer ü", "bearer  ", "Bearer,x"])
async def test_odd_authorization_headers_are_refused_and_break_nothing(issuer: TestIssuer, value: str) -> None:
    async with calling(asgi_app(issuer.async_resource_server())) as client:
        answer = await client.get("/orders", headers=[(b"Authorization", value.encode("utf-8"))])
        assert answer.status_code == 401


async def test_scopes_stand_in_the_openapi_document(issuer: TestIssuer) -> None:
    document = fastapi_app(issuer.async_resource_server()).openapi()
    scheme = document["components"]["securitySchemes"]["watchword"]
    assert scheme["type"] == "openIdConnect"
    assert scheme["openIdConnectUrl"] == "https://issuer.test/.well-known/openid-configuration"
    assert document["paths"]["/orders"]["get"]["security"] == [{"watchword": ["orders:read"]}]
    assert document["paths"]["/orders"]["post"]["security"] == [{"watchword": ["orders:write"]}]


async def test_a_dependency_on_the_route_alone_protects_it(issuer: TestIssuer) -> None:
    async with calling(fastapi_app(issuer.async_resource_server())) as client:
        assert (await client.post("/orders", headers=bearer(issuer.token(scope="orders:read")))).status_code == 403
        assert (await client.post("/orders", headers=bearer(issuer.token(scope="orders:write")))).status_code == 200


async def test_a_plain_method_of_a_starlette_endpoint_is_protected_too(issuer: TestIssuer) -> None:
    async with calling(starlette_app(issuer.async_resource_server())) as client:
        assert (await client.get("/sync")).status_code == 401
        assert (await client.get("/sync", headers=bearer(issuer.token(scope="orders:read")))).status_code == 200


async def test_paths_have_demands_of_their_own_by_whole_segments(issuer: TestIssuer) -> None:
    async with calling(asgi_app(issuer.async_resource_server())) as client:
        reader, admin = bearer(issuer.token(scope="orders:read")), bearer(issuer.token(scope="admin"))
        assert (await client.get("/healthz")).status_code == 200
        assert (await client.get("/healthz/")).status_code == 401
        assert (await client.get("/admin/users", headers=reader)).status_code == 403
        assert (await client.get("/admin/users", headers=admin)).status_code == 200
        assert (await client.get("/administrator", headers=reader)).status_code == 200


def test_websockets_are_judged_before_they_are_accepted(issuer: TestIssuer) -> None:
    client = TestClient(asgi_app(issuer.async_resource_server()))
    with client.websocket_connect("/socket", headers=bearer(issuer.token("alice", scope="orders:read"))) as socket:
        assert socket.receive_text() == "alice"
    with pytest.raises(WebSocketDenialResponse) as caught, client.websocket_connect("/socket"):
        pass
    assert caught.value.status_code == 401


async def test_a_server_without_the_denial_extension_closes_the_websocket(issuer: TestIssuer) -> None:
    sent: list[Message] = []

    async def receive() -> Message:
        return {"type": "websocket.connect"}

    async def send(message: Message) -> None:
        sent.append(message)

    scope = {"type": "websocket", "path": "/socket", "headers": []}
    await asgi_app(issuer.async_resource_server())(scope, receive, send)
    assert sent == [{"type": "websocket.close", "code": 1008}]


def test_an_application_can_be_started_again(issuer: TestIssuer) -> None:
    app = fastapi_app(issuer.async_resource_server())
    for _ in range(2):
        with TestClient(app) as client:
            token = issuer.token(scope="orders:read")
            assert client.get("/orders", headers=bearer(token)).status_code == 200


def test_a_malformed_demand_is_found_when_the_application_is_built(issuer: TestIssuer) -> None:
    resource = issuer.async_resource_server()
    for build in (fastapi.WatchwordBearer(resource).requires, starlette.WatchwordBearer(resource).requires):
        with pytest.raises(ValueError, match="scope"):
            build('orders"read')
