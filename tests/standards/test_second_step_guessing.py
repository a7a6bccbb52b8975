"""Guessing at codes: one counter at all doors and for all factors, and nothing to learn without the password.

R107-R109; NIST SP 800-63B-4 §3.2.2.
"""

import re

from tests.support.door import FAR_AWAY, Door
from tests.support.rfc import standard
from tests.support.second_factor import enrol, give_recovery_codes
from tests.support.second_step_doors import DOORS, AtChallenge, AtPages, AtSession, at_every_door

from watchword.server.flows.throttling import ThrottleKeys

ASVS = "OWASP ASVS 5.0"
NIST = "NIST SP 800-63B-4"
AtDoor = type[AtSession] | type[AtChallenge] | type[AtPages]
At = AtSession | AtChallenge | AtPages


async def fail(agent: At, code: str) -> str:
    """Try a wrong code, after the password where the step is over; what the door said."""
    return (await agent.code(otp=code)).word


@standard(ASVS, "6.3.1")
@standard(NIST, "3.2.2")
async def test_wrong_codes_count_together_at_all_doors(everywhere: Door) -> None:
    # R108: a counter per door or factor is that many more tries.
    app = await enrol(everywhere)
    agents = [at(everywhere) for at in DOORS]
    for agent in agents:
        assert (await agent.password()).word == "more"
    words = [await fail(agents[n % 3], app.wrong()) for n in range(9)]
    assert words[:6] == ["wrong"] * 6
    assert words[6:] == ["wait"] * 3
    for agent in agents:
        # Neither the right password nor the right code helps before the wait is over.
        assert (await agent.code(otp=app.code())).word == "wait"
        assert (await agent.password()).word == "wait"


@at_every_door
async def test_wrong_passwords_and_wrong_codes_count_together(everywhere: Door, at: AtDoor) -> None:
    app, agent = await enrol(everywhere), at(everywhere)
    await agent.password()
    words = []
    for n in range(8):
        told = await (agent.code(otp=app.wrong()) if n % 2 else agent.password(password="a wrong one"))
        words.append(told.word)
    assert words[:6] == ["refused", "wrong"] * 3
    assert words[6:] == ["wait", "wait"]


@at_every_door
async def test_the_right_password_again_and_again_buys_no_more_guesses_at_the_code(
    everywhere: Door, at: AtDoor
) -> None:
    app, agent = await enrol(everywhere), at(everywhere)
    words = []
    for _ in range(9):
        words.append((await agent.password()).word)
        if words[-1] == "wait":
            break
        words.append((await agent.code(otp=app.wrong())).word)
    assert words == ["more", "wrong"] * 6 + ["wait"]


async def test_a_guesser_who_knows_the_password_gets_sixty_guesses_at_the_code(door: Door) -> None:
    app = await enrol(door)
    judged = 0
    for n in range(400):
        agent = AtSession(door, (f"198.{n % 250}.{n // 250}.7", 1))
        told = await agent.password()
        if told.word == "more":
            told = await agent.code(otp=app.wrong())
            judged += told.word == "wrong"
        if told.word == "wait":
            if told.wait > 2 * 86_400:
                break
            door.clock.advance(told.wait)
    assert judged == 60


@at_every_door
async def test_half_a_sign_in_makes_no_network_known(everywhere: Door, at: AtDoor) -> None:
    # Whoever knows the password is a stranger still, wherever he has typed it.
    app, agent = await enrol(everywhere), at(everywhere, FAR_AWAY)
    keys = ThrottleKeys.of(everywhere.parts.secrets, account="ada", network="192.0.2.0/24")
    assert keys.account_from_network is not None
    for word, known in (("more", False), ("in", True)):
        assert (await (agent.password() if word == "more" else agent.code(otp=app.code()))).word == word
        async with everywhere.parts.storage.read() as reading:
            assert (await reading.buckets(keys.of_account))[keys.account_from_network].known is known


@at_every_door
async def test_the_whole_sign_in_forgives(everywhere: Door, at: AtDoor) -> None:
    app = await enrol(everywhere)
    for _ in range(3):
        agent = at(everywhere)
        await agent.password()
        for _ in range(5):
            assert (await agent.code(otp=app.wrong())).word == "wrong"
        assert (await agent.code(otp=app.code())).word == "in"
        everywhere.clock.advance(30)


@at_every_door
async def test_an_attacker_elsewhere_does_not_shut_out_the_owner(everywhere: Door, at: AtDoor) -> None:
    # R107
    app = await enrol(everywhere)
    owner = at(everywhere)
    await owner.password()
    assert (await owner.code(otp=app.code())).word == "in"
    for n in range(50):
        thief = at(everywhere, (f"198.{n}.100.7", 1))
        if (await thief.password()).word == "more":
            await thief.code(otp=app.wrong())
    everywhere.clock.advance(30)
    assert (await owner.password()).word == "more"
    assert (await owner.code(otp=app.code())).word == "in"


@at_every_door
@standard(ASVS, "6.3.8")
async def test_without_the_password_nobody_learns_who_has_a_second_factor(everywhere: Door, at: AtDoor) -> None:
    # R109
    await enrol(everywhere)
    await give_recovery_codes(everywhere)
    seen = []
    for n, username in enumerate(("ada", "bob", "nobody")):
        told = await at(everywhere, (f"203.0.{n}.5", 1)).password(username, "a wrong one")
        assert told.word == "refused"
        # What differs by itself: the form's token, the name that was typed, what is sealed anew each time.
        text = re.sub(r'[A-Za-z0-9_-]{40,}|value="[^"]*"', "", told.raw.text.replace(username, "-"))
        headers = {name for name in told.raw.headers if name != "x-request-id"}
        seen.append((told.raw.status_code, text, headers))
    assert seen[0] == seen[1] == seen[2]


async def test_unknown_users_cost_the_same_work_as_those_with_a_second_factor(door: Door) -> None:
    await enrol(door)
    await give_recovery_codes(door)
    work: dict[str, set[tuple[str, ...]]] = {}
    for n in range(20):
        for username in ("ada", "bob", "nobody"):
            door.trouble.listen()
            await AtSession(door, (f"198.{n}.{len(username)}.7", 1)).password(username, "a wrong one")
            door.clock.advance(86_400 * 31)
            work.setdefault(username, set()).add(tuple(door.trouble.operations))
    assert work["nobody"] == work["ada"] == work["bob"]
