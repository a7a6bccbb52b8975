"""Every route, with real secrets in all that is sent and answered: none is in the log, and none in the database.

What counts as a secret is taken from the traffic itself, so a route, field or cookie that is added is searched for too.
R124; DESIGN sections 5 and 7.
"""

import base64
import io
import json
import logging
import re
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Final
from urllib.parse import parse_qsl, unquote, urlsplit

import httpx2
import pytest
import structlog
from tests.standards.test_every_page import PAGES, VISITS
from tests.support.cast import CLIENT_SECRET, PASSWORD, basic, bearer
from tests.support.codes import VERIFIER, challenge_form, code_form
from tests.support.databases import sqlite_template
from tests.support.door import HOME, Door, OpenStorage, Plan, opener_of
from tests.support.every_form import FORMS
from tests.support.rfc import rfc, standard
from tests.support.second_factor import enrol, give_recovery_codes
from tests.support.visitor import View, request_of

from watchword.server.adapters import structured_log
from watchword.server.adapters.structured_log import StructuredLog
from watchword.server.web.routes import ROUTES

CANARY: Final = "canary-f3b1-zebra-quilt-mandolin"
# What of a form, an address, a cookie or a JSON object is for everybody to see. All else is a secret.
PUBLIC: Final = frozenset(
    {
        "username",
        "email",
        "name",
        "decision",
        "sid",
        "client_id",
        "scope",
        "resource",
        "state",
        "nonce",
        "ww-done",
        "again",
    }
    | {"redirect_uri", "post_logout_redirect_uri", "response_type", "response_mode", "grant_type", "iss", "ui_locales"}
    | {"code_challenge", "code_challenge_method", "prompt", "acr_values", "token_type", "expires_in", "sub", "active"}
    | {"acr", "amr", "gid", "jti", "aud", "epoch"}
    | {"error", "error_description", "error_id", "credential_id", "after", "cookie", "methods"}
)
_KEY_SHOWN = re.compile(r'id="secret"[^>]*>(.*?)</p>', re.DOTALL)
_CODES_SHOWN = re.compile(r"\b[0-9a-z]{4}(?:-[0-9a-z]{4}){3}\b", re.IGNORECASE)


class Overheard(Door):
    """A door that remembers every path that was asked for, and every secret that went through it."""

    def __init__(self, open_one: OpenStorage, plan: Plan) -> None:
        super().__init__(open_one, plan)
        self.paths: set[str] = set()
        self.secrets: set[str] = {PASSWORD, CLIENT_SECRET, CANARY}

    def caller(
        self, address: tuple[str, int] = HOME, /, *, agent: str = "app/1.0", **headers: str
    ) -> httpx2.AsyncClient:
        """See ``Door``."""
        http = super().caller(address, agent=agent, **headers)
        http.event_hooks = {"request": [self._asked], "response": [self._answered]}
        return http

    async def _asked(self, request: httpx2.Request) -> None:
        path = request.url.path
        self.paths.add("/static/" if path.startswith("/static/") else path)
        self._note(parse_qsl(request.url.query.decode()))
        body, media_type = request.content.decode(), request.headers.get("content-type", "")
        if media_type == "application/json":
            self._note(json.loads(body).items())
        elif media_type:
            self._note(parse_qsl(body))
        for pair in request.headers.get("cookie", "").split("; "):
            name, _, value = pair.partition("=")
            self._note([(name, value.strip('"'))])
        scheme, _, proof = request.headers.get("authorization", "").partition(" ")
        self.secrets.add(proof)
        if scheme == "Basic":
            self.secrets.add(unquote(base64.b64decode(proof).decode().partition(":")[2]))

    async def _answered(self, answer: httpx2.Response) -> None:
        await answer.aread()
        self._note((cookie.name, cookie.value) for cookie in answer.cookies.jar if cookie.value)
        self._note(parse_qsl(urlsplit(answer.headers.get("location", "")).query))
        if answer.headers.get("content-type", "") == "application/json" and answer.is_success and answer.content:
            told = answer.json()
            if "jwks_uri" not in told and "keys" not in told:
                self._note(told.items())
        for form in View(answer).forms.values():
            self._note(form.fields.items())
        for shown in _KEY_SHOWN.findall(answer.text):
            self.secrets.add(re.sub(r"<[^>]+>|\s", "", shown))
        if "recovery" in answer.text:
            self.secrets |= set(_CODES_SHOWN.findall(answer.text))

    def _note(self, pairs: object) -> None:
        assert hasattr(pairs, "__iter__")
        self.secrets |= {value for name, value in pairs if isinstance(value, str) and name not in PUBLIC}

    def found_in(self, text: str) -> list[str]:
        """The secrets that stand in ``text``, whole or in the part that makes them work."""
        found = []
        for secret in self.secrets:
            if len(secret) < 6:
                continue
            traces = {secret, secret.replace("-", "")}
            if len(secret) > 40:
                # A JWT's signature, a refresh token's tag, a sealed thing's tag.
                traces.add(secret[-24:])
            # Short ones are looked for as words: six digits are in many a number.
            found += [
                secret
                for trace in traces
                if (
                    trace in text if len(trace) > 12 else re.search(rf"(?<![\w.+-]){re.escape(trace)}(?![\w.+-])", text)
                )
            ]
        return found


