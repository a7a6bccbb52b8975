"""Unmodified clients of other people's: each signs a user in at the real pages, renews, asks for claims, signs out."""

import json
from pathlib import Path
from typing import Any, NamedTuple

import httpx2
import pytest
from playwright.async_api import Page, expect
from tests.support.relying_party import Registration, register, relying_party
from tests.support.rfc import rfc, standard
from tests.support.running_server import RunningServer
from tests.support.sign_in_pages import allow, sign_in

pytestmark = [pytest.mark.interop, pytest.mark.browser, pytest.mark.slow, pytest.mark.xdist_group("interop")]

POST = ("--auth-method", "client_secret_post")
BASIC = ("--auth-method", "client_secret_basic")
PUBLIC = ("--type", "public", "--origin", "{address}")


class Client(NamedTuple):
    """A library, the program around it, and how its client is registered."""

    library: str
    program: str
    options: tuple[str, ...]


CLIENTS = (
    Client("authlib-starlette", "authlib_starlette.py", BASIC),
    Client("authlib-flask", "authlib_flask.py", BASIC),
    Client("requests-oauthlib", "requests_oauthlib_flask.py", BASIC),
    Client("openid-client", "openid_client.js", POST),
    Client("oauth4webapi", "oauth4webapi.js", BASIC),
    Client("oidc-client-ts", "oidc_client_ts.js", PUBLIC),
    Client("express-openid", "express_openid_connect.js", BASIC),
)


async def shown(page: Page) -> Any:
    """The JSON that the program shows."""
    return json.loads(await page.locator("pre").inner_text())


async def visit(page: Page, address: str, path: str, *, until: str | None = None) -> Any:
    """Open a path of the program; what it shows in the end, at ``until`` if that is elsewhere."""
    await page.goto(address + path)
    await page.wait_for_url(f"{address}{until or path}")
    return await shown(page)


def renew(server: RunningServer, who: Registration, token: str, *, options: tuple[str, ...]) -> httpx2.Response:
    """Use a refresh token past the library, as somebody would who kept it."""
    form = {"grant_type": "refresh_token", "refresh_token": token}
    with server.http() as http:
        if options == BASIC:
            return http.post("/token", data=form, auth=(who.client_id, who.secret or ""))
        named = {"client_id": who.client_id, **({"client_secret": who.secret} if who.secret else {})}
        return http.post("/token", data=form | named)


@standard("OpenID Connect Core 1.0", "3.1")
@standard("OpenID Connect Core 1.0", "5.3")
@standard("OpenID Connect RP-Initiated Logout 1.0", "2")
@rfc("6749", "4.1")
@rfc("6749", "6")
@pytest.mark.parametrize("client", CLIENTS, ids=lambda client: client.library)
async def test_an_unmodified_client_signs_in_renews_and_signs_out(
    client: Client, server: RunningServer, page: Page, tmp_path: Path
) -> None:
    who = register(server, client.library, *client.options)
    with relying_party(client.program, who, server, tmp_path) as address:
        await page.goto(f"{address}/sign-in")
        await sign_in(page)
        await allow(page)
        await page.wait_for_url(f"{address}/")
        first = await shown(page)
        assert first["claims"]["iss"] == server.issuer
        assert first["claims"]["aud"] in (who.client_id, [who.client_id])
        assert first["claims"]["sub"]

        second = await visit(page, address, "/refresh", until="/")
        assert second["access_token"] != first["access_token"]
        # Who proves a secret keeps the refresh token; others get a new one each time.
        assert (second["refresh_token"] != first["refresh_token"]) is (client.options == PUBLIC)

        claims = await visit(page, address, "/userinfo")
        assert claims["sub"] == first["claims"]["sub"]
        assert claims["preferred_username"] == "ada"

        assert renew(server, who, second["refresh_token"], options=client.options).status_code == 200
        assert await visit(page, address, "/sign-out", until="/signed-out*") == {"signed_out": True}
        assert (await visit(page, address, "/"))["claims"] is None
        refused = renew(server, who, second["refresh_token"], options=client.options)
        assert (refused.status_code, refused.json()["error"]) == (400, "invalid_grant")

        # The server's own session ended as well: it asks for the password again.
        await page.goto(f"{address}/sign-in")
        await expect(page.locator("#password")).to_be_visible()


@standard("OpenID Connect Core 1.0", "3.1.2.1")
async def test_mozilla_django_oidc_signs_in_renews_silently_and_signs_out(
    server: RunningServer, page: Page, tmp_path: Path
) -> None:
    server.command(
        "users", "create", "grace", "--email", "grace@example.org", "--password-stdin", stdin="seven lamps in the hall"
    )
    who = register(server, "mozilla-django-oidc", *BASIC)
    with relying_party("mozilla_django.py", who, server, tmp_path) as address:
        await page.goto(f"{address}/sign-in")
        await sign_in(page, username="grace", password="seven lamps in the hall")
        await allow(page)
        await page.wait_for_url(f"{address}/")
        first = await shown(page)
        assert first["claims"] == {"email": "grace@example.org", "users": 1}

        second = await visit(page, address, "/refresh", until="/")
        assert second["claims"] == first["claims"]
        assert second["access_token"] != first["access_token"]

        assert (await visit(page, address, "/userinfo"))["email"] == "grace@example.org"
        assert await visit(page, address, "/sign-out", until="/signed-out*") == {"signed_out": True}
        assert (await visit(page, address, "/"))["claims"] is None
        await page.goto(f"{address}/sign-in")
        await expect(page.locator("#password")).to_be_visible()
