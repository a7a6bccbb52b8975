"""What a server says when it starts that an operator should act on."""

import json
from pathlib import Path
from typing import Any

import pytest
from tests.support.ready_made import sqlite_server


def said_at_start(folder: Path, *, issuer: str | None, proxies: str | None) -> list[dict[str, Any]]:
    """The log of a server that has started and stopped."""
    server = sqlite_server(folder, **({} if issuer is None else {"issuer": issuer}))
    if proxies is not None:
        server.environment["WATCHWORD_TRUSTED_PROXIES"] = proxies
    server.start()
    assert server.stop() == 0
    lines = server.log.read_text().splitlines()
    return [json.loads(line) for line in lines if line.startswith("{")]


@pytest.mark.parametrize(
    ("issuer", "proxies", "warned"),
    [
        ("https://auth.example", None, True),
        ("https://auth.example", "none", False),
        ("https://auth.example", "10.0.0.0/8", False),
        (None, None, False),
    ],
)
def test_a_public_server_that_is_told_nothing_of_proxies_says_so_once(
    tmp_path: Path, issuer: str | None, proxies: str | None, warned: bool
) -> None:
    said = [one for one in said_at_start(tmp_path, issuer=issuer, proxies=proxies) if one["level"] == "warning"]
    assert [one["slug"] for one in said] == (["network.proxies_unsaid"] if warned else [])
