"""The claims parameter at the doors: what is demanded of the sign-in, and what the ID token tells."""

import json
from typing import Any

import pytest
from tests.support.door import Door
from tests.support.passkey_pages import sign_in_with, with_passkey
from tests.support.rfc import rfc, standard
from tests.support.visitor import Visitor, read_id_token

from watchword.protocol.authentication_class import ACR_PASSKEY, ACR_PASSWORD, ACR_TWO_FACTOR

CORE = "OpenID Connect Core 1.0"


def claims(**members: Any) -> str:
    return json.dumps(members)


@standard(CORE, "5.5")
async def test_a_claim_that_is_asked_for_stands_in_the_id_token_if_the_scope_covers_it(everywhere: Door) -> None:
    asked = claims(id_token={"preferred_username": None, "email": {"essential": True}, "nickname": None})
    with_profile = read_id_token(everywhere, await Visitor(everywhere).tokens(scope="openid profile", claims=asked))
    assert with_profile["preferred_username"] == "ada"
    assert "email" not in with_profile
    assert "nickname" not in with_profile
    without = read_id_token(everywhere, await Visitor(everywhere).tokens(scope="openid", claims=asked))
    assert "preferred_username" not in without
    unasked = read_id_token(everywhere, await Visitor(everywhere).tokens(scope="openid profile"))
    assert "preferred_username" not in unasked


@standard(CORE, "5.5.1.1")
async def test_a_class_of_sign_in_in_claims_and_one_in_acr_values_are_both_demanded(everywhere: Door) -> None:
    visitor = Visitor(everywhere)
    password = claims(id_token={"acr": {"essential": True, "values": [ACR_PASSWORD]}})
    two_factor = claims(id_token={"acr": {"essential": True, "value": ACR_TWO_FACTOR}})
    foreign = claims(id_token={"acr": {"essential": True, "values": ["urn:of:somebody:else"]}})
    assert read_id_token(everywhere, await visitor.tokens(claims=password))["acr"] == ACR_PASSWORD
    for asked, acr_values in ((password, ACR_PASSKEY), (two_factor, ACR_PASSWORD)):
        assert (await visitor.visit(claims=asked, acr_values=acr_values)).problem == "out_of_reach"
    for asked, demanded in ((foreign, None), (foreign, ACR_PASSWORD), (password, "urn:of:somebody:else")):
        refused = await visitor.ask(claims=asked, acr_values=demanded)
        assert refused.answer["error"] == "unmet_authentication_requirements"


@standard(CORE, "5.5.1.1")
@pytest.mark.parametrize("wished", [ACR_PASSKEY, ACR_TWO_FACTOR, "urn:of:somebody:else"])
async def test_a_class_that_is_only_wished_for_is_no_error_where_the_user_cannot_have_it(
    everywhere: Door, wished: str
) -> None:
    visitor = Visitor(everywhere)
    asked = claims(id_token={"acr": {"values": [wished]}})
    assert read_id_token(everywhere, await visitor.tokens(claims=asked))["acr"] == ACR_PASSWORD
    assert "code" in (await visitor.ask(claims=asked, prompt="none")).answer
    demanded = await visitor.visit(claims=asked, acr_values=ACR_TWO_FACTOR)
    assert demanded.problem == "out_of_reach", "a wish does not undo a demand"


@standard(CORE, "5.5.1.1")
async def test_a_class_that_is_wished_for_is_asked_of_who_can_have_it(everywhere: Door) -> None:
    visitor = Visitor(everywhere)
    await visitor.tokens()
    passkey = await with_passkey(visitor)
    asked = claims(id_token={"acr": {"values": [ACR_PASSKEY]}})
    assert "code" in (await visitor.ask(claims=asked, prompt="none")).answer, "nobody may be asked there"
    view = await sign_in_with(visitor, passkey, await visitor.visit(claims=asked))
    tokens = (await visitor.redeem(view.answer["code"])).json()
    assert read_id_token(everywhere, tokens)["acr"] == ACR_PASSKEY


@standard(CORE, "5.5.1")
async def test_a_subject_in_claims_is_the_user_or_nobody(everywhere: Door) -> None:
    visitor = Visitor(everywhere)
    first = read_id_token(everywhere, await visitor.tokens())
    his = claims(id_token={"sub": {"value": first["sub"]}})
    assert "code" in (await visitor.ask(prompt="none", claims=his)).answer
    another = claims(id_token={"sub": {"value": "somebody-else"}})
    assert (await visitor.ask(prompt="none", claims=another)).answer["error"] == "login_required"


@standard(CORE, "5.5")
@pytest.mark.parametrize("text", ["{", "[]", '{"id_token": {"acr": 1}}', claims(x="y" * 5000)], ids=range(4))
async def test_claims_that_are_none_are_refused_and_the_application_hears_of_it(door: Door, text: str) -> None:
    visitor = Visitor(door)
    await visitor.signed_in()
    assert (await visitor.ask(claims=text)).answer["error"] == "invalid_request"


@rfc("9470", "5")
@pytest.mark.parametrize("wanted", [ACR_TWO_FACTOR, ACR_PASSKEY])
async def test_who_cannot_sign_in_as_strongly_as_asked_is_told_so_and_does_not_go_in_a_circle(
    everywhere: Door, wanted: str
) -> None:
    visitor = Visitor(everywhere)
    view = await visitor.sign_in(await visitor.visit(acr_values=wanted))
    assert view.status == 403
    assert 'data-problem="out_of_reach"' in view.text
    assert "unmet_authentication_requirements" in view.text
    silent = await visitor.ask(acr_values=wanted, prompt="none")
    assert silent.answer["error"] == "login_required"
