"""The authorization code: for one client, one verifier, one use; and its challenge, S256 only.

R025-R034; faults 7, 8, 18-22 of the table of peers.
"""

from collections.abc import Awaitable, Callable
from typing import Any

import httpx2
import pytest
from tests.support.cast import basic
from tests.support.chains import PAST_OVERLAP
from tests.support.codes import OTHER_VERIFIER, VERIFIER, challenge_form, code_for, code_form
from tests.support.door import ELSEWHERE, Door
from tests.support.rfc import rfc

from watchword.protocol.pkce import challenge_of
from watchword.server.domain.lifetimes import AUTHORIZATION_CODE
from watchword.server.flows.admin import clients, sessions, users

Act = Callable[[Door], Awaitable[Any]]


async def refused(http: httpx2.AsyncClient, form: dict[str, Any], error: str = "invalid_grant", **request: Any) -> None:
    answer = await http.post("/token", data=form, **request)
    assert answer.json()["error"] == error, answer.text
    assert answer.status_code == (401 if error == "invalid_client" else 400)


async def redeemed(http: httpx2.AsyncClient, code: str) -> dict[str, Any]:
    answer = await http.post("/token", data=code_form(code))
    assert answer.status_code == 200, answer.text
    tokens: dict[str, Any] = answer.json()
    return tokens


@rfc("6749", "4.1.3")
@rfc("7636", "4.5")
async def test_a_code_gives_tokens_to_its_client_with_its_verifier(everywhere: Door) -> None:
    http = everywhere.caller()
    tokens = await redeemed(http, await code_for(http))
    assert tokens["scope"] == "openid orders.read"
    await everywhere.refreshed(http, tokens["refresh_token"])


@rfc("7636", "4.4.1")
@rfc("9700", "2.1.1")
@pytest.mark.parametrize(
    "fields",
    [
        pytest.param({"code_challenge": None}, id="no challenge"),
        pytest.param({"code_challenge": ""}, id="empty challenge"),
        pytest.param({"code_challenge_method": None}, id="no method, which means plain"),
        pytest.param({"code_challenge_method": "plain"}, id="plain"),
        pytest.param({"code_challenge": VERIFIER, "code_challenge_method": "plain"}, id="plain verifier"),
        pytest.param({"code_challenge_method": "s256"}, id="s256"),
        pytest.param({"code_challenge_method": "S512"}, id="S512"),
        pytest.param({"code_challenge": challenge_of(VERIFIER) + "="}, id="padded"),
        pytest.param({"code_challenge": challenge_of(VERIFIER)[:-1]}, id="short"),
        pytest.param({"code_challenge": "+" + challenge_of(VERIFIER)[1:]}, id="not base64url"),
        pytest.param({"code_challenge": "ä" * 43}, id="not ASCII"),
    ],
)
async def test_without_an_s256_challenge_there_is_no_code(
    door: Door, home: httpx2.AsyncClient, fields: dict[str, Any]
) -> None:
    # R025, R026
    answer = await home.post("/authorize-challenge", data=challenge_form(**fields))
    assert (answer.status_code, answer.json()["error"]) == (400, "invalid_request")
    assert door.cheap.verified == 0


@rfc("7636", "4.6")
@rfc("7636", "4.1")
@rfc("9700", "4.8.2")
@pytest.mark.parametrize(
    ("verifier", "error"),
    [
        pytest.param(None, "invalid_request", id="missing"),
        pytest.param("", "invalid_request", id="empty"),
        pytest.param(VERIFIER[:42], "invalid_request", id="42 characters"),
        pytest.param("a" * 129, "invalid_request", id="129 characters"),
        pytest.param(VERIFIER[:-1] + "+", "invalid_request", id="other characters"),
        pytest.param(VERIFIER + "\n", "invalid_request", id="a line break at the end"),
        pytest.param(OTHER_VERIFIER, "invalid_grant", id="another one"),
        pytest.param("a" * 128, "invalid_grant", id="128 characters"),
        pytest.param(challenge_of(VERIFIER), "invalid_grant", id="the challenge itself"),
        pytest.param(VERIFIER.upper(), "invalid_grant", id="upper case"),
    ],
)
async def test_a_code_without_its_verifier_is_refused_and_stays_good(
    everywhere: Door, verifier: str | None, error: str
) -> None:
    # R027, R028, R031
    http = everywhere.caller()
    code = await code_for(http)
    await refused(http, code_form(code, code_verifier=verifier), error)
    await redeemed(http, code)


@rfc("7636", "4.1")
@pytest.mark.parametrize("length", [43, 128])
async def test_verifiers_of_the_shortest_and_the_longest_form_work(home: httpx2.AsyncClient, length: int) -> None:
    verifier = ("aZ9-._~" * 20)[:length]
    code = await code_for(home, verifier=verifier)
    assert (await home.post("/token", data=code_form(code, code_verifier=verifier))).status_code == 200


@rfc("6749", "4.1.3")
@rfc("9700", "4.5")
async def test_a_code_is_its_clients_alone(everywhere: Door) -> None:
    # R029; faults 7 and 8.
    http = everywhere.caller()
    code = await code_for(http)
    await refused(http, code_form(code, client_id="other"))
    await refused(http, code_form(code, client_id=None), headers=basic("backend"))
    await refused(http, code_form(code, client_id=None), "unauthorized_client", headers=basic("machine"))
    await redeemed(http, code)


