"""Reuse of refresh tokens, as seen from outside: the table of DESIGN section 5, in every world.

R049-R052, R056, R057; faults 1-5 of the table of peers.
"""

import pytest
from tests.support.chains import PAST_OVERLAP as PAST
from tests.support.chains import chain
from tests.support.door import ELSEWHERE, FAR_AWAY, Door
from tests.support.rfc import rfc

from watchword.server.domain.lifetimes import OVERLAP


@rfc("9700", "4.14.2")
@rfc("9700", "2.2.2")
async def test_a_public_clients_refresh_token_rotates(everywhere: Door) -> None:
    http = everywhere.caller()
    tokens = await chain(everywhere, http, length=5)
    assert len(set(tokens)) == 5


@rfc("9700", "4.14.2")
async def test_the_redeemed_token_again_from_the_same_caller_gives_the_same_successor_byte_for_byte(
    everywhere: Door,
) -> None:
    http = everywhere.caller()
    first, second = await chain(everywhere, http, length=2)
    for pause in (0, PAST, 3600, 86_400):
        everywhere.clock.advance(pause)
        assert (await everywhere.refreshed(http, first))["refresh_token"] == second
    await everywhere.refreshed(http, second)


async def test_a_lost_answer_is_survived_again_and_again(everywhere: Door) -> None:
    # R056, I2: whoever holds the last token that reached him goes on, however many answers were lost.
    http = everywhere.caller()
    held = (await everywhere.sign_in(http))["refresh_token"]
    for _ in range(4):
        await everywhere.refreshed(http, held)  # lost
        everywhere.clock.advance(900)
        held = (await everywhere.refreshed(http, held))["refresh_token"]
        everywhere.clock.advance(900)
    assert "refresh.theft" not in await everywhere.kinds()
    assert "refresh.fork" not in await everywhere.kinds()


async def test_a_lost_answer_while_roaming_costs_a_fork_and_no_more(everywhere: Door) -> None:
    held = (await everywhere.sign_in(everywhere.caller()))["refresh_token"]
    await everywhere.refreshed(everywhere.caller(), held)  # lost
    everywhere.clock.advance(PAST)
    roaming = everywhere.caller(ELSEWHERE)
    held = (await everywhere.refreshed(roaming, held))["refresh_token"]
    everywhere.clock.advance(PAST)
    held = (await everywhere.refreshed(everywhere.caller(FAR_AWAY), held))["refresh_token"]
    await everywhere.refreshed(roaming, held)
    assert (await everywhere.kinds()).count("refresh.fork") == 1
    assert "refresh.theft" not in await everywhere.kinds()


async def test_within_the_overlap_anybody_converges(everywhere: Door) -> None:
    first, second = await chain(everywhere, everywhere.caller(), length=2)
    everywhere.clock.advance(OVERLAP - 1)
    stranger = everywhere.caller(ELSEWHERE, agent="other/2.0")
    assert (await everywhere.refreshed(stranger, first))["refresh_token"] == second


async def test_after_the_overlap_a_stranger_gets_a_branch_that_is_noted(everywhere: Door) -> None:
    first, second = await chain(everywhere, everywhere.caller(), length=2)
    everywhere.clock.advance(PAST)
    stranger = everywhere.caller(ELSEWHERE)
    branch = (await everywhere.refreshed(stranger, first))["refresh_token"]
    again = (await everywhere.refreshed(stranger, first))["refresh_token"]
    assert branch != second
    assert branch == again
    assert (await everywhere.kinds()).count("refresh.fork") == 1
    assert everywhere.heard.count("refresh.fork") == 1


@pytest.mark.parametrize("owner_first", [True, False], ids=["owner first", "thief first"])
@rfc("9700", "4.14.2")
async def test_a_thief_is_exposed_at_the_owners_second_refresh(everywhere: Door, owner_first: bool) -> None:
    owner, thief = everywhere.caller(), everywhere.caller(ELSEWHERE, agent="curl/8")
    stolen = (await everywhere.sign_in(owner))["refresh_token"]
    users = [owner, thief] if owner_first else [thief, owner]
    held = dict.fromkeys(users, stolen)
    answers = []
    for _ in range(2):
        for http in users:
            everywhere.clock.advance(PAST)
            answer = await everywhere.refresh(http, held[http])
            answers.append(answer.status_code)
            if answer.status_code == 200:
                held[http] = answer.json()["refresh_token"]
    assert answers[:2] == [200, 200]
    assert 400 in answers[2:]
    assert (await everywhere.kinds()).count("refresh.theft") == 1
    for http in users:
        answer = await everywhere.refresh(http, held[http])
        assert (answer.status_code, answer.json()["error"]) == (400, "invalid_grant")


@rfc("9700", "4.14.2")
@pytest.mark.parametrize("age", [2, 4, 7], ids=["the one before", "an older one", "the very first"])
async def test_a_superseded_token_from_elsewhere_ends_the_grant_and_its_access_tokens(
    everywhere: Door, age: int
) -> None:
    # R050, R051, R058: of any age; the live token and the access token die with it.
    owner = everywhere.caller()
    tokens = await chain(everywhere, owner, length=7)
    alive = await everywhere.refreshed(owner, tokens[-1])
    answer = await everywhere.refresh(everywhere.caller(ELSEWHERE), tokens[-age])
    assert (answer.status_code, answer.json()["error"]) == (400, "invalid_grant")
    assert "refresh_token" not in answer.text
    after = await everywhere.refresh(owner, alive["refresh_token"])
    assert (after.status_code, after.json()["error"]) == (400, "invalid_grant")
    page = await everywhere.parts.storage.log_after(0, now=everywhere.clock.now(), limit=10)
    assert [entry.gid for entry in page.entries] == [everywhere.read(alive["access_token"]).gid]
    assert (await everywhere.kinds())[0] == "refresh.theft"


