"""What is kept of a user's factors, of links in e-mails, and of what works once."""

import asyncio
from dataclasses import replace

import pytest
from tests.contracts.conftest import Nodes
from tests.support.builders import NOW, a_delivery, a_link, a_passkey, a_totp, a_user

from watchword.server.domain.factors import Factors
from watchword.server.ports.already_there import AlreadyThere
from watchword.server.ports.storage import Storage


async def test_passkeys_come_back_by_id_and_by_user(storage: Storage) -> None:
    user, other = a_user(), a_user()
    first, second = a_passkey(user, created_at=NOW - 9), a_passkey(user, transports=("usb", "nfc"))
    theirs = a_passkey(other)
    async with storage.write() as tx:
        for one in (user, other):
            await tx.add_user(one)
        for each in (second, first, theirs):
            await tx.add_passkey(each)
    async with storage.read() as reading:
        assert await reading.passkey(first.credential_id) == first
        assert await reading.passkey(b"nobody's") is None
        assert await reading.passkeys_of(user.sub) == [first, second]
        assert await reading.passkeys_of("nobody\0") == []
    async with storage.write() as tx:
        used = replace(first, sign_count=7, backed_up=True, last_used_at=NOW, name="Schlüssel")
        await tx.put_passkey(used)
        assert await tx.lock_passkey(first.credential_id) == used
        await tx.delete_passkey(second.credential_id)
        await tx.delete_passkey(b"nobody's")
        assert await tx.lock_passkey(second.credential_id) is None
        assert await tx.passkeys_of(user.sub) == [used]


async def test_a_credential_id_is_one_users_alone(storage: Storage) -> None:
    user, other = a_user(), a_user()
    passkey = a_passkey(user)
    async with storage.write() as tx:
        for one in (user, other):
            await tx.add_user(one)
        await tx.add_passkey(passkey)
        with pytest.raises(AlreadyThere, match="passkey"):
            await tx.add_passkey(a_passkey(other, credential_id=passkey.credential_id))
    async with storage.read() as reading:
        assert await reading.passkey(passkey.credential_id) == passkey


async def test_an_authenticator_app_is_put_changed_and_forgotten(storage: Storage) -> None:
    user, other = a_user(), a_user()
    async with storage.write() as tx:
        for one in (user, other):
            await tx.add_user(one)
        await tx.put_totp(totp := a_totp(user))
        assert await tx.lock_totp(user.sub) == totp
        await tx.put_totp(used := replace(totp, last_step=99))
        await tx.put_totp(theirs := a_totp(other))
    async with storage.read() as reading:
        assert await reading.totp(user.sub) == used
        assert await reading.totp("nobody") is None
        assert await reading.totps() == sorted([used, theirs], key=lambda one: one.sub)
        assert len(await reading.totps(limit=1)) == 1
        assert await reading.totps(after=max(user.sub, other.sub)) == []
    async with storage.write() as tx:
        await tx.delete_totp(user.sub)
        await tx.delete_totp("nobody")
        assert await tx.totp(user.sub) is None


async def test_nothing_is_put_for_a_user_who_is_not_there(storage: Storage) -> None:
    gone = a_user()
    async with storage.write() as tx:
        await tx.put_totp(a_totp(gone))
        await tx.put_link(link := a_link(gone))
        await tx.replace_recovery_codes(gone.sub, [b"one"])
        assert await tx.totp(gone.sub) is None
        assert await tx.link(link.id) is None
        assert await tx.factors(gone.sub) == Factors(totp=False, passkeys=0, recovery_codes=0)


async def test_recovery_codes_work_once_and_those_before_are_gone(storage: Storage) -> None:
    user, other = a_user(), a_user()
    async with storage.write() as tx:
        for one in (user, other):
            await tx.add_user(one)
        await tx.replace_recovery_codes(user.sub, [b"one", b"two"])
        await tx.replace_recovery_codes(other.sub, [b"three"])
    async with storage.write() as tx:
        assert not await tx.take_recovery_code(other.sub, b"one")
        assert await tx.take_recovery_code(user.sub, b"one")
        assert not await tx.take_recovery_code(user.sub, b"one")
        assert (await tx.factors(user.sub)).recovery_codes == 1
        await tx.replace_recovery_codes(user.sub, [b"four"])
        assert not await tx.take_recovery_code(user.sub, b"two")
        assert await tx.take_recovery_code(user.sub, b"four")
        assert (await tx.factors(other.sub)).recovery_codes == 1


async def test_of_many_who_take_a_recovery_code_at_once_one_does(nodes: Nodes) -> None:
    user = a_user()
    both = [await nodes.open(), await nodes.open()]
    async with both[0].write() as tx:
        await tx.add_user(user)
        await tx.replace_recovery_codes(user.sub, [b"one"])

    async def take(node: Storage) -> bool:
        async with node.write() as tx:
            return await tx.take_recovery_code(user.sub, b"one")

    taken = await asyncio.gather(*(take(both[number % 2]) for number in range(20)))
    assert taken.count(True) == 1


