"""Token revocation: what a client hands back is dead, everywhere, and nothing else is.

R058, R086-R088; fault 16 of the table of peers.
"""

from typing import Any

import httpx2
import pytest
from tests.support.cast import CLIENT_SECRET, basic
from tests.support.chains import chain
from tests.support.codes import code_for
from tests.support.door import ELSEWHERE, Door
from tests.support.rfc import rfc

from watchword.server.domain import revocation


async def revoke(http: httpx2.AsyncClient, token: str, **fields: Any) -> httpx2.Response:
    form = {"client_id": "web", "token": token, **fields}
    return await http.post("/revoke", data={name: value for name, value in form.items() if value is not None})


async def active(http: httpx2.AsyncClient, token: str) -> bool:
    answer = await http.post("/introspect", data={"token": token}, headers=basic("orders"))
    assert answer.status_code == 200
    return bool(answer.json()["active"])


@rfc("7009", "2.1")
@rfc("9700", "4.14.2")
@pytest.mark.parametrize("age", [1, 2, 4], ids=["the live one", "the redeemed one", "the first one"])
async def test_any_refresh_token_of_the_chain_ends_grant_and_access_tokens(everywhere: Door, age: int) -> None:
    http = everywhere.caller()
    tokens = await chain(everywhere, http, length=3)
    last = await everywhere.refreshed(http, tokens[-1])
    tokens.append(last["refresh_token"])
    answer = await revoke(http, tokens[-age])
    assert (answer.status_code, answer.content) == (200, b"")
    assert answer.headers["cache-control"] == "no-store"
    assert (await everywhere.refresh(http, tokens[-1])).status_code == 400
    assert not await active(http, last["access_token"])
    assert (await everywhere.kinds())[0] == "grant.ended"


@rfc("7009", "2.1")
async def test_an_access_token_is_revoked_alone(everywhere: Door) -> None:
    http = everywhere.caller()
    first = await everywhere.sign_in(http)
    second = await everywhere.refreshed(http, first["refresh_token"])
    assert (await revoke(http, first["access_token"])).status_code == 200
    assert not await active(http, first["access_token"])
    assert await active(http, second["access_token"])
    await everywhere.refreshed(http, second["refresh_token"])


@rfc("7009", "2.2")
async def test_another_session_of_the_same_user_lives_on(everywhere: Door) -> None:
    http = everywhere.caller()
    one, other = await everywhere.sign_in(http), await everywhere.sign_in(http)
    await revoke(http, one["refresh_token"])
    assert await active(http, other["access_token"])
    await everywhere.refreshed(http, other["refresh_token"])


@rfc("7009", "2.2")
async def test_unknown_dead_and_foreign_tokens_are_answered_with_200(door: Door, home: httpx2.AsyncClient) -> None:
    # R086
    tokens = await door.sign_in(home)
    mine = tokens["refresh_token"]
    for token in ("x", "a.b.c", "wwr_x", mine[:-1] + "!", "x" * 30_000, "ä", await code_for(home), tokens["id_token"]):
        answer = await revoke(home, token)
        assert (answer.status_code, answer.content) == (200, b""), token[:20]
    await door.refreshed(home, mine)
    for _ in range(2):
        assert (await revoke(home, mine)).status_code == 200
    assert (await door.kinds()).count("grant.ended") == 1
    door.clock.advance(100 * 86_400)
    assert (await revoke(home, mine)).status_code == 200
    assert (await revoke(home, tokens["access_token"])).status_code == 200


@rfc("7009", "2.1")
@pytest.mark.parametrize("hint", ["refresh_token", "access_token", "id_token", "nonsense", ""])
@pytest.mark.parametrize("kind", ["refresh_token", "access_token"])
async def test_the_hint_is_only_a_hint(door: Door, home: httpx2.AsyncClient, kind: str, hint: str) -> None:
    tokens = await door.sign_in(home)
    assert (await revoke(home, tokens[kind], token_type_hint=hint)).status_code == 200
    assert not await active(home, tokens["access_token"])
    assert (await door.refresh(home, tokens["refresh_token"])).status_code == (400 if kind == "refresh_token" else 200)


