"""The composition root: puts the parts together that settings ask for."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from watchword.server.adapters.argon2_passwords import Argon2Passwords
from watchword.server.adapters.fido2_passkeys import passkeys_of
from watchword.server.adapters.local_signer import LocalSigner
from watchword.server.adapters.sealing import Sealing
from watchword.server.adapters.system_clock import SystemClock
from watchword.server.adapters.system_entropy import SystemEntropy
from watchword.server.domain.secret_ring import SecretRing
from watchword.server.flows import key_ring, resealing
from watchword.server.flows.directory import Directory
from watchword.server.flows.log_tail import LogTail
from watchword.server.flows.parts import Parts
from watchword.server.ports.sealing import CannotUnseal
from watchword.server.ports.storage import Storage
from watchword.server.ports.telemetry import Telemetry
from watchword.server.settings import Settings, SettingsError
from watchword.server.storage import schema
from watchword.server.storage.database_url import Database, SqliteDatabase, parse_database_url
from watchword.server.storage.opening import open_storage


@asynccontextmanager
async def opened(
    settings: Settings, telemetry: Telemetry, *, serving: bool = False, beginning: bool = False
) -> AsyncIterator[Parts]:
    """The parts over the database of the settings, which is closed at the end.

    The signer holds no keys yet: commands seldom need them, and ``key_ring.ensure`` loads them.

    Args:
        settings: what the operator decided.
        telemetry: hears what there is to tell.
        serving: a server goes over to the newest secret; a command keeps to the server's.
        beginning: an empty database is made ready, as it is for a server; others are told that it is empty.

    Raises:
        SettingsError: the database is empty, of another version, or was made under another secret.
        StorageUnavailable: it does not answer.
    """
    database = database_of(settings)
    await _prepare_schema(database, beginning=serving or beginning)
    clock, entropy = SystemClock(), SystemEntropy()
    passwords = Argon2Passwords()
    storage = await open_storage(database, clock=clock)
    try:
        secrets = await _secrets_of(settings, storage, telemetry, serving=serving)
        sealing = Sealing(secrets, entropy)
        signer = LocalSigner(sealing)
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
            secrets=secrets,
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


async def _prepare_schema(database: Database, *, beginning: bool) -> None:
    state = await schema.inspect(database)
    match state.verdict:
        case "current":
            return
        case "empty" if beginning:
            await schema.upgrade(database)
        case "empty":
            where = database.path if isinstance(database, SqliteDatabase) else database.shown
            raise SettingsError(
                f"there is nothing of Watchword's at {where}: start `watchword serve` once, or run "
                "`watchword migrate`; or correct WATCHWORD_DATABASE_URL or WATCHWORD_DATA_DIR"
            )
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


async def _secrets_of(settings: Settings, storage: Storage, telemetry: Telemetry, *, serving: bool) -> SecretRing:
    try:
        if not serving:
            return await resealing.secrets_in_force(storage, settings.secrets)
        sealing = Sealing(settings.secrets, SystemEntropy())
        await resealing.take_over(storage, sealing, settings.secrets, telemetry)
    except resealing.UnknownSecret:
        raise SettingsError(
            "this database was made, or last served, under another secret than WATCHWORD_SECRET lists: take the "
            "server's own settings, or list its secret, too, behind a new one and separated by a space"
        ) from None
    return settings.secrets


async def _remember_longest(storage: Storage, ttl: float) -> None:
    async with storage.read() as reading:
        known = await reading.longest_access_token()
    if ttl > known:
        async with storage.write() as tx:
            await tx.raise_longest_access_token(ttl)
