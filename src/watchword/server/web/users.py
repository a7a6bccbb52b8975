"""Sign-up at the simple door, where the operator left it open."""

from starlette.requests import Request
from starlette.responses import Response

from watchword.protocol.errors import AccessDenied
from watchword.protocol.redirect_uri import origin_of
from watchword.server.flows.sign_up import SignUp, sign_up
from watchword.server.web.context import Web
from watchword.server.web.page_answers import locale_of
from watchword.server.web.reading import read_json
from watchword.server.web.rendering import answer


async def users(web: Web, request: Request) -> Response:
    """``POST /users``."""
    now = web.parts.clock.now()
    for origin in request.headers.getlist("origin"):
        if origin != origin_of(web.parts.issuer) and origin not in await web.parts.directory.origins(now=now):
            raise AccessDenied("this web origin is of no client here", slug="sign_up.origin")
    fields = await read_json(request)
    asked = SignUp(
        username=fields.need("username"),
        password=fields.need("password"),
        email=fields.get("email"),
        network=web.network.origin(request).network,
        locale=locale_of(request),
    )
    user = await sign_up(web.parts, asked, now=now)
    return answer({"sub": user.sub, "username": user.username}, status=201)
