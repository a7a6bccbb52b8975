"""Minting, sign-in and the start of a session, where the doors cannot show it."""

from dataclasses import replace

import pytest
from tests.support.builders import a_grant, a_standing
from tests.support.cast import ORDERS, PASSWORD, user_named
from tests.support.door import Door
from tests.support.fake_ports import CheapVerdict

from watchword.protocol.authentication_class import ACR_PASSWORD
from watchword.protocol.errors import (
    InvalidCredentials,
    InvalidGrant,
    InvalidScope,
    InvalidTarget,
    TemporarilyUnavailable,
)
from watchword.protocol.scope import Scope
from watchword.server.domain import permission
from watchword.server.domain.session import Authentication
from watchword.server.flows import minting, session_start
from watchword.server.flows.sign_in import PasswordSignIn, sign_in

OFFERED = PasswordSignIn(username="ada", password=PASSWORD, network="203.0.113.0/24")


async def test_an_access_token_never_outlives_its_grant(door: Door) -> None:
    now = door.clock.now()
    offer = await door.parts.directory.offer(now=now)
    scope = Scope.parse("orders.read")
    for left, expected in ((3600, 900), (900, 900), (10, 10), (0.5, 1)):
        grant = a_grant(absolute_end=now + left, scope=scope, audiences=(ORDERS,))
        tokens = minting.for_user(
            door.parts, grant, a_standing(), offer=offer, audience=ORDERS, scope=scope, answer=None, now=now
        )
        assert tokens.expires_in == expected


async def test_without_a_signing_key_it_is_trouble_that_passes(door: Door) -> None:
    now = door.clock.now()
    offer = await door.parts.directory.offer(now=now)
    client = await door.parts.directory.client("machine", now=now)
    assert client is not None
    door.parts.signer.load([])
    with pytest.raises(TemporarilyUnavailable) as caught:
        minting.for_client(door.parts, client, offer=offer, audience=ORDERS, scope=client.scope, now=now)
    assert caught.value.retry_after == 2


def test_what_the_permission_rule_refuses_has_one_word_on_the_wire() -> None:
    with pytest.raises(InvalidTarget):
        minting.raise_refusal(permission.NoSuchTarget("x"))
    with pytest.raises(InvalidScope):
        minting.raise_refusal(permission.NothingGranted("x"))
    with pytest.raises(InvalidScope):
        minting.asked_scope("two  spaces")
    with pytest.raises(InvalidTarget):
        minting.one_resource((ORDERS, ORDERS))


async def test_a_hash_of_weaker_parameters_is_made_anew_at_the_next_sign_in(
    door: Door, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def verify(_: str, hashed: str | None) -> CheapVerdict:
        return CheapVerdict(right=hashed is not None, outdated=hashed == "old")

    monkeypatch.setattr(door.cheap, "verify", verify)
    async with door.parts.storage.write() as tx:
        await tx.put_user(user_named("ada", password_hash="old"))
    await sign_in(door.parts, OFFERED, now=door.clock.now())
    async with door.parts.storage.read() as reading:
        user = await reading.user_by_name("ada")
    assert user is not None
    assert user.password_hash == user_named("ada").password_hash


async def test_a_password_that_was_changed_meanwhile_is_not_put_back(
    door: Door, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def verify(_: str, hashed: str | None) -> CheapVerdict:
        # Between the check and the renewal somebody sets another password.
        async with door.parts.storage.write() as tx:
            await tx.put_user(user_named("ada", password_hash="newer"))
        return CheapVerdict(right=hashed is not None, outdated=True)

    monkeypatch.setattr(door.cheap, "verify", verify)
    await sign_in(door.parts, OFFERED, now=door.clock.now())
    async with door.parts.storage.read() as reading:
        user = await reading.user_by_name("ada")
    assert user is not None
    assert user.password_hash == "newer"


async def test_a_user_without_a_password_cannot_sign_in_by_one(door: Door) -> None:
    async with door.parts.storage.write() as tx:
        await tx.put_user(user_named("ada", password_hash=None))
    for password in (PASSWORD, "None", ""):
        with pytest.raises(InvalidCredentials):
            await sign_in(door.parts, replace(OFFERED, password=password), now=door.clock.now())


@pytest.mark.parametrize("change", [{"enabled": False}, {"epoch": 1}], ids=["disabled", "logged out everywhere"])
async def test_a_session_does_not_start_for_who_was_shut_out_since_he_signed_in(
    door: Door, change: dict[str, int]
) -> None:
    now = door.clock.now()
    user = user_named("ada")
    client = await door.parts.directory.client("web", now=now)
    assert client is not None
    proof = Authentication(sub=user.sub, epoch=0, auth_time=int(now), acr=ACR_PASSWORD, amr=("pwd",))
    beginning = session_start.Beginning(
        authentication=proof, client=client, scope=client.scope, audiences=(ORDERS,), device="", now=now
    )
    async with door.parts.storage.write() as tx:
        await tx.put_user(user_named("ada", **change))
    with pytest.raises(InvalidGrant):
        async with door.parts.storage.write() as tx:
            await session_start.start(door.parts, tx, beginning)
    async with door.parts.storage.read() as reading:
        assert await reading.sessions_of(user.sub) == []
