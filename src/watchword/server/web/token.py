"""Token endpoint: a grant for tokens.

Implements: RFC 6749 §3.2, §5.1, §5.2.
"""

from starlette.requests import Request
from starlette.responses import Response

from watchword.protocol.errors import InvalidTarget
from watchword.protocol.resource_indicator import parse_resource
from watchword.server.flows.grant_types.request import TokenRequest
from watchword.server.flows.token import token as flow
from watchword.server.web.context import Web
from watchword.server.web.reading import client_credentials, read_form
from watchword.server.web.rendering import answer


async def token(web: Web, request: Request) -> Response:
    """``POST /token``."""
    form = await read_form(request)
    credentials = client_credentials(request, form)
    origin = web.network.origin(request)
    asked = TokenRequest(
        grant_type=form.need("grant_type"),
        now=web.parts.clock.now(),
        caller=origin.caller,
        device=origin.device,
        scope=form.get("scope"),
        # Not parsed here: a refresh judges reuse first, and what is malformed is nobody's audience.
        resources=form.resources,
        code=form.get("code"),
        code_verifier=form.get("code_verifier"),
        redirect_uri=form.get("redirect_uri"),
        refresh_token=form.get("refresh_token"),
    )
    return answer(await flow(web.parts, credentials, asked))


def resources(texts: tuple[str, ...]) -> tuple[str, ...]:
    """The resource parameters of a request.

    Raises:
        InvalidTarget: not absolute URIs without a fragment (RFC 8707 §2).
    """
    try:
        return tuple(parse_resource(text) for text in texts)
    except ValueError as error:
        raise InvalidTarget(str(error), slug="resource.malformed") from None
