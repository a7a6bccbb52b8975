"""A real server, told to log everything: nothing that is secret is in what it writes, whatever goes wrong."""

import asyncio
import hashlib
import json
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from tests.support.cast import basic, bearer
from tests.support.mail_server import MailServer
from tests.support.postgres import running_postgres
from tests.support.ready_made import SECRET, furnished_postgres, postgres_database
from tests.support.relay import Relay
from tests.support.running_server import PASSWORD, RunningServer
from tests.support.wire import Reply, ask, renewal

from watchword.protocol import base64url
from watchword.server.web.routes import ROUTES

pytestmark = pytest.mark.postgres

DATABASE_PASSWORD = "canary-of-the-database-5a7e"
PREVIOUS_SECRET = "canary-secret-of-last-year-9Jw4tF6sVb2Xn0Lq"
CANARY = "canary-3f9c1d"
RELAY_PASSWORD = "canary-of-the-relay-4e7a"
PAGES = (
    *("/authorize", "/login", "/sign-up", "/consent", "/end_session", "/account", "/par"),
    *("/forgot-password", "/link", "/reset-password", "/verify-email"),
)
VERIFIER = "canary-verifier-0123456789-abcdefghijklmnopqrstuvw"

# Nothing in the settings asks for this much.
_LOGGING_EVERYTHING = """
import functools, logging, sys
from watchword.server import node
from watchword.server.cli import main

def configure():
    everything(level="debug")
    logging.getLogger().setLevel(logging.DEBUG)

everything, node.configure = node.configure, configure
sys.exit(main())
"""


class Visitor:
    """Asks, and remembers what was secret in questions and answers, and which paths were visited."""

    def __init__(self, server: RunningServer) -> None:
        self.server = server
        self.paths: set[str] = set()
        self.secrets = {PASSWORD, SECRET, PREVIOUS_SECRET, DATABASE_PASSWORD, VERIFIER, CANARY}
        self.secrets |= set(furnished_postgres().secrets.values()) | {RELAY_PASSWORD}

    async def ask(self, method: str, path: str, **request: Any) -> Reply:
        reply = await ask(self.server.port, method, path, **request)
        self.paths.add(path.partition("?")[0])
        found = reply.json if reply.body.startswith(b"{") else {}
        for name in ("access_token", "refresh_token", "id_token", "authorization_code"):
            if name in found:
                self.secrets.add(found[name])
        self.secrets.add(request.get("headers", {}).get("authorization", "").partition(" ")[2])
        self.secrets.add(reply.headers.get("set-cookie", "").partition(";")[0].partition("=")[2].strip('"'))
        return reply

    def traces(self) -> Iterator[str]:
        """What must not be found: the secrets, the parts of tokens that prove something, and the names of grants."""
        for secret in self.secrets - {""}:
            yield secret
            if secret.count(".") == 2:
                yield from secret.split(".")[1:]
            if secret.startswith("wwr_"):
                grant = base64url.decode(secret[4:])[2:18]
                yield from (secret[4:], grant.hex(), base64url.encode(grant), repr(grant)[2:-1])


@pytest.fixture
def line() -> Iterator[tuple[Relay, str]]:
    """A line to a database, and the database's URL with a password by that line."""
    database = postgres_database()
    with Relay.before(database) as relay:
        yield relay, relay.dsn(database).replace("postgres@", f"postgres:{DATABASE_PASSWORD}@")


@pytest.fixture
def post() -> Iterator[MailServer]:
    """The mail server."""
    with MailServer(login=("relay", RELAY_PASSWORD)) as server:
        yield server


@pytest.fixture
def visitor(tmp_path: Path, line: tuple[Relay, str], post: MailServer) -> Iterator[Visitor]:
    server = RunningServer(
        tmp_path,
        database_url=line[1],
        WATCHWORD_SECRET=f"{SECRET} {PREVIOUS_SECRET}",
        WATCHWORD_SIGN_UP="open",
        WATCHWORD_REFRESH_OVERLAP="0",
        WATCHWORD_SMTP_URL=f"smtp://relay:{RELAY_PASSWORD}@127.0.0.1:{post.port}",
        WATCHWORD_MAIL_FROM="accounts@example.com",
    )
    server.program = [sys.executable, "-c", _LOGGING_EVERYTHING]
    server.start()
    yield Visitor(server)
    if server.process is not None and server.process.poll() is None:
        assert server.stop() == 0


