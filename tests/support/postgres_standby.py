"""A hot standby of the test process's PostgreSQL: it answers, and it is never the primary until it is promoted."""

import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import quote, urlsplit

from tests.support.postgres import PostgresServer

from watchword.server.storage.database_url import PostgresDatabase

# A slow machine takes its time; a good one needs two seconds.
_SECONDS = 120


class Standby:
    """A standby that runs. It follows the primary, if that runs, and answers without it, too."""

    def __init__(self, folder: Path, server: PostgresServer) -> None:
        self._folder = folder
        self._server = server
        self.data = folder / "data"
        self._run("pg_basebackup", "-D", str(self.data), "-R", "-c", "fast", "-d", server.address, "-w")
        options = f'-k {folder} -c listen_addresses="" -c fsync=off'
        self._run(
            "pg_ctl", "-w", "-t", str(_SECONDS), "-D", str(self.data), "-l", str(folder / "log"), "-o", options, "start"
        )

    def database(self, primary: PostgresDatabase) -> PostgresDatabase:
        """The standby's copy of a database of the primary."""
        return PostgresDatabase(f"postgresql://postgres@{urlsplit(primary.dsn).path}?host={quote(str(self._folder))}")

    def either(self, primary: PostgresDatabase) -> PostgresDatabase:
        """A database by a URL that names both servers, the standby first."""
        socket = urlsplit(primary.dsn).query.removeprefix("host=")
        return PostgresDatabase(f"{self.database(primary).dsn},{socket}")

    def promote(self) -> None:
        """Make it a primary."""
        self._run("pg_ctl", "-w", "-t", str(_SECONDS), "-D", str(self.data), "promote")

    def remove(self) -> None:
        """Stop it."""
        self._run("pg_ctl", "-w", "-t", str(_SECONDS), "-D", str(self.data), "-m", "immediate", "stop")

    def _run(self, program: str, *arguments: str) -> None:
        # What the programs write goes into a file: a server that was started would keep a pipe open.
        with (self._folder / f"{program}.out").open("ab") as out:
            subprocess.run(
                [str(self._server.programs / program), *arguments],
                check=True,
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=out,
                user=self._server.user,
                cwd=self._folder,
                timeout=_SECONDS + 10,
            )


@contextmanager
def standby_of(server: PostgresServer) -> Iterator[Standby]:
    """A standby of ``server`` as it is now; stopped and removed at the end."""
    # Inside the server's own folder: its guard removes that, too, if the test process is killed.
    folder = Path(tempfile.mkdtemp(prefix="standby-", dir=server.folder))
    try:
        if server.user is not None:
            shutil.chown(folder, server.user)
        folder.chmod(0o755)
        standby = Standby(folder, server)
        try:
            yield standby
        finally:
            standby.remove()
    finally:
        shutil.rmtree(folder, ignore_errors=True)
