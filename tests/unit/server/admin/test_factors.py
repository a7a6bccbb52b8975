"""What users have enrolled beside the password, as an operator sees it and takes it away."""

from dataclasses import replace

import pytest
from tests.support.builders import a_passkey, a_totp
from tests.support.rfc import standard
from tests.unit.server.admin.conftest import log_of, told

from watchword.server.domain.factors import Factors
from watchword.server.domain.user import User
from watchword.server.flows.admin import factors, users
from watchword.server.flows.admin.refusal import Refused
from watchword.server.flows.admin.users import NewUser
from watchword.server.flows.parts import Parts

PASSWORD = "correct horse battery staple"
NOTHING = Factors(totp=False, passkeys=0, recovery_codes=0)


async def alice(parts: Parts) -> User:
    """A user with everything, and a verified address."""
    user = await users.create(parts, NewUser(username="Alice", password=PASSWORD, email="alice@example.com"))
    user = replace(user, email_verified=True)
    async with parts.storage.write() as tx:
        await tx.put_user(user)
        await tx.put_totp(a_totp(user, created_at=123.5))
        await tx.add_passkey(a_passkey(user, name="laptop"))
        await tx.add_passkey(a_passkey(user, name="phone"))
        await tx.replace_recovery_codes(user.sub, [bytes([n]) * 32 for n in range(3)])
    return user


async def test_an_operator_sees_what_there_is_and_since_when(parts: Parts) -> None:
    user = await alice(parts)
    found = await factors.shown(parts, "alice")
    assert (found.user, found.totp_since, found.recovery_codes) == (user, 123.5, 3)
    assert {passkey.name for passkey in found.passkeys} == {"laptop", "phone"}


@standard("OWASP ASVS 5.0", "6.5.6")
@standard("OWASP ASVS 5.0", "7.4.3")
async def test_an_operator_takes_all_of_it_away_and_all_sessions_end(parts: Parts) -> None:
    # R115
    before = await alice(parts)
    bystander = await users.create(parts, NewUser(username="Bob", password=PASSWORD))
    async with parts.storage.write() as tx:
        await tx.put_totp(a_totp(bystander))

    user, removed = await factors.remove(replace(parts, sends_mail=True), "alice")

    assert removed

    assert user.epoch == before.epoch + 1
    async with parts.storage.read() as reading:
        assert await reading.factors(user.sub) == NOTHING
        assert await reading.passkeys_of(user.sub) == []
        assert await reading.user(user.sub) == user
        assert (await reading.factors(bystander.sub)).totp
    assert "user.factors_removed" in await told(parts)
    assert [entry.sub for entry in await log_of(parts)] == [user.sub]
    async with parts.storage.write() as tx:
        (mail,) = await tx.lease_deliveries(kind="mail", now=parts.clock.now(), until=parts.clock.now() + 60, limit=10)
    assert mail.target == "alice@example.com"


async def test_from_a_user_without_factors_nothing_is_taken_and_no_session_ends(parts: Parts) -> None:
    user = await users.create(parts, NewUser(username="Alice", password=PASSWORD))

    assert await factors.remove(replace(parts, sends_mail=True), "alice") == (user, False)
    assert await users.shown(parts, "alice") == user
    assert await told(parts) == ["user.created"]
    assert await log_of(parts) == []


async def test_a_recovery_code_alone_is_taken_too(parts: Parts) -> None:
    user = await users.create(parts, NewUser(username="Alice", password=PASSWORD))
    async with parts.storage.write() as tx:
        await tx.replace_recovery_codes(user.sub, [bytes(32)])

    changed, removed = await factors.remove(parts, "alice")
    assert (changed.epoch, removed) == (1, True)


async def test_what_is_not_there_is_refused(parts: Parts) -> None:
    for act in (factors.shown, factors.remove):
        with pytest.raises(Refused, match="there is no user"):
            await act(parts, "nobody")
