"""The sweep: what ended long enough ago goes, in steps, and nothing else."""

from dataclasses import replace

from msgspec import structs
from tests.support.builders import NOW, a_bucket, a_code, a_grant, a_key, a_session, a_user

from watchword.protocol.revocation_feed import Entry
from watchword.server.domain.audit import Administered
from watchword.server.domain.lifetimes import AUDIT, DAY
from watchword.server.ports.storage import Storage


async def test_codes_buckets_audit_rows_and_entries_go_when_their_end_is_past(storage: Storage) -> None:
    dead_code, live_code = a_code(expires_at=NOW - 1), a_code(expires_at=NOW + 1)
    async with storage.write() as tx:
        await tx.add_code(dead_code)
        await tx.add_code(live_code)
        await tx.put_buckets([a_bucket(b"dead", until=NOW - 1), a_bucket(b"live", until=NOW + 1)])
        await tx.record(Administered(what="old", subject="x"), now=NOW - AUDIT - 1)
        await tx.record(Administered(what="new", subject="x"), now=NOW - AUDIT + 1)
        await tx.revoke(Entry(seq=0, until=int(NOW) - 1, gid="dead"))
        await tx.revoke(Entry(seq=0, until=int(NOW) + 1, gid="live"))
        await tx.revoke(Entry(seq=0, until=1, kid="never forgotten"))
    assert await storage.sweep(now=NOW, limit=100) == 4
    assert await storage.sweep(now=NOW, limit=100) == 0
    async with storage.write() as tx:
        assert await tx.lock_code(dead_code.code_hash) is None
        assert await tx.lock_code(live_code.code_hash) == live_code
        assert set(await tx.buckets([b"dead", b"live"])) == {b"live"}
        assert [record.fields["what"] for record in await tx.audit()] == ["new"]
    page = await storage.log_after(0, now=0, limit=10)
    assert [entry.seq for entry in page.entries] == [2, 3]


async def test_sessions_and_grants_stay_explainable_for_thirty_days(storage: Storage) -> None:
    long_ago, lately = NOW - 30 * DAY - 1, NOW - 30 * DAY + 1
    gone = [a_session(expires_at=long_ago), a_session(ended_at=long_ago, ended_reason="x")]
    kept = [a_session(expires_at=lately), a_session(ended_at=lately, ended_reason="x"), a_session()]
    gone_grants = [a_grant(absolute_end=long_ago), a_grant(ended_at=long_ago)]
    kept_grants = [a_grant(absolute_end=lately), a_grant(ended_at=lately), a_grant()]
    async with storage.write() as tx:
        for session in (*gone, *kept):
            await tx.add_session(session)
        for grant in (*gone_grants, *kept_grants):
            await tx.add_grant(grant)
    assert await storage.sweep(now=NOW, limit=100) == 4
    async with storage.read() as tx:
        assert [await tx.session(session.sid) is None for session in (*gone, *kept)] == [
            True,
            True,
            False,
            False,
            False,
        ]
        found = [await tx.grant(grant.id) is None for grant in (*gone_grants, *kept_grants)]
    assert found == [True, True, False, False, False]


async def test_a_grant_that_ends_by_a_change_is_swept_by_its_new_end(storage: Storage) -> None:
    grant, session = a_grant(), a_session()
    async with storage.write() as tx:
        await tx.add_grant(grant)
        await tx.add_session(session)
        await tx.put_grant(structs.replace(grant, ended_at=NOW, ended_reason="x"))
        await tx.put_session(replace(session, ended_at=NOW, ended_reason="x"))
    assert await storage.sweep(now=NOW + 29 * DAY, limit=10) == 0
    assert await storage.sweep(now=NOW + 31 * DAY, limit=10) == 2


async def test_a_step_is_never_larger_than_its_limit(storage: Storage) -> None:
    async with storage.write() as tx:
        for number in range(5):
            await tx.add_code(a_code(expires_at=NOW - 1))
            await tx.put_buckets([a_bucket(bytes([number]), until=NOW - 1)])
    assert [await storage.sweep(now=NOW, limit=4) for _ in range(4)] == [4, 4, 2, 0]


async def test_users_keys_and_living_things_are_never_swept(storage: Storage) -> None:
    user, key = a_user(), a_key(state="gone", published_until=None)
    async with storage.write() as tx:
        await tx.add_user(user)
        await tx.put_key(key)
        await tx.put_meta("name", "value")
    assert await storage.sweep(now=NOW + 10_000 * DAY, limit=100) == 0
    async with storage.read() as tx:
        assert (await tx.user(user.sub), await tx.keys(), await tx.meta("name")) == (user, [key], "value")
