"""The stage: a real ``watchword serve`` with clients and grants, and a floor beside it on a database of its own."""

import atexit
import base64
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import httpx2
import psutil
from tests.support.running_server import PASSWORD, RunningServer

from benchmarks.load import CONNECTIONS

AUDIENCE: Final = "https://orders.example"
_SCOPES: Final = ("--scope", "orders.read", "--scope", "orders.write")


@dataclass(frozen=True, slots=True)
class SecretClient:
    """A client with a secret."""

    client_id: str
    secret: str

    @property
    def authorization(self) -> str:
        """Its ``Authorization`` header."""
        return "Basic " + base64.b64encode(f"{self.client_id}:{self.secret}".encode()).decode()


@dataclass(frozen=True, slots=True)
class Ours:
    """The running server and its cast: a public client ``web``, a user, a service, and the API's resource server."""

    server: RunningServer
    process: psutil.Process
    service: SecretClient
    resource: SecretClient

    def refresh_tokens(self, count: int = CONNECTIONS) -> list[str]:
        """The refresh tokens of as many new grants."""
        body = {"client_id": "web", "username": "ada", "password": PASSWORD}
        with self.server.http() as http:
            return [_read(http.post("/session", json=body), 201)["refresh_token"] for _ in range(count)]

    def access_tokens(self, count: int) -> list[str]:
        """As many access tokens of the service."""
        form = {"grant_type": "client_credentials", "scope": "orders.read"}
        with self.server.http(headers={"authorization": self.service.authorization}) as http:
            return [_read(http.post("/token", data=form), 200)["access_token"] for _ in range(count)]


@dataclass(frozen=True, slots=True)
class Bare:
    """The running floor."""

    port: int
    process: psutil.Process

    def access_tokens(self, count: int) -> list[str]:
        """As many access tokens of its own."""
        with httpx2.Client(base_url=f"http://127.0.0.1:{self.port}", trust_env=False) as http:
            return [
                _read(http.post("/client", data={"client_id": "service"}), 200)["access_token"] for _ in range(count)
            ]


@contextmanager
def ours(folder: Path, *, database_url: str | None = None) -> Iterator[Ours]:
    """A server on a new database (SQLite in ``folder`` when none is named)."""
    folder.mkdir()
    server = RunningServer(folder, database_url=database_url).start()
    try:
        assert server.process is not None
        server.command("apis", "create", AUDIENCE, *_SCOPES)
        server.command("clients", "create", "web", "--first-party", "--api", AUDIENCE, *_SCOPES)
        server.command("users", "create", "ada", "--password-stdin", stdin=PASSWORD)
        service = _secret_client(server, "reports", "--grant-type", "client_credentials", "--api", AUDIENCE, *_SCOPES)
        resource = _secret_client(server, "orders", "--serves", AUDIENCE)
        yield Ours(server, psutil.Process(server.process.pid), service, resource)
    finally:
        server.stop()


@contextmanager
def bare(*, database_url: str | None = None) -> Iterator[Bare]:
    """The floor, on that database."""
    command = [sys.executable, "-m", "benchmarks.floor", *(["--database", database_url] if database_url else [])]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, cwd=Path(__file__).parent.parent)
    try:
        assert process.stdout is not None
        yield Bare(int(process.stdout.readline()), psutil.Process(process.pid))
    finally:
        process.terminate()
        process.communicate(timeout=10)


@contextmanager
def postgres() -> Iterator[Any]:
    """A PostgreSQL with its usual settings, durable ones among them."""
    from tests.support.postgres import PostgresServer  # noqa: PLC0415

    server = PostgresServer()
    try:
        # The one for tests does without durability; here it is what is paid for.
        server.command("ALTER SYSTEM RESET ALL")
        server.stop()
        server.start()
        yield server
    finally:
        atexit.unregister(server.remove)
        server.remove()


def postmaster(server: Any) -> psutil.Process:
    """The process that all others of a PostgreSQL descend from."""
    return psutil.Process(int((server.folder / "data" / "postmaster.pid").read_text().split("\n")[0]))


def on_cores() -> str:
    """What the figures were taken on."""
    return f"Python {sys.version.split()[0]}, {os.cpu_count()} cores"


def _secret_client(server: RunningServer, client_id: str, *arguments: str) -> SecretClient:
    made = json.loads(server.command("clients", "create", client_id, "--type", "confidential", *arguments))
    return SecretClient(client_id, made["client_secret"])


def _read(response: httpx2.Response, status: int) -> Any:
    if response.status_code != status:
        raise RuntimeError(f"{response.request.url}: {response.status_code} {response.text[:200]}")
    return response.json()
