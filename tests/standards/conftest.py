"""Doors for the endpoint tests.

``door`` is one node on SQLite. ``everywhere`` runs a test in three worlds, for rules that must hold in every one of
them: SQLite; SQLite with a restart before each request; two nodes in turn over one PostgreSQL.
"""

from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import replace
from pathlib import Path
from typing import Any, TypeAlias

import httpx2
import pytest
from tests.support.databases import postgres_template, sqlite_template
from tests.support.door import ELSEWHERE, Door, OpenStorage, Plan, opener_of

OpenDoor: TypeAlias = Callable[..., Awaitable[Door]]

WORLDS = [
    pytest.param("sqlite", id="sqlite"),
    pytest.param("restarting", id="restarting"),
    pytest.param("postgres", id="two-nodes-on-postgres", marks=pytest.mark.postgres),
]


@pytest.fixture
def sqlite_opener(tmp_path: Path) -> OpenStorage:
    """Opens a furnished SQLite database."""
    return opener_of(sqlite_template().copy(tmp_path))


@pytest.fixture
async def open_door(sqlite_opener: OpenStorage) -> AsyncIterator[OpenDoor]:
    """Doors on one SQLite database, set up as the test says (the arguments are those of Plan)."""
    opened: list[Door] = []

    async def open_one(**plan: Any) -> Door:
        door = Door(sqlite_opener, Plan(**plan))
        opened.append(door)
        await door.open()
        return door

    yield open_one
    for door in opened:
        await door.close()


@pytest.fixture
async def door(open_door: OpenDoor) -> Door:
    """One node on SQLite."""
    return await open_door()


@pytest.fixture(params=WORLDS)
def world(request: pytest.FixtureRequest, tmp_path: Path) -> tuple[OpenStorage, Plan]:
    """A database and how nodes stand on it."""
    if request.param == "postgres":
        return opener_of(postgres_template().restore()), Plan(nodes=2)
    opener = opener_of(sqlite_template().copy(tmp_path))
    return opener, Plan(restarting=request.param == "restarting")


@pytest.fixture
async def everywhere(world: tuple[OpenStorage, Plan]) -> AsyncIterator[Door]:
    """A door in each world."""
    door = Door(*world)
    await door.open()
    yield door
    await door.close()


@pytest.fixture
async def sign_up_everywhere(world: tuple[OpenStorage, Plan]) -> AsyncIterator[Door]:
    """As ``everywhere``, with sign-up open."""
    opener, plan = world
    door = Door(opener, replace(plan, sign_up_open=True))
    await door.open()
    yield door
    await door.close()


@pytest.fixture
def home(door: Door) -> httpx2.AsyncClient:
    """The owner's HTTP client at ``door``."""
    return door.caller()


@pytest.fixture
def elsewhere(door: Door) -> httpx2.AsyncClient:
    """Somebody else's."""
    return door.caller(ELSEWHERE, agent="curl/8")
