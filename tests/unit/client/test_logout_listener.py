"""The route by which an issuer ends sessions of a web application, over an issuer in memory."""

import asyncio
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import pytest
from tests.support.rfc import rfc, standard
from tests.unit.client.logout_shop import Shop

from watchword.client import FileSessionStore, MemorySessionStore, SessionStore
from watchword.testing import FrozenClock, TestIssuer

LOGOUT = "OpenID Connect Back-Channel Logout 1.0"
FORM = {"Content-Type": "application/x-www-form-urlencoded"}


@pytest.fixture(params=["memory", "files"])
def store(request: pytest.FixtureRequest, tmp_path: Path, clock: FrozenClock) -> SessionStore:
    return FileSessionStore(tmp_path / "sessions") if request.param == "files" else MemorySessionStore(clock=clock)


@pytest.fixture
def clock() -> FrozenClock:
    return FrozenClock()


@pytest.fixture
def shop(store: SessionStore, clock: FrozenClock) -> Shop:
    return Shop(store, clock)


@standard(LOGOUT, "2.7")
async def test_a_session_that_is_named_ends_and_no_other(shop: Shop) -> None:
    named, other, strangers = (
        await shop.begun("ada", "s1"),
        await shop.begun("ada", "s2"),
        await shop.begun("bob", "s3"),
    )
    answer = await shop.told(shop.token(sid="s1"))
    assert (answer.status_code, answer.headers["Cache-Control"], answer.content) == (200, "no-store", b"")
    assert [await shop.who(name) for name in (named, other, strangers)] == ["nobody", "ada", "bob"]


@standard(LOGOUT, "2.7")
async def test_a_user_who_is_named_alone_loses_all_sessions_begun_until_then(shop: Shop) -> None:
    old, without_sid = await shop.begun("ada", "s1", ago=100), await shop.begun("ada", ago=5)
    strangers = await shop.begun("bob", "s3", ago=100)
    assert (await shop.told(shop.token())).status_code == 200
    shop.clock.advance(2)
    new = await shop.begun("ada", "s4")
    assert [await shop.who(name) for name in (old, without_sid, strangers, new)] == ["nobody", "nobody", "bob", "ada"]


async def test_a_session_id_alone_is_enough_and_with_another_user_it_names_nobody(shop: Shop) -> None:
    first, second = await shop.begun("ada", "s1"), await shop.begun("ada", "s2")
    assert (await shop.told(shop.token(sid="s1", sub=None))).status_code == 200
    assert (await shop.told(shop.token(sid="s2", sub="bob"))).status_code == 200
    assert [await shop.who(first), await shop.who(second)] == ["nobody", "ada"]


async def test_a_session_that_is_saved_only_afterwards_is_over_as_well(shop: Shop) -> None:
    assert (await shop.told(shop.token(sid="s1"))).status_code == 200
    assert await shop.who(await shop.begun("ada", "s1")) == "nobody"


async def test_tokens_that_come_out_of_order_bring_no_session_back(shop: Shop) -> None:
    late, early = shop.token(), shop.token(iat=int(shop.clock()) - 50, exp=int(shop.clock()) + 50)
    session = await shop.begun("ada", "s1", ago=20)
    assert (await shop.told(late)).status_code == 200
    assert (await shop.told(early)).status_code == 200
    assert await shop.who(session) == "nobody"


@rfc("8417", "2.2")
async def test_a_token_that_comes_late_ends_what_was_there_at_the_ending_and_nothing_since(shop: Shop) -> None:
    old, new = await shop.begun("ada", "s1", ago=7200), await shop.begun("ada", "s2", ago=60)
    assert (await shop.told(shop.token(toe=int(shop.clock()) - 3600))).status_code == 200
    assert [await shop.who(old), await shop.who(new)] == ["nobody", "ada"]


async def test_the_tokens_of_a_session_that_is_over_are_handed_out_no_more(shop: Shop) -> None:
    name = await shop.begun("ada", "s1")
    await shop.told(shop.token(sid="s1"))
    async with shop.calling() as client:
        assert (await client.get("/token", headers={"Cookie": f"__Host-web-login={name}"})).text == "signed_out"
    assert shop.login._sessions.tokens(name).load() is None


async def test_another_process_that_shares_the_store_knows_as_well(shop: Shop, store: SessionStore) -> None:
    name, other = await shop.begun("ada", "s1"), shop.another(store)
    assert await shop.who(name, login=other) == "ada"
    assert (await shop.told(shop.token(sid="s1"), login=other)).status_code == 200
    assert await shop.who(name) == "nobody"


