"""Every answer to a browser: its headers, its cookies, and where it leads.

R094, R095, R003; the classes of framing, leaking, sharing and open redirects over all of ``web/routes.ROUTES``.
"""

from collections.abc import AsyncIterator, Awaitable, Callable
from http.cookies import SimpleCookie
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlencode

import httpx2
import pytest
from tests.support.anatomy import Anatomy, is_page, ways_on
from tests.support.cast import APP_ORIGIN, REDIRECT_URI, SHOP, SHOP_HOME, basic
from tests.support.databases import sqlite_template
from tests.support.door import HOME, Door, OpenStorage, Plan, opener_of
from tests.support.every_form import FORMS, below, reset_link
from tests.support.rfc import rfc, standard
from tests.support.visitor import View, Visitor, request_of

from watchword.protocol.authentication_class import ACR_TWO_FACTOR
from watchword.server.web.page_answers import page_edge
from watchword.server.web.routes import ROUTES

ASVS = "OWASP ASVS 5.0"
BELOW_A_PATH: Final = "https://auth.example/staff"
REGISTERED: Final = (SHOP, SHOP_HOME, REDIRECT_URI)
# What programs call, and not browsers; what they answer is held by the tests of each.
FOR_PROGRAMS: Final = {
    *("/token", "/introspect", "/revoke", "/userinfo", "/par", "/revocations", "/authorize-challenge"),
    *("/session", "/session/refresh", "/session/end", "/users"),
    *("/jwks", "/.well-known/openid-configuration", "/.well-known/oauth-authorization-server"),
    *("/healthz", "/readyz"),
}
FILES: Final = {"/static/"}
PAGES: Final = [path for path in ROUTES if path not in FOR_PROGRAMS | FILES]
every_page = pytest.mark.parametrize("path", PAGES)


class Watched(Door):
    """A door that keeps what it answers, whoever asks."""

    def __init__(self, open_one: OpenStorage, plan: Plan) -> None:
        super().__init__(open_one, plan)
        self.answers: list[httpx2.Response] = []

    def caller(
        self, address: tuple[str, int] = HOME, /, *, agent: str = "app/1.0", **headers: str
    ) -> httpx2.AsyncClient:
        """See ``Door``."""
        http = super().caller(address, agent=agent, **headers)
        http.event_hooks = {"response": [self._keep]}
        return http

    async def _keep(self, answer: httpx2.Response) -> None:
        self.answers.append(answer)

    def path_of(self, answer: httpx2.Response) -> str:
        """Which route it was asked for."""
        return below(self, answer.request.url.path)


def plan(issuer: str) -> Plan:
    trusted: list[str] | None = None if issuer.startswith("http:") else []
    return Plan(issuer=issuer, trusted=trusted, sends_mail=True, sign_up_open=True)


@pytest.fixture
def issuer() -> str:
    """Whose pages they are; a test may ask for several."""
    return BELOW_A_PATH


at_both = pytest.mark.parametrize("issuer", [Plan().issuer, BELOW_A_PATH], ids=["loopback", "https-below-a-path"])


@pytest.fixture
async def watched(issuer: str, tmp_path: Path) -> AsyncIterator[Watched]:
    """One node with everything switched on. Nothing may break in it."""
    door = Watched(opener_of(sqlite_template().copy(tmp_path)), plan(issuer))
    await door.open()
    yield door
    await door.close()
    assert "server.error" not in door.heard.slugs()


def test_every_route_is_for_programs_or_for_browsers() -> None:
    shown = page_edge(_nothing).__code__
    for path, route in ROUTES.items():
        shows = {getattr(endpoint, "__code__", None) is shown for endpoint in route.endpoints.values()}
        if path in FOR_PROGRAMS | FILES:
            assert shows == {False}, f"{path} shows pages, so it belongs to the pages here"
            assert not route.for_people, path
        else:
            assert True in shows, f"{path} is no page: is it for programs?"
            assert route.sharing == "nobody"
            assert route.for_people, path
    assert set(ROUTES) >= FOR_PROGRAMS | FILES


async def _nothing(*_: object) -> Any: ...


# --- the visits


async def _authorize(door: Door) -> None:
    visitor = Visitor(door)
    await visitor.ask()
    await visitor.ask(client_id="nobody")
    await visitor.ask(redirect_uri="https://evil.example")
    await visitor.ask(scope="unknown")
    await visitor.ask(prompt="none")
    await visitor.http.post("/authorize", data=request_of())
    await visitor.arrive()
    for mode in ("query", "form_post"):
        assert "code" in (await visitor.ask(response_mode=mode)).answer
        assert "error" in (await visitor.ask(response_mode=mode, scope="unknown")).answer
    out_of_reach = await visitor.ask(acr_values="http://schemas.openid.net/pape/policies/2007/06/multi-factor")
    assert out_of_reach.status in (200, 303, 403)


