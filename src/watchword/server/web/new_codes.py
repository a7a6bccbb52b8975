"""New recovery codes, shown to their user once.

Implements: NIST SP 800-63B-4 §3.1.2.2; OWASP ASVS 5.0 §6.5.2.
"""

from starlette.requests import Request
from starlette.responses import Response

from watchword.server.web.browser import Browser
from watchword.server.web.context import Web
from watchword.server.web.page_answers import locales_of


def show_new_codes(web: Web, request: Request, browser: Browser, codes: list[str]) -> Response:
    """The page with new recovery codes, which is shown this once: it answers the form that made them."""
    page = web.pages.page(
        "recovery_codes",
        locales=locales_of(request),
        codes=codes,
        account_url=f"{web.parts.issuer}/account",
    )
    return browser.dress(page)