async def test_what_is_spent_was_spent_by_one(nodes: Nodes) -> None:
    async def spend(node: Storage) -> bool:
        async with node.write() as tx:
            return await tx.spend(b"key", until=NOW + 60)

    spent = await asyncio.gather(*(spend(node) for node in [await nodes.open(), await nodes.open()] * 10))
    assert spent.count(True) == 1


async def test_what_is_spent_is_forgotten_after_its_end(storage: Storage) -> None:
    async with storage.write() as tx:
        assert await tx.spend(b"key", until=NOW + 60)
        assert not await tx.spend(b"key", until=NOW + 900)
    assert await storage.sweep(now=NOW + 61, limit=10) == 1
    async with storage.write() as tx:
        assert await tx.spend(b"key", until=NOW + 120)


async def test_a_newer_link_takes_the_place_of_the_one_before(storage: Storage) -> None:
    user = a_user()
    first, second = a_link(user), a_link(user, expires_at=NOW + 99)
    other = a_link(user, purpose="verify_email")
    async with storage.write() as tx:
        await tx.add_user(user)
        for link in (first, other, second):
            await tx.put_link(link)
        assert await tx.link(first.id) is None
        assert await tx.link(second.id) == second
        assert await tx.take_link(first.id) is None
        assert await tx.take_link(second.id) == second
        assert await tx.take_link(second.id) is None
        await tx.delete_link(user.sub, "reset_password")
        assert await tx.link(other.id) == other
        await tx.delete_link(user.sub, "verify_email")
        assert await tx.link(other.id) is None
        await tx.put_link(first)
    assert await storage.sweep(now=first.expires_at + 1, limit=10) == 1


async def test_of_many_who_take_a_link_at_once_one_does(nodes: Nodes) -> None:
    user = a_user()
    link = a_link(user)
    both = [await nodes.open(), await nodes.open()]
    async with both[0].write() as tx:
        await tx.add_user(user)
        await tx.put_link(link)

    async def take(node: Storage) -> bool:
        async with node.write() as tx:
            return await tx.take_link(link.id) is not None

    taken = await asyncio.gather(*(take(both[number % 2]) for number in range(20)))
    assert taken.count(True) == 1


async def test_factors_are_counted_and_go_with_their_user(storage: Storage) -> None:
    user = a_user()
    passkey, link = a_passkey(user), a_link(user)
    async with storage.write() as tx:
        await tx.add_user(user)
        assert await tx.factors(user.sub) == Factors(totp=False, passkeys=0, recovery_codes=0)
        await tx.put_totp(a_totp(user))
        await tx.add_passkey(passkey)
        await tx.add_passkey(a_passkey(user))
        await tx.put_link(link)
        await tx.replace_recovery_codes(user.sub, [b"one", b"two", b"three"])
        assert await tx.factors(user.sub) == Factors(totp=True, passkeys=2, recovery_codes=3)
    async with storage.write() as tx:
        await tx.delete_user(user.sub)
        await tx.add_user(user)
    async with storage.read() as reading:
        assert await reading.factors(user.sub) == Factors(totp=False, passkeys=0, recovery_codes=0)
        assert await reading.passkey(passkey.credential_id) is None
        assert await reading.link(link.id) is None
        assert await reading.factors("nobody\0") == Factors(totp=False, passkeys=0, recovery_codes=0)


async def test_users_come_by_an_address_that_they_proved(storage: Storage) -> None:
    proved = a_user(email="Ada@Example.org", email_verified=True)
    younger = a_user(email="ada@example.org", email_verified=True, created_at=NOW + 5)
    claimed = a_user(email="ada@example.org")
    async with storage.write() as tx:
        for user in (younger, claimed, proved):
            await tx.add_user(user)
    async with storage.read() as reading:
        assert await reading.users_by_email("ada@example.org", limit=5) == [proved, younger]
        assert await reading.users_by_email("ada@example.org", limit=1) == [proved]
        assert await reading.users_by_email("Ada@Example.org", limit=5) == []
        assert await reading.users_by_email("\0", limit=5) == []
    async with storage.write() as tx:
        await tx.put_user(replace(proved, email="eve@example.org"))
        await tx.put_user(replace(claimed, email_verified=True))
        assert await tx.users_by_email("eve@example.org", limit=5) == [replace(proved, email="eve@example.org")]
        assert len(await tx.users_by_email("ada@example.org", limit=5)) == 2


async def test_whether_a_delivery_is_due_is_seen_without_taking_it(storage: Storage) -> None:
    async with storage.write() as tx:
        await tx.add_delivery(a_delivery(due_at=NOW + 5, expires_at=NOW + 60))
    async with storage.read() as reading:
        assert not await reading.is_delivery_due(kind="backchannel_logout", now=NOW + 4)
        assert await reading.is_delivery_due(kind="backchannel_logout", now=NOW + 5)
        assert await reading.is_delivery_due(kind="backchannel_logout", now=NOW + 5)
        assert not await reading.is_delivery_due(kind="backchannel_logout", now=NOW + 60)
        assert not await reading.is_delivery_due(kind="mail", now=NOW + 5)
