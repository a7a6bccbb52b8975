"""What is written comes back as it was: users, clients, APIs, roles, sessions, grants, codes, keys, buckets, audit."""

import asyncio
from dataclasses import replace

import pytest
from msgspec import structs
from tests.contracts.conftest import Nodes
from tests.support.builders import (
    NOW,
    a_bucket,
    a_client,
    a_code,
    a_confidential_client,
    a_grant,
    a_key,
    a_session,
    a_user,
    an_api,
)

from watchword.protocol.scope import Scope
from watchword.server.domain.api import Api
from watchword.server.domain.audit import AuditRecord, SignedIn, TokenRevoked
from watchword.server.domain.throttle import Bucket
from watchword.server.ports.already_there import AlreadyThere
from watchword.server.ports.storage import Storage


async def test_users_come_back_with_their_roles(storage: Storage) -> None:
    user = a_user("Zoë", email="z@example.org", email_verified=True, roles=frozenset({"a b", "c"}), epoch=2**40)
    async with storage.write() as tx:
        await tx.add_user(user)
        await tx.add_user(bare := a_user("bare", password_hash=None))
    async with storage.read() as tx:
        assert await tx.user(user.sub) == user
        assert await tx.user_by_name("zoë") == user
        assert await tx.user(bare.sub) == bare
        assert await tx.user("nobody") is None
        assert await tx.user_by_name("nobody") is None


async def test_a_changed_user_loses_the_roles_that_were_taken(storage: Storage) -> None:
    user = a_user(roles=frozenset({"a", "b"}))
    changed = replace(user, username="Other", username_key="other", enabled=False, roles=frozenset({"b", "c"}))
    async with storage.write() as tx:
        await tx.add_user(user)
        await tx.put_user(changed)
    async with storage.read() as tx:
        assert await tx.user(user.sub) == changed


async def test_users_are_listed_by_folded_name_and_page_by_page(storage: Storage) -> None:
    names = ["Émile", "anna", "Bob", "zoe", "_x", "ßx", "1st"]
    async with storage.write() as tx:
        for name in names:
            await tx.add_user(a_user(name))
    async with storage.read() as tx:
        listed = [user.username_key for user in await tx.users()]
        first = [user.username_key for user in await tx.users(limit=3)]
        rest = [user.username_key for user in await tx.users(after=first[-1])]
    assert listed == sorted(listed)
    assert len(listed) == 7
    assert [*first, *rest] == listed


@pytest.mark.parametrize("text", ["a\0b", "\ud800", ""])
async def test_text_that_no_database_can_hold_is_nobodys_name(storage: Storage, text: str) -> None:
    async with storage.read() as tx:
        assert await tx.user(text) is None
        assert await tx.user_by_name(text) is None
        assert await tx.client(text) is None
        assert await tx.session(text) is None
        assert await tx.grant_by_gid(text) is None
        assert await tx.sessions_of(text) == []
        assert await tx.grants_of_session(text) == []
    async with storage.write() as tx:
        assert await tx.lock_user(text) is None
        assert await tx.lock_client(text) is None
        assert await tx.lock_session(text) is None


async def test_taken_names_are_said_and_the_transaction_goes_on(storage: Storage) -> None:
    user, client = a_user("Taken"), a_client()
    async with storage.write() as tx:
        await tx.add_user(user)
        await tx.add_client(client)
        await tx.add_api(an_api())
        await tx.add_role("clerk", ["orders:read"])
    async with storage.write() as tx:
        for adding, what in (
            (tx.add_user(a_user("taken")), "username"),
            (tx.add_client(a_client(client.client_id)), "client"),
            (tx.add_api(an_api()), "api"),
            (tx.add_role("clerk", ["x"]), "role"),
        ):
            with pytest.raises(AlreadyThere) as taken:
                await adding
            assert taken.value.what == what
        await tx.put_meta("after", "all")
    async with storage.read() as tx:
        assert await tx.meta("after") == "all"
        assert await tx.user_by_name("taken") == user


async def test_clients_come_back_and_are_listed_by_id(storage: Storage) -> None:
    public = a_client(
        "b-app",
        redirect_uris=("https://a/ä?x=[1]", 'https://b/"q"'),
        origins=("https://a",),
        apis=("https://2", "https://1"),
        first_party=True,
        reuse="strict",
        lifetime="browser_app",
    )
    confidential = a_confidential_client("A-service", serves="https://1", enabled=False, disabled_until=NOW + 60)
    async with storage.write() as tx:
        await tx.add_client(public)
        await tx.add_client(confidential)
    async with storage.read() as tx:
        assert await tx.client("b-app") == public
        assert await tx.clients() == [confidential, public]
        assert await tx.client("B-app") is None
    async with storage.write() as tx:
        await tx.put_client(changed := replace(public, scope=Scope(), grant_types=frozenset()))
        assert await tx.client("b-app") == changed


