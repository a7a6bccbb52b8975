"""UserInfo endpoint.

Implements: OpenID Connect Core 1.0 §5.3.1, §5.3.2; RFC 6750 §2.1.
"""

from starlette.requests import Request
from starlette.responses import Response

from watchword.protocol.bearer import parse_bearer
from watchword.server.flows.userinfo import userinfo as flow
from watchword.server.web.context import Web
from watchword.server.web.rendering import answer


async def userinfo(web: Web, request: Request) -> Response:
    """``GET /userinfo`` and ``POST /userinfo``; the token comes in the Authorization header alone."""
    return answer(await flow(web.parts, parse_bearer(request.headers.getlist("authorization"))))
