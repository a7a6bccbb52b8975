"""Envoy as a gateway that lets nobody past without a good access token: its filter, set up as the guide shows it."""

import http.client
import json
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

import pytest
from tests.support.guide import shown_config
from tests.support.ports import free_port
from tests.support.relying_party import FOREIGN_PYTHON
from tests.support.running_server import RunningServer, wait_until

_TYPES: Final = "type.googleapis.com/envoy.extensions.filters"
PROGRAM: Final = FOREIGN_PYTHON.with_name("envoy")


def _listener(port: int, issuer: str, audience: str) -> dict[str, Any]:
    shown = {"https://auth.example.com": issuer, "https://orders.example": audience}
    guard = json.loads(shown_config("reverse-proxy", "json", replacing=shown))
    router = {"name": "envoy.filters.http.router", "typed_config": {"@type": f"{_TYPES}.http.router.v3.Router"}}
    welcome = {"match": {"prefix": "/"}, "direct_response": {"status": 200, "body": {"inline_string": "let in"}}}
    connections = {
        "@type": f"{_TYPES}.network.http_connection_manager.v3.HttpConnectionManager",
        "stat_prefix": "gateway",
        "http_filters": [guard, router],
        "route_config": {"virtual_hosts": [{"name": "all", "domains": ["*"], "routes": [welcome]}]},
    }
    chain = {"filters": [{"name": "envoy.filters.network.http_connection_manager", "typed_config": connections}]}
    return {"name": "gateway", "address": _at(port), "filter_chains": [chain]}


def _at(port: int) -> dict[str, Any]:
    return {"socket_address": {"address": "127.0.0.1", "port_value": port}}


@contextmanager
def gateway(server: RunningServer, audience: str, folder: Path) -> Iterator[int]:
    """Run Envoy until the block ends; yields its port."""
    if not PROGRAM.exists():
        pytest.skip("Envoy is not installed: make interop-setup, on Linux on x86-64")
    port = free_port()
    cluster = {
        "name": "watchword",
        "type": "STATIC",
        "load_assignment": {
            "cluster_name": "watchword",
            "endpoints": [{"lb_endpoints": [{"endpoint": {"address": _at(server.port)}}]}],
        },
    }
    resources = {"listeners": [_listener(port, server.issuer, audience)], "clusters": [cluster]}
    config = folder / "envoy.json"
    config.write_text(json.dumps({"static_resources": resources}))
    log = folder / "envoy.log"
    command = [str(PROGRAM), "--config-path", str(config), "--use-dynamic-base-id", "--concurrency", "1"]
    with log.open("wb") as output:
        process = subprocess.Popen(command, cwd=folder, stdout=output, stderr=output)

    def listens() -> bool:
        if process.poll() is not None:
            raise AssertionError(f"Envoy ended with {process.returncode}: {log.read_text()[-2000:]}")
        try:
            return knock(port, None)[0] == 401
        except OSError:
            return False

    try:
        wait_until(listens, seconds=20, what="Envoy listening")
        yield port
    finally:
        process.terminate()
        try:
            process.wait(5)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait(5)


def knock(port: int, token: str | None, *, headers: dict[str, str] | None = None) -> tuple[int, str]:
    """Ask for something behind a gateway; status and body."""
    bearer = {} if token is None else {"Authorization": f"Bearer {token}"}
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
    try:
        connection.request("GET", "/orders", headers={**(headers or {}), **bearer})
        answer = connection.getresponse()
        return answer.status, answer.read().decode()
    finally:
        connection.close()
