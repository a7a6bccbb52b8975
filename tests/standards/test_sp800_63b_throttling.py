"""Guessers are slowed, owners are not locked out, and nobody learns which names there are.

R107-R109; faults 56-58 of the table of peers; NIST SP 800-63B-4 §3.2.2.
"""

import asyncio
from typing import Any

import httpx2
import pytest
from tests.standards.conftest import OpenDoor
from tests.support.cast import PASSWORD
from tests.support.codes import challenge_form
from tests.support.door import ELSEWHERE, FAR_AWAY, HOME, ISSUER, PUBLIC_ISSUER, Door
from tests.support.rfc import standard

from watchword.server.domain import throttle
from watchword.server.domain.lifetimes import DAY
from watchword.server.flows.admin import users

NIST = "NIST SP 800-63B-4"
WRONG = {"client_id": "web", "username": "ada", "password": "a wrong one"}
RIGHT = {**WRONG, "password": PASSWORD}


async def at_simple_door(http: httpx2.AsyncClient, **fields: str) -> httpx2.Response:
    return await http.post("/session", json={**WRONG, **fields})


async def at_standard_door(http: httpx2.AsyncClient, **fields: str) -> httpx2.Response:
    return await http.post("/authorize-challenge", data=challenge_form(**{"password": "a wrong one", **fields}))


both_doors = pytest.mark.parametrize("knock", [at_simple_door, at_standard_door], ids=["simple", "standard"])


async def fail_until_throttled(door: Door, http: httpx2.AsyncClient, *, most: int, **fields: str) -> httpx2.Response:
    """Fail until the door says to wait."""
    for _ in range(most):
        answer = await at_simple_door(http, **fields)
        if answer.status_code == 429:
            return answer
        assert answer.status_code == 401
    raise AssertionError(f"{most} failures and no word of waiting")


@standard(NIST, "3.2.2")
async def test_a_few_failures_go_unpunished_and_then_the_wait_grows(everywhere: Door) -> None:
    http = everywhere.caller()
    waits = []
    for _ in range(9):
        answer = await fail_until_throttled(everywhere, http, most=7)
        assert answer.json()["error"] == "too_many_requests"
        assert answer.headers["cache-control"] == "no-store"
        waits.append(int(answer.headers["retry-after"]))
        # The right password does not help before the wait is over: it would tell the guesser.
        assert (await http.post("/session", json=RIGHT)).status_code == 429
        everywhere.clock.advance(waits[-1])
    assert waits == sorted(waits)
    assert waits[0] <= 2
    assert waits[-1] >= 100
    assert (await http.post("/session", json=RIGHT)).status_code == 201


async def test_a_success_forgives(everywhere: Door) -> None:
    http = everywhere.caller()
    for _ in range(4):
        for _ in range(5):
            assert (await at_simple_door(http)).status_code == 401
        assert (await http.post("/session", json=RIGHT)).status_code == 201


@standard("OWASP ASVS 5.0", "6.3.1")
async def test_one_counter_counts_at_both_doors(everywhere: Door) -> None:
    # R108; fault 57: a counter per door is twice as many tries.
    http = everywhere.caller()
    for knock in (at_simple_door, at_standard_door, at_simple_door, at_standard_door, at_simple_door):
        assert (await knock(http)).status_code in (400, 401)
    assert (await at_standard_door(http)).json()["error"] in ("insufficient_authorization", "too_many_requests")
    for knock in (at_simple_door, at_standard_door):
        assert (await knock(http)).status_code == 429


@pytest.mark.parametrize("spelling", ["ADA", " ada", "\uff41\uff44\uff41"])
async def test_one_counter_counts_all_spellings_of_a_name(door: Door, spelling: str) -> None:
    http = door.caller()
    for name in ("ada", spelling) * 3:
        await at_simple_door(http, username=name)
    assert (await at_simple_door(http, username=spelling)).status_code == 429
    assert (await at_simple_door(http)).status_code == 429


async def test_another_clients_id_does_not_start_a_new_count(door: Door) -> None:
    http = door.caller()
    for client_id in ("web", "other", "spa", "strict", "browser", "web"):
        await at_simple_door(http, client_id=client_id)
    assert (await at_simple_door(http, client_id="web")).status_code == 429


async def test_many_guesses_at_once_are_not_all_the_first(door: Door) -> None:
    http = door.caller()
    answers = await asyncio.gather(*(at_simple_door(http) for _ in range(60)))
    tried = sum(answer.status_code == 401 for answer in answers)
    assert tried == door.cheap.verified <= 6
    assert {answer.status_code for answer in answers} == {401, 429}