@standard(LOGOUT, "2.6")
async def test_a_token_counts_once(shop: Shop, store: SessionStore) -> None:
    token = shop.token()
    assert (await shop.told(token)).status_code == 200
    answer = await shop.told(token)
    assert (answer.status_code, answer.headers["Cache-Control"]) == (400, "no-store")
    assert answer.json()["error"] == "invalid_request"
    assert (await shop.told(token, login=shop.another(store))).status_code == 400, "nor in another process"
    answers = await asyncio.gather(*(shop.told(other) for other in [shop.token()] * 5))
    assert sorted(one.status_code for one in answers) == [200, 400, 400, 400, 400]


@pytest.mark.parametrize(
    "changed",
    [
        {"typ": "JWT"},
        {"iss": "https://other.test"},
        {"aud": "another"},
        {"exp": 1000},
        {"jti": None},
        {"events": {}},
        {"sub": None},
        {"nonce": "n"},
    ],
)
@standard(LOGOUT, "2.8")
async def test_what_is_no_logout_token_is_400_and_ends_nothing(shop: Shop, changed: dict[str, Any]) -> None:
    name = await shop.begun("ada", "s1")
    answer = await shop.told(shop.token(**changed))
    assert (answer.status_code, answer.headers["Cache-Control"]) == (400, "no-store")
    assert await shop.who(name) == "ada"


@standard(LOGOUT, "2.5")
async def test_only_a_form_with_one_token_is_taken(shop: Shop) -> None:
    token = shop.token()
    good = urlencode({"logout_token": token})
    async with shop.calling() as client:

        async def status(body: str, headers: dict[str, str] = FORM) -> int:
            return (await client.post("/backchannel-logout", content=body, headers=headers)).status_code

        assert await status("") == 400
        assert await status(f"{good}&{good}") == 400
        assert await status(good, {"Content-Type": "application/json"}) == 400
        assert await status(good, {}) == 400
        assert await status("logout_token=" + "x" * 20_000) == 400
        assert await status("logout_token=%ff") == 400
        assert await status("&".join(["x=1"] * 60)) == 400
        assert (await client.get(f"/backchannel-logout?{good}")).status_code == 405
        assert await status(f"{good}&more=1") == 200, "and none of all this has spent the token"


async def test_keys_are_asked_for_once_and_strangers_cannot_make_us_ask_again_and_again(shop: Shop) -> None:
    answers = await asyncio.gather(*(shop.told(shop.token(sid=f"s{n}")) for n in range(8)))
    assert {one.status_code for one in answers} == {200}
    assert shop.wire.asked == 1
    strange = TestIssuer(clock=shop.clock)
    forged = strange.signing_key.sign({"iss": shop.issuer.issuer}, typ="logout+jwt")
    for _ in range(5):
        assert (await shop.told(forged)).status_code == 400
    assert shop.wire.asked == 1, "the keys are as fresh as can be"


async def test_a_new_key_is_found_when_it_is_first_met(shop: Shop) -> None:
    assert (await shop.told(shop.token())).status_code == 200
    shop.issuer.rotate_key()
    shop.clock.advance(31)
    assert (await shop.told(shop.token())).status_code == 200
    assert shop.wire.asked == 2


async def test_a_key_that_was_taken_back_is_believed_for_minutes_at_most(shop: Shop) -> None:
    stolen = shop.issuer.signing_key
    assert (await shop.told(shop.token())).status_code == 200
    shop.issuer.revoke(key=stolen.kid)
    shop.clock.advance(301)
    shop.issuer.signing_key = stolen
    assert (await shop.told(shop.token())).status_code == 400


async def test_without_the_issuers_keys_the_token_may_come_again(shop: Shop) -> None:
    name, token = await shop.begun("ada", "s1"), shop.token(sid="s1")
    shop.wire.away = True
    answer = await shop.told(token)
    assert (answer.status_code, answer.json()["error"]) == (400, "temporarily_unavailable")
    shop.wire.away = False
    assert (await shop.told(token)).status_code == 400, "just asked in vain"
    shop.clock.advance(3)
    assert (await shop.told(token)).status_code == 200
    assert await shop.who(name) == "nobody"


async def test_a_store_in_trouble_loses_nothing_the_token_may_come_again(
    shop: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    token = shop.token(sid="s1")
    sessions = shop.login._sessions

    def full(_: object) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patched:
        patched.setattr(sessions, "_end", full)
        assert (await shop.told(token)).json()["error"] == "temporarily_unavailable"
    assert (await shop.told(token)).status_code == 200
