"""Answers to browsers: pages, redirects after a form, and errors that a person can read."""

import functools
import math

from starlette.requests import Request
from starlette.responses import Response
from structlog.contextvars import get_contextvars

from watchword.protocol.errors import InvalidRequest, OAuthError, RequestTooLarge
from watchword.server.domain.authorization_steps import NotToBeRedirected
from watchword.server.ports.storage import StorageUnavailable
from watchword.server.web.context import Endpoint, Web
from watchword.server.web.pages import preferred_locales

_MOST_LOCALES = 5
_STATUS = {"not_found": 404, "forbidden": 403, "unavailable": 503}


def locales_of(request: Request, ui_locales: tuple[str, ...] = ()) -> tuple[str, ...]:
    """The languages that the reader prefers."""
    return preferred_locales(request.headers.get("accept-language", ""), ui_locales)


def locale_of(request: Request) -> str:
    """The same, as it is kept for a mail that is written later."""
    return " ".join(locales_of(request)[:_MOST_LOCALES])


def see_other(url: str) -> Response:
    """RFC 9700 §4.12: after a form with a password the redirect is a 303, which never repeats the form."""
    headers = {"location": url, "cache-control": "no-store", "referrer-policy": "no-referrer"}
    return Response(None, 303, headers)


def error_page(
    web: Web, request: Request, problem: str, *, detail: str | None = None, again: str | None = None
) -> Response:
    """The page for a problem that is not for an application to hear of; ``again`` is where to go on from."""
    return web.pages.page(
        "error",
        locales=locales_of(request),
        status=_STATUS.get(problem, 400),
        problem=problem,
        detail=detail,
        reference=get_contextvars().get("request_id"),
        continue_url=again,
    )


def page_edge(endpoint: Endpoint) -> Endpoint:
    """An endpoint whose refusals are pages."""

    @functools.wraps(endpoint)
    async def with_pages(web: Web, request: Request) -> Response:
        try:
            return await endpoint(web, request)
        except NotToBeRedirected as refusal:
            web.parts.telemetry.tell(f"page.{refusal.problem}", path=request.scope["path"], detail=str(refusal))
            return error_page(web, request, refusal.problem, detail=str(refusal), again=refusal.again)
        except (RequestTooLarge, InvalidRequest) as refusal:
            web.parts.telemetry.tell(refusal.slug, path=request.scope["path"], detail=refusal.detail)
            response = error_page(web, request, "bad_request", detail=refusal.description)
            response.status_code = refusal.status
            return response
        except (StorageUnavailable, OAuthError) as trouble:
            wait = trouble.retry_after if isinstance(trouble, OAuthError) else None
            web.parts.telemetry.warn("page.unavailable", path=request.scope["path"], detail=str(trouble))
            response = error_page(web, request, "unavailable")
            response.headers["retry-after"] = str(math.ceil(wait or 2))
            return response

    return with_pages
