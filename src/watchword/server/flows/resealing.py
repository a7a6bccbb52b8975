"""The secret under which the database is served, and the move of what is sealed to a new one.

A check value in the database names the secret under which it was served last. Only a server that starts moves it, and
with it all that is sealed; a command takes part under the secret that it names, and changes nothing about it. What
nodes with older settings have sealed meanwhile moves at the next start, and by and by while several secrets are listed.
"""

from dataclasses import replace
from typing import Final

from watchword.server.domain import key_ring, totp
from watchword.server.domain.secret_ring import SecretRing
from watchword.server.flows.parts import Parts
from watchword.server.ports.sealing import CannotUnseal, Sealer
from watchword.server.ports.storage import Storage
from watchword.server.ports.telemetry import Telemetry
from watchword.server.ports.transaction import Writing

_CHECK: Final = "secret_check"
_AT_ONCE: Final = 500


class UnknownSecret(Exception):
    """The database is served under a secret that is not listed."""


async def secrets_in_force(storage: Storage, secrets: SecretRing) -> SecretRing:
    """The listed secrets as a command uses them: the one first under which the database is served.

    So whatever the command seals or derives is the running server's, though the operator has listed a new one already.
    A database that was never served is from now on the newest one's.

    Raises:
        UnknownSecret: it is none of the listed ones.
    """
    async with storage.read() as reading:
        check = await reading.meta(_CHECK)
    if check is None:
        async with storage.write() as tx:
            await tx.lock_keys()
            check = await tx.meta(_CHECK)
            if check is None:
                check = secrets.newest.check
                await tx.put_meta(_CHECK, check)
    if not secrets.knows(check):
        raise UnknownSecret
    return secrets.led_by(check)


async def take_over(storage: Storage, sealer: Sealer, secrets: SecretRing, telemetry: Telemetry) -> None:
    """Have the database served under the newest of ``secrets`` from now on. What none of them opens is told.

    Args:
        storage: the database.
        sealer: seals under the newest secret, and opens under all.
        secrets: as they are listed.
        telemetry: hears of what does not open.

    Raises:
        UnknownSecret: the database was served last under a secret that is not listed. Nothing was changed.
    """
    async with storage.read() as reading:
        check = await reading.meta(_CHECK)
    # A wrong secret would make every refresh token look forged: better not to start.
    if check is not None and not secrets.knows(check):
        raise UnknownSecret
    # The check value comes last: after an interruption the older secret is still asked for.
    await _reseal(storage, sealer, telemetry)
    if check != secrets.newest.check:
        async with storage.write() as tx:
            await tx.lock_keys()
            # Two servers that are the first to start may have a secret each.
            if (found := await tx.meta(_CHECK)) is not None and not secrets.knows(found):
                raise UnknownSecret
            await tx.put_meta(_CHECK, secrets.newest.check)


async def reseal_again(parts: Parts) -> None:
    """Move to the newest secret what other processes have sealed under older ones since this server started."""
    if len(parts.secrets.keys) == 1:
        return
    async with parts.storage.read() as reading:
        check = await reading.meta(_CHECK)
    # Two nodes in the middle of a change would otherwise move everything to and fro.
    if check == parts.secrets.newest.check:
        await _reseal(parts.storage, parts.sealer, parts.telemetry)


async def _reseal(storage: Storage, sealer: Sealer, telemetry: Telemetry) -> None:
    await _reseal_totps(storage, sealer, telemetry)
    async with storage.read() as reading:
        keys = await reading.keys()
    stale = False
    for key in keys:
        try:
            stale |= key.sealed is not None and _resealed_key(key, sealer) is not key
        except CannotUnseal:
            telemetry.warn("keys.unreadable", kid=key.kid, alg=key.alg, state=key.state)
    if stale:
        async with storage.write() as tx:
            for key in await tx.lock_keys():
                await _reseal_key(tx, key, sealer)


async def _reseal_key(tx: Writing, key: key_ring.RingKey, sealer: Sealer) -> None:
    try:
        moved = _resealed_key(key, sealer)
    except CannotUnseal:
        return
    if moved is not key:
        await tx.put_key(moved)


def _resealed_key(key: key_ring.RingKey, sealer: Sealer) -> key_ring.RingKey:
    sealed = None if key.sealed is None else sealer.resealed(key.sealed, purpose=key_ring.purpose_of(key.kid))
    return key if sealed is None else replace(key, sealed=sealed)


async def _reseal_totps(storage: Storage, sealer: Sealer, telemetry: Telemetry) -> None:
    """Seeds of authenticator apps, some at a time: users sign in with them meanwhile."""
    after = ""
    while True:
        async with storage.read() as reading:
            page = await reading.totps(after=after, limit=_AT_ONCE)
        if not page:
            return
        stale = []
        for found in page:
            try:
                if sealer.resealed(found.sealed, purpose=totp.purpose_of(found.sub)) is not None:
                    stale.append(found.sub)
            except CannotUnseal:
                # One user's trouble, which a recovery code or the operator ends: no reason to refuse everybody.
                telemetry.warn("totp.unreadable", sub=found.sub)
        if stale:
            async with storage.write() as tx:
                for sub in stale:
                    await _reseal_totp(tx, sub, sealer)
        after = page[-1].sub


async def _reseal_totp(tx: Writing, sub: str, sealer: Sealer) -> None:
    # Users come first in the order of locks.
    await tx.lock_user(sub)
    found = await tx.lock_totp(sub)
    if found is None:
        return
    try:
        sealed = sealer.resealed(found.sealed, purpose=totp.purpose_of(sub))
    except CannotUnseal:
        return
    if sealed is not None:
        await tx.put_totp(replace(found, sealed=sealed))