async def test_a_superseded_token_within_the_overlap_is_theft_all_the_same(everywhere: Door) -> None:
    # DESIGN section 5: for a superseded token the overlap does not count.
    owner = everywhere.caller()
    first = (await everywhere.sign_in(owner))["refresh_token"]
    second = (await everywhere.refreshed(owner, first))["refresh_token"]
    third = (await everywhere.refreshed(owner, second))["refresh_token"]
    assert (await everywhere.refresh(everywhere.caller(ELSEWHERE), first)).status_code == 400
    assert (await everywhere.refresh(owner, third)).status_code == 400


async def test_a_superseded_token_from_the_same_caller_is_refused_and_the_grant_lives(everywhere: Door) -> None:
    owner = everywhere.caller()
    tokens = await chain(everywhere, owner, length=4)
    for old in tokens[:2]:
        answer = await everywhere.refresh(owner, old)
        assert (answer.status_code, answer.json()["error"]) == (400, "invalid_grant")
    await everywhere.refreshed(owner, tokens[-1])
    assert "refresh.theft" not in await everywhere.kinds()


async def test_the_branch_that_lost_is_superseded_by_the_next_rotation(everywhere: Door) -> None:
    owner, stranger = everywhere.caller(), everywhere.caller(ELSEWHERE)
    first, second = await chain(everywhere, owner, length=2)
    everywhere.clock.advance(PAST)
    branch = (await everywhere.refreshed(stranger, first))["refresh_token"]
    await everywhere.refreshed(owner, second)
    everywhere.clock.advance(PAST)
    answer = await everywhere.refresh(stranger, branch)
    assert (answer.status_code, answer.json()["error"]) == (400, "invalid_grant")
    assert (await everywhere.kinds())[0] == "refresh.theft"


async def test_the_ninth_fork_of_one_generation_is_theft(everywhere: Door) -> None:
    first, second = await chain(everywhere, everywhere.caller(), length=2)
    everywhere.clock.advance(PAST)
    answers = [(await everywhere.refresh(everywhere.caller((f"198.51.{n}.7", 1)), first)).status_code for n in range(9)]
    assert answers == [200] * 8 + [400]
    assert (await everywhere.refresh(everywhere.caller(), second)).status_code == 400


async def test_a_stranger_who_shadows_three_generations_running_raises_an_alarm(everywhere: Door) -> None:
    owner, shadow = everywhere.caller(), everywhere.caller(ELSEWHERE)
    held = (await everywhere.sign_in(owner))["refresh_token"]
    for generation in range(3):
        answered = (await everywhere.refreshed(owner, held))["refresh_token"]
        assert everywhere.heard.count("refresh.shadowed") == 0, generation
        assert (await everywhere.refreshed(shadow, held))["refresh_token"] == answered
        held = answered
        everywhere.clock.advance(600)
    assert everywhere.heard.count("refresh.shadowed") == 1
    assert (await everywhere.kinds())[0] == "refresh.shadowed"


@rfc("9700", "4.14.2")
@pytest.mark.parametrize("older", [False, True], ids=["redeemed", "superseded"])
async def test_under_the_strict_profile_any_reuse_ends_the_grant(everywhere: Door, older: bool) -> None:
    # The letter of RFC 9700: at once, from the same caller.
    http = everywhere.caller()
    tokens = await chain(everywhere, http, length=3, client_id="strict")
    answer = await everywhere.refresh(http, tokens[0 if older else 1], client_id="strict")
    assert (answer.status_code, answer.json()["error"]) == (400, "invalid_grant")
    assert (await everywhere.refresh(http, tokens[-1], client_id="strict")).status_code == 400
    assert (await everywhere.kinds())[0] == "refresh.theft"


async def test_a_token_ahead_of_its_row_is_accepted_and_said_loudly(everywhere: Door) -> None:
    # The database lost writes that had been acknowledged (REQUIREMENTS 3.3): that is no theft.
    owner = everywhere.caller()
    tokens = await chain(everywhere, owner, length=2)
    gid = everywhere.read((await everywhere.refreshed(owner, tokens[-1]))["access_token"]).gid
    async with everywhere.parts.storage.read() as reading:
        found = await reading.grant_by_gid(gid or "")
    assert found is not None
    tokens.append((await everywhere.refreshed(owner, tokens[-1]))["refresh_token"])
    tokens.append((await everywhere.refreshed(owner, tokens[-1]))["refresh_token"])
    async with everywhere.parts.storage.write() as tx:
        await tx.put_grant(found[0])
    await everywhere.refreshed(everywhere.caller(ELSEWHERE), tokens[-1])
    assert everywhere.heard.count("refresh.regressed") == 1
    assert (await everywhere.kinds())[0] == "refresh.regressed"
