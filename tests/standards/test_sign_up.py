"""Sign-up at the simple door, where the operator left it open.

R078, R105, R108, R109; DESIGN section 9.
"""

import asyncio
from typing import Any

import httpx2
import pytest
from tests.standards.conftest import OpenDoor
from tests.support.cast import APP_ORIGIN, PASSWORD, bearer
from tests.support.door import ELSEWHERE, Door
from tests.support.rfc import rfc, standard

from watchword.server.flows.admin import users

EVE = {"username": "eve", "password": "four words in a row"}


@pytest.fixture
async def open_house(open_door: OpenDoor) -> Door:
    """A door whose sign-up is open."""
    return await open_door(sign_up_open=True)


async def test_sign_up_is_closed_unless_the_operator_opens_it(door: Door, home: httpx2.AsyncClient) -> None:
    answer = await home.post("/users", json=EVE)
    assert answer.status_code == 403
    assert answer.json()["error"] == "sign_up_closed"
    async with door.parts.storage.read() as reading:
        assert await reading.user_by_name("eve") is None


async def test_who_signed_up_can_sign_in(sign_up_everywhere: Door) -> None:
    door, http = sign_up_everywhere, sign_up_everywhere.caller()
    answer = await http.post("/users", json=EVE)
    assert answer.status_code == 201
    assert answer.headers["cache-control"] == "no-store"
    assert set(answer.json()) == {"sub", "username"}
    body = {"client_id": "web", **EVE}
    tokens = (await http.post("/session", json=body)).json()
    assert door.read(tokens["access_token"]).subject == answer.json()["sub"]
    assert "orders.admin" not in tokens["scope"]
    assert await door.kinds() == ["session.started", "user.signed_up"]


@standard("OpenID Connect Core 1.0", "5.7")
async def test_an_email_of_ones_own_telling_is_not_verified(open_house: Door) -> None:
    http = open_house.caller()
    assert (await http.post("/users", json={**EVE, "email": "ada@example.org"})).status_code == 201
    tokens = (await http.post("/session", json={"client_id": "web", **EVE, "scope": "openid email"})).json()
    answer = await http.get("/userinfo", headers=bearer(tokens["access_token"]))
    assert (answer.json()["email"], answer.json()["email_verified"]) == ("ada@example.org", False)


@pytest.mark.parametrize("name", ["ada", "ADA", " ada ", "\uff41\uff44\uff41", "Ada"])
async def test_a_taken_name_is_taken_in_every_spelling(open_house: Door, name: str) -> None:
    answer = await open_house.caller().post("/users", json={**EVE, "username": name})
    assert (answer.status_code, answer.json()["error"]) == (409, "username_taken")
    assert set(answer.json()) == {"error", "error_description"}


async def test_of_many_who_want_one_name_at_once_one_gets_it(open_house: Door) -> None:
    https = [open_house.caller((f"198.51.{n}.1", 1)) for n in range(5)]
    answers = await asyncio.gather(*(http.post("/users", json=EVE) for http in https))
    assert sorted(answer.status_code for answer in answers) == [201, 409, 409, 409, 409]


@rfc("9700", "4.15")
@standard("OWASP ASVS 5.0", "10.3.3")
async def test_a_name_that_was_free_again_is_another_person(open_house: Door) -> None:
    # R078; fault 72: identifiers that are used again give the new holder the old one's things.
    http = open_house.caller()
    first = (await http.post("/users", json=EVE)).json()["sub"]
    tokens = (await http.post("/session", json={"client_id": "web", **EVE})).json()
    await users.delete(open_house.parts, "eve")
    second = (await http.post("/users", json=EVE)).json()["sub"]
    assert first != second
    assert (await open_house.refresh(http, tokens["refresh_token"])).status_code == 400
    answer = await http.get("/userinfo", headers=bearer(tokens["access_token"]))
    assert answer.status_code == 401


@pytest.mark.parametrize(
    "fields",
    [
        {"username": None},
        {"username": ""},
        {"username": "   "},
        {"username": "e" * 129},
        {"username": "e\u200bve"},
        {"username": "e\x07ve"},
        {"username": "\u3164"},
        {"password": None},
        {"password": ""},
        {"email": "no address"},
        {"email": "a@b@"},
        {"email": "eve@nowhere"},
        {"email": "eve@example.org\r\nbcc: x@example.org"},
        {"email": "e" * 250 + "@example.org"},
    ],
    ids=lambda fields: repr(fields)[:40],
)
async def test_what_is_no_name_or_address_is_refused(open_house: Door, fields: dict[str, Any]) -> None:
    answer = await open_house.caller().post("/users", json={**EVE, **fields})
    assert (answer.status_code, answer.json()["error"]) == (400, "invalid_request")
    assert await open_house.kinds() == []


@standard("OWASP ASVS 5.0", "6.3.8")
async def test_asking_for_names_is_slow(sign_up_everywhere: Door) -> None:
    # That a name is taken cannot be hidden, so asking is throttled, for taken and free names alike.
    door, http = sign_up_everywhere, sign_up_everywhere.caller()
    answers = [await http.post("/users", json={**EVE, "username": "ada"}) for _ in range(25)]
    statuses = [answer.status_code for answer in answers]
    assert statuses[0] == 409
    assert statuses[-1] == 429
    assert answers[-1].json()["error"] == "too_many_requests"
    wait = int(answers[-1].headers["retry-after"])
    assert 0 < wait <= 3600
    # The same network is slowed, another one is not, and the wait ends.
    neighbour = door.caller(("203.0.113.200", 1))
    assert (await neighbour.post("/users", json=EVE)).status_code == 429
    assert (await door.caller(ELSEWHERE).post("/users", json=EVE)).status_code == 201
    door.clock.advance(wait)
    assert (await http.post("/users", json={**EVE, "username": "ada"})).status_code == 409


async def test_only_pages_of_registered_origins_may_sign_users_up(open_house: Door) -> None:
    http = open_house.caller()
    for origin in ("https://evil.example", "null"):
        answer = await http.post("/users", json=EVE, headers={"origin": origin})
        assert (answer.status_code, answer.json()["error"]) == (403, "access_denied")
    assert (await http.post("/users", json=EVE, headers={"origin": APP_ORIGIN})).status_code == 201


async def test_no_member_makes_more_of_a_user_than_he_is(open_house: Door) -> None:
    http = open_house.caller()
    more = {"roles": ["admin"], "email_verified": True, "sub": "A" * 22, "enabled": True, "epoch": 7}
    answer = await http.post("/users", json={**EVE, **more})
    assert answer.status_code == 201
    async with open_house.parts.storage.read() as reading:
        user = await reading.user(answer.json()["sub"])
    assert user is not None
    assert (user.roles, user.email_verified, user.epoch) == (frozenset(), False, 0)
    assert user.sub != "A" * 22


async def test_a_full_password_queue_is_503_and_makes_nobody(open_house: Door) -> None:
    http = open_house.caller()
    open_house.cheap.busy = True
    answer = await http.post("/users", json=EVE)
    assert (answer.status_code, answer.json()["error"]) == (503, "temporarily_unavailable")
    assert int(answer.headers["retry-after"]) > 0
    open_house.cheap.busy = False
    assert (await http.post("/users", json=EVE)).status_code == 201


async def test_the_password_does_not_come_back(open_house: Door) -> None:
    http = open_house.caller()
    for fields in ({"password": "short"}, {"username": "ada"}, {"email": "x"}, {}):
        answer = await http.post("/users", json={**EVE, "password": PASSWORD, **fields})
        assert PASSWORD not in answer.text
        assert "short" not in answer.text
