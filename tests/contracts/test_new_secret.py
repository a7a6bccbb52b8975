"""A new secret: a server that starts moves to it what is sealed, so that the old one may go; a command does not."""

import os
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from typing import TypeAlias

import pytest
from tests.support.builders import a_user
from tests.support.fake_ports import HeardTelemetry
from tests.support.postgres import running_postgres

from watchword.server.adapters.quiet_telemetry import QuietTelemetry
from watchword.server.app import opened
from watchword.server.domain.key_ring import RingKey
from watchword.server.domain.totp import Totp, purpose_of
from watchword.server.flows import key_ring
from watchword.server.flows.admin import keys
from watchword.server.flows.parts import Parts
from watchword.server.flows.resealing import reseal_again
from watchword.server.ports.telemetry import Telemetry
from watchword.server.settings import SettingsError, read

OLD, NEW = "an-old-secret-that-is-long-enough-0123456789", "a-new-secret-that-is-long-enough-0123456789"
# The way of several nodes to a new secret.
STEPS = (OLD, f"{OLD} {NEW}", f"{NEW} {OLD}", NEW)
# More than are read at once.
MANY = 1100
SEED = b"a seed of 20 bytes.."

Process: TypeAlias = Callable[..., AbstractAsyncContextManager[Parts]]


