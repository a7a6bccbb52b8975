"""The issuer's public keys.

Implements: RFC 7517 §5.
"""

from starlette.requests import Request
from starlette.responses import Response

from watchword.protocol import jwk_set
from watchword.server.web.context import Web
from watchword.server.web.rendering import document


async def jwks(web: Web, _: Request) -> Response:
    """``GET /jwks``: from memory, also while the database is away."""
    return document(jwk_set.render(web.parts.signer.published()))
