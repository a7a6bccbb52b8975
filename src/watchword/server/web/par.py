"""Pushed authorization request endpoint.

Implements: RFC 9126 §2.1, §2.2, §2.3.
"""

from starlette.requests import Request
from starlette.responses import Response

from watchword.server.flows.pushed_requests import push
from watchword.server.web.context import Web
from watchword.server.web.reading import client_credentials, read_form
from watchword.server.web.rendering import answer


async def par(web: Web, request: Request) -> Response:
    """``POST /par``."""
    form = await read_form(request)
    credentials = client_credentials(request, form)
    uri, seconds = await push(web.parts, credentials, form.pairs)
    return answer({"request_uri": uri, "expires_in": seconds}, status=201)
