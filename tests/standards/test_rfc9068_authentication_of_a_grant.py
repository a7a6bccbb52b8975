"""What a token says of the sign-in is that of the sign-in it was given for, whatever sign-in comes after.

Otherwise a stolen or unrelated refresh token would get stronger as soon as its user steps up somewhere else.
"""

from typing import Any

import pytest
from tests.support.door import Door
from tests.support.passkey_pages import sign_in_with, with_passkey
from tests.support.rfc import rfc, standard
from tests.support.visitor import Visitor, read_id_token, refresh

from watchword.protocol.authentication_class import ACR_PASSKEY, ACR_PASSWORD
from watchword.protocol.rejection import TokenRejected
from watchword.protocol.step_up import SignInDemand

CORE = "OpenID Connect Core 1.0"


def of_sign_in(door: Door, tokens: dict[str, Any]) -> tuple[Any, ...]:
    """What the two tokens say of the sign-in; they agree."""
    inside, beside = door.read(tokens["access_token"]).claims, read_id_token(door, tokens)
    said = tuple(inside[name] for name in ("acr", "amr", "auth_time"))
    assert said == tuple(beside[name] for name in ("acr", "amr", "auth_time"))
    return said


@rfc("9068", "2.2.1")
@rfc("9470", "6.2")
@standard(CORE, "12.2")
async def test_a_refresh_does_not_get_stronger_when_the_user_steps_up_elsewhere(everywhere: Door) -> None:
    ada = Visitor(everywhere)
    tokens = await ada.tokens("spa")
    before = of_sign_in(everywhere, tokens)
    assert before[0] == ACR_PASSWORD
    key = await with_passkey(ada)
    everywhere.clock.advance(7200)
    await sign_in_with(ada, key)
    later = (await refresh(everywhere, tokens, client_id="spa")).json()
    assert of_sign_in(everywhere, later) == before
    demand = SignInDemand.of(max_age=300, acr_values=ACR_PASSKEY)
    assert demand is not None
    with pytest.raises(TokenRejected, match=r"token\.(acr|auth_time)"):
        everywhere.read(later["access_token"]).judge_sign_in(demand, now=everywhere.clock.now(), leeway=10)


@rfc("9068", "2.2.1")
async def test_a_refresh_does_not_get_weaker_either(everywhere: Door) -> None:
    ada = Visitor(everywhere)
    key = await with_passkey(ada)
    await sign_in_with(ada, key)
    tokens = await ada.tokens()
    before = of_sign_in(everywhere, tokens)
    assert before[0] == ACR_PASSKEY
    everywhere.clock.advance(60)
    view = await ada.visit(prompt="login")
    await ada.sign_in(view)
    assert of_sign_in(everywhere, (await refresh(everywhere, tokens)).json()) == before


@rfc("9068", "2.2.1")
async def test_a_code_tells_of_the_sign_in_it_was_given_for(everywhere: Door) -> None:
    ada = Visitor(everywhere)
    key = await with_passkey(ada)
    await sign_in_with(ada, key)
    await ada.tokens()
    code = await ada.code(acr_values=ACR_PASSKEY)
    everywhere.clock.advance(5)
    await ada.sign_in(await ada.visit(prompt="login"))
    assert of_sign_in(everywhere, (await ada.redeem(code)).json())[0] == ACR_PASSKEY