@standard("OWASP ASVS 5.0", "6.1.1")
async def test_an_attacker_elsewhere_cannot_lock_out_the_owner(everywhere: Door) -> None:
    # R107; fault 56: a lock that anybody can turn is a denial of service.
    owner = everywhere.caller()
    assert (await owner.post("/session", json=RIGHT)).status_code == 201
    throttled = 0
    for n in range(110):
        attacker = everywhere.caller((f"198.{n}.100.7", 1))
        throttled += (await at_simple_door(attacker)).status_code == 429
    assert throttled > 70
    assert (await owner.post("/session", json=RIGHT)).status_code == 201
    assert (await everywhere.caller(("203.0.113.77", 9), agent="phone").post("/session", json=RIGHT)).status_code == 201


@standard(NIST, "3.2.2")
async def test_strangers_together_get_sixty_tries_at_an_account_and_then_none_for_a_month(door: Door) -> None:
    wait = 0
    for n in range(400):
        answer = await at_simple_door(door.caller((f"198.{n % 250}.{n // 250}.7", 1)))
        if answer.status_code == 429:
            wait = int(answer.headers["retry-after"])
            if wait > 2 * DAY:
                break
            door.clock.advance(wait)
    assert door.cheap.verified == 60
    assert wait == 30 * DAY
    door.clock.advance(29 * DAY)
    assert (await at_simple_door(door.caller(FAR_AWAY))).status_code == 429
    assert door.cheap.verified == 60


async def guess_for(door: Door, days: int, *addresses: tuple[str, int]) -> int:
    """Guess from each of the networks as often as the door lets it; how many guesses were judged."""
    before, end = door.cheap.verified, door.clock.now() + days * DAY
    while door.clock.now() < end:
        waits = []
        for address in addresses:
            answer = await at_simple_door(door.caller(address))
            waits.append(int(answer.headers["retry-after"]) if answer.status_code == 429 else 0)
        door.clock.advance(min([*waits, end - door.clock.now()]))
    return door.cheap.verified - before


@standard(NIST, "3.2.2")
async def test_known_networks_together_get_forty_tries_and_then_none_for_a_month(door: Door) -> None:
    # R107: strangers' sixty and these make a hundred.
    home, office = door.caller(), door.caller(ELSEWHERE)
    for http in (home, office):
        assert (await http.post("/session", json=RIGHT)).status_code == 201
    assert await guess_for(door, 25, HOME, ELSEWHERE) == 40
    answer = await home.post("/session", json=RIGHT)
    assert answer.status_code == 429
    assert int(answer.headers["retry-after"]) > 2 * DAY
    # From anywhere else the owner still gets in, and that ends the row of failures.
    door.clock.advance(DAY)
    assert (await door.caller(FAR_AWAY).post("/session", json=RIGHT)).status_code == 201
    assert (await home.post("/session", json=RIGHT)).status_code == 201


async def test_a_new_password_begins_anew_in_known_networks_too(door: Door) -> None:
    home, office = door.caller(), door.caller(ELSEWHERE)
    for http in (home, office):
        assert (await http.post("/session", json=RIGHT)).status_code == 201
    assert await guess_for(door, 20, ELSEWHERE) == 40
    assert (await home.post("/session", json=RIGHT)).status_code == 429
    await users.set_password(door.parts, "ada", PASSWORD + "!")
    assert (await home.post("/session", json={**RIGHT, "password": PASSWORD + "!"})).status_code == 201


async def test_a_guesser_in_one_known_network_does_not_shut_the_owner_out_of_another(door: Door) -> None:
    home, office = door.caller(), door.caller(ELSEWHERE)
    for http in (home, office):
        assert (await http.post("/session", json=RIGHT)).status_code == 201
    for _ in range(3):
        assert await guess_for(door, 1, ELSEWHERE) <= 30
        assert (await home.post("/session", json=RIGHT)).status_code == 201


async def test_a_neighbour_who_tries_other_accounts_does_not_shut_out_the_owner(everywhere: Door) -> None:
    http = everywhere.caller()
    assert (await http.post("/session", json=RIGHT)).status_code == 201
    for n in range(60):
        await at_simple_door(http, username=f"user{n}")
    assert (await http.post("/session", json={**RIGHT, "username": "bob"})).status_code == 429
    assert (await http.post("/session", json=RIGHT)).status_code == 201
    assert (await at_simple_door(http)).status_code == 401


async def test_a_slip_now_and_then_in_a_large_network_costs_nobody_anything(door: Door) -> None:
    http = door.caller()
    for n in range(100):
        assert (await at_simple_door(http, username=f"user{n}")).status_code == 401
        door.clock.advance(300)
    for n in range(20):
        assert (await at_simple_door(http, username=f"somebody{n}")).status_code == 401


