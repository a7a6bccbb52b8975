"""Forms of the account page: who sends them, and what becomes of one that wants a fresh sign-in first."""

from dataclasses import dataclass
from urllib.parse import urlencode

from starlette.requests import Request
from starlette.responses import Response

from watchword.server.flows.browser_session import SignedIn
from watchword.server.flows.factors import SignInAnew
from watchword.server.web.browser import Browser, read_fields, single
from watchword.server.web.context import Web
from watchword.server.web.page_answers import see_other


@dataclass(frozen=True, slots=True)
class OwnForm:
    """A form that this very browser was shown. ``signed_in`` is None where the session ended meanwhile."""

    browser: Browser
    fields: dict[str, str]
    signed_in: SignedIn | None


class ShownBefore(Exception):
    """The form comes once more whose answer showed what can be shown once: the browser loaded that page anew."""

    def __init__(self, browser: Browser) -> None:
        super().__init__("this was shown already")
        self.browser = browser


async def own_form(web: Web, request: Request, *, now: float, shows_once: bool = False) -> OwnForm:
    """The form that was posted.

    Args:
        web: the parts of the pages.
        request: with the form.
        now: seconds since the epoch.
        shows_once: its answer may hold what is shown once, of which ``Browser.note_shown`` is told.

    Raises:
        ShownBefore: that answer was shown, and is not made again.
        NotToBeRedirected: it is not one of ours.
    """
    browser = Browser(web, request)
    fields = single(await read_fields(request))
    if shows_once and browser.was_shown(fields):
        raise ShownBefore(browser)
    browser.must_be_own_form(fields, web.parts.secrets)
    return OwnForm(browser, fields, await browser.signed_in(now=now))


def to_sign_in(web: Web, browser: Browser) -> Response:
    """To the sign-in page: nobody is signed in any more."""
    return browser.dress(see_other(f"{web.parts.issuer}/login"))


def to_sign_in_anew(web: Web, browser: Browser, wanted: SignInAnew) -> Response:
    """To the sign-in page, which says why and how strongly, and leads back to the account page."""
    return browser.dress(see_other(f"{web.parts.issuer}/login?{urlencode({'again': wanted.acr})}"))


def to_account(web: Web, browser: Browser, *, done: str | None = None) -> Response:
    """Back to the account page, which says what was ``done``."""
    if done is not None:
        browser.tell_done(done)
    return browser.dress(see_other(f"{web.parts.issuer}/account"))
