"""Token revocation endpoint: a client gives a token back.

Implements: RFC 7009 §2, §2.1, §2.2.
"""

from starlette.requests import Request
from starlette.responses import Response

from watchword.server.flows.revoke import revoke as flow
from watchword.server.web.context import Web
from watchword.server.web.reading import client_credentials, read_form
from watchword.server.web.rendering import NO_STORE


async def revoke(web: Web, request: Request) -> Response:
    """``POST /revoke``. 200 also for a token that is unknown or dead (RFC 7009 §2.2)."""
    form = await read_form(request)
    await flow(web.parts, client_credentials(request, form), form.need("token"))
    return Response(None, 200, NO_STORE)
