"""The parts of a node for the operator's flows: storage in memory, a clock that is told the time, quick passwords."""

from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from itertools import count
from typing import Any

import pytest
from tests.support.memory_storage import MemoryDatabase, MemoryStorage

from watchword.protocol.revocation_feed import Entry
from watchword.server.adapters.local_signer import LocalSigner
from watchword.server.adapters.sealing import Sealing
from watchword.server.domain.lifetimes import Lifetimes
from watchword.server.domain.secret_ring import parse_secrets
from watchword.server.flows import key_ring
from watchword.server.flows.directory import Directory
from watchword.server.flows.log_tail import LogTail
from watchword.server.flows.parts import Parts

SECRETS = parse_secrets("kG3vTq8WmZ1xY5bN7cR2dS4fH6jK9lP0")


@dataclass
class ToldClock:
    """A clock that stands until it is told otherwise."""

    at: float = 1_800_000_000.5

    def now(self) -> float:
        return self.at


@dataclass
class CountingEntropy:
    """Chance that never repeats and never surprises."""

    numbers: Any = field(default_factory=lambda: count(1))

    def draw(self, count: int) -> bytes:
        return int(next(self.numbers)).to_bytes(count)


@dataclass(frozen=True)
class QuickVerdict:
    right: bool
    outdated: bool = False


class QuickPasswords:
    """Passwords without the slowness; one known to be weak scores 0."""

    async def hash(self, password: str) -> str:
        return f"hashed {password[::-1]}"

    async def verify(self, password: str, hashed: str | None) -> QuickVerdict:
        return QuickVerdict(hashed == f"hashed {password[::-1]}")

    async def score(self, password: str, *, context: tuple[str, ...]) -> int:
        return 0 if password.startswith("weak") else 4


class SilentTelemetry:
    def note(self, slug: str, **fields: Any) -> None: ...

    def tell(self, slug: str, **fields: Any) -> None: ...

    def warn(self, slug: str, **fields: Any) -> None: ...


@pytest.fixture
def clock() -> ToldClock:
    return ToldClock()


def parts_on(database: MemoryDatabase, clock: ToldClock, entropy: CountingEntropy) -> Parts:
    """A node on ``database``."""
    storage, telemetry = MemoryStorage(clock, database), SilentTelemetry()
    sealing = Sealing(SECRETS, entropy)
    signer = LocalSigner(sealing)

    async def keys_revoked() -> None:
        await key_ring.ensure(storage, signer, now=clock.now())

    return Parts(
        issuer="https://auth.example.com",
        storage=storage,
        clock=clock,
        entropy=entropy,
        passwords=QuickPasswords(),
        signer=signer,
        sealer=sealing,
        telemetry=telemetry,
        secrets=SECRETS,
        lifetimes=Lifetimes(),
        directory=Directory(storage),
        log_tail=LogTail(storage, clock, telemetry, keys_revoked=keys_revoked),
    )


@pytest.fixture
async def parts(clock: ToldClock) -> AsyncIterator[Parts]:
    made = parts_on(MemoryDatabase(), clock, CountingEntropy())
    yield made
    await made.storage.close()


async def log_of(parts: Parts) -> list[Entry]:
    """All entries of the revocation log, in order."""
    return list((await parts.storage.log_after(0, now=parts.clock.now(), limit=1000)).entries)


async def told(parts: Parts) -> list[str]:
    """What the audit tells, oldest first: kinds, and for an operator's act what it was."""
    async with parts.storage.read() as reading:
        records = await reading.audit(limit=1000)
    return [str(record.fields.get("what", record.kind)) for record in reversed(records)]
