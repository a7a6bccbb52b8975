"""Passkeys, authenticator apps, recovery codes, one-time links, and what was spent: rows, reads and writes."""

from collections.abc import Sequence
from typing import Any, Final

from sqlalchemy import bindparam, delete, func, select

from watchword.server.domain.factors import Factors
from watchword.server.domain.one_time_link import OneTimeLink, Purpose
from watchword.server.domain.passkey import Passkey
from watchword.server.domain.time import Instant
from watchword.server.domain.totp import Totp
from watchword.server.ports.already_there import AlreadyThere
from watchword.server.storage import tables as t
from watchword.server.storage.row_statements import (
    adding,
    adding_if_free,
    changing,
    dropping,
    locking,
    putting,
    staying,
)
from watchword.server.storage.rows import pack, storable, unpack
from watchword.server.storage.statement import Call, Row, Steps, fixed


def _count(table: Any) -> Any:
    return select(func.count()).select_from(table).where(table.c.sub == bindparam("sub")).scalar_subquery()


_FACTORS: Final = fixed(select(_count(t.totps), _count(t.passkeys), _count(t.recovery_codes)))
_KEEP_USER: Final = staying(select(t.users.c.sub).where(t.users.c.sub == bindparam("sub")))

_of_id: Final = select(t.passkeys).where(t.passkeys.c.credential_id == bindparam("credential_id"))
_PASSKEY: Final = fixed(_of_id)
_LOCK_PASSKEY: Final = locking(_of_id)
_PASSKEYS_OF: Final = fixed(
    select(t.passkeys)
    .where(t.passkeys.c.sub == bindparam("sub"))
    .order_by(t.passkeys.c.created_at, t.passkeys.c.credential_id)
)
_ADD_PASSKEY: Final = adding_if_free(t.passkeys)
_PUT_PASSKEY: Final = changing(t.passkeys)
_DROP_PASSKEY: Final = dropping(t.passkeys.c.credential_id, "credential_id")

_totp_of: Final = select(t.totps).where(t.totps.c.sub == bindparam("sub"))
_TOTP: Final = fixed(_totp_of)
_LOCK_TOTP: Final = locking(_totp_of)
_TOTPS: Final = fixed(
    select(t.totps).where(t.totps.c.sub > bindparam("after")).order_by(t.totps.c.sub).limit(bindparam("limit"))
)
_PUT_TOTP: Final = putting(t.totps)
_DROP_TOTP: Final = dropping(t.totps.c.sub, "sub")

_ADD_CODE: Final = adding(t.recovery_codes)
_DROP_CODES: Final = dropping(t.recovery_codes.c.sub, "sub")
_TAKE_CODE: Final = fixed(
    delete(t.recovery_codes)
    .where(t.recovery_codes.c.code_hash == bindparam("code_hash"), t.recovery_codes.c.sub == bindparam("sub"))
    .returning(t.recovery_codes.c.sub)
)

_LINK: Final = fixed(select(t.one_time_links).where(t.one_time_links.c.id == bindparam("id")))
_PUT_LINK: Final = putting(t.one_time_links)
_TAKE_LINK: Final = fixed(
    delete(t.one_time_links).where(t.one_time_links.c.id == bindparam("id")).returning(*t.one_time_links.c)
)
_DROP_LINK: Final = fixed(
    delete(t.one_time_links).where(
        t.one_time_links.c.sub == bindparam("sub"), t.one_time_links.c.purpose == bindparam("purpose")
    )
)
_SPEND: Final = adding_if_free(t.spent)

DROP_OF_USER: Final = (
    *(dropping(table.c.sub, "sub") for table in (t.passkeys, t.totps, t.recovery_codes, t.one_time_links)),
)


def factors(sub: str) -> Steps[Factors]:
    """What the user has enrolled."""
    found = (yield Call(_FACTORS, {"sub": sub})) if storable(sub) else [(0, 0, 0)]
    ((apps, passkeys, codes),) = found
    return Factors(totp=bool(apps), passkeys=passkeys, recovery_codes=codes)


def passkey(credential_id: bytes) -> Steps[Passkey | None]:
    """The passkey with that id."""
    found = yield Call(_PASSKEY, {"credential_id": credential_id})
    return _passkey_of(found[0]) if found else None


def lock_passkey(credential_id: bytes) -> Steps[Passkey | None]:
    """The passkey, for writing."""
    found = yield Call(_LOCK_PASSKEY, {"credential_id": credential_id})
    return _passkey_of(found[0]) if found else None


def passkeys_of(sub: str) -> Steps[list[Passkey]]:
    """A user's passkeys, oldest first."""
    found = (yield Call(_PASSKEYS_OF, {"sub": sub})) if storable(sub) else ()
    return [_passkey_of(row) for row in found]


def add_passkey(passkey: Passkey) -> Steps[None]:
    """A new passkey."""
    if not (yield Call(_ADD_PASSKEY, _of_passkey(passkey))):
        raise AlreadyThere("passkey")


