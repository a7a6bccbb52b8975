"""A user with an authenticator app, at a real server: set up on a page, used by programs of the client library."""

import asyncio
import base64
import json
import re
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.hashes import SHA1
from cryptography.hazmat.primitives.twofactor.totp import TOTP
from tests.support.page_browser import PageBrowser
from tests.support.ready_made import ORDERS
from tests.support.rfc import rfc, standard
from tests.support.running_server import PASSWORD, RunningServer, running

from watchword.client import (
    ACR_TWO_FACTOR,
    AsyncTokenSource,
    FileTokenStore,
    SecondStepNeeded,
    SignInAgain,
    TokenSource,
)
from watchword.resource import ResourceServer

STEP = 30


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningServer]:
    with running(tmp_path_factory.mktemp("second-step")) as found:
        found.command("clients", "create", "app", "--first-party", "--api", ORDERS, "--scope", "orders.read")
        yield found


class App:
    """An authenticator app; each code works once, so it shows the next one early where it has to."""

    def __init__(self, secret: bytes) -> None:
        self._totp = TOTP(base64.b32decode(secret), 6, SHA1(), STEP)
        self._last = 0

    def code(self) -> str:
        """A code that was not used yet."""
        self._last = max(int(time.time()) // STEP, self._last + 1)
        return self._totp.generate(self._last * STEP).decode()


def set_up(server: RunningServer, name: str) -> tuple[App, list[str]]:
    """A new user, who sets up an app: it, and his recovery codes."""
    server.command("users", "create", name, "--password-stdin", stdin=PASSWORD)
    browser = PageBrowser()
    browser.open(f"{server.issuer}/login")
    browser.sign_in(name)
    page = browser.open(f"{server.issuer}/account/totp")
    found = re.search(r"otpauth://totp/\S*?secret=([A-Z2-7]+)", page.text)
    assert found, page.text
    app = App(found[1].encode())
    page = browser.submit("totp-form", otp=app.code())
    codes = re.findall(r"\b[0-9a-z]{4}(?:-[0-9a-z]{4}){3}\b", page.text)
    assert len(codes) == 10
    return app, codes


def call(source: Any, name: str, *args: Any, **options: Any) -> Any:
    """A method of either source."""
    found = getattr(source, name)(*args, **options)
    return asyncio.run(found) if asyncio.iscoroutine(found) else found


@pytest.mark.parametrize("kind", [TokenSource, AsyncTokenSource])
@rfc("6238", "4.2")
@standard("draft-ietf-oauth-first-party-apps", "5.3")
def test_a_program_signs_its_user_in_by_two_steps(server: RunningServer, tmp_path: Path, kind: type[Any]) -> None:
    name = f"ada-{kind.__name__.lower()}"
    app, codes = set_up(server, name)
    source = kind(server.issuer, "app", scope="orders.read", store=FileTokenStore(tmp_path / "tokens.json"))
    with pytest.raises(SecondStepNeeded) as caught:
        call(source, "sign_in", name, PASSWORD)
    assert caught.value.methods == ("otp", "recovery_code")
    with pytest.raises(SecondStepNeeded) as wrong:
        call(source, "take_second_step", caught.value.step, otp="not a code")
    assert wrong.value.reason == "wrong_code"
    call(source, "take_second_step", wrong.value.step, otp=app.code())
    with ResourceServer(issuer=server.issuer, audience=ORDERS) as resource:
        claims = resource.verify(call(source, "token")).claims
        assert (claims["acr"], claims["amr"]) == (ACR_TWO_FACTOR, ["pwd", "otp", "mfa"])
        # It goes on by itself, as strongly as it was signed in.
        claims = resource.verify(call(source, "renew", call(source, "token"))).claims
        assert claims["acr"] == ACR_TWO_FACTOR
    with pytest.raises(SignInAgain) as over:
        call(source, "take_second_step", caught.value.step, otp=app.code())
    assert over.value.reason == "invalid_session"
    with pytest.raises(SecondStepNeeded) as again:
        call(source, "sign_in", name, PASSWORD)
    call(source, "take_second_step", again.value.step, recovery_code=codes[0])
    assert call(source, "token")


def test_an_operator_sees_and_removes_factors_beside_the_running_server(server: RunningServer) -> None:
    set_up(server, "mira")
    found = json.loads(server.command("users", "factors", "mira", "--json"))
    assert found["recovery_codes"] == 10
    assert found["authenticator_app_since"]
    server.command("users", "remove-factors", "mira")
    source = TokenSource(server.issuer, "app", scope="orders.read")
    source.sign_in("mira", PASSWORD)
    assert source.token()
