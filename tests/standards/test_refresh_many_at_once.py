"""Many at once: one token or code presented by a hundred, on one node and on two.

R034, R057, I1, I9; faults 1-3 and 20 of the table of peers.
"""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from tests.support.chains import PAST_OVERLAP
from tests.support.codes import code_for, code_form
from tests.support.databases import postgres_template, sqlite_template
from tests.support.door import ELSEWHERE, Door, Plan, opener_of
from tests.support.rfc import rfc

HUNDRED = 100


@pytest.fixture(params=["one node on sqlite", pytest.param("two nodes on postgres", marks=pytest.mark.postgres)])
async def busy_door(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Door]:
    on_postgres = request.param == "two nodes on postgres"
    database = postgres_template().restore() if on_postgres else sqlite_template().copy(tmp_path)
    door = Door(opener_of(database), Plan(nodes=2 if on_postgres else 1))
    await door.open()
    yield door
    await door.close()


@rfc("9700", "4.14.2")
async def test_a_hundred_redemptions_at_once_give_one_successor(busy_door: Door) -> None:
    http = busy_door.caller()
    token = (await busy_door.sign_in(http))["refresh_token"]
    answers = await asyncio.gather(*(busy_door.refresh(http, token) for _ in range(HUNDRED)))
    assert Counter(answer.status_code for answer in answers) == {200: HUNDRED}
    (successor,) = {answer.json()["refresh_token"] for answer in answers}
    assert len({answer.json()["access_token"] for answer in answers}) == HUNDRED
    assert successor != token
    await busy_door.refreshed(http, successor)
    assert busy_door.heard.count("refresh.rotated") == 2
    assert busy_door.heard.count("refresh.converged") == HUNDRED - 1


@rfc("9700", "4.14.2")
async def test_from_two_networks_at_once_there_is_still_one_lineage(busy_door: Door) -> None:
    callers = [busy_door.caller(), busy_door.caller(ELSEWHERE)]
    token = (await busy_door.sign_in(callers[0]))["refresh_token"]
    answers = await asyncio.gather(*(busy_door.refresh(callers[n % 2], token) for n in range(40)))
    assert {answer.status_code for answer in answers} == {200}
    assert len({answer.json()["refresh_token"] for answer in answers}) == 1


@rfc("9700", "4.14.2")
async def test_a_superseded_token_that_comes_in_the_crowd_ends_the_grant_for_all(busy_door: Door) -> None:
    owner, thief = busy_door.caller(), busy_door.caller(ELSEWHERE)
    first = (await busy_door.sign_in(owner))["refresh_token"]
    second = (await busy_door.refreshed(owner, first))["refresh_token"]
    third = (await busy_door.refreshed(owner, second))["refresh_token"]
    busy_door.clock.advance(PAST_OVERLAP)
    stolen = asyncio.gather(*(busy_door.refresh(thief, first) for _ in range(10)))
    used = asyncio.gather(*(busy_door.refresh(owner, third) for _ in range(10)))
    assert {answer.status_code for answer in await stolen} == {400}
    assert {answer.status_code for answer in await used} <= {200, 400}
    assert (await busy_door.refresh(owner, third)).status_code == 400
    assert (await busy_door.kinds()).count("refresh.theft") == 1


@rfc("6749", "4.1.2")
@rfc("6749", "10.5")
async def test_of_fifty_redemptions_of_a_code_at_once_one_succeeds(busy_door: Door) -> None:
    # R034.
    http = busy_door.caller()
    form = code_form(await code_for(http))
    answers = await asyncio.gather(*(http.post("/token", data=form) for _ in range(50)))
    assert Counter(answer.status_code for answer in answers) == {200: 1, 400: 49}
    assert {answer.json()["error"] for answer in answers if answer.status_code == 400} == {"invalid_grant"}
    assert (await busy_door.kinds()).count("session.started") == 1
    (tokens,) = (answer.json() for answer in answers if answer.status_code == 200)
    await busy_door.refreshed(http, tokens["refresh_token"])


async def test_a_theft_and_a_sign_out_at_once_leave_a_gap_free_log(busy_door: Door) -> None:
    http = busy_door.caller()
    tokens = [(await busy_door.sign_in(http))["refresh_token"] for _ in range(20)]
    await asyncio.gather(*(http.post("/session/end", json={"refresh_token": token}) for token in tokens))
    page = await busy_door.parts.storage.log_after(0, now=busy_door.clock.now(), limit=100)
    assert [entry.seq for entry in page.entries] == list(range(1, 21))
    assert len({entry.sid for entry in page.entries}) == 20
