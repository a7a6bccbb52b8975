"""Health: ``/healthz`` says that the process lives, ``/readyz`` that it can do its work (DESIGN sections 7 and 9)."""

from collections.abc import AsyncIterator
from dataclasses import replace
from time import time

import pytest
from tests.support.databases import postgres_template
from tests.support.door import Door, Plan, opener_of


@pytest.fixture
async def on_postgres() -> AsyncIterator[Door]:
    door = Door(opener_of(postgres_template().restore()), Plan())
    await door.open()
    yield door
    await door.close()


@pytest.fixture(params=["sqlite", pytest.param("postgres", marks=pytest.mark.postgres)])
def either(request: pytest.FixtureRequest) -> Door:
    """A node on each database."""
    found: Door = request.getfixturevalue("door" if request.param == "sqlite" else "on_postgres")
    return found


async def test_a_living_node_with_database_and_keys_is_ready(either: Door) -> None:
    http = either.caller()
    either.clock.time = time()
    await either.parts.log_tail.fresh()
    alive, ready = await http.get("/healthz"), await http.get("/readyz")
    for answer in (alive, ready):
        assert answer.status_code == 200, answer.text
        assert answer.headers["cache-control"] == "no-store"
    assert ready.json() == {"status": "ready", "checks": {"database": "ok", "clock": "ok", "log": "ok", "keys": "ok"}}


async def test_without_its_database_a_node_lives_and_is_not_ready(everywhere: Door) -> None:
    http = everywhere.caller()
    everywhere.clock.time = time()
    everywhere.trouble.down = True
    assert (await http.get("/healthz")).json() == {"status": "ok"}
    answer = await http.get("/readyz")
    assert answer.status_code == 503
    assert answer.json()["checks"]["database"] == "does not answer"


@pytest.mark.postgres
@pytest.mark.parametrize(("off", "ready"), [(-30, False), (-3, False), (-1, True), (1, True), (3, False), (30, False)])
async def test_a_node_more_than_two_seconds_off_its_databases_clock_is_not_ready(
    on_postgres: Door, off: float, ready: bool
) -> None:
    on_postgres.clock.time = time() + off
    await on_postgres.parts.log_tail.fresh()
    answer = await on_postgres.caller().get("/readyz")
    assert answer.status_code == (200 if ready else 503)
    assert (answer.json()["checks"]["clock"] == "ok") is ready


async def test_without_a_signing_key_a_node_is_not_ready(door: Door) -> None:
    door.parts.signer.load([])
    answer = await door.caller().get("/readyz")
    assert (answer.status_code, answer.json()["checks"]["keys"]) == (503, "no signing key")


async def test_a_next_key_that_does_not_open_makes_no_node_ready(door: Door) -> None:
    # It would be seen in a month, when its turn comes, and the secret that it needs is gone.
    async with door.parts.storage.read() as reading:
        keys = await reading.keys()
    door.parts.signer.load([replace(key, sealed=b"?") if key.state == "next" else key for key in keys])
    answer = await door.caller().get("/readyz")
    assert answer.status_code == 503
    assert answer.json()["checks"]["keys"] == "the next key does not open under WATCHWORD_SECRET"
    door.parts.signer.load([key for key in keys if key.state != "next"])
    assert (await door.caller().get("/readyz")).json()["checks"]["keys"] == "ok"


async def test_keys_that_are_published_and_do_not_sign_make_no_node_ready(door: Door) -> None:
    async with door.parts.storage.read() as reading:
        keys = await reading.keys()
    for state in ("next", "retiring"):
        door.parts.signer.load([replace(key, state=state) for key in keys])
        assert {key.alg for key in door.parts.signer.published()} == {"ES256", "RS256"}
        answer = await door.caller().get("/readyz")
        assert (answer.status_code, answer.json()["checks"]["keys"]) == (503, "no signing key")


async def test_a_node_that_does_not_follow_the_log_is_not_ready(door: Door) -> None:
    http = door.caller()
    assert (await http.get("/readyz")).json()["checks"]["log"] == "not read for more than 15 s"
    await door.parts.log_tail.fresh()
    door.clock.advance(15)
    assert (await http.get("/readyz")).status_code == 200
    door.clock.advance(1)
    answer = await http.get("/readyz")
    assert answer.status_code == 503
    assert answer.json()["checks"] | {"log": "ok"} == dict.fromkeys(answer.json()["checks"], "ok")
