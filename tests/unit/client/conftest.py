"""A fake issuer, a clock, and sources of both kinds."""

from collections.abc import Iterator
from typing import Any

import pytest
from tests.support.fake_token_server import FakeTokenServer
from tests.unit.client.driving import Clock, Driven, Make

from watchword.client import AsyncTokenSource, TokenSource


@pytest.fixture
def server() -> Iterator[FakeTokenServer]:
    with FakeTokenServer() as running:
        yield running


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture(params=[TokenSource, AsyncTokenSource], ids=["threads", "tasks"])
def make(request: pytest.FixtureRequest, server: FakeTokenServer, clock: Clock) -> Make:
    """Makes sources at the server, of either kind."""

    def made(client_id: str = "app", **options: Any) -> Driven:
        return Driven(request.param(server.issuer, client_id, **({"clock": clock} | options)))

    return made


@pytest.fixture
def user(make: Make) -> Driven:
    """A source with a user signed in."""
    source = make()
    source.sign_in()
    return source
