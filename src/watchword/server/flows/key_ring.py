"""The key ring's work: keys are made, move on by the calendar, and are revoked.

Making a key takes a tenth of a second, so it happens before the transaction; if another node moved the ring meanwhile
and more keys are needed than were made, the transaction is rolled back and tried again with more.

Implements: OpenID Connect Core 1.0 §10.1.1; RFC 7517 §5.
"""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import replace
from typing import Final

from watchword.server.domain import key_ring, revocation
from watchword.server.domain.api import Algorithm
from watchword.server.domain.audit import Administered, AuditEvent, KeyRotated
from watchword.server.domain.key_ring import RingKey
from watchword.server.domain.lifetimes import ID_TOKEN
from watchword.server.domain.time import Instant, Seconds
from watchword.server.ports.signing import Signer
from watchword.server.ports.storage import Storage
from watchword.server.ports.transaction import Writing

# ES256 signs access tokens, RS256 ID tokens.
ALGORITHMS: Final[tuple[Algorithm, ...]] = ("ES256", "RS256")
_TRIES: Final = 5

_Fresh = dict[Algorithm, list[RingKey]]


class NoSuchKey(Exception):
    """The ring has no key of that id."""


class _Wanting(Exception):
    """A fresh key of that algorithm is needed, and none is at hand."""

    def __init__(self, alg: Algorithm) -> None:
        self.alg = alg


async def ensure(
    storage: Storage, signer: Signer, *, now: Instant, algs: Sequence[Algorithm] = ALGORITHMS
) -> list[RingKey]:
    """Do what is due by the calendar, and let ``signer`` hold the ring. Writes only when something is due.

    Args:
        storage: where the ring is.
        signer: makes keys, and takes over the ring.
        now: seconds since the epoch.
        algs: of each there shall be a *signing* key and a *next* one.

    Returns:
        The ring, oldest key first.

    Raises:
        StorageUnavailable: the ring could not be read or written; the signer keeps what it held.
    """
    async with signer.turn:
        async with storage.read() as reading:
            ring = await reading.keys()
            longest = _longest(await reading.longest_access_token())
        try:
            due = _settle({key.kid: key for key in ring}, {}, algs, now=now, longest=longest)
        except _Wanting:
            due = True
        if due:
            return await _carry_out(storage, signer, now=now, algs=algs)
        signer.load(ring)
    return ring


async def reload(storage: Storage, signer: Signer) -> None:
    """Let ``signer`` hold the ring as it is now.

    Raises:
        StorageUnavailable: the ring could not be read; the signer keeps what it held.
    """
    async with signer.turn:
        async with storage.read() as reading:
            ring = await reading.keys()
        signer.load(ring)


async def rotate(
    storage: Storage, signer: Signer, *, now: Instant, algs: Sequence[Algorithm] = ALGORITHMS
) -> list[RingKey]:
    """Let the *next* keys sign from now on, however young the signing ones are. Arguments as ``ensure``."""
    async with signer.turn:
        return await _carry_out(storage, signer, now=now, algs=algs, force=True)


async def revoke(
    storage: Storage, signer: Signer, kid: str, *, now: Instant, algs: Sequence[Algorithm] = ALGORITHMS
) -> list[RingKey]:
    """Destroy a key at once and tell every service; its successor signs from now on. Again: nothing happens.

    The *next* key is published long before it signs, so that it can vouch for the batch that carries this revocation.
    Arguments as ``ensure``.

    Raises:
        NoSuchKey: the ring has none of that id.
    """
    async with signer.turn:
        return await _carry_out(storage, signer, now=now, algs=algs, revoked=kid)


async def _carry_out(
    storage: Storage,
    signer: Signer,
    *,
    now: Instant,
    algs: Sequence[Algorithm],
    force: bool = False,
    revoked: str | None = None,
) -> list[RingKey]:
    made: list[RingKey] = []
    while True:
        fresh: _Fresh = defaultdict(list)
        for key in made:
            fresh[key.alg].append(key)
        try:
            async with storage.write() as tx:
                ring = await _rewrite(tx, signer, fresh, now=now, algs=algs, force=force, revoked=revoked)
        except _Wanting as wanting:
            if len(made) > _TRIES * len(algs):
                raise RuntimeError("the key ring does not come to rest") from None
            made.append(await signer.make(wanting.alg, now=now))
            continue
        signer.load(ring)
        return ring


async def _rewrite(
    tx: Writing,
    signer: Signer,
    fresh: _Fresh,
    *,
    now: Instant,
    algs: Sequence[Algorithm],
    force: bool,
    revoked: str | None,
) -> list[RingKey]:
    before = {key.kid: key for key in await tx.lock_keys()}
    ring = dict(before)
    longest = _longest(await tx.longest_access_token())
    events: list[AuditEvent] = []
    if revoked is not None:
        if revoked not in ring:
            raise NoSuchKey(revoked)
        if ring[revoked].state != "revoked":
            ring[revoked] = key_ring.revoke(ring[revoked], now=now)
            await tx.revoke(revocation.of_key(revoked))
            events.append(Administered(what="key.revoked", subject=revoked))
    for key in before.values():
        # Sealed under a secret that was dropped: in turn it would leave the ring without a key that signs.
        if ring[key.kid].state == "next" and not signer.opens(key):
            ring[key.kid] = key_ring.give_up(key, now=now)
    _settle(ring, fresh, algs, now=now, longest=longest)
    if force:
        for alg in algs:
            plan = key_ring.advance(_of(ring, alg), now=now, longest=longest, force=True)
            _follow(ring, fresh, plan, alg, now=now)
            events.append(Administered(what="key.rotated", subject=_signing(ring, alg)))
        _settle(ring, fresh, algs, now=now, longest=longest)
    for kid, key in ring.items():
        if key != before.get(kid):
            await tx.put_key(key)
            events.append(KeyRotated(kid=kid, state=key.state))
    for event in events:
        await tx.record(event, now=now)
    return sorted(ring.values(), key=lambda key: (key.created_at, key.kid))


def _settle(
    ring: dict[str, RingKey], fresh: _Fresh, algs: Sequence[Algorithm], *, now: Instant, longest: Seconds
) -> bool:
    """Follow the rule's plans until nothing is due. Returns whether anything was."""
    changed = False
    for alg in algs:
        while (plan := key_ring.advance(_of(ring, alg), now=now, longest=longest)) != key_ring.Plan():
            _follow(ring, fresh, plan, alg, now=now)
            changed = True
    return changed


def _follow(ring: dict[str, RingKey], fresh: _Fresh, plan: key_ring.Plan, alg: Algorithm, *, now: Instant) -> None:
    ring.update({key.kid: key for key in plan.changed})
    if plan.wants is not None:
        if not fresh.get(alg):
            raise _Wanting(alg)
        key = fresh[alg].pop()
        ring[key.kid] = replace(key, state=plan.wants, since=now)


def _of(ring: dict[str, RingKey], alg: Algorithm) -> list[RingKey]:
    return [key for key in ring.values() if key.alg == alg]


def _signing(ring: dict[str, RingKey], alg: Algorithm) -> str:
    return next(key.kid for key in _of(ring, alg) if key.state == "signing")


def _longest(access_token: Seconds) -> Seconds:
    return max(access_token, ID_TOKEN)
