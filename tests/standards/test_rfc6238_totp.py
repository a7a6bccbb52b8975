"""One-time passwords at every door: each works once, within its window, for its own user.

RFC 6238; R110, R111.
"""

import asyncio
from collections import Counter

import pytest
from tests.support.door import ELSEWHERE, Door
from tests.support.rfc import rfc, standard
from tests.support.second_factor import App, enrol, give_recovery_codes
from tests.support.second_step_doors import AtChallenge, AtPages, AtSession, at_every_door

from watchword.protocol.authentication_class import ACR_TWO_FACTOR
from watchword.server.domain.totp import SEED_BYTES

ASVS = "OWASP ASVS 5.0"
AtDoor = type[AtSession] | type[AtChallenge] | type[AtPages]


@at_every_door
@rfc("6238", "4.2")
async def test_password_and_code_sign_in_and_the_tokens_say_so(everywhere: Door, at: AtDoor) -> None:
    app, agent = await enrol(everywhere), at(everywhere)
    assert (await agent.password()).word == "more"
    everywhere.clock.advance(40)
    told = await agent.code(otp=app.code())
    assert told.word == "in"
    proof = await agent.proof(told)
    assert (proof["acr"], proof["amr"]) == (ACR_TWO_FACTOR, ["pwd", "otp", "mfa"])
    # Completed now, not when the password was right.
    assert proof["auth_time"] == int(everywhere.clock.now())


@at_every_door
@rfc("6238", "5.2")
@pytest.mark.parametrize(("steps", "word"), [(-2, "wrong"), (-1, "in"), (0, "in"), (1, "in"), (2, "wrong")])
async def test_a_code_is_good_one_step_around_now(everywhere: Door, at: AtDoor, steps: int, word: str) -> None:
    app, agent = await enrol(everywhere), at(everywhere)
    await agent.password()
    assert (await agent.code(otp=app.code(steps=steps))).word == word


@at_every_door
@rfc("6238", "5.2")
@standard(ASVS, "6.5.1")
async def test_a_code_works_once_at_all_doors_together(everywhere: Door, at: AtDoor) -> None:
    app, agent = await enrol(everywhere), at(everywhere)
    await agent.password()
    code = app.code()
    assert (await agent.code(otp=code)).word == "in"
    others = [again(everywhere, ELSEWHERE) for again in (AtSession, AtChallenge, AtPages)]
    for other in others:
        assert (await other.password()).word == "more"
        assert (await other.code(otp=code)).word == "wrong"
        # One from before it does not work either, though nobody has used it.
        assert (await other.code(otp=app.code(steps=-1))).word == "wrong"
    everywhere.clock.advance(30)
    assert (await others[0].code(otp=app.code())).word == "in"


@at_every_door
@rfc("6238", "5.2")
async def test_of_twenty_who_use_a_code_at_once_one_gets_in(everywhere: Door, at: AtDoor) -> None:
    app = await enrol(everywhere)
    # Each from a network of its own, so that the throttle has no say in it.
    agents = [at(everywhere, (f"203.0.{n}.5", 1)) for n in range(20)]
    for agent in agents:
        assert (await agent.password()).word == "more"
    words = Counter(told.word for told in await asyncio.gather(*(agent.code(otp=app.code()) for agent in agents)))
    assert words == {"in": 1, "wrong": 19}


@at_every_door
async def test_of_twenty_who_take_one_step_at_once_one_gets_in(everywhere: Door, at: AtDoor) -> None:
    app, agent = await enrol(everywhere), at(everywhere)
    await agent.password()
    told = await asyncio.gather(*(agent.code(otp=app.code()) for _ in range(20)))
    assert Counter(one.word for one in told)["in"] == 1
    assert {one.word for one in told} <= {"in", "over", "wrong", "wait"}


@at_every_door
async def test_a_code_of_another_user_is_wrong(everywhere: Door, at: AtDoor) -> None:
    await enrol(everywhere)
    bobs, agent = await enrol(everywhere, "bob", seed=b"another seed, of 20."), at(everywhere)
    await agent.password()
    assert (await agent.code(otp=bobs.code())).word == "wrong"
    # It was not used up by that.
    bob = at(everywhere, ELSEWHERE)
    await bob.password("bob")
    assert (await bob.code(otp=bobs.code())).word == "in"


@at_every_door
async def test_a_code_is_read_as_people_type_it(everywhere: Door, at: AtDoor) -> None:
    app, agent = await enrol(everywhere), at(everywhere)
    await agent.password()
    code = app.code()
    assert (await agent.code(otp=f" {code[:3]} {code[3:]} ")).word == "in"


@at_every_door
@pytest.mark.parametrize("typed", ["12345", "1234567", "abcdef", "\u0661\u0662\u0663\u0664\u0665\u0666", "x" * 5000])
async def test_what_is_no_code_is_wrong(door: Door, at: AtDoor, typed: str) -> None:
    agent, _ = at(door), await enrol(door)
    await agent.password()
    assert (await agent.code(otp=typed)).word == "wrong"


@standard(ASVS, "6.5.3")
@rfc("4226", "4")
async def test_a_seed_comes_from_the_system_and_is_long_enough(door: Door) -> None:
    from tests.support.second_factor_pages import set_up_page
    from tests.support.visitor import Visitor

    visitor = Visitor(door)
    await visitor.signed_in()
    seeds = {App.typed(door, (await set_up_page(visitor)).secret).seed for _ in range(5)}
    assert len(seeds) == 5
    assert {len(seed) for seed in seeds} == {SEED_BYTES}


async def test_a_user_without_recovery_codes_is_not_offered_them(door: Door) -> None:
    await enrol(door)
    for agent in (AtSession(door), AtChallenge(door)):
        assert (await agent.password()).raw.json()["methods"] == ["otp"]
    page = AtPages(door)
    await page.password()
    assert page.view is not None
    assert page.view.forms.keys() == {"otp-form"}
    await give_recovery_codes(door)
    for agent in (AtSession(door), AtChallenge(door)):
        assert (await agent.password()).raw.json()["methods"] == ["otp", "recovery_code"]