async def the_usual(visitor: Visitor) -> tuple[str, str]:
    """Every endpoint, as it is meant to be used. An access and a refresh token to go on with."""
    secrets = furnished_postgres().secrets
    ada = {"client_id": "web", "username": "ada", "password": PASSWORD}
    newcomer = {"username": "newcomer", "password": f"{CANARY} quilt zebra forge mandolin"}
    assert (await visitor.ask("POST", "/users", members=newcomer)).status == 201
    kept = await visitor.ask("POST", "/session", members={**ada, "cookie": True})
    cookie = kept.headers["set-cookie"].partition(";")[0]
    renewed = await visitor.ask("POST", "/session/refresh", members={"client_id": "web"}, headers={"cookie": cookie})
    assert renewed.status == 200
    assert "refresh_token" not in renewed.json
    ended = (await visitor.ask("POST", "/session", members=ada)).json
    gone = {"client_id": "web", "refresh_token": ended["refresh_token"]}
    assert (await visitor.ask("POST", "/session/end", members=gone)).status == 204
    assert (await visitor.ask("DELETE", "/session", headers=bearer(ended["access_token"]))).status == 204
    challenge = base64url.encode(hashlib.sha256(VERIFIER.encode()).digest())
    asked = {**ada, "code_challenge": challenge, "code_challenge_method": "S256", "scope": "openid orders.read"}
    code = (await visitor.ask("POST", "/authorize-challenge", form=asked)).json["authorization_code"]
    exchange = {"grant_type": "authorization_code", "client_id": "web", "code": code, "code_verifier": VERIFIER}
    tokens = (await visitor.ask("POST", "/token", form=exchange)).json
    assert "id_token" in tokens
    assert (await visitor.ask("POST", "/token", form=exchange)).status == 400
    itself = {"grant_type": "client_credentials"}
    assert (
        await visitor.ask("POST", "/token", form=itself, headers=basic("billing", secrets["billing"]))
    ).status == 200
    session = (await visitor.ask("POST", "/session", members=ada)).json
    form, server = {"token": session["access_token"]}, basic("orders-api", secrets["orders-api"])
    assert (await visitor.ask("POST", "/introspect", form=form, headers=server)).json["active"] is True
    scoped = (await visitor.ask("POST", "/session", members={**ada, "scope": "openid"})).json
    assert (await visitor.ask("GET", "/userinfo", headers=bearer(scoped["access_token"]))).status == 200
    revoked = {"client_id": "web", "token": scoped["refresh_token"]}
    assert (await visitor.ask("POST", "/revoke", form=revoked)).status == 200
    paths = ("/jwks", "/.well-known/openid-configuration", "/.well-known/oauth-authorization-server")
    for path in (*paths, "/healthz", "/readyz", "/revocations?after=0"):
        assert (await visitor.ask("GET", path)).status == 200
    return session["access_token"], session["refresh_token"]


async def the_pages(visitor: Visitor) -> None:
    """Every page, with something secret in every field and parameter."""
    fields = (
        "csrf",
        "request",
        "username",
        "password",
        "current_password",
        "new_password",
        "repeated_password",
        "email",
    )
    keys = ("challenge", "assertion", "credential", "credential_id", "name", "step", "pending", "otp", "recovery_code")
    form = {
        **dict.fromkeys((*fields, *keys, "sid", "client_id", "id_token_hint", "state"), CANARY),
        "decision": "allow",
    }
    for path in ROUTES:
        if path.startswith(PAGES):
            await visitor.ask("GET", f"{path}?state={CANARY}&id_token_hint={CANARY}&request={CANARY}&token={CANARY}")
            cookies = "; ".join(f"ww-{name}={CANARY}" for name in ("session", "browser", "link"))
            await visitor.ask("POST", path, form=form, headers={"cookie": cookies})
    await visitor.ask("GET", f"/static/{CANARY}")


async def the_mails(visitor: Visitor, post: MailServer) -> None:
    """A forgotten password, from the page to a new one."""
    address = ("--email", "mira@example.org", "--email-verified")
    visitor.server.command("users", "create", "mira", "--password-stdin", *address, stdin=PASSWORD)

    async def form_of(path: str, cookie: str = "") -> tuple[dict[str, str], dict[str, str]]:
        page = await visitor.ask("GET", path, headers={"cookie": cookie} if cookie else {})
        hidden = dict(re.findall(r'type="hidden" name="(\w+)" value="([^"]+)"', page.body.decode()))
        drawn = page.headers["set-cookie"].partition(";")[0]
        return hidden, {"cookie": "; ".join(filter(None, (drawn, cookie)))}

    form, headers = await form_of("/forgot-password")
    assert (
        await visitor.ask("POST", "/forgot-password", form={**form, "username": "mira"}, headers=headers)
    ).status == 303
    [mail] = await asyncio.to_thread(post.wait_for, 1)
    visitor.secrets |= {mail.token, mail.token[4:], mail.token[-22:]}
    opened = await visitor.ask("GET", f"/link?token={mail.token}")
    assert opened.status == 303
    form, headers = await form_of("/reset-password", opened.headers["set-cookie"].partition(";")[0])
    new = {"new_password": f"{CANARY} zebra quilt forge", "repeated_password": f"{CANARY} zebra quilt forge"}
    assert (await visitor.ask("POST", "/reset-password", form={**form, **new}, headers=headers)).status == 303
    await visitor.ask("GET", f"/link?token={mail.token}")
    await visitor.ask("GET", f"/nothing/{mail.token}?token={mail.token}")


