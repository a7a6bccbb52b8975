"""The shop.

Run it with ``uvicorn examples.shop.app:app``. Its surroundings say who signs users in (``ISSUER``), where the orders
are (``ORDERS_URL``), where the shop itself is (``SHOP_URL``), and the secret of its client "shop" (``CLIENT_SECRET``).
Tokens stay here; the browser has a cookie with a random name in it.
"""

import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any
from urllib.parse import quote

import httpx2
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse, RedirectResponse, Response
from starlette.routing import Route

from examples.shop import pages
from watchword.client import FileSessionStore, SignInAgain, TryLater
from watchword.client.integrations.httpx2 import TokenAuth
from watchword.client.integrations.web_login import WebLogin

ORDERS_URL, SHOP_URL = os.environ["ORDERS_URL"], os.environ["SHOP_URL"]

ISSUER = os.environ["ISSUER"]

login = WebLogin(
    issuer=ISSUER,
    client_id="shop",
    client_secret=os.environ["CLIENT_SECRET"],
    redirect_uri=f"{SHOP_URL}/callback",
    post_logout_redirect_uri=f"{SHOP_URL}/",
    scope="openid profile orders.read orders.write",
    session_store=FileSessionStore(os.environ["SESSIONS"]) if "SESSIONS" in os.environ else None,
)
orders = httpx2.AsyncClient(base_url=ORDERS_URL)


async def front(request: Request) -> Response:
    """The shop window, for everybody."""
    user = await login.user(request)
    return _page(pages.window(signed_in=user is not None))


async def my_orders(request: Request) -> Response:
    """What the user has ordered, and what could be ordered."""
    await login.required(request)
    answer = await orders.get("/orders", auth=_tokens(request))
    if answer.status_code != 200:
        return _page(pages.trouble(), status=503)
    found: dict[str, Any] = answer.json()
    return _page(
        pages.orders(
            user=await _name(request),
            orders=found["orders"],
            in_stock=found["in_stock"],
            form_token=login.form_token(request),
        )
    )


async def order(request: Request) -> Response:
    """Order one of something."""
    await login.required(request)
    fields = await login.own_form(request)
    wanted = {"item": fields.get("item", "")[:40], "amount": 1}
    answer = await orders.post("/orders", json=wanted, auth=_tokens(request))
    if answer.status_code != 201:
        return _page(pages.trouble(), status=503)
    return RedirectResponse("/orders", 303)


async def cancel(request: Request) -> Response:
    """Cancel an order. Where the sign-in is too old for that, the user signs in again and is back at his orders."""
    await login.required(request)
    fields = await login.own_form(request)
    answer = await orders.delete(f"/orders/{quote(fields.get('item', ''), safe='')}", auth=_tokens(request))
    if answer.status_code not in (204, 404):
        return _page(pages.trouble(), status=503)
    return RedirectResponse("/orders", 303)


async def away(_: Request, error: Exception) -> Response:
    """The issuer or the orders are away; the session stays."""
    return _page(
        pages.trouble(), status=503, headers={"Retry-After": str(round(getattr(error, "retry_after", 2)) or 1)}
    )


async def nowhere(_: Request, __: Exception) -> Response:
    """No page of the shop."""
    return _page(pages.not_found(), status=404)


async def healthz(_: Request) -> Response:
    """Asked by whoever watches over the shop."""
    return JSONResponse({"ok": True})


@asynccontextmanager
async def lifespan(_: Starlette) -> AsyncIterator[None]:
    """The connections to orders end with the application."""
    async with orders:
        yield


app = Starlette(
    routes=[
        Route("/", front),
        Route("/orders", my_orders),
        Route("/order", order, methods=["POST"]),
        Route("/cancel", cancel, methods=["POST"]),
        Route("/healthz", healthz),
        *login.routes,
    ],
    # Also where a sign-in is wanted that is more recent or stronger: the handler knows both.
    exception_handlers={
        SignInAgain: login.sign_in_again,
        TryLater: away,
        httpx2.TransportError: away,
        404: nowhere,
    },
    lifespan=lifespan,
)


async def _name(request: Request) -> str:
    """What the issuer calls the user; a token for the issuer itself says who is asking."""
    about = (await orders.get(f"{ISSUER}/.well-known/openid-configuration")).json()
    tokens = TokenAuth(login.token_source(request, resource=ISSUER), origins=[ISSUER])
    answer = await orders.get(about["userinfo_endpoint"], auth=tokens)
    return str(answer.json().get("preferred_username", "friend")) if answer.status_code == 200 else "friend"


def _tokens(request: Request) -> TokenAuth:
    return TokenAuth(login.token_source(request), origins=[ORDERS_URL])


def _page(text: str, *, status: int = 200, headers: dict[str, str] | None = None) -> Response:
    return HTMLResponse(text, status, pages.HEADERS | (headers or {}))
