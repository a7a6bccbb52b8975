"""A web application that signs its users in with Authlib's Starlette client."""

from typing import Any

import uvicorn
from authlib.integrations.starlette_client import OAuth
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.middleware.sessions import SessionMiddleware
from starlette.requests import Request
from starlette.responses import JSONResponse, RedirectResponse, Response
from starlette.routing import Route
from surroundings import CALLBACK, CLIENT_ID, CLIENT_SECRET, COOKIE_SECRET, DISCOVERY, PORT, SCOPE, SIGNED_OUT

oauth = OAuth()
watchword = oauth.register(
    "watchword",
    server_metadata_url=DISCOVERY,
    client_id=CLIENT_ID,
    client_secret=CLIENT_SECRET,
    client_kwargs={"scope": SCOPE, "code_challenge_method": "S256"},
)
signed_in: dict[str, Any] = {}


async def home(request: Request) -> Response:
    names = ("access_token", "refresh_token", "id_token")
    return JSONResponse({"claims": signed_in.get("userinfo"), **{name: signed_in.get(name) for name in names}})


async def sign_in(request: Request) -> Response:
    answer: Response = await watchword.authorize_redirect(request, CALLBACK)
    return answer


async def callback(request: Request) -> Response:
    signed_in.update(await watchword.authorize_access_token(request))
    return RedirectResponse("/")


async def refresh(request: Request) -> Response:
    fresh = await watchword.fetch_access_token(grant_type="refresh_token", refresh_token=signed_in["refresh_token"])
    signed_in.update(fresh)
    return RedirectResponse("/")


async def userinfo(request: Request) -> Response:
    return JSONResponse(await watchword.userinfo(token=signed_in))


async def sign_out(request: Request) -> Response:
    answer: Response = await watchword.logout_redirect(request, SIGNED_OUT, id_token_hint=signed_in["id_token"])
    return answer


async def signed_out(request: Request) -> Response:
    await watchword.validate_logout_response(request)
    signed_in.clear()
    return JSONResponse({"signed_out": True})


app = Starlette(
    routes=[
        Route("/", home),
        Route("/sign-in", sign_in),
        Route("/callback", callback),
        Route("/refresh", refresh),
        Route("/userinfo", userinfo),
        Route("/sign-out", sign_out),
        Route("/signed-out", signed_out),
    ],
    middleware=[Middleware(SessionMiddleware, secret_key=COOKIE_SECRET, session_cookie="party")],
)

if __name__ == "__main__":
    uvicorn.run(app, host="127.0.0.1", port=PORT)