async def test_apis_and_roles_come_back(storage: Storage) -> None:
    api = Api(audience="https://x", scope=Scope.parse("x:a x:b"), alg="RS256", access_token_ttl=90)
    async with storage.write() as tx:
        await tx.add_api(api)
        await tx.add_api(an_api())
        await tx.add_role("clerk", ["x:b", "x:a", "x:a"])
        await tx.add_role("empty", [])
    async with storage.read() as tx:
        catalog = await tx.catalog()
    assert catalog.apis == {"https://x": api, an_api().audience: an_api()}
    assert catalog.roles == {"clerk": Scope.parse("x:a x:b"), "empty": Scope()}


async def test_the_longest_access_token_only_grows(nodes: Nodes) -> None:
    stores = [await nodes.open(), await nodes.open()]

    async def lift(storage: Storage, ttl: float) -> None:
        async with storage.write() as tx:
            await tx.raise_longest_access_token(ttl)

    async with stores[0].read() as tx:
        assert await tx.longest_access_token() == 0
    await asyncio.gather(*(lift(stores[number % 2], ttl) for number, ttl in enumerate([60, 900.5, 5, 300])))
    async with stores[0].read() as tx:
        assert await tx.longest_access_token() == 900.5


async def test_sessions_come_back_newest_first(storage: Storage) -> None:
    user = a_user()
    old, new = a_session(user), a_session(user, created_at=NOW + 5, amr=("pwd", "otp"), ended_at=NOW, ended_reason="x")
    async with storage.write() as tx:
        for session in (old, new, a_session()):
            await tx.add_session(session)
    async with storage.read() as tx:
        assert await tx.sessions_of(user.sub) == [new, old]
        assert await tx.session(new.sid) == new
        assert await tx.session("none") is None


async def test_a_session_holds_grants_as_long_as_one_of_them_lives(storage: Storage) -> None:
    user, client, off = a_user(), a_client("app"), a_client("off", enabled=False)
    late = a_client("late", created_at=NOW + 60)
    holding, resting, old, gone, disabled, inherited = (a_session(user) for _ in range(6))
    grants = [
        a_grant(holding, client),
        a_grant(holding, client, ended_at=NOW),
        a_grant(resting, client, idle=60),
        a_grant(old, client, absolute_end=NOW + 60),
        a_grant(gone, client, ended_at=NOW, ended_reason="theft"),
        a_grant(disabled, off),
        a_grant(inherited, late),
        a_grant(a_session(), client),
    ]
    async with storage.write() as tx:
        for one in (client, off, late):
            await tx.add_client(one)
        for grant in grants:
            await tx.add_grant(grant)
    async with storage.read() as tx:
        assert await tx.sessions_with_grants(user.sub, now=NOW + 59) == {holding.sid, resting.sid, old.sid}
        assert await tx.sessions_with_grants(user.sub, now=NOW + 60) == {holding.sid}
        assert await tx.sessions_with_grants("nobody", now=NOW) == set()


async def test_grants_come_back_by_id_by_name_and_by_session(storage: Storage) -> None:
    session = a_session()
    one, two = a_grant(session, redeemed_by=b"who"), a_grant(session, created_at=NOW + 1, ended_at=NOW + 2)
    async with storage.write() as tx:
        for grant in (two, one, a_grant()):
            await tx.add_grant(grant)
    async with storage.read() as tx:
        assert await tx.grants_of_session(session.sid) == [one, two]
        by_id, by_gid = await tx.grant(one.id), await tx.grant_by_gid(one.gid)
        assert by_id is not None
        assert by_id == by_gid
        assert by_id[0] == one
        assert await tx.grant(b"none") is None
        assert await tx.grant_by_gid("none") is None
    async with storage.write() as tx:
        await tx.put_grant(
            changed := structs.replace(one, generation=3, scope=Scope(), ended_at=NOW, ended_reason="revoked")
        )
        assert await tx.grants_of_session(session.sid) == [changed, two]


async def test_codes_come_back(storage: Storage) -> None:
    bare, full = a_code(), a_code(redirect_uri="https://a/cb", nonce="n", sid="s")
    async with storage.write() as tx:
        await tx.add_code(bare)
        await tx.add_code(full)
        await tx.put_code(spent := replace(full, redeemed_at=NOW, redeemed_by=b"who", gid="g"))
        assert await tx.code(full.code_hash) == spent
    async with storage.read() as reading:
        assert await reading.code(bare.code_hash) == bare
        assert await reading.code(full.code_hash) == spent
        assert await reading.code(b"nothing") is None
    async with storage.write() as tx:
        assert await tx.lock_code(bare.code_hash) == bare
        assert await tx.lock_code(full.code_hash) == spent


async def test_keys_come_back_oldest_first(storage: Storage) -> None:
    young, old = a_key(created_at=NOW + 1, alg="RS256"), a_key()
    async with storage.write() as tx:
        await tx.put_key(young)
        await tx.put_key(old)
        await tx.put_key(gone := replace(old, state="retiring", sealed=None, published_until=NOW + 9, since=NOW + 1))
        assert await tx.lock_keys() == [gone, young]
    async with storage.read() as tx:
        assert await tx.keys() == [gone, young]


