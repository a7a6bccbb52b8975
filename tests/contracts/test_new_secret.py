"""A new secret: what is sealed in the database moves to it when a node starts, so that the old one may be dropped."""

import os
from pathlib import Path

import pytest
from tests.support.builders import a_user
from tests.support.fake_ports import HeardTelemetry
from tests.support.postgres import running_postgres

from watchword.server.adapters.quiet_telemetry import QuietTelemetry
from watchword.server.app import opened
from watchword.server.domain.totp import Totp, purpose_of
from watchword.server.flows.parts import Parts
from watchword.server.settings import SettingsError, read

OLD, NEW = "an-old-secret-that-is-long-enough-0123456789", "a-new-secret-that-is-long-enough-0123456789"
# More than are read at once.
MANY = 450


@pytest.fixture(params=["sqlite", pytest.param("postgres", marks=pytest.mark.postgres)])
def database_url(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """An empty database, and nothing else set."""
    for name in [name for name in os.environ if name.startswith("WATCHWORD_")]:
        monkeypatch.delenv(name)
    monkeypatch.chdir(tmp_path)
    if request.param == "postgres":
        return running_postgres().create_database().dsn
    return f"sqlite:///{tmp_path / 'watchword.db'}"


async def seeds(parts: Parts) -> dict[str, bytes]:
    """All seeds, as this node reads them."""
    found: dict[str, bytes] = {}
    async with parts.storage.read() as reading:
        while page := await reading.totps(after=max(found, default="")):
            found |= {one.sub: parts.sealer.unseal(one.sealed, purpose=purpose_of(one.sub)) for one in page}
    return found


async def test_seeds_move_to_the_newest_secret_and_the_old_one_can_be_dropped(
    database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("WATCHWORD_DATABASE_URL", database_url)
    monkeypatch.setenv("WATCHWORD_SECRET", OLD)
    async with opened(read(), QuietTelemetry()) as parts:
        wanted = {}
        async with parts.storage.write() as tx:
            for n in range(MANY):
                user = a_user()
                wanted[user.sub] = n.to_bytes(20)
                sealed = parts.sealer.seal(wanted[user.sub], purpose=purpose_of(user.sub))
                await tx.add_user(user)
                await tx.put_totp(Totp(sub=user.sub, sealed=sealed, last_step=n, created_at=1.5))
    monkeypatch.setenv("WATCHWORD_SECRET", f"{NEW} {OLD}")
    async with opened(read(), QuietTelemetry()) as parts:
        assert await seeds(parts) == wanted
    monkeypatch.setenv("WATCHWORD_SECRET", NEW)
    async with opened(read(), QuietTelemetry()) as parts:
        assert await seeds(parts) == wanted
        async with parts.storage.read() as reading:
            rows = await reading.totps(limit=MANY)
    # Nothing else of them has changed.
    assert sorted(row.last_step for row in rows) == list(range(MANY))
    assert {row.created_at for row in rows} == {1.5}
    monkeypatch.setenv("WATCHWORD_SECRET", OLD)
    with pytest.raises(SettingsError, match="made under another secret"):
        async with opened(read(), QuietTelemetry()):
            pass


async def test_a_seed_that_does_not_open_is_told_of_and_left_as_it_is(
    database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    # One user's trouble is no reason to refuse everybody.
    monkeypatch.setenv("WATCHWORD_DATABASE_URL", database_url)
    monkeypatch.setenv("WATCHWORD_SECRET", OLD)
    users = sorted((a_user() for _ in range(3)), key=lambda user: user.sub)
    foreign = b"\x01" + bytes(60)
    async with opened(read(), QuietTelemetry()) as parts, parts.storage.write() as tx:
        for user in users:
            sealed = parts.sealer.seal(b"a seed of 20 bytes..", purpose=purpose_of(user.sub))
            await tx.add_user(user)
            sealed = foreign if user is users[1] else sealed
            await tx.put_totp(Totp(sub=user.sub, sealed=sealed, last_step=0, created_at=1))
    heard = HeardTelemetry()
    monkeypatch.setenv("WATCHWORD_SECRET", f"{NEW} {OLD}")
    async with opened(read(), heard):
        pass
    assert heard.said == [("totp.unreadable", {"sub": users[1].sub})]
    monkeypatch.setenv("WATCHWORD_SECRET", NEW)
    async with opened(read(), heard) as parts:
        async with parts.storage.write() as tx:
            left = await tx.totp(users[1].sub)
            await tx.delete_totp(users[1].sub)
        assert left is not None
        assert left.sealed == foreign
        assert set((await seeds(parts)).values()) == {b"a seed of 20 bytes.."}
    assert heard.count("totp.unreadable") == 1