@pytest.fixture(params=["sqlite", pytest.param("postgres", marks=pytest.mark.postgres)])
def _database(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An empty database, and nothing else set."""
    for name in [name for name in os.environ if name.startswith("WATCHWORD_")]:
        monkeypatch.delenv(name)
    monkeypatch.chdir(tmp_path)
    postgres = request.param == "postgres"
    url = running_postgres().create_database().dsn if postgres else f"sqlite:///{tmp_path / 'watchword.db'}"
    monkeypatch.setenv("WATCHWORD_DATABASE_URL", url)


@pytest.fixture
def server(_database: None, monkeypatch: pytest.MonkeyPatch) -> Process:
    """A server under those secrets, started as ``serve`` starts it; it answers nothing."""

    @asynccontextmanager
    async def start(secret: str, telemetry: Telemetry | None = None) -> AsyncIterator[Parts]:
        monkeypatch.setenv("WATCHWORD_SECRET", secret)
        async with opened(read(), telemetry or QuietTelemetry(), serving=True) as parts:
            await key_ring.ensure(parts.storage, parts.signer, now=parts.clock.now())
            yield parts

    return start


@pytest.fixture
def command(_database: None, monkeypatch: pytest.MonkeyPatch) -> Process:
    """A command under those secrets."""

    @asynccontextmanager
    async def start(secret: str, *, beginning: bool = False) -> AsyncIterator[Parts]:
        monkeypatch.setenv("WATCHWORD_SECRET", secret)
        async with opened(read(), QuietTelemetry(), beginning=beginning) as parts:
            yield parts

    return start


async def enrol(parts: Parts, seed: bytes = SEED, *, sealed: bytes | None = None) -> str:
    """A user with an authenticator app."""
    user = a_user()
    async with parts.storage.write() as tx:
        await tx.add_user(user)
        made = sealed or parts.sealer.seal(seed, purpose=purpose_of(user.sub))
        await tx.put_totp(Totp(sub=user.sub, sealed=made, last_step=7, created_at=1.5))
    return user.sub


async def seeds(parts: Parts) -> dict[str, bytes]:
    """All seeds, as this process reads them."""
    found: dict[str, bytes] = {}
    async with parts.storage.read() as reading:
        while page := await reading.totps(after=max(found, default="")):
            found |= {one.sub: parts.sealer.unseal(one.sealed, purpose=purpose_of(one.sub)) for one in page}
    return found


async def ring(parts: Parts) -> list[RingKey]:
    async with parts.storage.read() as reading:
        return await reading.keys()


async def rotate(parts: Parts) -> None:
    """As ``keys rotate``, of the algorithm whose keys are made quickly."""
    await key_ring.rotate(parts.storage, parts.signer, now=parts.clock.now(), algs=("ES256",))


async def assert_all_opens(parts: Parts, enrolled: set[str]) -> None:
    """Everything that is sealed opens here, and the next key can take its turn."""
    assert await seeds(parts) == dict.fromkeys(enrolled, SEED)
    await key_ring.reload(parts.storage, parts.signer)
    assert all(parts.signer.opens(key) for key in await ring(parts) if key.sealed is not None)


async def assert_refused(process: AbstractAsyncContextManager[Parts]) -> None:
    with pytest.raises(SettingsError, match="made, or last served, under another secret than WATCHWORD_SECRET lists"):
        async with process:
            pass


async def test_seeds_move_to_the_newest_secret_and_the_old_one_can_be_dropped(server: Process) -> None:
    async with server(OLD) as parts:
        wanted = {}
        async with parts.storage.write() as tx:
            for n in range(MANY):
                user = a_user()
                wanted[user.sub] = n.to_bytes(20)
                sealed = parts.sealer.seal(wanted[user.sub], purpose=purpose_of(user.sub))
                await tx.add_user(user)
                await tx.put_totp(Totp(sub=user.sub, sealed=sealed, last_step=n, created_at=1.5))
    async with server(f"{NEW} {OLD}") as parts:
        assert await seeds(parts) == wanted
    async with server(NEW) as parts:
        assert await seeds(parts) == wanted
        async with parts.storage.read() as reading:
            rows = await reading.totps(limit=MANY)
    # Nothing else of them has changed.
    assert sorted(row.last_step for row in rows) == list(range(MANY))
    assert {row.created_at for row in rows} == {1.5}
    await assert_refused(server(OLD))


async def test_a_seed_that_does_not_open_is_told_of_and_left_as_it_is(server: Process) -> None:
    # One user's trouble is no reason to refuse everybody.
    foreign = b"\x01" + bytes(60)
    async with server(OLD) as parts:
        good = {await enrol(parts), await enrol(parts)}
        lost = await enrol(parts, sealed=foreign)
    for secret in (f"{NEW} {OLD}", NEW):
        heard = HeardTelemetry()
        async with server(secret, heard):
            assert heard.said == [("totp.unreadable", {"sub": lost})]
    async with server(NEW) as parts:
        async with parts.storage.write() as tx:
            left = await tx.totp(lost)
            await tx.delete_totp(lost)
        assert left is not None
        assert left.sealed == foreign
        await assert_all_opens(parts, good)


async def test_what_a_late_node_has_sealed_under_the_old_secret_moves_at_the_next_start(server: Process) -> None:
    async with server(f"{OLD} {NEW}") as late:
        async with server(f"{NEW} {OLD}"):
            pass
        # The move is over; this node goes on sealing as it did.
        await rotate(late)
        enrolled = {await enrol(late)}
    async with server(f"{NEW} {OLD}"):
        pass
    heard = HeardTelemetry()
    async with server(NEW, heard) as parts:
        await assert_all_opens(parts, enrolled)
        await rotate(parts)
        assert parts.signer.can_sign("ES256")
    assert heard.said == []


async def test_what_a_late_node_seals_moves_while_the_newest_secrets_node_runs_and_not_to_and_fro(
    server: Process,
) -> None:
    async with server(f"{OLD} {NEW}") as late, server(f"{NEW} {OLD}") as parts:
        await rotate(late)
        enrolled = {await enrol(late)}
        await reseal_again(parts)
        moved = await ring(parts)
        await reseal_again(late)
        await reseal_again(parts)
        assert await ring(parts) == moved
    async with server(NEW) as parts:
        await assert_all_opens(parts, enrolled)


async def test_a_command_that_lists_a_new_secret_changes_nothing(server: Process, command: Process) -> None:
    async with server(OLD) as parts:
        enrolled = {await enrol(parts)}
        before = await ring(parts)
        async with command(f"{NEW} {OLD}") as at_work:
            await assert_all_opens(at_work, enrolled)
        assert await ring(parts) == before
    async with server(OLD) as parts:
        await assert_all_opens(parts, enrolled)
    async with command(OLD) as at_work:
        assert await ring(at_work) == before


async def test_what_a_command_seals_opens_for_the_running_server(server: Process, command: Process) -> None:
    for running, typed in ((OLD, f"{NEW} {OLD}"), (f"{NEW} {OLD}", f"{OLD} {NEW}")):
        async with server(running) as parts:
            async with command(typed) as at_work:
                await rotate(at_work)
                # The throttle's rows, too, are those of the server.
                assert at_work.secrets.newest == parts.secrets.newest
            await assert_all_opens(parts, set())
    # And nothing of it needs what the server did not have in front.
    async with server(NEW) as parts:
        await assert_all_opens(parts, set())


async def test_a_command_without_the_servers_secret_is_refused_and_so_is_a_server(
    server: Process, command: Process
) -> None:
    async with server(f"{NEW} {OLD}") as parts:
        before = await ring(parts)
        await assert_refused(command(OLD))
        await assert_refused(server(OLD))
        await assert_refused(command("another-secret-that-is-nobodys-0123456789"))
        assert await ring(parts) == before


async def test_a_database_that_a_command_makes_keeps_to_its_secret(server: Process, command: Process) -> None:
    async with command(OLD, beginning=True):
        pass
    await assert_refused(command(NEW))
    await assert_refused(server(NEW))
    async with command(f"{NEW} {OLD}") as at_work:
        assert at_work.secrets.newest.check == at_work.secrets.keys[0].check
    async with server(OLD):
        pass


@pytest.mark.parametrize("order", [(0, 1), (1, 0)])
@pytest.mark.parametrize("strays", [None, 0, 1])
async def test_two_nodes_go_over_to_a_new_secret_in_any_order(
    server: Process, order: tuple[int, int], strays: int | None
) -> None:
    """At each step a node may also be restarted with the settings of the step before, and again with the new ones."""
    nodes: dict[int, tuple[AsyncExitStack, Parts]] = {}
    enrolled: set[str] = set()

    async def restart(node: int, secret: str) -> None:
        if node in nodes:
            await nodes[node][0].aclose()
        stack = AsyncExitStack()
        nodes[node] = (stack, await stack.enter_async_context(server(secret)))
        for _, parts in nodes.values():
            await rotate(parts)
            enrolled.add(await enrol(parts))
        for _, parts in nodes.values():
            await assert_all_opens(parts, enrolled)

    for node in order:
        await restart(node, OLD)
    for before, secret in pairwise(STEPS):
        for node in order:
            await restart(node, secret)
            if strays is not None:
                await restart(strays, before)
                await restart(node, secret)
        for node in order:
            await restart(node, secret)
    for stack, _ in nodes.values():
        await stack.aclose()


@pytest.fixture
async def broken(server: Process) -> AsyncIterator[tuple[Parts, HeardTelemetry]]:
    """A server whose next ES256 key was sealed under a secret that is not listed any more."""
    async with server(OLD) as parts, parts.storage.write() as tx:
        for key in await tx.lock_keys():
            if (key.alg, key.state) == ("ES256", "next"):
                await tx.put_key(replace(key, sealed=b"\x01" + bytes(60)))
    heard = HeardTelemetry()
    async with server(OLD, heard) as parts:
        yield parts, heard


async def test_a_next_key_that_does_not_open_is_told_at_the_start(broken: tuple[Parts, HeardTelemetry]) -> None:
    parts, heard = broken
    (stuck,) = [key for key in await ring(parts) if (key.alg, key.state) == ("ES256", "next")]
    assert heard.said == [("keys.unreadable", {"kid": stuck.kid, "alg": "ES256", "state": "next"})]
    assert not parts.signer.can_go_on("ES256")
    assert parts.signer.can_go_on("RS256")


async def test_a_next_key_that_does_not_open_is_revoked_and_another_one_comes_next(
    broken: tuple[Parts, HeardTelemetry], command: Process
) -> None:
    parts, _ = broken
    before = {key.kid: key.state for key in await ring(parts) if key.alg == "ES256"}
    stuck = next(kid for kid, state in before.items() if state == "next")
    async with command(OLD) as at_work:
        await keys.revoke(at_work, stuck)
    await assert_all_opens(parts, set())
    after = {key.kid: key.state for key in await ring(parts) if key.alg == "ES256"}
    assert {kid: after.pop(kid) for kid in before} == {**before, stuck: "revoked"}
    assert list(after.values()) == ["next"]
    assert parts.signer.can_go_on("ES256")


@pytest.mark.parametrize("by", ["rotate", "revoke"])
async def test_a_next_key_that_does_not_open_is_given_up_before_it_would_sign(
    broken: tuple[Parts, HeardTelemetry], by: str
) -> None:
    parts, now = broken[0], broken[0].clock.now()
    stuck = {key.kid for key in await ring(parts) if (key.alg, key.state) == ("ES256", "next")}
    (signing,) = [key.kid for key in await ring(parts) if (key.alg, key.state) == ("ES256", "signing")]
    if by == "rotate":
        await rotate(parts)
    else:
        # An emergency does not wait for another key's cure.
        await key_ring.revoke(parts.storage, parts.signer, signing, now=now)
    states = {key.kid: key.state for key in await ring(parts)}
    assert {states[kid] for kid in stuck} == {"gone"}
    assert states[signing] == ("retiring" if by == "rotate" else "revoked")
    await assert_all_opens(parts, set())
    assert parts.signer.can_sign("ES256")
    assert parts.signer.can_go_on("ES256")
