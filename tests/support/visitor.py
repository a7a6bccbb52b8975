"""A user with a browser, at the server's pages: cookies are kept, forms are filled in as they were shown.

Redirects within the server are followed; one that leads elsewhere is where the visit ends.
"""

from dataclasses import dataclass
from html.parser import HTMLParser
from typing import Any, Final
from urllib.parse import parse_qsl, urljoin, urlsplit

import httpx2
from tests.support.cast import CLIENT_SECRET, PASSWORD, REDIRECT_URI, SHOP, basic
from tests.support.codes import VERIFIER
from tests.support.door import HOME, Door

from watchword.protocol import id_token, jws
from watchword.protocol.pkce import challenge_of
from watchword.protocol.redirect_uri import origin_of

AGENT: Final = "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0"
_MAX_REDIRECTS: Final = 5


@dataclass
class Form:
    """A form of a page: where it is sent, and what its fields hold."""

    action: str
    fields: dict[str, str]


class _Forms(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.forms: dict[str, Form] = {}
        self.ids: dict[str, dict[str, str]] = {}
        self._open: Form | None = None

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = {name: value or "" for name, value in attrs}
        if "id" in given:
            self.ids[given["id"]] = given
        if tag == "form":
            self._open = Form(given.get("action", ""), {})
            self.forms[given.get("id", f"form {len(self.forms)}")] = self._open
        if tag == "input" and self._open is not None:
            self._open.fields[given["name"]] = given.get("value", "")

    def handle_endtag(self, tag: str) -> None:
        if tag == "form":
            self._open = None


class View:
    """What the browser shows, or where it was sent."""

    def __init__(self, response: httpx2.Response) -> None:
        self.response = response
        self.status = response.status_code
        self.text = response.text
        parsed = _Forms()
        if response.headers.get("content-type", "").startswith("text/html"):
            parsed.feed(response.text)
        self.forms, self.ids = parsed.forms, parsed.ids

    @property
    def problem(self) -> str | None:
        """Which error page this is, if it is one."""
        return self.ids.get("error", {}).get("data-problem")

    @property
    def location(self) -> str | None:
        """Where the browser was sent."""
        found: str | None = self.response.headers.get("location")
        return found

    @property
    def answer(self) -> dict[str, str]:
        """What the application is told, by the query of a redirect or by a form."""
        if "form-post" in self.forms:
            return self.forms["form-post"].fields
        assert self.location is not None, self.text
        pairs = parse_qsl(urlsplit(self.location).query, keep_blank_values=True)
        assert len(dict(pairs)) == len(pairs)
        return dict(pairs)

    @property
    def target(self) -> str:
        """The application's address, without what it is told."""
        assert self.location is not None, self.text
        return self.location.partition("?")[0]


def request_of(client_id: str | None = "shop", **fields: Any) -> dict[str, Any]:
    """The parameters of an authorization request; one that is None is left out."""
    form = {
        "response_type": "code",
        "client_id": client_id,
        "redirect_uri": SHOP if client_id in ("shop", "nonce-only", "hostile") else REDIRECT_URI,
        "scope": "openid orders.read",
        "state": "the-state",
        "nonce": "the-nonce",
        "code_challenge": challenge_of(VERIFIER),
        "code_challenge_method": "S256",
        **fields,
    }
    return {name: value for name, value in form.items() if value is not None}


class Visitor:
    """A browser and its user."""

    def __init__(
        self, door: Door, address: tuple[str, int] = HOME, *, username: str = "ada", password: str = PASSWORD
    ) -> None:
        self.door = door
        self.http = door.caller(address, agent=AGENT)
        self.username = username
        self.password = password

    def cookie(self, name: str) -> str | None:
        """A cookie's value."""
        return next((cookie.value for cookie in self.http.cookies.jar if cookie.name == name), None)

    @property
    def session(self) -> str | None:
        """The session's cookie."""
        return self.cookie("ww-session") or self.cookie("__Host-ww-session")

    async def ask(self, client_id: str = "shop", **fields: Any) -> View:
        """``GET /authorize``, and nothing followed."""
        return View(await self.http.get("/authorize", params=request_of(client_id, **fields)))

    async def open(self, path: str, **params: Any) -> View:
        """``GET``, with the redirects that stay on the server."""
        return await self.follow(await self.http.get(path, params=params or None))

    async def visit(self, client_id: str = "shop", **fields: Any) -> View:
        """``GET /authorize``, with the redirects that stay on the server."""
        return await self.follow(await self.http.get("/authorize", params=request_of(client_id, **fields)))

    async def send(self, form: Form, *, headers: dict[str, str] | None = None, **fields: Any) -> View:
        """Send a form, filled in; a field that is None is left out. Redirects are followed."""
        return await self.follow(await self.post(form, headers=headers, **fields))

    async def post(self, form: Form, *, headers: dict[str, str] | None = None, **fields: Any) -> httpx2.Response:
        """As ``send``, and nothing is followed."""
        filled = {name: value for name, value in {**form.fields, **fields}.items() if value is not None}
        origin = origin_of(self.door.plan.issuer) or ""
        sent = {"origin": origin, "sec-fetch-site": "same-origin", **(headers or {})}
        return await self.http.post(form.action, data=filled, headers=sent)

    async def sign_in(self, view: View, *, password: str | None = None) -> View:
        """Fill in the sign-in form of ``view``."""
        form = view.forms["sign-in-form"]
        return await self.send(form, username=self.username, password=password or self.password)

    async def signed_in(self) -> View:
        """Sign in for the account page, which is shown then."""
        view = await self.sign_in(await self.open("/login"))
        assert "password-form" in view.forms, view.text
        return view

    async def decide(self, view: View, decision: str = "allow") -> View:
        """Answer the consent form of ``view``."""
        return await self.send(view.forms["consent-form"], decision=decision)

    async def arrive(self, client_id: str = "shop", **fields: Any) -> View:
        """All the way to the application, with whatever the user has to do."""
        view = await self.visit(client_id, **fields)
        if "sign-in-form" in view.forms:
            view = await self.sign_in(view)
        if "consent-form" in view.forms:
            view = await self.decide(view)
        return view

    async def code(self, client_id: str = "shop", **fields: Any) -> str:
        """A code for the application."""
        view = await self.arrive(client_id, **fields)
        assert "code" in view.answer, view.answer
        return view.answer["code"]

    async def redeem(self, code: str, *, client_id: str = "shop", **fields: Any) -> httpx2.Response:
        """The application redeems the code; a field that is None is left out."""
        form: dict[str, Any] = {"grant_type": "authorization_code", "code": code, "code_verifier": VERIFIER, **fields}
        headers = {}
        if client_id in _PUBLIC:
            form["client_id"] = client_id
        else:
            headers = basic(client_id, CLIENT_SECRET)
        kept = {name: value for name, value in form.items() if value is not None}
        return await self.door.caller(agent="shop/1.0").post("/token", data=kept, headers=headers)

    async def tokens(self, client_id: str = "shop", **fields: Any) -> dict[str, Any]:
        """The application's tokens, by the whole way."""
        answer = await self.redeem(await self.code(client_id, **fields), client_id=client_id)
        assert answer.status_code == 200, answer.text
        found: dict[str, Any] = answer.json()
        return found

    async def follow(self, response: httpx2.Response) -> View:
        """Where the browser ends up after ``response``."""
        issuer = self.door.plan.issuer
        for _ in range(_MAX_REDIRECTS):
            location = response.headers.get("location", "")
            if not response.is_redirect or not urljoin(issuer, location).startswith(issuer):
                return View(response)
            assert response.status_code == 303
            response = await self.http.get(location)
        raise AssertionError("the server sends the browser in a circle")


_PUBLIC: Final = ("spa", "spa-third-party", "desktop", "web")


async def refresh(door: Door, tokens: dict[str, Any], *, client_id: str = "shop", **fields: Any) -> httpx2.Response:
    """The application refreshes."""
    form = {"grant_type": "refresh_token", "refresh_token": tokens["refresh_token"], **fields}
    if client_id in _PUBLIC:
        return await door.caller(agent="shop/1.0").post("/token", data={**form, "client_id": client_id})
    return await door.caller(agent="shop/1.0").post("/token", data=form, headers=basic(client_id))


def read_id_token(door: Door, tokens: dict[str, Any]) -> dict[str, Any]:
    """The claims of the ID token, verified."""
    _, claims = jws.verify(tokens["id_token"], door.parts.signer.find, typ=id_token.TYP.lower())
    return dict(claims)
