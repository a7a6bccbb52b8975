"""Programs that sign users in by other people's libraries, each a process of its own.

They stand in ``tests/interop/relying_parties`` and answer alike: ``/sign-in`` sends the browser to the server and
``/callback`` takes it back; ``/`` shows, as JSON, the claims and tokens that the library made of it; ``/refresh``
renews the sign-in and shows ``/`` again; ``/userinfo`` asks the server; ``/sign-out`` ends up at ``/signed-out``.

Their libraries are installed by ``make interop-setup``.
"""

import os
import shutil
import socket
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import pytest
from tests.support.ports import free_port
from tests.support.running_server import RunningServer, wait_until

ROOT: Final = Path(__file__).resolve().parents[2]
INTEROP: Final = ROOT / "tests" / "interop"
PROGRAMS: Final = INTEROP / "relying_parties"
FOREIGN_PYTHON: Final = ROOT / ".venv" / "interop" / "bin" / "python"
SCOPE: Final = "openid profile email"


@dataclass(frozen=True, slots=True, kw_only=True)
class Registration:
    """How a relying party is known to the server."""

    client_id: str
    secret: str | None
    port: int

    @property
    def address(self) -> str:
        """Its origin. Another site than the server's, as in life: cookies tell them apart by name, not by port."""
        return f"http://localhost:{self.port}"


def register(server: RunningServer, client_id: str, *options: str) -> Registration:
    """Register a client whose application will be at a port of its own."""
    port = free_port()
    address = f"http://localhost:{port}"
    made = server.records(
        *("clients", "create", client_id, "--redirect-uri", f"{address}/callback"),
        *("--post-logout-redirect-uri", f"{address}/signed-out"),
        *(option.replace("{address}", address) for option in options),
        *(part for scope in SCOPE.split() for part in ("--scope", scope)),
    )
    return Registration(client_id=client_id, secret=made["client_secret"], port=port)


def node() -> str:
    """The Node.js program, its packages installed; the test is skipped, loudly, where it cannot be."""
    path = shutil.which("node")
    if path is None:
        pytest.skip("no Node.js is installed: apt-get install nodejs npm, then make interop-setup")
    if not (INTEROP / "node_modules").is_dir():
        pytest.skip("the npm packages of tests/interop are not installed: make interop-setup")
    return path


def foreign_python() -> str:
    """The Python with other people's libraries; the test is skipped, loudly, where they are not installed."""
    if not FOREIGN_PYTHON.exists():
        pytest.skip("the Python packages of requirements/interop.txt are not installed: make interop-setup")
    return str(FOREIGN_PYTHON)


@contextmanager
def relying_party(program: str, who: Registration, server: RunningServer, folder: Path) -> Iterator[str]:
    """Run ``program`` until the block ends; yields its origin."""
    command = [node() if program.endswith(".js") else foreign_python(), str(PROGRAMS / program)]
    clean = {
        name: value
        for name, value in os.environ.items()
        if not name.upper().startswith("WATCHWORD_") and not name.lower().endswith("_proxy")
    }
    environment = {
        **clean,
        "ISSUER": server.issuer,
        "CLIENT_ID": who.client_id,
        "CLIENT_SECRET": who.secret or "",
        "PORT": str(who.port),
        "SCOPE": SCOPE,
        # How requests-oauthlib is told that plain http is meant, here on loopback.
        "OAUTHLIB_INSECURE_TRANSPORT": "1",
        "PYTHONDONTWRITEBYTECODE": "1",
    }
    log = folder / f"{who.client_id}.log"
    with log.open("wb") as output:
        process = subprocess.Popen(command, env=environment, cwd=folder, stdout=output, stderr=output)
    try:
        wait_until(lambda: _answers(process, who.port, log), seconds=20, what=f"{program} listening")
        yield who.address
    except BaseException as fault:
        fault.add_note(f"{program} wrote: {log.read_text(errors='replace')[-3000:]}")
        raise
    finally:
        process.terminate()
        try:
            process.wait(5)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait(5)


def _answers(process: subprocess.Popen[bytes], port: int, log: Path) -> bool:
    if process.poll() is not None:
        raise AssertionError(f"it ended with {process.returncode}: {log.read_text(errors='replace')[-3000:]}")
    with socket.socket() as one:
        one.settimeout(1)
        return one.connect_ex(("127.0.0.1", port)) == 0
