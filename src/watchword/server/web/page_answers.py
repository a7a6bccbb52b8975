"""Answers to browsers: pages, redirects after a form, what goes on to an application, and errors for a person to read.

Implements: RFC 6749 §4.1.2, §4.1.2.1; RFC 9700 §4.11.2, §4.12; OAuth 2.0 Form Post Response Mode 1.0.
"""

import functools
import math
from urllib.parse import urlencode, urlsplit

from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response

from watchword.protocol.errors import InvalidRequest, OAuthError, RequestTooLarge
from watchword.protocol.metadata import is_loopback
from watchword.protocol.redirect_uri import origin_of
from watchword.server.domain.authorization_steps import NotToBeRedirected, ToTheClient
from watchword.server.flows.authorize import Answer, told
from watchword.server.flows.factors import SessionOver
from watchword.server.ports.storage import StorageUnavailable
from watchword.server.ports.telemetry import REQUEST_ID
from watchword.server.web.breakage import tell_broken
from watchword.server.web.browser import Browser
from watchword.server.web.context import Endpoint, Web
from watchword.server.web.pages import preferred_locales

_MOST_LOCALES = 5
_LOOPBACK = ("http://localhost:*", "http://127.0.0.1:*")
_STATUS = {"not_found": 404, "forbidden": 403, "unavailable": 503, "server_error": 500}


def locales_of(request: Request, ui_locales: tuple[str, ...] = ()) -> tuple[str, ...]:
    """The languages that the reader prefers."""
    return preferred_locales(request.headers.get("accept-language", ""), ui_locales)


def locale_of(request: Request, ui_locales: tuple[str, ...] = ()) -> str:
    """The same, as it is kept for a mail that is written later."""
    return " ".join(locales_of(request, ui_locales)[:_MOST_LOCALES])


def see_other(url: str) -> Response:
    """RFC 9700 §4.12: after a form with a password the redirect is a 303, which never repeats the form."""
    headers = {"location": url, "cache-control": "no-store", "referrer-policy": "no-referrer"}
    return Response(None, 303, headers)


def sent_back(web: Web, request: Request, answer: Answer) -> Response:
    """The answer, carried by the browser: in the query, or in a form that sends itself."""
    if answer.response_mode == "form_post":
        return web.pages.page(
            "form_post",
            locales=locales_of(request),
            form_targets=targets_of(answer.redirect_uri),
            action=answer.redirect_uri,
            fields=answer.parameters,
        )
    return see_other(_url(answer))


def targets_of(redirect: str) -> list[str]:
    """What a page's policy must let a form reach that leads to an application in the end: its origin or private scheme.

    Browsers hold the application's own next redirect to the policy as well, which may lead anywhere on the secure web;
    and where the application is a program on this machine, to another one here.
    """
    origin = origin_of(redirect)
    next_ones = ["https:", *_LOOPBACK] if is_loopback(urlsplit(redirect).hostname or "") else ["https:"]
    return [origin or f"{urlsplit(redirect).scheme}:", *next_ones]


def error_page_with_way_back(
    web: Web,
    request: Request,
    problem: str,
    answer: Answer,
    *,
    status: int,
    ui_locales: tuple[str, ...] = (),
    **more: object,
) -> Response:
    """The page for a problem of which the application hears when the user goes back to it: by a link, or by a form.

    Args:
        web: the node.
        request: the request.
        problem: which page.
        answer: what the application is told then.
        status: of this page.
        ui_locales: the languages that the application asked for.
        more: what else the page is told.
    """
    by_form = answer.response_mode == "form_post"
    return web.pages.page(
        "error",
        locales=locales_of(request, ui_locales),
        status=status,
        form_targets=targets_of(answer.redirect_uri) if by_form else [],
        problem=problem,
        reference=None,
        continue_url=answer.redirect_uri if by_form else _url(answer),
        continue_fields=answer.parameters if by_form else None,
        **more,
    )


def _url(answer: Answer) -> str:
    uri = answer.redirect_uri
    return f"{uri}{'&' if '?' in uri else '?'}{urlencode(answer.parameters)}"


def error_page(
    web: Web,
    request: Request,
    problem: str,
    *,
    detail: str | None = None,
    again: str | None = None,
    reference: str | None = None,
) -> Response:
    """The page for a problem that is not for an application to hear of.

    Args:
        web: the node.
        request: the request.
        problem: which page.
        detail: safe to show.
        again: where to go on from.
        reference: by which the operator finds the log line, where that is not the request's id.
    """
    return web.pages.page(
        "error",
        locales=locales_of(request),
        status=_STATUS.get(problem, 400),
        problem=problem,
        detail=detail,
        reference=reference or REQUEST_ID.get() or None,
        continue_url=again,
    )


def page_edge(endpoint: Endpoint) -> Endpoint:
    """An endpoint whose refusals are pages, and its breakdowns too.

    Every page of a sign-in carries the application's request, which is understood anew each time: it may be refused at
    any of them, when its client was changed meanwhile. Any page of the account may find its session ended.
    """

    @functools.wraps(endpoint)
    async def with_pages(web: Web, request: Request) -> Response:
        try:
            try:
                return await endpoint(web, request)
            except ToTheClient as refusal:
                return await _refused(web, request, refusal)
        except NotToBeRedirected as refusal:
            web.parts.telemetry.tell(f"page.{refusal.problem}", path=request.scope["path"], detail=str(refusal))
            return error_page(web, request, refusal.problem, detail=str(refusal), again=refusal.again)
        except SessionOver as over:
            web.parts.telemetry.tell(over.slug, path=request.scope["path"], detail=over.detail)
            return see_other(f"{web.parts.issuer}/login")
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
        except ClientDisconnect:
            raise
        except Exception as error:  # noqa: BLE001 - the last line of defence: a person reads what a page answers
            error_id = tell_broken(web, error, method=request.method, path=request.scope["path"])
            return error_page(web, request, "server_error", reference=error_id)

    return with_pages


async def _refused(web: Web, request: Request, refusal: ToTheClient) -> Response:
    answer, browser = told(web.parts, refusal), Browser(web, request)
    # RFC 9700 §4.11.2: a browser that nobody signed in with is not sent on by itself.
    if refusal.silent or await browser.signed_in(now=web.parts.clock.now()) is not None:
        return sent_back(web, request, answer)
    detail = answer.parameters.get("error_description")
    return error_page_with_way_back(web, request, "bad_request", answer, status=400, detail=detail)
