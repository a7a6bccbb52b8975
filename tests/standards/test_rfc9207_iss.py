"""Who answers is said in every answer.

R010.
"""

import pytest
from tests.standards.conftest import OpenDoor
from tests.support.door import ISSUER, PUBLIC_ISSUER, Door
from tests.support.rfc import rfc
from tests.support.visitor import Visitor

from watchword.protocol.metadata import well_known


@rfc("9207", "2")
@pytest.mark.parametrize("mode", ["query", "form_post"])
async def test_every_answer_names_its_issuer(everywhere: Door, mode: str) -> None:
    visitor = Visitor(everywhere)
    silent = await visitor.ask(prompt="none", response_mode=mode)
    assert (silent.answer["error"], silent.answer["iss"]) == ("login_required", ISSUER)
    granted = await visitor.arrive(response_mode=mode)
    assert ("code" in granted.answer, granted.answer["iss"]) == (True, ISSUER)
    asked = await visitor.visit(response_mode=mode, prompt="consent")
    denied = await visitor.decide(asked, "deny")
    assert (denied.answer["error"], denied.answer["iss"]) == ("access_denied", ISSUER)
    wrong = await visitor.ask(response_mode=mode, response_type="token")
    assert (wrong.answer["error"], wrong.answer["iss"]) == ("unsupported_response_type", ISSUER)


@rfc("9207", "3")
@pytest.mark.parametrize("issuer", [ISSUER, PUBLIC_ISSUER, "https://example.com/auth"])
async def test_it_is_the_issuer_of_the_metadata(open_door: OpenDoor, issuer: str) -> None:
    door = await open_door(issuer=issuer, trusted=[])
    visitor = Visitor(door)
    found = (await visitor.http.get(well_known(issuer))).json()
    assert found["authorization_response_iss_parameter_supported"] is True
    answer = await visitor.http.get(
        found["authorization_endpoint"],
        params={"client_id": "shop", "redirect_uri": "https://shop.example/callback", "prompt": "none"},
    )
    assert f"iss={issuer.replace(':', '%3A').replace('/', '%2F')}" in answer.headers["location"]
    assert found["issuer"] == issuer


@rfc("9207", "2.4")
async def test_no_parameter_of_the_request_stands_in_its_place(door: Door) -> None:
    view = await Visitor(door).arrive(iss="https://evil.example", state="&iss=https://evil.example")
    assert view.answer["iss"] == ISSUER
    assert view.location is not None
    assert view.location.count("iss=") == 1
