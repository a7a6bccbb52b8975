"""Token introspection endpoint.

Implements: RFC 7662 §2.1, §2.2.
"""

from starlette.requests import Request
from starlette.responses import Response

from watchword.server.flows.introspect import introspect as flow
from watchword.server.web.context import Web
from watchword.server.web.reading import client_credentials, read_form
from watchword.server.web.rendering import answer


async def introspect(web: Web, request: Request) -> Response:
    """``POST /introspect``."""
    form = await read_form(request)
    return answer(await flow(web.parts, client_credentials(request, form), form.need("token")))
