"""Nothing secret in any log line, at any level, in any answer's error, in any audit row.

R124; DESIGN section 7.
"""

import base64
import io
import json
import logging
import sys
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import httpx2
import pytest
import structlog
from tests.support.cast import CLIENT_SECRET, PASSWORD, basic, bearer
from tests.support.chains import PAST_OVERLAP
from tests.support.codes import OTHER_VERIFIER, VERIFIER, challenge_form, code_form
from tests.support.databases import sqlite_template
from tests.support.door import ELSEWHERE, Door, Plan, opener_of
from tests.support.rfc import rfc, standard
from tests.support.second_factor import App
from tests.support.second_factor_pages import codes_in, set_up, set_up_page
from tests.support.visitor import Visitor

from watchword.server.adapters import structured_log
from watchword.server.adapters.structured_log import StructuredLog
from watchword.server.domain.refresh_token import PREFIX

WRONG_PASSWORD = "canary-wrong-password-31c9"
WRONG_SECRET = "canary-wrong-secret-77d1"
NEW_PASSWORD = "canary zebra quilt forge mandolin"


class WrittenLog:
    """The real log, with every detail, from ``begin`` on: pytest has a stderr of its own for each phase of a test."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self._monkeypatch = monkeypatch
        self._written = io.StringIO()

    async def begin(self, door: Door | None = None) -> None:
        """Write to this log from now on; ``door`` starts anew, so that it does, too."""
        self._monkeypatch.setattr(sys, "stderr", self._written)
        structured_log.configure(level="debug")
        if door is not None:
            door.telemetry = StructuredLog()
            await door.restart()

    def lines(self) -> list[dict[str, Any]]:
        """The lines so far."""
        return [json.loads(line) for line in self._written.getvalue().splitlines()]


@pytest.fixture
def log(monkeypatch: pytest.MonkeyPatch) -> Iterator[WrittenLog]:
    """The log of this test."""
    yield WrittenLog(monkeypatch)
    structlog.reset_defaults()
    structlog.contextvars.clear_contextvars()
    logging.basicConfig(level=logging.WARNING, handlers=[], force=True)


@pytest.fixture
async def logged(tmp_path: Path) -> AsyncIterator[Door]:
    """A door that a test lets speak by the real log."""
    door = Door(opener_of(sqlite_template().copy(tmp_path)), Plan(sign_up_open=True))
    await door.open()
    yield door
    await door.close()


class Canaries:
    """Everything that was secret in a run."""

    def __init__(self) -> None:
        self.values = {PASSWORD, WRONG_PASSWORD, NEW_PASSWORD, CLIENT_SECRET, WRONG_SECRET, VERIFIER, OTHER_VERIFIER}
        self.values |= {basic("machine")["authorization"], basic("machine", WRONG_SECRET)["authorization"]}

    def note(self, answer: httpx2.Response) -> dict[str, Any]:
        """Keep the secrets of an answer."""
        told: dict[str, Any] = answer.json()
        names = ("access_token", "refresh_token", "id_token", "authorization_code", "auth_session")
        self.values |= {told[name] for name in names if name in told}
        self.values |= set(answer.cookies.values())
        return told

    def found_in(self, text: str) -> list[str]:
        """Those that stand in ``text``, whole or in a large part."""
        # A JWT's signature and a refresh token's tag are what makes them work.
        parts = {value.removeprefix(PREFIX)[-24:] for value in self.values if len(value) > 40}
        return [value for value in self.values | parts if value in text]


async def a_second_step(door: Door, canaries: Canaries) -> None:
    """An authenticator app is set up, used and turned off, with right, wrong and used codes."""
    visitor = Visitor(door, username="bob")
    await visitor.signed_in()
    page = await set_up_page(visitor)
    app = App.typed(door, page.secret)
    secret = "".join(page.secret.split())
    pending = page.view.forms["totp-form"].fields["pending"]
    canaries.values |= {secret, app.seed.hex(), repr(app.seed), page.uri, pending}
    view = await visitor.send(page.view.forms["totp-form"], otp=app.wrong())
    codes = codes_in(await visitor.send(view.forms["totp-form"], otp=app.code()))
    canaries.values |= {*codes, *(code.replace("-", "") for code in codes), f'"{app.code()}"', f'"{app.wrong()}"'}
    for offer in ("right", "wrong", "recovery_code"):
        door.clock.advance(60)
        typed = {"right": app.code(), "wrong": app.wrong(), "recovery_code": codes[0]}[offer]
        canaries.values.add(f'"{typed}"')
        body = {"client_id": "web", "username": "bob", "password": PASSWORD}
        step = canaries.note(await door.caller().post("/session", json=body))["auth_session"]
        method = offer if offer == "recovery_code" else "otp"
        second = {"client_id": "web", "auth_session": step, method: typed}
        for _ in range(2):
            canaries.note(await door.caller().post("/session", json=second))
        form = challenge_form(username="bob")
        step = canaries.note(await door.caller().post("/authorize-challenge", data=form))["auth_session"]
        canaries.note(await door.caller().post("/authorize-challenge", data={**second, "auth_session": step + "x"}))
    view = await visitor.sign_in(await visitor.open("/login"))
    canaries.values.add(view.forms["otp-form"].fields["step"])
    await visitor.send(view.forms["otp-form"], otp="canary-otp-7f3a")
    view = await visitor.send(view.forms["recovery-form"], recovery_code=codes[1])
    view = await visitor.send(view.forms["new-codes-form"])
    canaries.values |= {*codes_in(view), "canary-otp-7f3a"}
    view = await visitor.open("/account")
    await visitor.send(view.forms["turn-off-form"])


async def everything_that_happens(door: Door, canaries: Canaries) -> None:
    """Successes, refusals, thefts, trouble and breakdowns, at every door."""
    owner, thief = door.caller(), door.caller(ELSEWHERE)
    sign_in = {"client_id": "web", "username": "ada", "password": PASSWORD}
    first = canaries.note(await owner.post("/session", json=sign_in))
    await owner.post("/session", json={**sign_in, "password": WRONG_PASSWORD})
    canaries.note(await owner.post("/session", json={**sign_in, "cookie": True}))
    canaries.note(await owner.post("/session/refresh", json={"client_id": "web"}))
    await owner.post("/users", json={"username": "eve", "password": NEW_PASSWORD, "email": "eve@example.org"})
    await owner.post("/users", json={"username": "eve", "password": NEW_PASSWORD})
    await owner.post("/users", json={"username": "x" * 200, "password": NEW_PASSWORD})
    for secret in (CLIENT_SECRET, WRONG_SECRET):
        form = {"grant_type": "client_credentials"}
        canaries.note(await owner.post("/token", data=form, headers=basic("machine", secret)))
        canaries.note(await owner.post("/token", data={**form, "client_id": "poster", "client_secret": secret}))
    code = canaries.note(await owner.post("/authorize-challenge", data=challenge_form()))["authorization_code"]
    await owner.post("/authorize-challenge", data=challenge_form(password=WRONG_PASSWORD))
    for verifier in (OTHER_VERIFIER, VERIFIER, VERIFIER):
        canaries.note(await owner.post("/token", data=code_form(code, code_verifier=verifier)))
    await thief.post("/token", data=code_form(code))
    refresh = {"grant_type": "refresh_token", "client_id": "web"}
    chain = [first["refresh_token"]]
    for _ in range(3):
        answer = await owner.post("/token", data={**refresh, "refresh_token": chain[-1]})
        chain.append(canaries.note(answer)["refresh_token"])
    door.clock.advance(PAST_OVERLAP)
    presented = (chain[2], chain[-1] + "x", chain[0], chain[-1])
    for token in presented:
        canaries.note(await thief.post("/token", data={**refresh, "refresh_token": token}))
    for token in presented:
        await thief.post("/introspect", data={"token": token}, headers=basic("orders"))
        await thief.post("/revoke", data={"client_id": "other", "token": token})
        await thief.post("/session/end", json={"refresh_token": token})
        await thief.get("/userinfo", headers=bearer(token))
    await owner.get(f"/userinfo?access_token={first['access_token']}", headers=bearer(first["access_token"]))
    await owner.get(f"/nothing/{chain[-1]}?code={code}")
    await owner.post(f"/token?client_secret={CLIENT_SECRET}", content=f"{{{PASSWORD}".encode())
    await owner.post("/session", content=f'{{"password": "{PASSWORD}", "x": "\\ud800"'.encode())
    await owner.post("/session", content=f'{{"password": "{PASSWORD}", "password": "{PASSWORD}"}}'.encode())
    await a_second_step(door, canaries)
    door.trouble.down = True
    door.clock.advance(5)
    await owner.post("/session", json=sign_in)
    await owner.post("/token", data={**refresh, "refresh_token": chain[-1]})
    door.trouble.down = False


@standard("OWASP ASVS 5.0", "16.2")
@rfc("6749", "10.3")
async def test_no_log_line_holds_a_secret(logged: Door, log: WrittenLog) -> None:
    await log.begin(logged)
    canaries = Canaries()
    await everything_that_happens(logged, canaries)
    lines = log.lines()
    slugs = {line["slug"] for line in lines}
    # The run was a full one, or the search would prove little.
    assert {"refresh.rotated", "refresh.fork", "refresh.superseded_elsewhere", "sign_in.refused"} <= slugs
    assert {"sign_in.second_step", "second_step.refused", "second_step.over"} <= slugs
    assert {"client.secret", "code.wrong_verifier", "storage.unavailable", "request.no_such_path"} <= slugs
    assert len(canaries.values) > 25
    assert canaries.found_in("\n".join(json.dumps(line, ensure_ascii=False) for line in lines)) == []


async def test_no_audit_row_holds_a_secret(logged: Door, log: WrittenLog) -> None:
    await log.begin(logged)
    canaries = Canaries()
    await everything_that_happens(logged, canaries)
    rows = await logged.audit()
    assert {row.kind for row in rows} >= {"session.started", "refresh.theft", "user.signed_up", "grant.ended"}
    assert canaries.found_in(str([row.fields for row in rows])) == []


@standard("OWASP ASVS 5.0", "13.3.1")
async def test_a_copy_of_the_database_gives_nobody_a_second_step(tmp_path: Path) -> None:
    database = sqlite_template().copy(tmp_path)
    door = Door(opener_of(database), Plan())
    await door.open()
    visitor = Visitor(door)
    await visitor.signed_in()
    app, codes = await set_up(door, visitor)
    visitor = Visitor(door, ELSEWHERE)
    step = await visitor.sign_in(await visitor.open("/login"))
    await visitor.send(step.forms["recovery-form"], recovery_code=codes[0])
    await door.close()
    kept = b"".join(path.read_bytes() for path in tmp_path.iterdir())
    # What was looked for can be found: the user's name is there.
    assert b"ada" in kept
    secret = base64.b32encode(app.seed)
    for canary in (app.seed, secret, app.seed.hex().encode(), base64.b64encode(app.seed)[:-1]):
        assert canary not in kept
    for code in codes:
        assert code.encode() not in kept
        assert code.replace("-", "").encode() not in kept


async def test_every_line_has_a_slug_a_level_a_time_and_the_requests_id(logged: Door, log: WrittenLog) -> None:
    await log.begin(logged)
    answer = await logged.caller().post("/token", data={"grant_type": "x", "client_id": "nobody"})
    (line,) = [line for line in log.lines() if line["slug"] == "client.unknown"]
    assert line["request_id"] == answer.headers["x-request-id"]
    assert line["level"] == "info"
    assert line["timestamp"].endswith("Z")
    assert (line["path"], line["status"], line["error"]) == ("/token", 401, "invalid_client")


async def test_a_breakdown_tells_where_and_not_with_what(
    logged: Door, log: WrittenLog, monkeypatch: pytest.MonkeyPatch
) -> None:
    await log.begin(logged)

    async def broken(password: str, _: str | None) -> None:
        raise ValueError(f"cannot work with {password}")

    monkeypatch.setattr(logged.cheap, "verify", broken)
    body = {"client_id": "web", "username": "ada", "password": PASSWORD}
    answer = await logged.caller().post("/session", json=body)
    (line,) = [line for line in log.lines() if line["slug"] == "server.error"]
    assert line["error_id"] == answer.json()["error_id"]
    assert any("test_secrets_in_logs" in frame for frame in line["frames"])
    assert PASSWORD not in json.dumps(line)


async def test_a_field_with_a_secrets_name_is_withheld_whoever_slips(log: WrittenLog) -> None:
    await log.begin()
    StructuredLog().warn("some.slug", password="canary", refresh_token="canary", gid="fine")
    (line,) = log.lines()
    assert "canary" not in json.dumps(line)
    assert line["gid"] == "fine"


async def test_the_parts_of_a_request_do_not_show_secrets_when_printed() -> None:
    # A repr ends up in somebody's debugger, exception or test report.
    from watchword.server.flows.authenticator_app import SetUp
    from watchword.server.flows.client_authentication import ClientCredentials
    from watchword.server.flows.grant_types.request import TokenRequest
    from watchword.server.flows.passkeys import Returned
    from watchword.server.flows.second_step import OfferedCode
    from watchword.server.flows.sign_in import PasswordSignIn
    from watchword.server.flows.sign_up import SignUp

    printed = [
        repr(ClientCredentials("machine", "client_secret_basic", "canary")),
        repr(TokenRequest(grant_type="x", now=0, code="canary", code_verifier="canary", refresh_token="canary")),
        repr(Returned(sealed="canary", response="canary", browser=b"canary")),
        repr(PasswordSignIn(username="ada", password="canary", network="x")),
        repr(OfferedCode(method="otp", typed="canary", network="x")),
        repr(SetUp(seed=b"canary", sealed="canary")),
        repr(SignUp(username="ada", password="canary", email=None, network="x")),
    ]
    assert not [text for text in printed if "canary" in text]