async def _resume(door: Door) -> None:
    visitor = Visitor(door)
    sealed = (await visitor.visit()).forms["sign-in-form"].fields["request"]
    await visitor.open("/authorize/resume", request=sealed)
    await visitor.open("/authorize/resume", request="x")
    await visitor.signed_in()
    assert "consent-form" in (await visitor.open("/authorize/resume", request=sealed)).forms


async def _account(door: Door) -> None:
    visitor = Visitor(door)
    await visitor.arrive()
    assert "password-form" in (await visitor.open("/account", done="password_changed")).forms


async def _link(door: Door) -> None:
    link = await reset_link(door)
    assert "reset-password-form" in (await Visitor(door).open(link)).forms
    assert (await Visitor(door).open(f"{link}x")).status == 410


async def _new_passkey(door: Door) -> None:
    visitor = Visitor(door)
    await visitor.signed_in()
    assert "new-passkey-form" in (await visitor.open("/account/passkeys/new")).forms
    door.clock.advance(3600)
    assert "sign-in-form" in (await visitor.open("/account/passkeys/new")).forms


VISITS: Final[dict[str, Callable[[Door], Awaitable[None]]]] = {
    "/authorize": _authorize,
    "/authorize/resume": _resume,
    "/account": _account,
    "/link": _link,
    "/account/passkeys/new": _new_passkey,
}


async def look_at(door: Door, path: str) -> None:
    """The page in all its states: before nobody and its user, with nonsense, and as it is meant."""
    stranger = door.caller(origin="https://evil.example")
    friend = door.caller(origin=APP_ORIGIN)
    for http in (stranger, friend):
        for method in ("GET", "POST", "HEAD", "PUT", "OPTIONS"):
            await http.request(method, path)
        await http.post(path, data={"csrf": "x"})
        await http.get(path, params={"token": "x", "request": "x", "id_token_hint": "x"})
        asks = {"access-control-request-method": "POST", "access-control-request-headers": "content-type"}
        await http.options(path, headers=asks)
    await door.caller().post(path, content=b"a" * 70_000, headers={"content-type": "application/x-www-form-urlencoded"})
    if path in FORMS:
        filled = await FORMS[path](door)
        await filled.post(csrf="x")
        await filled.post({"origin": "https://evil.example"})
        await filled.visitor.http.get(path)
        await filled.visitor.follow(await filled.post())
    else:
        await VISITS[path](door)
    visitor = Visitor(door, username="bob")
    await visitor.signed_in()
    await visitor.open("/account")
    await visitor.http.get(path)
    door.trouble.down = True
    await visitor.http.get(path)
    await visitor.http.post(path, data={"csrf": "x"})
    door.trouble.down = False


# --- headers


@rfc("9700", "4.2.4")
@rfc("9700", "4.16")
@rfc("6749", "10.13")
@standard(ASVS, "3.4.3")
@at_both
@every_page
async def test_no_answer_can_be_framed_kept_shared_or_made_to_run_something(watched: Watched, path: str) -> None:
    await look_at(watched, path)
    heard = {(watched.path_of(answer), answer.request.method) for answer in watched.answers}
    assert {(path, method) for method in ROUTES[path].endpoints} <= heard
    for answer in watched.answers:
        if watched.path_of(answer) not in FOR_PROGRAMS:
            judge_headers(watched, answer)
            judge_cookies(watched, answer)


def judge_headers(door: Watched, answer: httpx2.Response) -> None:
    what = f"{answer.request.method} {answer.request.url} {answer.status_code}"
    headers = answer.headers
    assert answer.status_code != 500, what
    assert not [name for name in headers if name.startswith("access-control-")], what
    assert headers["cache-control"] == "no-store", what
    # RFC 9700 §4.2.4. Within one origin a form has to say where it comes from: see page_headers.
    assert headers["referrer-policy"] in ("no-referrer", "same-origin"), what
    if answer.is_redirect:
        assert (answer.status_code, answer.content) == (303, b""), what
        assert headers["referrer-policy"] == "no-referrer", what
        return
    assert headers["x-content-type-options"] == "nosniff", what
    if not is_page(answer):
        assert headers["content-type"] == "application/json", what
        return
    assert headers["content-type"] == "text/html; charset=utf-8", what
    assert headers["x-frame-options"] == "DENY", what
    assert headers["cross-origin-resource-policy"] == "same-origin", what
    judge_policy(headers["content-security-policy"], what)
    page = Anatomy(answer.text)
    assert page.inline == [], what
    if headers["referrer-policy"] == "same-origin":
        assert all(target.startswith(door.plan.issuer) for target in page.forms), what