@pytest.mark.parametrize("headers", [{"x-forwarded-for": "8.8.4.4"}, {}], ids=["forwarded", "silent"])
async def test_behind_a_proxy_that_was_not_named_nobody_shuts_out_everybody(
    open_door: OpenDoor, headers: dict[str, str]
) -> None:
    door = await open_door(issuer=PUBLIC_ISSUER)
    http = door.caller(("10.1.2.3", 1), **headers)
    for n in range(60):
        assert (await at_simple_door(http, username=f"user{n}")).status_code == 401
    assert (await http.post("/session", json=RIGHT)).status_code == 201
    # One account's guessers are slowed all the same, and whoever has signed in there is no owner's network.
    await fail_until_throttled(door, http, most=40)
    assert (await http.post("/session", json=RIGHT)).status_code == 429


async def rows_that_go(door: Door) -> int:
    """How many rows the sweep takes."""
    return await door.parts.storage.sweep(now=door.clock.now(), limit=10_000)


@pytest.mark.parametrize("issuer", [PUBLIC_ISSUER, ISSUER])
async def test_names_that_nobody_has_leave_no_rows_for_long(open_door: OpenDoor, issuer: str) -> None:
    # From a private address, and without a word about proxies, nothing tells networks apart.
    door = await open_door(issuer=issuer)
    address = ("10.1.2.3", 1) if issuer == PUBLIC_ISSUER else HOME
    await rows_that_go(door)
    http = door.caller(address)
    for n in range(40):
        assert (await at_simple_door(http, username=f"somebody-{n}")).status_code == 401
    # No row was made that nothing counts in.
    assert await rows_that_go(door) == 0
    door.clock.advance(DAY + 1)
    assert await rows_that_go(door) == (40 if issuer == PUBLIC_ISSUER else 81)


async def test_without_evidence_of_the_network_a_name_is_counted_alike_whether_somebody_has_it_or_not(
    open_door: OpenDoor,
) -> None:
    # R109: also by who comes back when the count of a few tries is forgotten.
    door = await open_door(issuer=PUBLIC_ISSUER)
    http, seen = door.caller(("10.1.2.3", 1)), []
    for username in ("ada", "nobody"):
        told = []
        for days in (0, 3, 5, 31):
            door.clock.advance(days * DAY)
            for _ in range(18):
                answer = await at_simple_door(http, username=username)
                told.append((answer.status_code, answer.content))
        seen.append(told)
    assert seen[0] == seen[1]
    assert 429 in {status for status, _ in seen[0]}


async def test_a_right_password_is_never_late_for_a_fast_clock_elsewhere(everywhere: Door) -> None:
    # Two nodes' clocks may be four seconds apart, and five failures in a row cost nothing.
    http = everywhere.caller()
    for _ in range(4):
        everywhere.clock.advance(4)
        assert (await at_simple_door(http)).status_code == 401
        everywhere.clock.advance(-4)
    assert (await http.post("/session", json=RIGHT)).status_code == 201


async def test_a_header_of_ones_own_does_not_rid_a_guesser_of_the_throttle(open_door: OpenDoor) -> None:
    door = await open_door(issuer=PUBLIC_ISSUER, trusted=[])
    answers = []
    for n in range(60):
        http = door.caller(("8.8.8.8", 1), **{"x-forwarded-for": f"9.9.{n}.9"})
        answers.append((await at_simple_door(http, username=f"user{n}")).status_code)
    assert answers[-1] == 429


@pytest.mark.parametrize("own", ["for=1.2.3.4", "x", ""])
async def test_the_other_header_does_not_rid_a_guesser_behind_a_proxy_of_the_throttle(
    open_door: OpenDoor, own: str
) -> None:
    # The proxy appends X-Forwarded-For, and hands on what the client says in Forwarded.
    door = await open_door(issuer=PUBLIC_ISSUER, trusted=["10.0.0.0/8"])
    answers = []
    for n in range(60):
        http = door.caller(("10.0.0.1", 1), **{"x-forwarded-for": f"9.9.{n}.9, 8.8.8.8", "forwarded": own})
        answers.append((await at_simple_door(http, username=f"user{n}")).status_code)
    assert answers[-1] == 429


@pytest.mark.parametrize("how_many", [12, 30])
async def test_right_passwords_at_once_all_get_in(everywhere: Door, how_many: int) -> None:
    # Turns are taken within a node. Where each request meets a node of its own, tries in flight count like failures.
    at_once = min(how_many, throttle.ACCOUNT_FROM_NETWORK.free) if everywhere.plan.restarting else how_many
    http = everywhere.caller()
    answers = await asyncio.gather(*(http.post("/session", json=RIGHT) for _ in range(at_once)))
    assert [answer.status_code for answer in answers] == [201] * at_once


async def test_of_a_thousand_guesses_at_once_six_are_judged(door: Door) -> None:
    http = door.caller()
    answers = await asyncio.gather(*(at_simple_door(http) for _ in range(1000)))
    assert sum(answer.status_code == 401 for answer in answers) == door.cheap.verified == 6
    assert {answer.status_code for answer in answers} == {401, 429}