async def the_unusual(visitor: Visitor, access: str, refresh: str) -> None:
    """Everything wrong, with something secret wherever one might put it."""
    await visitor.ask("POST", "/session", members={"client_id": "web", "username": CANARY, "password": CANARY})
    await visitor.ask("POST", "/token", form=renewal(f"wwr_{CANARY}"))
    await visitor.ask("POST", "/token", form=renewal(refresh[:-2] + "xx"))
    await visitor.ask("POST", "/token", form=renewal(refresh, client_id=CANARY))
    for name in ("grant_type", "client_id", "client_secret", "scope", "resource", "code", "token", "username"):
        await visitor.ask("POST", "/token", form={**renewal(refresh), name: f"{CANARY} \x01"})
        await visitor.ask("POST", "/session", members={name: [CANARY]})
    for path in ("/token", "/introspect", "/revoke", "/session", "/users", "/userinfo", "/authorize-challenge"):
        headers = {"authorization": f"Basic {CANARY}", "cookie": f"wwr-x={CANARY}", "user-agent": "another"}
        await visitor.ask("POST", path, form={"token": access + CANARY, "password": CANARY}, headers=headers)
        await visitor.ask("POST", path, headers=bearer(access + CANARY))
        await visitor.ask("POST", f"{path}?access_token={access}&refresh_token={refresh}", form={"x": CANARY})
        await visitor.ask("GET", f"{path}/{CANARY}")
    await visitor.ask("GET", f"/revocations?after={CANARY}")
    # A theft: the spent token from elsewhere, and the older one again.
    tokens = [refresh]
    for _ in range(2):
        tokens.append((await visitor.ask("POST", "/token", form=renewal(tokens[-1]))).json["refresh_token"])
    stolen = {"user-agent": "somebody else"}
    await visitor.ask("POST", "/token", form=renewal(tokens[1]), headers=stolen)
    assert (await visitor.ask("POST", "/token", form=renewal(tokens[0]), headers=stolen)).status == 400
    assert (await visitor.ask("POST", "/token", form=renewal(tokens[-1]))).status == 400


async def test_nothing_secret_is_in_what_a_server_writes(
    visitor: Visitor, line: tuple[Relay, str], post: MailServer
) -> None:
    access, refresh = await the_usual(visitor)
    await the_pages(visitor)
    await the_mails(visitor, post)
    assert visitor.paths >= {path for path in ROUTES if not path.endswith("/")}
    await the_unusual(visitor, access, refresh)
    line[0].cut()
    cut_off = [await visitor.ask("POST", "/token", form=renewal(refresh))]
    cut_off.append(
        await visitor.ask("POST", "/session", members={"client_id": "web", "username": "ada", "password": CANARY})
    )
    assert {reply.status for reply in cut_off} == {503}
    line[0].heal()
    assert visitor.server.stop() == 0
    log = visitor.server.log.read_text()
    slugs = {json.loads(written)["slug"] for written in log.splitlines() if written.startswith("{")}
    assert slugs >= {"refresh.rotated", "refresh.superseded_elsewhere", "storage.unavailable", "client.malformed_basic"}
    for trace in visitor.traces():
        assert trace not in log, f"in the log: {trace}"


def test_what_a_server_says_that_does_not_start_holds_no_password(tmp_path: Path) -> None:
    wrong = running_postgres().create_database().dsn.replace("postgres@", f"nobody:{DATABASE_PASSWORD}@")
    server = RunningServer(tmp_path, database_url=wrong, WATCHWORD_SECRET=SECRET)
    server.program = [sys.executable, "-c", _LOGGING_EVERYTHING]
    with pytest.raises(AssertionError, match="the database does not answer"):
        server.start()
    log = server.log.read_text()
    assert DATABASE_PASSWORD not in log
    assert SECRET not in log
