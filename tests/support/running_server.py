"""A real ``watchword serve`` in a process of its own, and the commands beside it."""

import http.client
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Self

import httpx2
from tests.support.ports import free_port

WATCHWORD = str(Path(sys.executable).with_name("watchword"))
PASSWORD = "correct horse battery staple"


def wait_until(condition: Any, *, seconds: float = 10, what: str = "the condition") -> Any:
    """Poll ``condition`` until it is true; its value. The one place where tests of processes wait."""
    deadline = time.monotonic() + seconds
    while True:
        found = condition()
        if found:
            return found
        if time.monotonic() > deadline:
            raise AssertionError(f"{what} did not come true within {seconds} s")
        time.sleep(0.01)


class RunningServer:
    """A server's process. ``issuer`` is who it is, ``address`` where it answers; mostly they are the same.

    Args:
        folder: data and log live here.
        database_url: SQLite in ``folder`` when left out.
        issuer: where a load balancer answers for several nodes.
        environment: further WATCHWORD_ variables.
    """

    def __init__(
        self,
        folder: Path,
        *,
        database_url: str | None = None,
        port: int | None = None,
        issuer: str | None = None,
        **environment: str,
    ) -> None:
        self.folder = folder
        self.port = port or free_port()
        self.address = f"http://127.0.0.1:{self.port}"
        self.issuer = issuer or self.address
        self.log = folder / "serve.log"
        clean = {name: value for name, value in os.environ.items() if not name.startswith("WATCHWORD_")}
        self.environment = {
            **clean,
            "WATCHWORD_DATA_DIR": str(folder / "data"),
            "WATCHWORD_ISSUER": self.issuer,
            **({"WATCHWORD_PORT": str(self.port)} if issuer else {}),
            **({"WATCHWORD_DATABASE_URL": database_url} if database_url else {}),
            **environment,
        }
        # What stands before ``serve``; a test may run the program inside of something.
        self.program = [WATCHWORD]
        self.process: subprocess.Popen[bytes] | None = None

    def start(self, *arguments: str) -> Self:
        """Start it and wait until it is ready."""
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(
                [*self.program, "serve", *arguments], env=self.environment, cwd=self.folder, stdout=log, stderr=log
            )
        wait_until(self._ready, seconds=20, what=f"the server at {self.address}")
        return self

    def _ready(self) -> bool:
        assert self.process is not None
        if self.process.poll() is not None:
            raise AssertionError(f"the server ended with {self.process.returncode}: {self.log.read_text()[-2000:]}")
        # Asked a hundred times a second: an HTTP client with a trust store would cost more than the server.
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=2)
        try:
            connection.request("GET", "/readyz")
            return connection.getresponse().status == 200
        except (OSError, http.client.HTTPException):
            return False
        finally:
            connection.close()

    def stop(self) -> int:
        """SIGTERM, and its exit status."""
        assert self.process is not None
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
        return self.process.wait(15)

    @property
    def pid(self) -> int:
        """The process's id."""
        assert self.process is not None
        return self.process.pid

    def kill(self) -> None:
        """SIGKILL."""
        assert self.process is not None
        self.process.kill()
        self.process.wait(10)

    def command(self, *arguments: str, stdin: str | None = None) -> str:
        """Run a command on the server's database; what it printed.

        Raises:
            AssertionError: it did not exit with 0.
        """
        done = subprocess.run(
            [WATCHWORD, *arguments],
            env=self.environment,
            cwd=self.folder,
            input=stdin,
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        assert done.returncode == 0, f"{arguments}: {done.stderr}"
        return done.stdout

    def records(self, *arguments: str, stdin: str | None = None) -> Any:
        """As ``command``, with ``--json``, parsed."""
        return json.loads(self.command(*arguments, "--json", stdin=stdin))

    def with_people(self) -> Self:
        """The usual cast: an API, a public and a confidential client, a resource server's client, a user."""
        api, scopes = "https://orders.example", ["--scope", "orders.read", "--scope", "orders.write"]
        self.command("apis", "create", api, *scopes)
        self.command("clients", "create", "web", "--first-party", "--api", api, *scopes, "--scope", "openid")
        self.command("users", "create", "ada", "--password-stdin", stdin=PASSWORD)
        return self

    def http(self, **options: Any) -> httpx2.Client:
        """A client for this server, unaffected by the environment's proxies."""
        return httpx2.Client(base_url=self.address, timeout=10, trust_env=False, **options)


@contextmanager
def running(folder: Path, **options: Any) -> Iterator[RunningServer]:
    """A started server with the usual cast; stopped at the end."""
    folder.mkdir(parents=True, exist_ok=True)
    server = RunningServer(folder, **options)
    server.start()
    try:
        yield server.with_people()
    finally:
        if server.process is not None and server.process.poll() is None:
            server.stop()
