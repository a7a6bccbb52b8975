"""The composition root: puts the parts together that settings ask for."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace

from watchword.server.adapters.argon2_passwords import Argon2Passwords
from watchword.server.adapters.fido2_passkeys import passkeys_of
from watchword.server.adapters.local_signer import LocalSigner, purpose_of
from watchword.server.adapters.sealing import Sealing
from watchword.server.adapters.system_clock import SystemClock
from watchword.server.adapters.system_entropy import SystemEntropy
from watchword.server.domain.secret_ring import SecretRing
from watchword.server.domain.totp import Totp
from watchword.server.domain.totp import purpose_of as purpose_of_totp
from watchword.server.flows import key_ring
from watchword.server.flows.directory import Directory
from watchword.server.flows.log_tail import LogTail
from watchword.server.flows.parts import Parts
from watchword.server.ports.sealing import CannotUnseal
from watchword.server.ports.storage import Storage
from watchword.server.ports.telemetry import Telemetry
from watchword.server.ports.transaction import Writing
from watchword.server.settings import Settings, SettingsError
from watchword.server.storage import schema
from watchword.server.storage.database_url import Database, parse_database_url
from watchword.server.storage.opening import open_storage

_SECRET_CHECK = "secret_check"
_RESEALED_AT_ONCE = 200


@asynccontextmanager
async def opened(settings: Settings, telemetry: Telemetry) -> AsyncIterator[Parts]:
    """The parts over the database of the settings; it is made if there is none, and closed at the end.

    The signer holds no keys yet: commands seldom need them, and ``key_ring.ensure`` loads them.

    Raises:
        SettingsError: the database is of another version, or was made under another secret.
        StorageUnavailable: it does not answer.
    """
    database = database_of(settings)
    await _prepare_schema(database)
    clock, entropy = SystemClock(), SystemEntropy()
    passwords = Argon2Passwords()
    storage = await open_storage(database, clock=clock)
    try:
        sealing = Sealing(settings.secrets, entropy)
        signer = LocalSigner(sealing)
        await _check_secret(storage, settings.secrets, sealing, telemetry)
        await _remember_longest(storage, settings.lifetimes.access_token)

        async def reload_keys() -> None:
            await key_ring.ensure(storage, signer, now=clock.now())

        yield Parts(
            issuer=settings.issuer,
            storage=storage,
            clock=clock,
            entropy=entropy,
            passwords=passwords,
            signer=signer,
            sealer=sealing,
            telemetry=telemetry,
            secrets=settings.secrets,
            lifetimes=settings.lifetimes,
            directory=Directory(storage),
            log_tail=LogTail(storage, clock, telemetry, keys_revoked=reload_keys),
            passkeys=passkeys_of(settings.issuer),
            sign_up_open=settings.sign_up_open,
            sends_mail=settings.mail is not None,
        )
    except CannotUnseal:
        raise SettingsError(
            "the signing keys do not open under WATCHWORD_SECRET: list the secret that they were made under, too"
        ) from None
    finally:
        passwords.close()
        await storage.close()


def database_of(settings: Settings) -> Database:
    """The database that the settings name.

    Raises:
        SettingsError: the URL is none of ours.
    """
    try:
        return parse_database_url(settings.database_url)
    except ValueError as error:
        raise SettingsError(f"WATCHWORD_DATABASE_URL: {error}") from None


async def _prepare_schema(database: Database) -> None:
    state = await schema.inspect(database)
    match state.verdict:
        case "current":
            return
        case "empty":
            await schema.upgrade(database)
        case "older":
            raise SettingsError(
                f"the database is of revision {state.current}, this version wants {state.wanted}: "
                "run `watchword migrate`"
            )
        case "unknown" if state.foreign:
            raise SettingsError("the database holds somebody else's tables: give Watchword a database of its own")
        case "unknown":
            raise SettingsError(
                f"the database is of revision {state.current}, which a newer Watchword made: run that one"
            )


async def _check_secret(storage: Storage, secrets: SecretRing, sealing: Sealing, telemetry: Telemetry) -> None:
    """A wrong secret would make every refresh token look forged: better not to start."""
    async with storage.read() as reading:
        check = await reading.meta(_SECRET_CHECK)
    if check == secrets.newest.check:
        return
    if check is not None and not secrets.knows(check):
        raise SettingsError(
            "this database was made under another secret: put back the old WATCHWORD_SECRET, "
            "or list it behind the new one, separated by a space"
        )
    # What is sealed moves to the newest secret, so that older ones may be dropped once their tokens are dead. The check
    # value comes last: who is interrupted does it again.
    await _reseal_totps(storage, sealing, telemetry)
    async with storage.write() as tx:
        for key in await tx.lock_keys():
            if key.sealed is not None:
                await tx.put_key(replace(key, sealed=sealing.resealed(key.sealed, purpose=purpose_of(key.kid))))
        await tx.put_meta(_SECRET_CHECK, secrets.newest.check)


async def _reseal_totp(tx: Writing, totp: Totp, sealing: Sealing, telemetry: Telemetry) -> None:
    try:
        resealed = sealing.resealed(totp.sealed, purpose=purpose_of_totp(totp.sub))
    except CannotUnseal:
        # One user's trouble, which a recovery code or the operator ends: no reason to refuse everybody.
        telemetry.warn("totp.unreadable", sub=totp.sub)
    else:
        await tx.put_totp(replace(totp, sealed=resealed))


async def _reseal_totps(storage: Storage, sealing: Sealing, telemetry: Telemetry) -> None:
    """Seeds of authenticator apps, a few at a time: users sign in with them meanwhile."""
    after = ""
    while True:
        async with storage.read() as reading:
            page = await reading.totps(after=after, limit=_RESEALED_AT_ONCE)
        if not page:
            return
        async with storage.write() as tx:
            for found in page:
                # Users come first in the order of locks.
                await tx.lock_user(found.sub)
                totp = await tx.lock_totp(found.sub)
                if totp is not None:
                    await _reseal_totp(tx, totp, sealing, telemetry)
        after = page[-1].sub


async def _remember_longest(storage: Storage, ttl: float) -> None:
    async with storage.read() as reading:
        known = await reading.longest_access_token()
    if ttl > known:
        async with storage.write() as tx:
            await tx.raise_longest_access_token(ttl)
