"""A reset by mail and the count of failures: it helps an owner who forgot his password, and nobody who guesses codes.

R107, R117; NIST SP 800-63B-4 §3.2.2.
"""

from collections.abc import AsyncIterator
from dataclasses import replace

import pytest
from tests.standards.test_one_time_links import NEW, asked, fill_in, prove_address
from tests.support.door import ELSEWHERE, Door, OpenStorage, Plan
from tests.support.mailbox import Mailbox
from tests.support.rfc import standard
from tests.support.second_factor import enrol
from tests.support.second_step_doors import AtSession
from tests.support.visitor import Visitor

ASVS = "OWASP ASVS 5.0"
NIST = "NIST SP 800-63B-4"


@pytest.fixture
async def mailing(world: tuple[OpenStorage, Plan]) -> AsyncIterator[Door]:
    """As ``everywhere``, with mail; ada has proved her address."""
    opener, plan = world
    door = Door(opener, replace(plan, sends_mail=True))
    await door.open()
    await prove_address(door, "ada")
    yield door
    await door.close()


async def reset(door: Door, new: str) -> None:
    """Set a new password by a link, from home."""
    visitor = Visitor(door)
    await Mailbox(door).deliver()
    link = await asked(door)
    await fill_in(visitor, await visitor.open(link), new)


@standard(ASVS, "6.3.1")
@standard(NIST, "3.2.2")
async def test_a_reset_buys_no_more_guesses_at_the_code(mailing: Door) -> None:
    app = await enrol(mailing)
    judged, password = 0, ""
    for n in range(40):
        # Everybody who guesses comes from a network of his own, so nothing but the account's own count can stop him.
        agent = AtSession(mailing, (f"203.0.{n}.7", 1))
        if n % 10 == 0:
            mailing.clock.advance(3 * 3600)
            password = f"an entirely different passphrase {n}"
            await reset(mailing, password)
        if (await agent.password(password=password)).word == "more":
            judged += (await agent.code(otp=app.wrong())).word == "wrong"
    # Thirty are free, and so is the one after: it makes the first wait.
    assert judged == 31


@standard(NIST, "3.2.2")
async def test_who_failed_at_home_signs_in_there_with_the_password_that_he_has_set(mailing: Door) -> None:
    home, failed = AtSession(mailing), 0
    while failed < 14:
        told = await home.password(password=f"a wrong one {failed}")
        if told.word == "wait":
            mailing.clock.advance(told.wait)
        failed += told.word == "refused"
    assert (await home.password(password="a wrong one")).word == "wait"
    await reset(mailing, NEW)
    assert (await home.password(password=NEW)).word == "in"


async def test_a_reset_elsewhere_does_not_shorten_the_wait_of_a_guessing_network(mailing: Door) -> None:
    guesser = AtSession(mailing, ELSEWHERE)
    for n in range(8):
        await guesser.password(password=f"a wrong one {n}")
    await reset(mailing, NEW)
    assert (await guesser.password(password="a wrong one")).word == "wait"
    assert (await AtSession(mailing).password(password=NEW)).word == "in"
