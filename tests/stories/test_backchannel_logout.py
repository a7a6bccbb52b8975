"""Clients with a server of their own hear of sign-outs: whatever was down meanwhile, and once each."""

import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import jwt
import pytest
from tests.support.ports import free_port
from tests.support.postgres import running_postgres
from tests.support.ready_made import ORDERS, SECRET, postgres_database, sqlite_server
from tests.support.running_server import PASSWORD, RunningServer, wait_until

from watchword.resource import ResourceServer, TokenRejected


class Receiver(ThreadingHTTPServer):
    """A client's back-channel logout endpoint."""

    daemon_threads = True

    def __init__(self, port: int) -> None:
        super().__init__(("127.0.0.1", port), _Answering)
        self.tokens: list[str] = []


class _Answering(BaseHTTPRequestHandler):
    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["content-length"])).decode()
        assert isinstance(self.server, Receiver)
        self.server.tokens += parse_qs(body)["logout_token"]
        self.send_response(204)
        self.end_headers()

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 (the library's name)
        """Say nothing."""


@contextmanager
def receiving(port: int) -> Iterator[Receiver]:
    with Receiver(port) as receiver:
        threading.Thread(target=receiver.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True).start()
        try:
            yield receiver
        finally:
            receiver.shutdown()


def with_store(server: RunningServer, port: int) -> None:
    """A client that hears at ``port``."""
    uri = f"http://127.0.0.1:{port}/out"
    api = ("--api", ORDERS, "--scope", "orders.read", "--scope", "openid")
    server.command("clients", "create", "store", "--first-party", *api, "--backchannel-logout-uri", uri)


def signed_in(server: RunningServer) -> dict[str, Any]:
    with server.http() as http:
        answer = http.post("/session", json={"client_id": "store", "username": "ada", "password": PASSWORD})
    assert answer.status_code == 201, answer.text
    tokens: dict[str, Any] = answer.json()
    return tokens


def verified(server: RunningServer, token: str) -> dict[str, Any]:
    """The claims of a logout token, as somebody else's library reads them."""
    with server.http() as http:
        keys = jwt.PyJWKSet.from_dict(http.get("/jwks").json())
    header = jwt.get_unverified_header(token)
    assert header["typ"] == "logout+jwt"
    claims: dict[str, Any] = jwt.decode(
        token, keys[header["kid"]], algorithms=["RS256"], audience="store", issuer=server.issuer
    )
    return claims


@pytest.mark.slow
def test_a_client_that_was_down_hears_although_the_server_was_killed_meanwhile(tmp_path: Path) -> None:
    port = free_port()
    server = sqlite_server(tmp_path).start()
    try:
        with_store(server, port)
        tokens = signed_in(server)
        with server.http() as http:
            body = {"client_id": "store", "refresh_token": tokens["refresh_token"]}
            assert http.request("DELETE", "/session", json=body).status_code == 204
        wait_until(lambda: "backchannel_logout.failed" in server.log.read_text(), what="the first try")
        server.kill()
        with receiving(port) as receiver:
            server.start()
            wait_until(lambda: receiver.tokens, seconds=25, what="the logout token")
            [token] = receiver.tokens
            claims = verified(server, token)
            assert claims["sid"] == tokens["sid"]
            assert claims["exp"] - claims["iat"] == 120
            with (
                ResourceServer(issuer=server.issuer, audience=ORDERS) as resource,
                pytest.raises(TokenRejected) as refused,
            ):
                resource.verify(token)
            assert refused.value.reason == "token.typ"
            assert server.stop() == 0
            assert len(receiver.tokens) == 1
        # Told in plain words, and without the token.
        log = server.log.read_text()
        assert "ConnectError" in log
        assert token not in log
        assert token.rpartition(".")[2] not in log
    finally:
        if server.process is not None and server.process.poll() is None:
            server.kill()


@pytest.mark.postgres
@pytest.mark.slow
def test_two_nodes_tell_of_each_session_once(tmp_path: Path) -> None:
    database = postgres_database()
    nodes = [
        RunningServer(tmp_path / name, database_url=database.dsn, issuer="http://localhost:1", WATCHWORD_SECRET=SECRET)
        for name in ("a", "b")
    ]
    for node in nodes:
        node.folder.mkdir()
    try:
        with ThreadPoolExecutor(2) as pool:
            a, b = pool.map(RunningServer.start, nodes)
        with receiving(0) as receiver:
            with_store(a, receiver.server_port)
            sids = [signed_in(node)["sid"] for node in (a, b) * 12]
            a.command("sessions", "revoke", "--user", "ada")
            name = urlsplit(database.dsn).path.strip("/")
            count = "SELECT count(*) FROM deliveries"
            wait_until(
                lambda: running_postgres().command(count, database=name).strip() == "0",
                seconds=20,
                what="all deliveries",
            )
            told = [verified(a, token)["sid"] for token in receiver.tokens]
            assert sorted(told) == sorted(sids)
    finally:
        for node in nodes:
            if node.process is not None and node.process.poll() is None:
                assert node.stop() == 0
