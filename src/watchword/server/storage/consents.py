"""Consents: their rows, reads and writes."""

from typing import Any, Final

from sqlalchemy import bindparam, delete, select

from watchword.server.domain.consent import Consent
from watchword.server.storage import tables as t
from watchword.server.storage.row_statements import putting, staying
from watchword.server.storage.rows import pack, scope_of, storable, unpack
from watchword.server.storage.statement import Call, Row, Steps, fixed

_OF_ONE: Final = (t.consents.c.sub == bindparam("sub"), t.consents.c.client_id == bindparam("client_id"))
_CONSENT: Final = fixed(select(t.consents).where(*_OF_ONE))
_CONSENTS_OF: Final = fixed(
    select(t.consents).where(t.consents.c.sub == bindparam("sub")).order_by(t.consents.c.client_id)
)
_KEEP_USER: Final = staying(select(t.users.c.sub).where(t.users.c.sub == bindparam("sub")))
_KEEP_CLIENT: Final = staying(select(t.clients.c.client_id).where(t.clients.c.client_id == bindparam("client_id")))
_PUT: Final = putting(t.consents)
_DROP: Final = fixed(delete(t.consents).where(*_OF_ONE))


def consent(sub: str, client_id: str) -> Steps[Consent | None]:
    """What the user allowed that client."""
    found = (yield Call(_CONSENT, {"sub": sub, "client_id": client_id})) if storable(sub, client_id) else ()
    return _consent_of(found[0]) if found else None


def consents_of(sub: str) -> Steps[list[Consent]]:
    """All that a user allowed, by client id."""
    found = (yield Call(_CONSENTS_OF, {"sub": sub})) if storable(sub) else ()
    return [_consent_of(row) for row in found]


def put_consent(consent: Consent) -> Steps[None]:
    """A new or changed consent.

    Nobody deletes the user or the client meanwhile, so that none is left to a later client of the same id.
    """
    if not (yield Call(_KEEP_USER, {"sub": consent.sub})):
        return
    if not (yield Call(_KEEP_CLIENT, {"client_id": consent.client_id})):
        return
    yield Call(_PUT, _of_consent(consent))


def delete_consent(sub: str, client_id: str) -> Steps[None]:
    """Forget a consent."""
    if storable(sub, client_id):
        yield Call(_DROP, {"sub": sub, "client_id": client_id})


def _consent_of(row: Row) -> Consent:
    sub, client_id, scope, audiences, granted_at = row
    return Consent(
        sub=sub, client_id=client_id, scope=scope_of(scope), audiences=unpack(audiences), granted_at=granted_at
    )


def _of_consent(consent: Consent) -> dict[str, Any]:
    return {
        "sub": consent.sub,
        "client_id": consent.client_id,
        "scope": str(consent.scope),
        "audiences": pack(consent.audiences),
        "granted_at": consent.granted_at,
    }