@pytest.fixture
async def overheard(tmp_path: Path) -> AsyncIterator[Overheard]:
    """A node on a fresh database, with everything switched on."""
    door = Overheard(opener_of(sqlite_template().copy(tmp_path)), Plan(sends_mail=True, sign_up_open=True))
    await door.open()
    yield door
    await door.close()
    structlog.reset_defaults()
    structlog.contextvars.clear_contextvars()
    logging.basicConfig(level=logging.WARNING, handlers=[], force=True)


async def begin_log(door: Door, monkeypatch: pytest.MonkeyPatch) -> io.StringIO:
    """The real log, with every detail, from now on: pytest has a stderr of its own for each phase of a test."""
    written = io.StringIO()
    monkeypatch.setattr(sys, "stderr", written)
    structured_log.configure(level="debug")
    door.telemetry = StructuredLog()
    await door.restart()
    return written


def judge(door: Overheard, log: str, folder: Path) -> None:
    lines = [json.loads(line) for line in log.splitlines()]
    assert lines
    assert "server.error" not in {line["slug"] for line in lines}
    assert door.found_in("\n".join(json.dumps(line, ensure_ascii=False) for line in lines)) == []
    kept = b"".join(path.read_bytes() for path in sorted(folder.iterdir())).decode("latin-1")
    # What was looked for can be found.
    assert "ada@example.org" in kept
    assert door.found_in(kept) == []
    # Nor as bytes, where the text stands for some.
    for secret in door.secrets:
        if len(secret) >= 22 and re.fullmatch(r"[\w-]+", secret):
            raw = base64.urlsafe_b64decode(secret + "=" * (-len(secret) % 4)) if len(secret) % 4 != 1 else b""
            assert len(raw) < 16 or raw.decode("latin-1") not in kept