def judge_policy(written: str, what: str) -> None:
    listed = [part.split() for part in written.split(";")]
    policy = {name: set(sources) for name, *sources in listed}
    assert len(policy) == len(listed), what
    assert policy["default-src"] == policy["frame-ancestors"] == policy["base-uri"] == {"'none'"}, what
    forms = policy.pop("form-action")
    # Within an application's request: its own address, and wherever it sends the browser on to at once.
    assert "'self'" in forms, what
    assert forms <= {"'self'", "https:", "https://shop.example"}, what
    for name, sources in policy.items():
        assert sources <= {"'self'", "'none'"}, f"{what} {name}"
    assert "unsafe" not in written, what


def judge_cookies(door: Watched, answer: httpx2.Response) -> None:
    secure = door.plan.issuer.startswith("https:")
    for line in answer.headers.get_list("set-cookie"):
        jar = SimpleCookie()
        jar.load(line)
        ((name, cookie),) = jar.items()
        assert name.startswith("__Host-ww-" if secure else "ww-"), line
        assert bool(cookie["secure"]) is secure, line
        assert cookie["httponly"] is True, line
        assert cookie["samesite"].lower() == "lax", line
        assert (cookie["path"], cookie["domain"]) == ("/", ""), line


@rfc("9700", "4.12")
@standard("OAuth 2.0 Form Post Response Mode 1.0", "2")
async def test_a_page_whose_form_leads_to_an_application_lets_that_send_the_browser_on(watched: Watched) -> None:
    # Chromium holds the next redirect of the application itself to the policy too.
    visitor = Visitor(watched)
    views = {"sign in": await visitor.visit()}
    views["consent"] = await visitor.sign_in(views["sign in"])
    views["form post"] = await visitor.arrive(response_mode="form_post")
    views["way back"] = await visitor.visit(acr_values=ACR_TWO_FACTOR, response_mode="form_post")
    views["sign out"] = await visitor.open("/end_session", client_id="shop", post_logout_redirect_uri=SHOP_HOME)
    for what, view in views.items():
        assert view.forms, what
        policy = view.response.headers["content-security-policy"]
        assert "; form-action 'self' https://shop.example https:; " in policy, what


# --- where an answer leads


EVIL: Final = (
    "https://evil.example",
    "//evil.example/x",
    "/\\evil.example",
    "\\\\evil.example",
    "/\t/evil.example",
    "https:evil.example",
    "https://localhost:8000@evil.example/",
    "https://shop.example.evil.example/callback",
    "javascript:alert(1)//https://shop.example/callback",
    "JaVa\tScript:alert(1)",
    "data:text/html,<script>alert(1)</script>",
    "/login\r\nlocation: https://evil.example",
)
# What our pages are asked with, and what others' pages are asked with.
PARAMETERS: Final = (
    *("request", "again", "done", "token", "email_problem", "csrf", "username", "step", "pending", "challenge", "name"),
    *("id_token_hint", "post_logout_redirect_uri", "client_id", "state", "logout_hint", "ui_locales"),
    *("redirect_uri", "request_uri", "response_mode", "scope", "resource", "login_hint", "prompt", "acr_values"),
    *("next", "url", "return_to", "returnTo", "continue", "redirect", "rd", "target", "service", "issuer", "iss"),
)


def judge_ways(door: Door, answer: httpx2.Response, what: object) -> None:
    for way in ways_on(answer):
        ours = way == door.plan.issuer or way.startswith((f"{door.plan.issuer}/", f"{door.plan.issuer}?"))
        registered = way.partition("?")[0] in REGISTERED
        app = way.startswith("otpauth://totp/") and answer.request.url.path.endswith("/account/totp")
        assert ours or registered or app, (what, way)


@rfc("9700", "4.11.1")
@rfc("6749", "10.15")
@rfc("6819", "5.2.3.5")
@every_page
async def test_no_parameter_leads_the_browser_elsewhere(watched: Watched, path: str) -> None:
    visitor = Visitor(watched)
    await visitor.arrive()
    stranger = watched.caller()
    for http in (visitor.http, stranger):
        if "GET" not in ROUTES[path].endpoints:
            break
        for name in PARAMETERS:
            for evil in (EVIL[1], EVIL[8]):
                answer = await http.get(path, params={name: evil})
                judge_ways(watched, answer, (name, evil))
    assert visitor.session is not None


