"""A web application that hears of sign-outs, over an issuer in memory."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import httpx2
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route

from watchword.client import Answer, Identity, SessionStore, SignInAgain
from watchword.client import Request as Asked
from watchword.client.integrations.web_login import WebLogin
from watchword.client.messages import Unreachable
from watchword.protocol import logout_token
from watchword.testing import FrozenClock, TestIssuer

SHOP = "https://shop.test"


class Wire:
    """The way to the issuer."""

    def __init__(self, issuer: TestIssuer) -> None:
        self.issuer, self.asked, self.away = issuer, 0, False

    async def send(self, request: Asked) -> Answer | Unreachable:
        await asyncio.sleep(0)
        if self.away:
            return Unreachable("away")
        if request.url.endswith("/jwks"):
            self.asked += 1
            return Answer(200, self.issuer.key_set())
        return Answer(200, self.issuer.metadata())


class Shop:
    """An application with two pages, and ways to sign in without a browser."""

    def __init__(self, store: SessionStore, clock: FrozenClock) -> None:
        self.clock, self.issuer = clock, TestIssuer(clock=clock)
        self.wire, self.serial = Wire(self.issuer), 0
        self.login = self.another(store)

    def another(self, store: SessionStore) -> WebLogin:
        """Another process of the application."""
        return WebLogin(
            issuer=self.issuer.issuer,
            client_id="shop",
            client_secret="s" * 43,
            redirect_uri=f"{SHOP}/callback",
            session_store=store,
            transport=self.wire,
            clock=self.clock,
        )

    async def begun(self, subject: str, sid: str | None = None, *, ago: float = 0) -> str:
        """A session whose user signed in some seconds ago; its name."""
        self.serial += 1
        name, at = f"{self.serial:043}", int(self.clock() - ago)
        identity = Identity(
            issuer=self.issuer.issuer,
            subject=subject,
            session_id=sid,
            auth_time=at,
            acr=None,
            amr=(),
            claims={"iat": at},
            id_token="x",
        )
        sessions = self.login._sessions
        await asyncio.to_thread(sessions.tokens(name).save, b"tokens")
        await sessions.begin(name, identity)
        return name

    def token(self, *, typ: str = "logout+jwt", **changed: Any) -> str:
        """A logout token with some claims changed; those that are None are left out."""
        self.serial += 1
        made = logout_token.claims(
            issuer=self.issuer.issuer,
            client_id="shop",
            subject="ada",
            sid=None,
            issued_at=int(self.clock()),
            jti=f"jti-{self.serial}",
        )
        return self.issuer.signing_key.sign(
            {name: value for name, value in (made | changed).items() if value is not None}, typ=typ
        )

    async def told(self, token: str, *, login: WebLogin | None = None) -> httpx2.Response:
        async with self.calling(login) as client:
            return await client.post("/backchannel-logout", data={"logout_token": token})

    async def who(self, name: str, *, login: WebLogin | None = None) -> str:
        async with self.calling(login) as client:
            return (await client.get("/", headers={"Cookie": f"__Host-web-login={name}"})).text

    @asynccontextmanager
    async def calling(self, login: WebLogin | None = None) -> AsyncIterator[httpx2.AsyncClient]:
        app = app_of(login or self.login)
        async with httpx2.AsyncClient(transport=httpx2.ASGITransport(app), base_url=SHOP) as client:
            yield client


def app_of(login: WebLogin) -> Starlette:
    async def front(request: Request) -> Response:
        user = await login.user(request)
        return PlainTextResponse("nobody" if user is None else user.subject)

    async def token(request: Request) -> Response:
        try:
            await login.token_source(request).token()
        except SignInAgain as error:
            return PlainTextResponse(error.reason)
        return PlainTextResponse("a token")

    return Starlette(routes=[Route("/", front), Route("/token", token), *login.routes])