@rfc("6749", "4.1.3")
async def test_a_redirect_uri_that_was_never_used_is_refused(home: httpx2.AsyncClient) -> None:
    code = await code_for(home)
    await refused(home, code_form(code, redirect_uri="https://app.example/callback"))


@rfc("6749", "4.1.2")
@rfc("9700", "4.5")
async def test_a_replay_from_elsewhere_ends_what_the_code_gave(everywhere: Door) -> None:
    # R030; fault 20. Client and verifier are right, so whoever it is has seen all.
    http = everywhere.caller()
    code = await code_for(http)
    tokens = await redeemed(http, code)
    await refused(everywhere.caller(ELSEWHERE), code_form(code))
    answer = await everywhere.refresh(http, tokens["refresh_token"])
    assert (answer.status_code, answer.json()["error"]) == (400, "invalid_grant")
    active = await http.post("/introspect", data={"token": tokens["access_token"]}, headers=basic("orders"))
    assert active.json() == {"active": False}
    assert "code.replayed" in await everywhere.kinds()


async def test_a_replay_by_the_same_caller_within_the_overlap_is_a_lost_answer(everywhere: Door) -> None:
    http = everywhere.caller()
    code = await code_for(http)
    tokens = await redeemed(http, code)
    everywhere.clock.advance(PAST_OVERLAP - 2)
    await refused(http, code_form(code))
    await everywhere.refreshed(http, tokens["refresh_token"])
    assert "code.replayed" not in await everywhere.kinds()


async def test_a_replay_by_the_same_caller_after_the_overlap_ends_the_grant(everywhere: Door) -> None:
    http = everywhere.caller()
    code = await code_for(http)
    tokens = await redeemed(http, code)
    everywhere.clock.advance(PAST_OVERLAP)
    await refused(http, code_form(code))
    await refused(http, {"grant_type": "refresh_token", "client_id": "web", "refresh_token": tokens["refresh_token"]})


@rfc("9700", "4.5")
async def test_a_replay_without_the_right_client_or_verifier_changes_nothing(everywhere: Door) -> None:
    # R031: a thief of the code alone must not be able to log the user out.
    http, thief = everywhere.caller(), everywhere.caller(ELSEWHERE)
    code = await code_for(http)
    tokens = await redeemed(http, code)
    everywhere.clock.advance(PAST_OVERLAP)
    await refused(thief, code_form(code, code_verifier=OTHER_VERIFIER))
    await refused(thief, code_form(code, code_verifier=None), "invalid_request")
    await refused(thief, code_form(code, client_id="other"))
    await everywhere.refreshed(http, tokens["refresh_token"])
    assert "grant.ended" not in await everywhere.kinds()


@rfc("6749", "4.1.2")
async def test_a_code_lives_for_a_minute(everywhere: Door) -> None:
    # R032
    http = everywhere.caller()
    early, late = await code_for(http), await code_for(http)
    everywhere.clock.advance(AUTHORIZATION_CODE - 1)
    await redeemed(http, early)
    everywhere.clock.advance(1)
    await refused(http, code_form(late))


@rfc("6749", "10.10")
async def test_codes_are_long_and_never_the_same(home: httpx2.AsyncClient) -> None:
    # R033
    codes = {await code_for(home) for _ in range(50)}
    assert len(codes) == 50
    assert min(map(len, codes)) >= 43


@rfc("6749", "4.1.3")
@pytest.mark.parametrize("what", ["refresh_token", "access_token", "sid"])
async def test_other_things_of_ours_do_not_pass_for_codes(door: Door, home: httpx2.AsyncClient, what: str) -> None:
    # Fault 19: one store of single-use things, and one taken for another.
    tokens = await door.sign_in(home)
    await refused(home, code_form(tokens[what]))


async def disable_user(door: Door) -> None:
    await users.disable(door.parts, "ada")


async def disable_user_for_a_while(door: Door) -> None:
    await users.disable(door.parts, "ada")
    await users.enable(door.parts, "ada")


async def log_out_everywhere(door: Door) -> None:
    await sessions.revoke_all(door.parts, "ada")


async def another_password(door: Door) -> None:
    await users.set_password(door.parts, "ada", "some other words in a row")


async def delete_user(door: Door) -> None:
    await users.delete(door.parts, "ada")


@pytest.mark.parametrize(
    "act", [disable_user, disable_user_for_a_while, log_out_everywhere, another_password, delete_user]
)
async def test_a_code_from_before_the_users_sessions_were_ended_is_worth_nothing(everywhere: Door, act: Act) -> None:
    # The epoch needs no clock and catches a sign-in in flight (DESIGN section 6).
    http = everywhere.caller()
    code = await code_for(http)
    await act(everywhere)
    await refused(http, code_form(code))


async def test_a_code_of_a_client_that_was_disabled_is_worth_nothing(everywhere: Door) -> None:
    http = everywhere.caller()
    code = await code_for(http)
    await clients.disable(everywhere.parts, "web")
    everywhere.clock.advance(2)
    await refused(http, code_form(code), "invalid_client")
