"""The stage: a temporary folder, free ports, and the three programs as processes of their own."""

import json
import os
import random
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from contextlib import ExitStack, suppress
from pathlib import Path
from types import TracebackType
from typing import Any, Final, Self

import httpx2

from examples.demo.narrator import NotAsTold

REPOSITORY: Final = Path(__file__).resolve().parents[2]
WATCHWORD: Final = Path(sys.executable).with_name("watchword")
_PORTS: Final = range(24_576, 32_768)


class Stage:
    """Everything that runs; nothing of it is left when the block ends, however it ends.

    Attributes:
        issuer, orders_url, inventory_url, shop_url: where the programs answer.
    """

    def __init__(self, **environment: str) -> None:
        self._folder = Path(tempfile.mkdtemp(prefix="watchword-demo-"))
        self._running: dict[str, subprocess.Popen[bytes]] = {}
        server, orders, inventory, shop = _free_ports(4)
        self._server_port = server
        # A name, not an address: a passkey belongs to a name.
        self.issuer = f"http://localhost:{server}"
        self.orders_url = f"http://127.0.0.1:{orders}"
        self.inventory_url = f"http://127.0.0.1:{inventory}"
        self.shop_url = f"http://127.0.0.1:{shop}"
        self._environment = {
            **{name: value for name, value in os.environ.items() if not name.startswith("WATCHWORD_")},
            "WATCHWORD_ISSUER": self.issuer,
            "WATCHWORD_DATA_DIR": str(self._folder / "data"),
            **environment,
        }

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        with ExitStack() as last:
            last.callback(shutil.rmtree, self._folder, ignore_errors=True)
            for name in list(self._running):
                last.callback(self.stop, name)

    @property
    def folder(self) -> Path:
        """For files of the story's people."""
        return self._folder

    def command(self, *arguments: str, stdin: str | None = None) -> Any:
        """Run ``watchword ... --json`` on the server's database, as an operator would.

        Raises:
            NotAsTold: it failed.
        """
        done = subprocess.run(
            [WATCHWORD, *arguments, "--json"],
            env=self._environment,
            cwd=self._folder,
            input=stdin,
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        if done.returncode != 0:
            raise NotAsTold(f"`watchword {' '.join(arguments)}` succeeds: {done.stderr.strip()}")
        return json.loads(done.stdout)

    def start_server(self) -> float:
        """Start the authorization server; the seconds until it was ready."""
        command = [str(WATCHWORD), "serve", "--port", str(self._server_port)]
        return self._start("watchword", command, {}, ready=f"{self.issuer}/readyz")

    def start_service(self, name: str, url: str, **environment: str) -> float:
        """Start a service of ``examples``; the seconds until it answered."""
        command = [sys.executable, "-m", "uvicorn", "--app-dir", str(REPOSITORY), f"examples.{name}.app:app"]
        command += ["--port", url.rpartition(":")[2], "--log-level", "warning"]
        return self._start(name, command, {"ISSUER": self.issuer, **environment}, ready=f"{url}/healthz")

    def stop(self, name: str) -> None:
        """Ask a program to end, and see to it."""
        process = self._running.pop(name)
        if process.poll() is not None:
            return
        process.send_signal(signal.SIGTERM)
        try:
            process.wait(10)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()

    def must_run(self) -> None:
        """Return if everything that was started still runs.

        Raises:
            NotAsTold: a program has ended.
        """
        for name, process in self._running.items():
            if process.poll() is not None:
                raise NotAsTold(f"{name} goes on: {self.log(name)[-1500:]}")

    def log(self, name: str) -> str:
        """What a program has said so far."""
        return (self._folder / f"{name}.log").read_text("utf-8", "replace")

    def _start(self, name: str, command: list[str], environment: dict[str, str], *, ready: str) -> float:
        begun = time.monotonic()
        with (self._folder / f"{name}.log").open("ab") as log:
            # A session of its own: Ctrl-C comes to us alone, and we end the programs in order.
            self._running[name] = subprocess.Popen(
                command,
                env={**self._environment, **environment},
                cwd=self._folder,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )

        def answers() -> bool:
            if self._running[name].poll() is not None:
                raise NotAsTold(f"{name} starts: {self.log(name)[-1500:]}")
            with suppress(httpx2.TransportError):
                return httpx2.get(ready, timeout=2, trust_env=False).status_code == 200
            return False

        wait_until(answers, what=f"{name} is ready", seconds=30)
        return time.monotonic() - begun


def wait_until(condition: Callable[[], bool], *, what: str, seconds: float) -> None:
    """Look again and again.

    Raises:
        NotAsTold: it did not become true in time.
    """
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            raise NotAsTold(f"{what} (waited {seconds:g} s)")
        time.sleep(0.02)


def _free_ports(count: int) -> list[int]:
    """Ports that nobody has, and that no system gives to anybody unasked before our programs listen.

    Raises:
        NotAsTold: there are not so many.
    """
    found: list[int] = []
    for port in random.sample(_PORTS, len(_PORTS)):
        with socket.socket() as one, suppress(OSError):
            one.bind(("127.0.0.1", port))
            found.append(port)
        if len(found) == count:
            return found
    raise NotAsTold(f"{count} ports are free")