async def test_one_network_is_slowed_whatever_the_accounts(door: Door) -> None:
    http = door.caller()
    answers = [await at_simple_door(http, username=f"user{n}") for n in range(60)]
    statuses = [answer.status_code for answer in answers]
    assert statuses[:50] == [401] * 50
    assert statuses[-1] == 429
    assert (await at_simple_door(door.caller(("203.0.113.250", 9)), username="another")).status_code == 429
    assert (await at_simple_door(door.caller(ELSEWHERE), username="another")).status_code == 401


async def test_the_wait_of_one_account_is_not_anothers(door: Door) -> None:
    http = door.caller()
    await fail_until_throttled(door, http, most=10)
    assert (await http.post("/session", json={**RIGHT, "username": "bob"})).status_code == 201


async def test_a_count_is_forgotten_after_a_while(door: Door) -> None:
    http = door.caller()
    answer = await fail_until_throttled(door, http, most=10)
    door.clock.advance(int(answer.headers["retry-after"]) + DAY + 1)
    for _ in range(5):
        assert (await at_simple_door(http)).status_code == 401


@both_doors
@standard("OWASP ASVS 5.0", "6.3.8")
async def test_unknown_known_and_disabled_users_get_the_same_answer(everywhere: Door, knock: Any) -> None:
    # R109; fault 58.
    await users.disable(everywhere.parts, "bob")
    seen = []
    for username, password in (("nobody", PASSWORD), ("ada", "a wrong one"), ("bob", PASSWORD), ("bob", "a wrong one")):
        answer = await knock(everywhere.caller(), username=username, password=password)
        headers = {name: value for name, value in answer.headers.items() if name != "x-request-id"}
        seen.append((answer.status_code, answer.content, headers))
    assert seen[0][0] in (400, 401)
    assert all(one == seen[0] for one in seen)


@both_doors
async def test_unknown_users_cost_the_same_work(door: Door, knock: Any) -> None:
    # What takes time is the password and the database: each is asked alike, five hundred times.
    await users.disable(door.parts, "bob")
    work: dict[str, set[tuple[str, ...]]] = {}
    verified = dict.fromkeys(("nobody", "ada", "bob"), 0)
    for n in range(167):
        for username in verified:
            http = door.caller((f"198.{n}.{len(username)}.7", 1))
            door.trouble.listen()
            before = door.cheap.verified
            await knock(http, username=f"{username}{n}" if username == "nobody" else username)
            door.clock.advance(DAY * 31)
            verified[username] += door.cheap.verified - before
            work.setdefault(username, set()).add(tuple(door.trouble.operations))
    assert verified == dict.fromkeys(verified, 167)
    assert work["nobody"] == work["ada"] == work["bob"]


@both_doors
async def test_waiting_is_told_alike_for_unknown_users(door: Door, knock: Any) -> None:
    told = []
    for username, address in (("nobody", HOME), ("ada", ELSEWHERE), ("bob", FAR_AWAY)):
        http = door.caller(address)
        answers = [await knock(http, username=username) for _ in range(9)]
        told.append([(answer.status_code, answer.content, answer.headers.get("retry-after")) for answer in answers])
    assert told[0] == told[1] == told[2]
    assert told[0][-1][0] == 429


@both_doors
async def test_a_full_password_queue_is_503_and_uses_up_nobodys_tries(everywhere: Door, knock: Any) -> None:
    # I8, R106: a login flood elsewhere fills the queue; the owner loses none of his tries.
    http = everywhere.caller()
    everywhere.cheap.busy = True
    for _ in range(12):
        answer = await knock(http, password=PASSWORD)
        assert (answer.status_code, answer.json()["error"]) == (503, "temporarily_unavailable")
        assert int(answer.headers["retry-after"]) > 0
    everywhere.cheap.busy = False
    assert (await knock(http, password=PASSWORD)).is_success


async def test_neither_name_nor_network_stands_in_the_throttles_rows(door: Door) -> None:
    await at_simple_door(door.caller(), username="somebody-with-a-name")
    said = str(door.heard.said)
    assert "somebody-with-a-name" not in said
    assert HOME[0] not in said


async def test_sign_ups_that_cannot_be_are_counted_too(open_door: OpenDoor) -> None:
    # Looking at a name takes time, so whoever sends many odd ones waits like everybody else.
    door = await open_door(sign_up_open=True)
    http = door.caller()
    statuses = [
        (await http.post("/users", json={"username": "e\u200bve", "password": PASSWORD})).status_code for _ in range(25)
    ]
    assert statuses[:20] == [400] * 20
    assert statuses[-1] == 429
