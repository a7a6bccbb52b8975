"""Debian's own Apache with one of its modules that know OpenID Connect or OAuth, as an ordinary child process."""

import os
import socket
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

import pytest
from tests.support.running_server import wait_until

PROGRAM: Final = Path("/usr/sbin/apache2")
_MODULES: Final = Path("/usr/lib/apache2/modules")
_USUAL: Final = ("mpm_event", "authn_core", "authz_core", "authz_user", "proxy", "proxy_http", "rewrite")


@contextmanager
def apache(module: str, config: str, *, port: int, package: str, folder: Path) -> Iterator[None]:
    """Run Apache until the block ends.

    Args:
        module: the module that is tried, such as ``auth_openidc``.
        config: what a virtual host of it holds.
        port: where it listens on loopback.
        package: where Debian has the module.
        folder: its configuration and logs.
    """
    if not PROGRAM.exists() or not (_MODULES / f"mod_{module}.so").exists():
        pytest.skip(f"Apache is not here with mod_{module}: apt-get install apache2 {package}")
    written = folder / "apache.conf"
    log = folder / "apache.log"
    written.write_text(_whole(module, config, port=port, folder=folder, log=log))
    command = [str(PROGRAM), "-f", str(written), "-D", "FOREGROUND"]
    environment = {name: value for name, value in os.environ.items() if not name.lower().endswith("_proxy")}
    with log.open("ab") as output:
        process = subprocess.Popen(command, env=environment, cwd=folder, stdout=output, stderr=output)

    def listens() -> bool:
        assert process.poll() is None, f"Apache ended with {process.returncode}: {_last(log)}"
        with socket.socket() as one:
            one.settimeout(1)
            return one.connect_ex(("127.0.0.1", port)) == 0

    try:
        wait_until(listens, seconds=30, what="Apache listening")
        yield
    except BaseException as fault:
        fault.add_note(f"Apache wrote: {_last(log)}")
        raise
    finally:
        # It ends its children by itself, given the time.
        process.terminate()
        try:
            process.wait(15)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait(5)


def _whole(module: str, config: str, *, port: int, folder: Path, log: Path) -> str:
    loaded = (f"LoadModule {name}_module {_MODULES}/mod_{name}.so" for name in (*_USUAL, module))
    lines = [
        f'ServerRoot "{folder}"',
        f'DefaultRuntimeDir "{folder}"',
        f'PidFile "{folder}/apache.pid"',
        f'ErrorLog "{log}"',
        "LogLevel info",
        "ServerName localhost",
        f"Listen 127.0.0.1:{port}",
        # Two processes, so that what they must share is really shared.
        "StartServers 2",
        "ThreadsPerChild 8",
        "MaxRequestWorkers 64",
        "MinSpareThreads 1",
        *loaded,
        # Apache will not serve as root.
        *(("User www-data", "Group www-data") if os.geteuid() == 0 else ()),
    ]
    return "\n".join(lines) + f"\n<VirtualHost 127.0.0.1:{port}>\n{config}</VirtualHost>\n"


def _last(log: Path) -> str:
    return log.read_text(errors="replace")[-4000:]