async def test_buckets_that_do_not_exist_are_locked_as_empty_ones(storage: Storage) -> None:
    known = a_bucket(b"b", known=True, blocked_until=NOW + 1.5)
    async with storage.write() as tx:
        await tx.put_buckets([known])
    async with storage.write() as tx:
        assert await tx.lock_buckets([b"b", b"a"]) == {b"a": Bucket(key=b"a"), b"b": known}
    async with storage.read() as tx:
        assert await tx.buckets([b"b", b"c"]) == {b"b": known}


async def test_failures_at_once_are_all_counted(nodes: Nodes) -> None:
    stores = [await nodes.open(), await nodes.open()]

    async def fail(storage: Storage, keys: list[bytes]) -> None:
        async with storage.write() as tx:
            found = await tx.lock_buckets(keys)
            await tx.put_buckets([replace(bucket, failures=bucket.failures + 1) for bucket in found.values()])

    orders = [[b"x", b"y", b"z"], [b"z", b"x", b"y"]]
    await asyncio.gather(*(fail(stores[number % 2], orders[number % 2]) for number in range(16)))
    async with stores[0].read() as tx:
        found = await tx.buckets([b"x", b"y", b"z"])
    assert [found[key].failures for key in (b"x", b"y", b"z")] == [16, 16, 16]


async def test_audit_comes_back_newest_first(storage: Storage) -> None:
    signed_in = SignedIn(sub="u", sid="s", client_id="c", gid="g", amr="pwd", device='Ünïx "q"')
    revoked = TokenRevoked(jti="j", client_id="c")
    async with storage.write() as tx:
        await tx.record(signed_in, now=NOW)
        await tx.record(revoked, now=NOW)
    async with storage.read() as tx:
        assert await tx.audit() == [
            AuditRecord(NOW, "token.revoked", revoked.fields()),
            AuditRecord(NOW, "session.started", signed_in.fields()),
        ]
        assert len(await tx.audit(limit=1)) == 1


async def test_named_values_are_replaced(storage: Storage) -> None:
    async with storage.write() as tx:
        assert await tx.meta("name") is None
        await tx.put_meta("name", "one")
        await tx.put_meta("name", "two")
        assert await tx.meta("name") == "two"


async def test_a_deleted_user_takes_all_that_is_his_along_and_nothing_else(storage: Storage) -> None:
    user, other = a_user(roles=frozenset({"x"})), a_user(roles=frozenset({"x"}))
    mine, theirs = a_session(user), a_session(other)
    my_grant, their_grant = a_grant(mine), a_grant(theirs)
    my_code, their_code = a_code(user), a_code(other)
    async with storage.write() as tx:
        for one in (user, other):
            await tx.add_user(one)
        for session in (mine, theirs):
            await tx.add_session(session)
        for grant in (my_grant, their_grant):
            await tx.add_grant(grant)
        for code in (my_code, their_code):
            await tx.add_code(code)
        await tx.delete_user(user.sub)
    async with storage.write() as tx:
        assert await tx.users() == [other]
        assert (await tx.sessions_of(user.sub), await tx.sessions_of(other.sub)) == ([], [theirs])
        assert await tx.grant(my_grant.id) is None
        assert await tx.grant(their_grant.id) is not None
        assert await tx.lock_code(my_code.code_hash) is None
        assert await tx.lock_code(their_code.code_hash) == their_code
        await tx.add_user(replace(user, sub="a-fresh-one", roles=frozenset()))
        again = await tx.user("a-fresh-one")
        assert again is not None
        assert again.roles == frozenset()


async def test_grants_of_a_client_go_in_steps(storage: Storage) -> None:
    client, other = a_client(), a_client()
    grants = [a_grant(client=client) for _ in range(5)]
    kept = a_grant(client=other)
    async with storage.write() as tx:
        for grant in (*grants, kept):
            await tx.add_grant(grant)
    steps = []
    for _ in range(4):
        async with storage.write() as tx:
            steps.append(await tx.delete_grants_of_client(client.client_id, limit=2))
    assert steps == [2, 2, 1, 0]
    async with storage.read() as tx:
        assert [await tx.grant(grant.id) for grant in grants] == [None] * 5
        assert await tx.grant(kept.id) is not None


async def test_a_deleted_client_takes_its_grants_and_codes_along(storage: Storage) -> None:
    client, other = a_client(), a_client()
    grants = [a_grant(client=client), a_grant(client=other)]
    codes = [a_code(client=client), a_code(client=other)]
    async with storage.write() as tx:
        for one in (client, other):
            await tx.add_client(one)
        for grant in grants:
            await tx.add_grant(grant)
        for code in codes:
            await tx.add_code(code)
        await tx.delete_client(client.client_id)
    async with storage.write() as tx:
        assert await tx.clients() == [other]
        assert [await tx.grant(grant.id) is None for grant in grants] == [True, False]
        assert [await tx.lock_code(code.code_hash) is None for code in codes] == [True, False]
