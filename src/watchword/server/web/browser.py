"""What a browser holds of ours: a session cookie, and a cookie that its forms are bound to.

Every form carries a token made from both cookies, so that a form made elsewhere, for another browser or for another
session, is refused; the sign-in form too.

Implements: RFC 6265bis §4.1.3.2 (``__Host-``); OWASP ASVS 5.0 §3.3, §3.5; RFC 6819 §4.4.2.5; NIST SP 800-63B-4 §5.1.1.
"""

import hashlib
import hmac
from collections.abc import Collection, Mapping
from urllib.parse import parse_qsl, urlencode

from starlette.requests import Request
from starlette.responses import Response

from watchword.protocol import base64url
from watchword.protocol.metadata import issuer_is_loopback
from watchword.protocol.redirect_uri import origin_of
from watchword.server.domain.authorization_steps import NotToBeRedirected
from watchword.server.domain.secret_ring import SecretRing
from watchword.server.domain.travelling_request import MAX_SEALED
from watchword.server.flows import browser_session
from watchword.server.flows.browser_session import SignedIn
from watchword.server.web.context import Web
from watchword.server.web.reading import read_body

SESSION = "ww-session"
BROWSER = "ww-browser"
LINK = "ww-link"
DONE = "ww-done"
SHOWN = "ww-shown"
_BROWSER_BYTES = 16
_SHOWN_BYTES = 16
_MAX_FIELDS = 100
_LINK_SECONDS = 30 * 60
# From a redirect to the page that it leads to.
_DONE_SECONDS = 60


class Browser:
    """One request's browser: its cookies, read once, and those to be set with the answer.

    Args:
        web: the node.
        request: the request.
    """

    def __init__(self, web: Web, request: Request) -> None:
        self._web = web
        self._request = request
        self._plain = issuer_is_loopback(web.parts.issuer) and web.parts.issuer.startswith("http:")
        self._set: dict[str, tuple[str, int]] = {}
        self.session_cookie = self._cookie(SESSION)
        self._browser_cookie = self._cookie(BROWSER)
        # The token of a link that was opened from a mail.
        self.link = self._cookie(LINK)
        self._done = self._cookie(DONE)
        self._shown = self._cookie(SHOWN)

    async def signed_in(self, *, now: float) -> SignedIn | None:
        """The living session of this browser.

        Raises:
            StorageUnavailable: it cannot be known.
        """
        return await browser_session.find(self._web.parts, self.session_cookie, now=now)

    def form_token(self) -> str:
        """The token for a form that is shown with this answer."""
        if self._browser_cookie is None:
            self._browser_cookie = base64url.encode(self._web.parts.entropy.draw(_BROWSER_BYTES))
            self._set[BROWSER] = (self._browser_cookie, 0)
        return _token(self._web.parts.secrets.newest.form, self._browser_cookie, self.session_cookie)

    def imprint(self) -> bytes:
        """What else may be bound to this browser: a hash of the cookie that its forms are bound to, 32 bytes."""
        self.form_token()
        return hashlib.sha256(f"imprint\n{self._browser_cookie}".encode()).digest()

    @property
    def has_form_cookie(self) -> bool:
        """Whether the forms that it was shown can still come back."""
        return self._browser_cookie is not None

    def keep(self, cookie: str) -> None:
        """Hand out a session's cookie with the answer; the browser keeps it as long as the session can last.

        The form cookie goes with the old session: nothing that was known before the sign-in is worth anything after.
        """
        self.session_cookie = cookie
        self._set[SESSION] = (cookie, int(self._web.parts.lifetimes.session.absolute))
        self._renew_form_cookie()

    def forget(self) -> None:
        """Take the session's cookie away, and the form cookie with it."""
        self.session_cookie = None
        self._set[SESSION] = ("", -1)
        self._renew_form_cookie()

    def _renew_form_cookie(self) -> None:
        """The next form that is shown draws a new one, in this answer or in a later one."""
        self._browser_cookie = None
        self._set[BROWSER] = ("", -1)

    def keep_link(self, token: str) -> None:
        """Keep the token of a link from a mail, which must not stay in the address."""
        self._set[LINK] = (token, _LINK_SECONDS)

    def drop_link(self) -> None:
        """Forget the token of a link, which does nothing any more."""
        if self.link is not None:
            self.link = None
            self._set[LINK] = ("", -1)

    def link_shown(self) -> str:
        """What a form carries that is shown for the link: a hash of its token, which says nothing of the token."""
        shown = hashlib.sha256(f"shown\n{self.link or ''}".encode()).digest()
        return base64url.encode(shown[:_SHOWN_BYTES])

    def is_for_link(self, fields: dict[str, str]) -> bool:
        """Whether the form that was posted was shown for the very link that is in the cookie now.

        The browser holds one link, and opening another one replaces it. So a form in another tab, or one that was
        open when some page led the browser to its own link, must not be taken for the link that came after it.
        """
        return hmac.compare_digest(fields.get("link", "").encode(), self.link_shown().encode())

    def tell_done(self, what: str) -> None:
        """Have the page that this answer leads to say ``what`` was done, once: a link must not make it say so."""
        self._set[DONE] = (what, _DONE_SECONDS)

    def done(self, known: Collection[str]) -> str | None:
        """What this page is to say, one of ``known``, which is said with that; None for nothing.

        What is for another page is left to it.
        """
        if self._done is None or self._done not in known:
            return None
        self._set[DONE] = ("", -1)
        return self._done

    def note_shown(self, fields: Mapping[str, str]) -> None:
        """Remember the form that was posted: its answer can be shown once, and its cookies are not good any more."""
        self._set[SHOWN] = (_mark_of(self._web.parts.secrets.newest.form, fields), 0)

    def was_shown(self, fields: Mapping[str, str]) -> bool:
        """Whether this is that very form once more, from a page that was loaded anew."""
        shown = self._shown
        return shown is not None and any(
            hmac.compare_digest(shown.encode(), _mark_of(key.form, fields).encode())
            for key in self._web.parts.secrets.keys
        )

    def dress(self, response: Response) -> Response:
        """The answer with the cookies that changed."""
        for name, (value, max_age) in self._set.items():
            response.set_cookie(
                self._name(name),
                value,
                max_age=None if max_age == 0 else max(max_age, 0),
                path="/",
                secure=not self._plain,
                httponly=True,
                # Lax: an application sends the browser here from its own site, and the session must be seen then.
                samesite="lax",
            )
        return response

    def must_be_own_form(self, fields: dict[str, str], secrets: SecretRing) -> None:
        """Return if the form that was posted is one of ours, shown to this very browser.

        Raises:
            NotToBeRedirected: it is not, or its cookies are gone.
        """
        headers = self._request.headers
        site, origin = headers.get("sec-fetch-site"), headers.get("origin")
        if site not in (None, "same-origin") or origin not in (None, origin_of(self._web.parts.issuer)):
            raise NotToBeRedirected("forbidden", "the form was sent from another site")
        sent = fields.get("csrf", "")
        cookie = self._browser_cookie
        if cookie is None or not any(
            hmac.compare_digest(sent.encode(), _token(key.form, cookie, self.session_cookie).encode())
            for key in secrets.keys
        ):
            raise NotToBeRedirected("stale", "the form is too old, or cookies are off", again=self._again(fields))

    def _again(self, fields: dict[str, str]) -> str:
        """Where a stale form's user goes on: in another tab he may have signed in or out since it was shown."""
        sealed = fields.get("request")
        if sealed and len(sealed) <= MAX_SEALED:
            return f"{self._web.parts.issuer}/authorize/resume?{urlencode({'request': sealed})}"
        return f"{self._web.parts.issuer}/{'login' if self.session_cookie is None else 'account'}"

    def _cookie(self, name: str) -> str | None:
        value = self._request.cookies.get(self._name(name))
        return value if value and len(value) <= 64 and value.isascii() else None

    def _name(self, name: str) -> str:
        # Plain http on loopback cannot have the prefix.
        return name if self._plain else f"__Host-{name}"


