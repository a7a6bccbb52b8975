"""Recovery codes, and how strong a sign-in has to be: what each way of signing in is worth.

R110, R112, R117; RFC 9470 §5.
"""

import asyncio

from tests.support.door import ELSEWHERE, Door
from tests.support.rfc import standard
from tests.support.second_factor import enrol, give_recovery_codes, recovery_codes_left, sub_of
from tests.support.second_step_doors import DOORS, AtChallenge, AtPages, AtSession, at_every_door
from tests.support.visitor import View, Visitor

from watchword.protocol.authentication_class import ACR_PASSKEY, ACR_PASSWORD, ACR_TWO_FACTOR
from watchword.server.domain.passkey import Passkey

ASVS = "OWASP ASVS 5.0"
NIST = "NIST SP 800-63B-4"
AtDoor = type[AtSession] | type[AtChallenge] | type[AtPages]


async def add_passkey(door: Door, username: str = "ada") -> None:
    async with door.parts.storage.write() as tx:
        await tx.add_passkey(
            Passkey(
                credential_id=username.encode() * 4,
                sub=await sub_of(door, username),
                public_key=b"none that is used here",
                sign_count=0,
                backup_eligible=True,
                backed_up=True,
                transports=(),
                name="a key",
                created_at=door.clock.now(),
            )
        )


@at_every_door
@standard(NIST, "3.1.2.2")
@standard(ASVS, "6.5.1")
async def test_a_recovery_code_works_once_at_all_doors_together(everywhere: Door, at: AtDoor) -> None:
    await enrol(everywhere)
    codes, agent = await give_recovery_codes(everywhere), at(everywhere)
    await agent.password()
    told = await agent.code(recovery_code=codes[3].upper().replace("-", " "))
    assert told.word == "in"
    proof = await agent.proof(told)
    assert (proof["acr"], proof["amr"]) == (ACR_TWO_FACTOR, ["pwd", "recovery_code", "mfa"])
    assert await recovery_codes_left(everywhere) == 9
    for again in DOORS:
        other = again(everywhere, ELSEWHERE)
        await other.password()
        assert (await other.code(recovery_code=codes[3])).word == "wrong"
    used = next(record for record in await everywhere.audit() if record.kind == "factor.recovery_code_used")
    assert used.fields == {"sub": await sub_of(everywhere, "ada"), "left": 9}


@at_every_door
async def test_of_two_who_use_a_recovery_code_at_once_one_gets_in(everywhere: Door, at: AtDoor) -> None:
    await enrol(everywhere)
    codes = await give_recovery_codes(everywhere)
    agents = [at(everywhere, (f"203.0.{n}.5", 1)) for n in range(8)]
    for agent in agents:
        await agent.password()
    told = await asyncio.gather(*(agent.code(recovery_code=codes[0]) for agent in agents))
    assert sorted(one.word for one in told) == ["in", *["wrong"] * 7]
    assert await recovery_codes_left(everywhere) == 9


async def test_another_users_recovery_code_is_wrong_and_stays_good(everywhere: Door) -> None:
    await enrol(everywhere)
    await give_recovery_codes(everywhere)
    codes = await give_recovery_codes(everywhere, "bob")
    agent = AtSession(everywhere)
    await agent.password()
    assert (await agent.code(recovery_code=codes[0])).word == "wrong"
    assert await recovery_codes_left(everywhere, "bob") == 10


async def arrive(door: Door, visitor: Visitor, *, acr: str) -> View:
    view = await visitor.visit("spa", acr_values=acr)
    return await visitor.sign_in(view)


async def test_a_request_for_two_factors_takes_a_recovery_code_where_there_is_no_app(everywhere: Door) -> None:
    await add_passkey(everywhere)
    codes = await give_recovery_codes(everywhere)
    visitor = Visitor(everywhere)
    view = await arrive(everywhere, visitor, acr=ACR_TWO_FACTOR)
    assert view.forms.keys() == {"recovery-form"}
    view = await visitor.send(view.forms["recovery-form"], recovery_code=codes[0])
    tokens = (await visitor.redeem(view.answer["code"], client_id="spa")).json()
    assert everywhere.read(tokens["access_token"]).claims["acr"] == ACR_TWO_FACTOR


async def test_a_user_with_passkeys_alone_signs_in_with_his_password_and_the_tokens_say_so(everywhere: Door) -> None:
    await add_passkey(everywhere)
    await give_recovery_codes(everywhere)
    for at in DOORS:
        agent = at(everywhere)
        told = await agent.password()
        assert told.word == "in"
        assert (await agent.proof(told))["acr"] == ACR_PASSWORD


async def test_a_stronger_sign_in_is_asked_for_of_who_is_signed_in_by_password(everywhere: Door) -> None:
    visitor = Visitor(everywhere)
    await visitor.signed_in()
    app = await enrol(everywhere)
    view = await visitor.visit("spa", acr_values=ACR_TWO_FACTOR)
    view = await visitor.sign_in(view)
    everywhere.clock.advance(90)
    view = await visitor.send(view.forms["otp-form"], otp=app.code())
    tokens = (await visitor.redeem(view.answer["code"], client_id="spa")).json()
    claims = everywhere.read(tokens["access_token"]).claims
    assert (claims["acr"], claims["auth_time"]) == (ACR_TWO_FACTOR, int(everywhere.clock.now()))
    # Once signed in so, nothing more is asked for.
    assert "code" in (await visitor.visit("spa", acr_values=ACR_TWO_FACTOR)).answer
    assert "code" in (await visitor.visit("spa", acr_values=ACR_PASSWORD)).answer


async def test_prompt_login_and_max_age_take_both_steps_again(everywhere: Door) -> None:
    app, visitor = await enrol(everywhere), Visitor(everywhere)
    for asked in ({}, {"prompt": "login"}, {"max_age": "60"}):
        everywhere.clock.advance(120)
        view = await visitor.sign_in(await visitor.visit("spa", **asked))
        view = await visitor.send(view.forms["otp-form"], otp=app.code())
        tokens = (await visitor.redeem(view.answer["code"], client_id="spa")).json()
        assert everywhere.read(tokens["access_token"]).claims["auth_time"] == int(everywhere.clock.now())


async def test_two_factors_do_not_pass_for_a_passkey(everywhere: Door) -> None:
    await enrol(everywhere)
    visitor = Visitor(everywhere)
    await add_passkey(everywhere)
    view = await arrive(everywhere, visitor, acr=ACR_PASSKEY)
    # With the passkey that he has he would come through: he is told so, and not led through a step that is too weak.
    assert "otp-form" not in view.forms
    assert "sign-in-form" in view.forms
    assert "this needs your passkey" in view.text
    assert view.location is None
