"""Users, as an operator keeps them."""

from dataclasses import replace

import pytest
from tests.support.rfc import rfc
from tests.unit.server.admin.conftest import log_of, told

from watchword.server.domain.user import User
from watchword.server.flows.admin import apis, roles, sessions, users
from watchword.server.flows.admin.refusal import Refused
from watchword.server.flows.admin.users import NewUser
from watchword.server.flows.parts import Parts

PASSWORD = "correct horse battery staple"
ALICE = NewUser(username="Alice", password=PASSWORD, email="alice@example.com")


async def stored(parts: Parts, sub: str) -> User:
    async with parts.storage.read() as reading:
        found = await reading.user(sub)
    assert found is not None
    return found


async def test_a_created_user_is_found_by_name_in_any_case_and_by_sub(parts: Parts) -> None:
    made = await users.create(parts, ALICE)

    assert await users.shown(parts, "aLICE") == made
    assert await users.shown(parts, made.sub) == made
    assert (made.username, made.email, made.email_verified, made.epoch) == ("Alice", "alice@example.com", False, 0)
    assert made.password_hash == await parts.passwords.hash(PASSWORD)
    assert await told(parts) == ["user.created"]


@pytest.mark.parametrize(
    ("wanted", "said"),
    [
        (replace(ALICE, username="ALICE"), "already"),
        (replace(ALICE, username=" "), "1 to 128"),
        (replace(ALICE, username="bob", email="nowhere"), "e-mail"),
        (replace(ALICE, username="bob", password="short"), "at least 15"),
        (replace(ALICE, username="bob", password="x" * 1025), "at most 1024"),
        (replace(ALICE, username="bob", password="weak" * 10), "easy to guess"),
        (replace(ALICE, username="bob", password="auth.example.com!"), "this site"),
        (replace(ALICE, username="bob", roles=("clerk",)), "there is none yet"),
    ],
)
async def test_a_user_who_will_not_do_is_refused_and_nothing_changes(parts: Parts, wanted: NewUser, said: str) -> None:
    await users.create(parts, ALICE)

    with pytest.raises(Refused, match=said) as caught:
        await users.create(parts, wanted)
    assert wanted.password not in str(caught.value)
    assert [user.username for user in await users.listed(parts)] == ["Alice"]
    assert await told(parts) == ["user.created"]


async def test_roles_are_given_at_creation(parts: Parts) -> None:
    await apis.create(parts, "https://orders.example.com", scopes=["orders:read"])
    await roles.create(parts, "clerk", scopes=["orders:read"])

    made = await users.create(parts, replace(ALICE, roles=("clerk",)))
    assert (await stored(parts, made.sub)).roles == {"clerk"}


async def with_roles(parts: Parts) -> None:
    await apis.create(parts, "https://orders.example.com", scopes=["orders:read", "orders:write"])
    await roles.create(parts, "reader", scopes=["orders:read"])
    await roles.create(parts, "clerk", scopes=["orders:write"])


async def test_setting_roles_replaces_them_and_the_audit_says_how(parts: Parts) -> None:
    await with_roles(parts)
    made = await users.create(parts, replace(ALICE, roles=("reader",)))

    assert (await users.set_roles(parts, "alice", ["clerk", "clerk"])).roles == {"clerk"}
    assert (await stored(parts, made.sub)).roles == {"clerk"}
    assert (await users.set_roles(parts, made.sub, [])).roles == frozenset()
    assert (await stored(parts, made.sub)).roles == frozenset()
    async with parts.storage.read() as reading:
        records = [one.fields for one in await reading.audit() if one.fields.get("what") == "user.roles_set"]
    assert [(one["subject"], one["note"]) for one in records] == [(made.sub, "-clerk"), (made.sub, "+clerk -reader")]
    assert await log_of(parts) == []


async def test_setting_the_same_roles_again_writes_nothing(parts: Parts) -> None:
    await with_roles(parts)
    made = await users.create(parts, replace(ALICE, roles=("reader", "clerk")))

    assert await users.set_roles(parts, "alice", ["clerk", "reader"]) == made
    assert "user.roles_set" not in await told(parts)


async def test_a_role_that_is_not_there_is_refused_with_those_that_are(parts: Parts) -> None:
    await with_roles(parts)
    made = await users.create(parts, replace(ALICE, roles=("reader",)))

    with pytest.raises(Refused, match=r"^there is no role 'boss': there is clerk, reader$"):
        await users.set_roles(parts, "alice", ["clerk", "boss"])
    assert await stored(parts, made.sub) == made


@rfc("9700", "4.14.2")
async def test_disabling_raises_the_epoch_and_tells_every_service(parts: Parts) -> None:
    made = await users.create(parts, ALICE)
    await users.disable(parts, "alice")

    found = await stored(parts, made.sub)
    assert (found.enabled, found.epoch) == (False, 1)
    (entry,) = await log_of(parts)
    assert (entry.sub, entry.epoch) == (made.sub, 1)
    assert entry.until >= parts.clock.now() + 120
    assert (await told(parts))[1:] == ["user.logged_out_everywhere", "user.disabled"]


async def test_disabling_twice_writes_once(parts: Parts) -> None:
    await users.create(parts, ALICE)
    await users.disable(parts, "alice")
    await users.disable(parts, "alice")

    assert len(await log_of(parts)) == 1


async def test_enabling_brings_no_epoch_back(parts: Parts) -> None:
    made = await users.create(parts, ALICE)
    await users.disable(parts, "alice")
    await users.enable(parts, "alice")

    found = await stored(parts, made.sub)
    assert (found.enabled, found.epoch) == (True, 1)


async def test_deleting_frees_the_name_but_never_the_sub(parts: Parts) -> None:
    made = await users.create(parts, ALICE)
    await users.delete(parts, "alice")
    again = await users.create(parts, ALICE)

    assert again.sub != made.sub
    (entry,) = await log_of(parts)
    assert (entry.sub, entry.epoch) == (made.sub, 1)
    with pytest.raises(Refused):
        await users.shown(parts, made.sub)


async def test_another_password_ends_all_sessions(parts: Parts) -> None:
    made = await users.create(parts, ALICE)
    await users.set_password(parts, "alice", "quite another long password")

    found = await stored(parts, made.sub)
    assert found.password_hash == await parts.passwords.hash("quite another long password")
    assert found.epoch == 1
    (entry,) = await log_of(parts)
    assert (entry.sub, entry.epoch) == (made.sub, 1)


async def test_a_refused_password_changes_nothing(parts: Parts) -> None:
    made = await users.create(parts, ALICE)

    with pytest.raises(Refused, match="at least 15"):
        await users.set_password(parts, "alice", "short")
    assert await stored(parts, made.sub) == made
    assert await log_of(parts) == []


async def test_a_name_that_is_anothers_sub_hits_neither(parts: Parts) -> None:
    alice = await users.create(parts, ALICE)
    await users.create(parts, replace(ALICE, username=alice.sub))

    with pytest.raises(Refused, match="name the other one"):
        await users.disable(parts, alice.sub)
    assert await log_of(parts) == []


@pytest.mark.parametrize("flow", [users.shown, users.disable, users.enable, users.delete, sessions.listed])
async def test_a_user_who_is_not_there_is_refused(parts: Parts, flow: object) -> None:
    assert callable(flow)
    with pytest.raises(Refused, match="no user 'nobody'"):
        await flow(parts, "nobody")
