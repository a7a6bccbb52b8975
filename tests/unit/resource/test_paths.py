"""Which demand a path meets: below mounts and root paths, and however it is spelled."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx2
import pytest
from fastapi import FastAPI
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Mount, Route, WebSocketRoute
from starlette.staticfiles import StaticFiles
from starlette.testclient import TestClient, WebSocketDenialResponse
from starlette.websockets import WebSocket

from watchword.resource import Demand
from watchword.resource.integrations.asgi import WatchwordMiddleware
from watchword.testing import FrozenClock, TestIssuer


@pytest.fixture
def issuer() -> TestIssuer:
    return TestIssuer(clock=FrozenClock())


@asynccontextmanager
async def calling(app: Any, *, root_path: str = "") -> AsyncIterator[httpx2.AsyncClient]:
    transport = httpx2.ASGITransport(app, root_path=root_path)
    async with httpx2.AsyncClient(transport=transport, base_url="https://api.test") as client:
        yield client


def guarded(app: Any, issuer: TestIssuer, **more: Any) -> WatchwordMiddleware:
    demands: dict[str, Any] = {"paths": {"/admin": "admin", "/open": Demand()}, "public": ["/healthz"]} | more
    return WatchwordMiddleware(app, resource=issuer.async_resource_server(), scope="read", **demands)


async def done(_: Request) -> Response:
    return PlainTextResponse("done")


async def socket(websocket: WebSocket) -> None:
    await websocket.accept()
    await websocket.close()


def routed() -> Starlette:
    ways = [Route(path, done) for path in ("/admin", "/admin/users", "/administrator", "/open", "/healthz", "/x")]
    return Starlette(routes=[*ways, WebSocketRoute("/admin/live", socket)])


def bearer(issuer: TestIssuer, scope: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {issuer.token(scope=scope)}"}


async def statuses(client: httpx2.AsyncClient, issuer: TestIssuer, at: str) -> dict[str, list[int]]:
    """By path: without a token, with one that may nothing, with a reader's, with an administrator's."""
    tokens = [{}, *(bearer(issuer, scope) for scope in ("other", "read", "read admin"))]
    paths = ("/admin", "/admin/users", "/administrator", "/open", "/healthz", "/x")
    return {path: [(await client.get(at + path, headers=one)).status_code for one in tokens] for path in paths}


EXPECTED = {
    "/admin": [401, 403, 403, 200],
    "/admin/users": [401, 403, 403, 200],
    "/administrator": [401, 403, 200, 200],
    "/open": [401, 200, 200, 200],
    "/healthz": [200, 200, 200, 200],
    "/x": [401, 403, 200, 200],
}


async def test_a_path_is_meant_as_the_application_routes_it_wherever_it_is_mounted(issuer: TestIssuer) -> None:
    app = guarded(routed(), issuer)
    async with calling(app) as client:
        assert await statuses(client, issuer, "") == EXPECTED
    async with calling(Starlette(routes=[Mount("/api", app)])) as client:
        assert await statuses(client, issuer, "/api") == EXPECTED
    async with calling(Starlette(routes=[Mount("/{tenant}", routes=[Mount("/v1", app)])])) as client:
        assert await statuses(client, issuer, "/blue/v1") == EXPECTED


async def test_a_path_is_meant_as_the_application_routes_it_whatever_the_servers_root_path_is(
    issuer: TestIssuer,
) -> None:
    app = guarded(routed(), issuer)
    for root in ("/api", "/admin", "/open", "/healthz"):
        async with calling(app, root_path=root) as client:
            assert await statuses(client, issuer, root) == EXPECTED, root
    # A server that leaves it off; and one that has a slash too many, as `--root-path /api/` does.
    async with calling(app, root_path="/api") as client:
        assert await statuses(client, issuer, "") == EXPECTED
        assert (await client.get("/apiadmin", headers=bearer(issuer, "read"))).status_code == 404
    async with calling(app, root_path="/api/") as client:
        assert await statuses(client, issuer, "/api/") == EXPECTED


def test_websockets_below_a_mount_meet_the_same_demand(issuer: TestIssuer) -> None:
    client = TestClient(Starlette(routes=[Mount("/api", guarded(routed(), issuer))]))
    with client.websocket_connect("/api/admin/live", headers=bearer(issuer, "admin")):
        pass
    with (
        pytest.raises(WebSocketDenialResponse) as refused,
        client.websocket_connect("/api/admin/live", headers=bearer(issuer, "read")),
    ):
        pass
    assert refused.value.status_code == 403


@pytest.mark.parametrize("stands", ["around", "within"])
async def test_a_root_path_that_fastapi_sets_by_itself_opens_no_way_around(issuer: TestIssuer, stands: str) -> None:
    inner = FastAPI()
    inner.root_path = "/api"  # as its argument of that name, which newer versions warn about

    @inner.get("/admin")
    def admin() -> str:
        return "done"

    app: Any = inner
    if stands == "around":
        app = guarded(inner, issuer)
    else:
        resource = issuer.async_resource_server()
        inner.add_middleware(WatchwordMiddleware, resource=resource, scope="read", paths={"/admin": "admin"})
    async with calling(app) as client:
        for path in ("/admin", "/api/admin"):
            assert (await client.get(path, headers=bearer(issuer, "read"))).status_code == 403
            assert (await client.get(path, headers=bearer(issuer, "read admin"))).status_code == 200


@pytest.mark.parametrize(
    "path",
    [
        *("/files/secret/a", "/files//secret/a", "/files/./secret/a", "/files/x/../secret/a", "/files/secret//a"),
        *("/files/%2e/secret/a", "/files/x%2F..%2Fsecret%2Fa", "/files/%73ecret/a", "/files/secret/./a"),
    ],
)
async def test_a_file_is_behind_its_demand_however_its_path_is_spelled(
    issuer: TestIssuer, tmp_path: Path, path: str
) -> None:
    for folder in ("secret", "x"):
        (tmp_path / folder).mkdir()
    (tmp_path / "secret" / "a").write_text("the secret")
    files = Starlette(routes=[Mount("/files", StaticFiles(directory=tmp_path))])
    app = Starlette(routes=[Mount("/api", guarded(files, issuer, paths={"/files/secret": "admin"}))])
    url = httpx2.URL("https://api.test", raw_path=f"/api{path}".encode())
    async with calling(app) as client:
        assert (await client.get(url, headers=bearer(issuer, "read"))).status_code == 403
        answer = await client.get(url, headers=bearer(issuer, "read admin"))
        assert (answer.status_code, answer.text) == (200, "the secret")


async def asked(app: Any, path: str, headers: dict[str, str]) -> int:
    """The status of a request with that very path, which no client tidies on the way."""
    sent: list[Any] = []

    async def receive() -> dict[str, Any]:
        return {"type": "http.request", "body": b"", "more_body": False}

    async def send(message: Any) -> None:
        sent.append(message)

    raw = [(name.lower().encode(), value.encode()) for name, value in headers.items()]
    await app({"type": "http", "method": "GET", "path": path, "headers": raw, "query_string": b""}, receive, send)
    return int(sent[0]["status"])


async def through(scope: Any, receive: Any, send: Any) -> None:
    await PlainTextResponse("through")(scope, receive, send)


@pytest.mark.parametrize(
    "path",
    [
        *("//admin", "/admin//", "/./admin", "/x/../admin", "/../admin", "/ADMIN", "/Admin/users", "\\admin"),
        *("/x\\..\\admin", "///admin/users", "/admin/../x", "/admin/.."),
    ],
)
async def test_a_path_that_could_be_read_as_another_meets_the_demand_of_both(issuer: TestIssuer, path: str) -> None:
    app = guarded(through, issuer)
    assert await asked(app, path, bearer(issuer, "read")) == 403
    assert await asked(app, path, bearer(issuer, "read admin")) == 200


@pytest.mark.parametrize("path", ["//open", "/OPEN", "/open/../x", "/x/../open", "/./open"])
async def test_a_lesser_demand_is_for_the_path_as_it_was_written_alone(issuer: TestIssuer, path: str) -> None:
    app = guarded(through, issuer)
    assert await asked(app, "/open", bearer(issuer, "other")) == 200
    assert await asked(app, path, bearer(issuer, "other")) == 403


@pytest.mark.parametrize("path", ["//healthz", "/healthz/", "/HEALTHZ", "/x/../healthz", "", "*", "/" * 60_000])
async def test_what_is_not_exactly_public_needs_a_token(issuer: TestIssuer, path: str) -> None:
    app = guarded(through, issuer)
    assert await asked(app, path, {}) == 401
    assert await asked(app, path, bearer(issuer, "read")) == 200


@pytest.mark.parametrize("path", ["admin", "//admin", "/a/../admin", "/./admin", "/a//b", "/a\\b", "https://x/admin"])
def test_a_path_that_no_request_could_have_is_refused_where_it_is_stated(issuer: TestIssuer, path: str) -> None:
    with pytest.raises(ValueError, match="no request"):
        guarded(through, issuer, paths={path: "admin"})


@pytest.mark.parametrize("other", ["/Admin", "/admin/"])
def test_two_demands_for_one_path_are_refused_where_they_are_stated(issuer: TestIssuer, other: str) -> None:
    with pytest.raises(ValueError, match="two demands"):
        guarded(through, issuer, paths={"/admin": "admin", other: "more"})


async def test_the_root_stands_for_every_path(issuer: TestIssuer) -> None:
    app = guarded(through, issuer, paths={"/": "admin"})
    for path in ("/", "", "/x", "//"):
        assert await asked(app, path, bearer(issuer, "read")) == 403
        assert await asked(app, path, bearer(issuer, "admin")) == 200