@rfc("7009", "2.1")
@pytest.mark.parametrize("kind", ["refresh_token", "access_token"])
async def test_another_clients_token_is_not_revoked(everywhere: Door, kind: str) -> None:
    # R087
    http = everywhere.caller()
    tokens = await everywhere.sign_in(http)
    stranger = everywhere.caller(ELSEWHERE)
    answer = await revoke(stranger, tokens[kind], client_id="other")
    assert (answer.status_code, answer.json()["error"]) == (400, "invalid_grant")
    for client_id in ("orders", "backend", "machine"):
        await stranger.post("/revoke", data={"token": tokens[kind]}, headers=basic(client_id))
    assert await active(http, tokens["access_token"])
    await everywhere.refreshed(http, tokens["refresh_token"])


@rfc("7009", "2.1")
@pytest.mark.parametrize(
    ("fields", "headers"),
    [
        ({"client_id": None}, {}),
        ({"client_id": "nobody"}, {}),
        ({"client_id": "backend"}, {}),
        ({"client_id": "backend", "client_secret": CLIENT_SECRET}, {}),
        ({"client_id": None}, basic("backend", "wrong")),
    ],
    ids=["no client", "unknown client", "no secret", "another method", "wrong secret"],
)
async def test_the_client_must_prove_to_be_itself(
    door: Door, home: httpx2.AsyncClient, fields: dict[str, Any], headers: dict[str, str]
) -> None:
    # R037
    tokens = await door.sign_in(door.caller(**basic("backend")), client_id="backend")
    form = {"token": tokens["refresh_token"], **{name: value for name, value in fields.items() if value is not None}}
    answer = await home.post("/revoke", data=form, headers=headers)
    assert (answer.status_code, answer.json()["error"]) == (401, "invalid_client")
    assert answer.headers["www-authenticate"].startswith("Basic ")
    assert answer.headers["cache-control"] == "no-store"
    assert await active(home, tokens["access_token"])


@rfc("7009", "2.1")
async def test_a_client_may_revoke_its_own_token_for_itself(everywhere: Door) -> None:
    http = everywhere.caller()
    form = {"grant_type": "client_credentials"}
    mine, other = [
        (await http.post("/token", data=form, headers=basic("machine"))).json()["access_token"] for _ in range(2)
    ]
    assert (await http.post("/revoke", data={"token": mine}, headers=basic("machine"))).status_code == 200
    assert not await active(http, mine)
    assert await active(http, other)


async def test_a_client_that_revokes_a_thousand_tokens_is_cut_off_once(door: Door, home: httpx2.AsyncClient) -> None:
    # DESIGN section 6: more than 1,000 live entries of a client collapse into one.
    form = {"grant_type": "client_credentials"}
    end = door.clock.now() + 900
    async with door.parts.storage.write() as tx:
        for n in range(1000):
            await tx.revoke(revocation.of_token(f"token-{n}", client_id="machine", expires_at=end))
    bystander, mine = [
        (await home.post("/token", data=form, headers=basic("machine"))).json()["access_token"] for _ in range(2)
    ]
    assert (await home.post("/revoke", data={"token": mine}, headers=basic("machine"))).status_code == 200
    assert not await active(home, mine)
    page = await door.parts.storage.log_after(1000, now=door.clock.now(), limit=10)
    assert [(entry.client_id, entry.jti) for entry in page.entries] == [("machine", None)]
    assert not await active(home, bystander)
    door.clock.advance(1)
    later = (await home.post("/token", data=form, headers=basic("machine"))).json()["access_token"]
    assert await active(home, later)


@rfc("7009", "2.1")
async def test_the_token_must_be_there(home: httpx2.AsyncClient) -> None:
    for form in ({"client_id": "web"}, {"client_id": "web", "token": ""}):
        answer = await home.post("/revoke", data=form)
        assert (answer.status_code, answer.json()["error"]) == (400, "invalid_request")


@rfc("7009", "2.2.1")
@pytest.mark.parametrize("kind", ["refresh_token", "access_token"])
async def test_success_is_said_only_when_it_is_durable(everywhere: Door, kind: str) -> None:
    # R088; fault 16: a storage error reported as success.
    http = everywhere.caller()
    tokens = await everywhere.sign_in(http)
    for point in range(30):
        everywhere.trouble.listen(fails_at=point)
        answer = await revoke(http, tokens[kind])
        failed = len(everywhere.trouble.operations) > point
        everywhere.trouble.listen()
        assert answer.status_code == (503 if failed else 200)
        assert await active(http, tokens["access_token"]) is failed
        if not failed:
            break
        assert int(answer.headers["retry-after"]) > 0
    else:
        raise AssertionError("it never got through")
    assert point >= 3