@rfc("9700", "4.11.1")
@pytest.mark.parametrize("path", ["/authorize", "/end_session"])
async def test_no_parameter_among_good_ones_leads_the_browser_elsewhere(watched: Watched, path: str) -> None:
    visitor = Visitor(watched)
    await visitor.arrive()
    for client_id in ("shop", "spa"):
        asked = request_of(client_id) if path == "/authorize" else {"client_id": client_id}
        for name in PARAMETERS:
            for evil in EVIL:
                answer = await visitor.http.get(path, params={**asked, name: evil})
                judge_ways(watched, answer, (name, evil))


@standard(ASVS, "4.1.3")
async def test_no_header_of_a_request_makes_a_page_lead_elsewhere(watched: Watched) -> None:
    visitor = Visitor(watched)
    await visitor.arrive()
    told = {"host": "evil.example", "x-forwarded-host": "evil.example", "forwarded": "host=evil.example;proto=http"}
    told |= {"x-forwarded-proto": "http", "x-original-url": "//evil.example", "referer": "https://evil.example/"}
    for path in PAGES:
        for http in (visitor.http, watched.caller()):
            for asked in ({}, {"request": "x"}):
                answer = await http.get(path, params=asked, headers=told)
                assert "evil.example" not in answer.text + str(answer.headers)
                judge_ways(watched, answer, path)


@rfc("9700", "4.11.1")
@pytest.mark.parametrize("path", FORMS)
async def test_no_field_of_a_form_leads_the_browser_elsewhere(watched: Watched, path: str) -> None:
    filled = await FORMS[path](watched)
    for name in filled.fields:
        for evil in EVIL:
            judge_ways(watched, await filled.post(**{name: evil}), (name, evil))


@rfc("9700", "4.11.1")
@pytest.mark.parametrize("path", FORMS)
async def test_no_further_field_of_a_form_leads_the_browser_elsewhere(watched: Watched, path: str) -> None:
    filled = await FORMS[path](watched)
    more = {name: evil for name, evil in zip(PARAMETERS, EVIL * 9, strict=False) if name not in filled.fields}
    if path == "/end_session":
        more = {name: evil for name, evil in more.items() if name not in ("id_token_hint", "post_logout_redirect_uri")}
    if path in ("/login", "/sign-up", "/login/passkey", "/login/second-step"):
        more.pop("request", None)
    answer = await filled.post(**more)
    judge_ways(watched, answer, "all at once")
    assert answer.status_code in (200, 303), answer.text
    judge_ways(watched, (await filled.visitor.follow(answer)).response, "where it led")


@standard("OpenID Connect RP-Initiated Logout 1.0", "3")
@pytest.mark.parametrize("evil", EVIL)
async def test_the_browser_leaves_after_signing_out_for_a_registered_address_alone(watched: Watched, evil: str) -> None:
    visitor = Visitor(watched)
    tokens = await visitor.tokens()
    hint = {"id_token_hint": tokens["id_token"]}
    for asked in ({**hint, "post_logout_redirect_uri": evil}, {"client_id": "shop", "post_logout_redirect_uri": evil}):
        view = await visitor.open("/end_session", **asked)
        assert (view.status, view.problem, view.location) == (400, "bad_redirect_uri", None)
        judge_ways(watched, view.response, evil)
    assert visitor.session is not None
    view = await visitor.open("/end_session", **hint, post_logout_redirect_uri=SHOP_HOME, state=evil)
    assert view.target == SHOP_HOME
    assert view.answer == {"state": evil}


@rfc("9126", "2.1")
@pytest.mark.parametrize("evil", EVIL)
async def test_what_is_pushed_or_named_leads_to_a_registered_address_alone(watched: Watched, evil: str) -> None:
    http = watched.caller()
    answer = await http.post("/par", data=request_of(redirect_uri=evil), headers=basic("shop"))
    assert (answer.status_code, answer.json()["error"]) == (400, "invalid_request")
    view = View(await http.get("/authorize", params={"client_id": "shop", "request_uri": evil}))
    assert (view.status, view.location) == (400, None)
    judge_ways(watched, view.response, evil)
    query = urlencode({**request_of(), "redirect_uri": evil})
    view = View(await http.get(f"/authorize?{query}"))
    assert (view.status, view.problem, view.location) == (400, "bad_redirect_uri", None)
    judge_ways(watched, view.response, evil)
