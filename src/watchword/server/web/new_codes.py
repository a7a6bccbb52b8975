"""New recovery codes, shown to their user once.

Implements: NIST SP 800-63B-4 §3.1.2.2; OWASP ASVS 5.0 §6.5.2.
"""

from starlette.requests import Request
from starlette.responses import Response

from watchword.server.flows.recovery_codes import Added
from watchword.server.web.browser import Browser
from watchword.server.web.context import Web
from watchword.server.web.own_form import OwnForm, to_account
from watchword.server.web.page_answers import locales_of


def show_added(web: Web, request: Request, form: OwnForm, added: Added, *, done: str) -> Response:
    """The answer to who has added a factor by ``form``: the recovery codes that came with it, or the account page.

    ``done``: what the account page says.
    """
    browser = form.browser
    if added.cookie is not None:
        browser.keep(added.cookie)
    if added.codes is None:
        return to_account(web, browser, done=done)
    browser.note_shown(form.fields)
    return show_new_codes(web, request, browser, added.codes)


def shown_already(web: Web, browser: Browser) -> Response:
    """The answer to who loads such a page anew: no codes, neither those again nor others, and what he can do."""
    return to_account(web, browser, done="codes_shown")


def show_new_codes(web: Web, request: Request, browser: Browser, codes: list[str]) -> Response:
    """The page with new recovery codes, which is shown this once: it answers the form that made them."""
    page = web.pages.page(
        "recovery_codes",
        locales=locales_of(request),
        codes=codes,
        account_url=f"{web.parts.issuer}/account",
    )
    return browser.dress(page)
