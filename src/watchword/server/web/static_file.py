"""The files that pages load, under names that change with their content."""

from starlette.requests import Request
from starlette.responses import Response

from watchword.server.web.context import Web


async def static(web: Web, request: Request) -> Response:
    """``GET /static/<name>``."""
    return web.pages.static_file(request.scope["path"].rpartition("/static/")[2])
