"""A right password followed by wrong codes is told to the operator and the user; a clock that was ahead counts nothing.

R107, R110; NIST SP 800-63B-4 §3.2.2.
"""

from collections.abc import AsyncIterator
from dataclasses import replace

import pytest
from tests.standards.test_one_time_links import prove_address
from tests.support.door import Door, OpenStorage, Plan
from tests.support.mailbox import Mailbox
from tests.support.rfc import rfc, standard
from tests.support.second_factor import App, enrol, give_recovery_codes, sub_of
from tests.support.second_step_doors import AtChallenge, AtPages, AtSession, at_every_door
from tests.support.visitor import Visitor

from watchword.protocol.authentication_class import ACR_TWO_FACTOR
from watchword.server.domain.lifetimes import DAY, MINUTE

ASVS = "OWASP ASVS 5.0"
TOLD = "Somebody knows your password at Watchword"
At = AtSession | AtChallenge | AtPages


@pytest.fixture
async def mailing(world: tuple[OpenStorage, Plan]) -> AsyncIterator[Door]:
    """As ``everywhere``, with mail; ada has proved her address."""
    opener, plan = world
    door = Door(opener, replace(plan, sends_mail=True))
    await door.open()
    await prove_address(door, "ada")
    yield door
    await door.close()


async def fail(door: Door, agent: At, app: App, times: int) -> list[str]:
    """Wrong codes, however long they have to wait for each other; the subjects of the mails."""
    failed = 0
    while failed < times:
        told = await agent.password()
        if told.word == "more":
            told = await agent.code(otp=app.wrong())
            failed += told.word == "wrong"
        if told.word == "wait":
            door.clock.advance(told.wait)
    return [mail.letter.subject for mail in await Mailbox(door).deliver()]


async def told_of(door: Door) -> int:
    """How many audit events there are about wrong codes."""
    return (await door.kinds()).count("second_step.failed")


@at_every_door
@standard(ASVS, "6.3.5")
async def test_the_third_wrong_code_is_told_and_the_tenth_and_the_user_hears_once_a_day(
    mailing: Door, at: type[AtSession] | type[AtChallenge] | type[AtPages]
) -> None:
    app, agent = await enrol(mailing), at(mailing)
    assert (await fail(mailing, agent, app, 2), await told_of(mailing)) == ([], 0)
    assert (await fail(mailing, agent, app, 1), await told_of(mailing)) == ([TOLD], 1)
    assert (await fail(mailing, agent, app, 6), await told_of(mailing)) == ([], 1)
    assert (await fail(mailing, agent, app, 1), await told_of(mailing)) == ([], 2)
    mailing.clock.advance(2 * DAY)
    assert (await fail(mailing, agent, app, 10), await told_of(mailing)) == ([TOLD], 3)


async def test_a_whole_sign_in_ends_the_row_and_wrong_passwords_are_not_in_it(mailing: Door) -> None:
    app, agent = await enrol(mailing), AtSession(mailing)
    for _ in range(3):
        assert await fail(mailing, agent, app, 2) == []
        await agent.password(password="a wrong one")
        assert (await agent.password()).word == "more"
        assert (await agent.code(otp=app.code())).word == "in"
        mailing.clock.advance(MINUTE)
    assert await told_of(mailing) == 0


@at_every_door
@rfc("6238", "6")
async def test_after_a_clock_was_ahead_no_code_is_judged_or_counted_and_the_log_says_why(
    everywhere: Door, at: type[AtSession] | type[AtChallenge] | type[AtPages]
) -> None:
    app, agent = await enrol(everywhere), at(everywhere)
    [recovery] = await give_recovery_codes(everywhere, count=1)
    sub = await sub_of(everywhere, "ada")
    async with everywhere.parts.storage.write() as tx:
        found = await tx.lock_totp(sub)
        assert found is not None
        ahead = int((everywhere.clock.now() + 10 * MINUTE) // 30)
        await tx.put_totp(replace(found, last_step=ahead))
    assert (await agent.password()).word == "more"
    # Six would be counted as failures, and then there would be a wait.
    for _ in range(8):
        assert (await agent.code(otp=app.code())).word == "wrong"
    assert ("totp.clock_went_back", {"sub": sub}) in everywhere.heard.said
    assert await told_of(everywhere) == 0
    assert (await agent.code(recovery_code=recovery)).word == "in"
    everywhere.clock.advance(11 * MINUTE)
    assert (await agent.password()).word == "more"
    assert (await agent.code(otp=app.code())).word == "in"


async def test_a_step_that_waited_too_long_leaves_the_name_and_the_reason_on_the_page(everywhere: Door) -> None:
    app, visitor = await enrol(everywhere), Visitor(everywhere)
    page = await visitor.open(f"/login?again={ACR_TWO_FACTOR}")
    step = await visitor.sign_in(page)
    everywhere.clock.advance(11 * MINUTE)
    over = await visitor.send(step.forms["otp-form"], otp=app.code())
    form = over.forms["sign-in-form"]
    assert (form.fields["username"], form.fields["again"]) == ("ada", ACR_TWO_FACTOR)
    # Another browser that has the form learns no name from it.
    other = Visitor(everywhere)
    theirs = (await other.sign_in(await other.open("/login"))).forms["otp-form"]
    theirs.fields["step"] = step.forms["otp-form"].fields["step"]
    view = await other.send(theirs, otp=app.code())
    assert view.forms["sign-in-form"].fields["username"] == ""
