"""The revocation feed, as a stream or as one batch.

Pinned: ``?after=N`` answers ``{"sequence": B, "batch": "<JWS>"}``; as ``text/event-stream`` a message has ``id: B``,
``event: revocations`` and ``data: <JWS>``, and ``Last-Event-ID`` resumes.
"""

from collections.abc import AsyncIterator

from starlette.requests import Request
from starlette.responses import Response, StreamingResponse

from watchword.protocol.errors import InvalidRequest
from watchword.protocol.revocation_feed import SSE_EVENT
from watchword.server.flows.client_authentication import ClientCredentials
from watchword.server.flows.revocation_feed import may_read
from watchword.server.web.context import Web
from watchword.server.web.reading import Fields, client_credentials
from watchword.server.web.rendering import NO_STORE, answer

_MAX_SEQUENCE_DIGITS = 18


async def revocations(web: Web, request: Request) -> Response:
    """``GET /revocations``."""
    offered = client_credentials(request, Fields({})) if "authorization" in request.headers else None
    await may_read(web.parts, offered)
    after = _after(request)
    # A stream without a body would never end.
    if request.method == "HEAD" or "text/event-stream" not in request.headers.get("accept", ""):
        message = await web.feed.message(after)
        return answer({"sequence": message.sequence, "batch": message.batch})
    # The first message is made before the status is sent, so that trouble is still an honest 503.
    await web.feed.message(after)
    return StreamingResponse(
        _events(web, after, offered), headers={**NO_STORE, "x-accel-buffering": "no"}, media_type="text/event-stream"
    )


async def _events(web: Web, after: int, offered: ClientCredentials | None) -> AsyncIterator[str]:
    async for message in web.feed.follow(after, offered):
        yield f"id: {message.sequence}\nevent: {SSE_EVENT}\ndata: {message.batch}\n\n"


def _after(request: Request) -> int:
    asked = request.query_params.getlist("after")
    if len(asked) > 1:
        raise InvalidRequest("after is there twice", slug="request.repeated_parameter")
    text = request.headers.get("last-event-id") or "".join(asked) or "0"
    if not text.isdecimal() or not text.isascii() or len(text) > _MAX_SEQUENCE_DIGITS:
        raise InvalidRequest("after is a number", slug="feed.after")
    return int(text)