def put_passkey(passkey: Passkey) -> Steps[None]:
    """The changed row of a passkey."""
    yield Call(_PUT_PASSKEY, _of_passkey(passkey) | {"key": passkey.credential_id})


def delete_passkey(credential_id: bytes) -> Steps[None]:
    """Forget a passkey."""
    yield Call(_DROP_PASSKEY, {"credential_id": credential_id})


def totp(sub: str) -> Steps[Totp | None]:
    """The user's authenticator app."""
    found = (yield Call(_TOTP, {"sub": sub})) if storable(sub) else ()
    return _totp_of_row(found[0]) if found else None


def lock_totp(sub: str) -> Steps[Totp | None]:
    """The user's authenticator app, for writing."""
    found = (yield Call(_LOCK_TOTP, {"sub": sub})) if storable(sub) else ()
    return _totp_of_row(found[0]) if found else None


def totps(after: str, limit: int) -> Steps[list[Totp]]:
    """Authenticator apps in order of their users."""
    found = yield Call(_TOTPS, {"after": after, "limit": limit})
    return [_totp_of_row(row) for row in found]


def put_totp(totp: Totp) -> Steps[None]:
    """A new or changed authenticator app."""
    if not (yield Call(_KEEP_USER, {"sub": totp.sub})):
        return
    row = {"sub": totp.sub, "sealed": totp.sealed, "last_step": totp.last_step, "created_at": totp.created_at}
    yield Call(_PUT_TOTP, row)


def delete_totp(sub: str) -> Steps[None]:
    """Forget an authenticator app."""
    if storable(sub):
        yield Call(_DROP_TOTP, {"sub": sub})


def replace_recovery_codes(sub: str, hashes: Sequence[bytes]) -> Steps[None]:
    """The user's recovery codes, in the place of those before."""
    yield Call(_DROP_CODES, {"sub": sub})
    if not (yield Call(_KEEP_USER, {"sub": sub})):
        return
    for code_hash in hashes:
        yield Call(_ADD_CODE, {"code_hash": code_hash, "sub": sub})


def take_recovery_code(sub: str, code_hash: bytes) -> Steps[bool]:
    """Use up a recovery code."""
    return bool((yield Call(_TAKE_CODE, {"code_hash": code_hash, "sub": sub})))


def link(link_id: bytes) -> Steps[OneTimeLink | None]:
    """The link with that id."""
    found = yield Call(_LINK, {"id": link_id})
    return _link_of(found[0]) if found else None


def put_link(link: OneTimeLink) -> Steps[None]:
    """A link, in the place of the one before."""
    if not (yield Call(_KEEP_USER, {"sub": link.sub})):
        return
    row = {
        "sub": link.sub,
        "purpose": link.purpose,
        "id": link.id,
        "email": link.email,
        "epoch": link.epoch,
        "expires_at": link.expires_at,
    }
    yield Call(_PUT_LINK, row)


def take_link(link_id: bytes) -> Steps[OneTimeLink | None]:
    """The link with that id, which is gone then."""
    found = yield Call(_TAKE_LINK, {"id": link_id})
    return _link_of(found[0]) if found else None


def delete_link(sub: str, purpose: Purpose) -> Steps[None]:
    """Kill a link."""
    if storable(sub):
        yield Call(_DROP_LINK, {"sub": sub, "purpose": purpose})


def spend(key: bytes, until: Instant) -> Steps[bool]:
    """Mark as used; whether it was the first time."""
    return bool((yield Call(_SPEND, {"key": key, "until": float(until)})))


def _passkey_of(row: Row) -> Passkey:
    credential_id, sub, public_key, sign_count, eligible, backed_up, transports, name, created_at, last_used_at = row
    return Passkey(
        credential_id=credential_id,
        sub=sub,
        public_key=public_key,
        sign_count=sign_count,
        backup_eligible=bool(eligible),
        backed_up=bool(backed_up),
        transports=unpack(transports),
        name=name,
        created_at=created_at,
        last_used_at=last_used_at,
    )


def _of_passkey(passkey: Passkey) -> dict[str, Any]:
    return {
        "credential_id": passkey.credential_id,
        "sub": passkey.sub,
        "public_key": passkey.public_key,
        "sign_count": passkey.sign_count,
        "backup_eligible": passkey.backup_eligible,
        "backed_up": passkey.backed_up,
        "transports": pack(passkey.transports),
        "name": passkey.name,
        "created_at": passkey.created_at,
        "last_used_at": passkey.last_used_at,
    }


def _totp_of_row(row: Row) -> Totp:
    sub, sealed, last_step, created_at = row
    return Totp(sub=sub, sealed=sealed, last_step=last_step, created_at=created_at)


def _link_of(row: Row) -> OneTimeLink:
    sub, purpose, link_id, email, epoch, expires_at = row
    return OneTimeLink(id=link_id, purpose=purpose, sub=sub, email=email, epoch=epoch, expires_at=expires_at)