@rfc("6819", "5.1.4.1.3")
@standard("OWASP ASVS 5.0", "16.2.5")
@pytest.mark.parametrize("path", [*FORMS, *VISITS])
async def test_no_page_leaves_a_secret_in_the_log_or_in_the_database(
    overheard: Overheard, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, path: str
) -> None:
    door, log = overheard, await begin_log(overheard, monkeypatch)
    codes = await give_recovery_codes(door)
    door.secrets |= set(codes)
    if path in FORMS:
        filled = await FORMS[path](door)
        for name in filled.fields:
            # A name may be kept as it is typed; at these two doors somebody types his password for it one day.
            if name not in ("csrf", "request", *PUBLIC) or path in ("/login", "/forgot-password"):
                await filled.post(**{name: CANARY})
        await filled.post(csrf=CANARY)
        await filled.post(request=CANARY)
        door.trouble.down = True
        await filled.post()
        door.trouble.down = False
        await filled.visitor.follow(await filled.post(**filled.later()))
        await filled.post()
    else:
        await VISITS[path](door)
        door.trouble.down = True
        await door.caller(cookie=f"ww-session={CANARY}").get(path, params={"request": CANARY, "token": CANARY})
        door.trouble.down = False
        await door.caller().put(path)
    assert path in door.paths
    assert len({secret for secret in door.secrets if len(secret) >= 6}) > 13
    judge(door, log.getvalue(), tmp_path)


@rfc("6819", "5.1.4.1.3")
@standard("OWASP ASVS 5.0", "16.2.5")
async def test_no_door_for_programs_leaves_a_secret_in_the_log_or_in_the_database(
    overheard: Overheard, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    door, log = overheard, await begin_log(overheard, monkeypatch)
    http = door.caller()
    tokens = await door.sign_in(http, scope="openid", cookie=True)
    tokens = await door.sign_in(http, scope="orders.read")
    app, again = await enrol(door, "bob"), {"client_id": "web", "username": "bob", "password": PASSWORD}
    step = (await http.post("/session", json=again)).json()["auth_session"]
    for otp in (app.wrong(), app.code()):
        await http.post("/session", json={"client_id": "web", "auth_session": step, "otp": otp})
    assert (await http.post("/session/refresh", json={"client_id": "web"})).status_code == 200
    code = (await http.post("/authorize-challenge", data=challenge_form())).json()["authorization_code"]
    assert (await http.post("/token", data=code_form(code, code_verifier=CANARY * 2))).status_code == 400
    issued = (await http.post("/token", data=code_form(code, code_verifier=VERIFIER))).json()
    await http.post("/token", data=code_form(code, code_verifier=VERIFIER))
    await door.refreshed(http, tokens["refresh_token"])
    assert (await http.get("/userinfo", headers=bearer(issued["access_token"]))).status_code in (200, 401)
    await http.post("/introspect", data={"token": issued["access_token"]}, headers=basic("orders"))
    pushed = await http.post("/par", data=request_of(), headers=basic("shop"))
    assert pushed.status_code == 201
    await http.post("/revoke", data={"client_id": "web", "token": tokens["refresh_token"]})
    await http.post("/session/end", json={"client_id": "web", "refresh_token": issued["refresh_token"]})
    assert (await http.post("/users", json={"username": "grace", "password": CANARY})).status_code == 201
    await wherever_one_might_put_it(door)
    assert door.paths >= set(ROUTES)
    assert set(ROUTES) >= set(PAGES)
    judge(door, log.getvalue(), tmp_path)


async def wherever_one_might_put_it(door: Overheard) -> None:
    """Something secret in every place of a request, at every route."""
    fields = dict.fromkeys(("csrf", "token", "request", "password", "username", "code", "client_secret"), CANARY)
    cookies = "; ".join(f"{name}={CANARY}" for name in ("ww-session", "ww-browser", "ww-link", "wwr-x"))
    for path, route in ROUTES.items():
        asked = f"{path}{CANARY}" if path.endswith("/") else path
        for method in route.endpoints:
            http = door.caller(cookie=cookies)
            await http.request(method, asked, params=fields)
            await http.request(method, asked, headers=bearer(CANARY))
            await http.request(method, asked, headers=basic("machine", CANARY))
            await http.request(method, asked, data=fields)
            await http.request(method, asked, json=fields)
            await http.request(method, asked, content=CANARY.encode())
            await http.request(method, f"{asked}/{CANARY}", headers={"origin": f"https://{CANARY}.example"})
            await http.request(method, asked, headers={"user-agent": CANARY, "referer": f"https://x.example/{CANARY}"})