def _token(key: bytes, browser: str, session: str | None) -> str:
    return base64url.encode(hmac.digest(key, f"{browser}\n{session or ''}".encode(), "sha256"))


def _mark_of(key: bytes, fields: Mapping[str, str]) -> str:
    return base64url.encode(hmac.digest(key, f"posted\n{urlencode(sorted(fields.items()))}".encode(), "sha256"))


async def read_fields(request: Request) -> list[tuple[str, str]]:
    """The parameters of a browser's request: the query of a GET, the form of a POST, in order, repeated ones too.

    Raises:
        NotToBeRedirected: too many, not UTF-8, or with NUL.
    """
    if request.method == "POST":
        if request.headers.get("content-type", "").partition(";")[0].strip() != "application/x-www-form-urlencoded":
            raise NotToBeRedirected("bad_request", "a form is wanted")
        raw = await read_body(request)
    else:
        raw = request.scope.get("query_string", b"")
        if len(raw) > 16 * 1024:
            raise NotToBeRedirected("bad_request", "the request is too long")
    try:
        pairs = parse_qsl(raw.decode("utf-8"), keep_blank_values=True, errors="strict", max_num_fields=_MAX_FIELDS)
    except ValueError:  # UnicodeDecodeError is one
        raise NotToBeRedirected("bad_request", "the request is not UTF-8, or has too many parameters") from None
    if any("\x00" in name or "\x00" in value for name, value in pairs):
        raise NotToBeRedirected("bad_request", "a parameter holds NUL")
    return pairs


def single(pairs: list[tuple[str, str]]) -> dict[str, str]:
    """The fields of one of our own forms, each there once.

    Raises:
        NotToBeRedirected: one is there twice.
    """
    fields = dict(pairs)
    if len(fields) != len(pairs):
        raise NotToBeRedirected("bad_request", "a field is there twice")
    return fields
