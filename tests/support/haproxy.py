"""Debian's own HAProxy as a gateway that lets nobody past without a good access token, set up as the guide shows it."""

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

import pytest
from tests.support.behind_proxy import showing_headers
from tests.support.envoy import knock
from tests.support.guide import shown_config
from tests.support.ports import free_port
from tests.support.running_server import RunningServer, wait_until

PROGRAM: Final = Path("/usr/sbin/haproxy")


def renew_keys(server: RunningServer, folder: Path) -> bool:
    """Run the guide's program, which writes the server's keys where HAProxy reads them; whether any changed."""
    program = shown_config(
        "reverse-proxy",
        "python",
        replacing={"https://auth.example.com": server.issuer, "/etc/haproxy/watchword": str(folder / "keys")},
    )
    done = subprocess.run(
        [sys.executable, "-c", program],
        env={name: value for name, value in os.environ.items() if not name.lower().endswith("_proxy")},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode in (0, 3), done.stderr
    return done.returncode == 0


@contextmanager
def haproxy(server: RunningServer, audience: str, folder: Path) -> Iterator[int]:
    """Run HAProxy until the block ends; yields its port."""
    if not PROGRAM.exists():
        pytest.skip("HAProxy is not installed: apt-get install haproxy")
    renew_keys(server, folder)
    port = free_port()
    with showing_headers() as behind:
        config = shown_config(
            "reverse-proxy",
            "haproxy",
            replacing={
                ":443 ssl crt /etc/haproxy/orders.example.pem": f"127.0.0.1:{port}",
                "/etc/haproxy/watchword": str(folder / "keys"),
                "https://auth.example.com": server.issuer,
                "https://orders.example": audience,
                "127.0.0.1:9000": behind.removeprefix("http://"),
            },
        )
        written = folder / "haproxy.cfg"
        written.write_text(config)
        log = folder / "haproxy.log"
        with log.open("wb") as output:
            process = subprocess.Popen(
                [str(PROGRAM), "-db", "-f", str(written)], cwd=folder, stdout=output, stderr=output
            )

        def listens() -> bool:
            assert process.poll() is None, f"HAProxy ended with {process.returncode}: {log.read_text()[-3000:]}"
            try:
                return knock(port, None)[0] == 401
            except OSError:
                return False

        try:
            wait_until(listens, seconds=30, what="HAProxy listening")
            yield port
        finally:
            process.terminate()
            try:
                process.wait(10)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait(5)
