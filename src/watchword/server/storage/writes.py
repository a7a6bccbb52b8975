"""Writes, as statements and the steps that run them.

Rows are locked in one order: users, clients, sessions, grants by id, then the log's head.
"""

from collections.abc import Iterable, Sequence
from operator import attrgetter
from typing import Any, Final

from sqlalchemy import Double, bindparam, case, delete, literal, select, update

from watchword.server.domain.api import Api
from watchword.server.domain.audit import AuditEvent
from watchword.server.domain.client import Client
from watchword.server.domain.grant import Grant, Standing
from watchword.server.domain.grant_types.authorization_code import AuthorizationCode
from watchword.server.domain.key_ring import RingKey
from watchword.server.domain.session import Session
from watchword.server.domain.throttle import Bucket
from watchword.server.domain.time import Instant, Seconds
from watchword.server.domain.user import User
from watchword.server.ports.already_there import AlreadyThere
from watchword.server.storage import factors, grant_rows, reads, rows
from watchword.server.storage import tables as t
from watchword.server.storage.row_statements import adding, adding_if_free, changing, dropping, locking, putting
from watchword.server.storage.statement import Call, Statement, Steps, fixed

_STEP: Final = 1000

_ADD_USER: Final = adding_if_free(t.users)
_PUT_USER: Final = changing(t.users)
_LOCK_USER: Final = locking(select(t.users.c.sub).where(t.users.c.sub == bindparam("sub")))
_DROP_USER: Final = fixed(delete(t.users).where(t.users.c.sub == bindparam("sub")))
_ADD_USER_ROLE: Final = adding(t.user_roles)
_DROP_USER_ROLES: Final = fixed(delete(t.user_roles).where(t.user_roles.c.sub == bindparam("sub")))
_ADD_CLIENT: Final = adding_if_free(t.clients)
_LOCK_CLIENT: Final = locking(select(t.clients).where(t.clients.c.client_id == bindparam("client_id")))
_PUT_CLIENT: Final = changing(t.clients)
_DROP_CLIENT: Final = fixed(delete(t.clients).where(t.clients.c.client_id == bindparam("client_id")))
_ADD_API: Final = adding_if_free(t.apis)
_ADD_API_SCOPE: Final = adding(t.api_scopes)
_ADD_ROLE: Final = adding_if_free(t.roles)
_ADD_ROLE_SCOPE: Final = adding(t.role_scopes)
_ADD_SESSION: Final = adding(t.sessions)
_LOCK_SESSION: Final = locking(select(*reads.SESSION_COLUMNS).where(t.sessions.c.sid == bindparam("sid")))
# Its row stays as long as a grant may stand on it, so only the end of the session brings this date forward.
_PUT_SESSION: Final = changing(
    t.sessions,
    ends_at=case(
        (bindparam("ended_at", type_=Double).is_not(None), bindparam("ends_at", type_=Double)),
        (t.sessions.c.ends_at > bindparam("ends_at", type_=Double), t.sessions.c.ends_at),
        else_=bindparam("ends_at", type_=Double),
    ),
)
_KEEP_SESSION: Final = fixed(
    update(t.sessions)
    .where(
        t.sessions.c.sid == bindparam("key"),
        t.sessions.c.ended_at.is_(None),
        t.sessions.c.ends_at < bindparam("end", type_=Double),
    )
    .values(ends_at=bindparam("end", type_=Double))
)
_ADD_GRANT: Final = adding(t.grants)
_LOCK_GRANT: Final = locking(select(t.grants.c.id).where(t.grants.c.id == bindparam("id")))
# What a grant was given for stays as it was written.
PUT_GRANT: Final = changing(t.grants, auth_time=t.grants.c.auth_time, acr=t.grants.c.acr, amr=t.grants.c.amr)
_ADD_CODE: Final = adding(t.codes)
_LOCK_CODE: Final = locking(select(t.codes).where(t.codes.c.code_hash == bindparam("code_hash")))
_PUT_CODE: Final = changing(t.codes)
_PUT_KEY: Final = putting(t.signing_keys)
_ADD_BUCKET: Final = adding_if_free(t.throttle)
_LOCK_BUCKET: Final = locking(select(t.throttle).where(t.throttle.c.key == bindparam("key")))
_PUT_BUCKET: Final = putting(t.throttle)
ADD_EVENT: Final = adding(t.audit, without=("id",))
_ADD_META: Final = adding_if_free(t.meta)
_LOCK_META: Final = locking(select(t.meta.c.value).where(t.meta.c.name == bindparam("name")))
_PUT_META: Final = putting(t.meta)


def _lock_grants_where(column: Any, name: str) -> Statement:
    return locking(select(t.grants.c.id).where(column == bindparam(name)).order_by(t.grants.c.id))


_LOCK_GRANTS_OF_USER: Final = _lock_grants_where(t.grants.c.sub, "sub")
_LOCK_GRANTS_FOR_CLIENT: Final = locking(
    select(*reads.GRANT_COLUMNS)
    .where(
        t.grants.c.sub == bindparam("sub"),
        t.grants.c.client_id == bindparam("client_id"),
        t.grants.c.ended_at.is_(None),
    )
    .order_by(t.grants.c.id)
)
_DROP_OF_USER: Final = (
    *(dropping(table.c.sub, "sub") for table in (t.grants, t.sessions, t.codes, t.consents)),
    *factors.DROP_OF_USER,
)
_DROP_OF_CLIENT: Final = tuple(
    dropping(table.c.client_id, "client_id") for table in (t.codes, t.consents, t.pushed_requests)
)
# In the order of the index on both columns: nothing is sorted, and locks are taken by id.
_DROP_GRANTS_OF_CLIENT: Final = fixed(
    delete(t.grants)
    .where(
        t.grants.c.id.in_(
            select(t.grants.c.id)
            .where(t.grants.c.client_id == bindparam("client_id"))
            .order_by(t.grants.c.client_id, t.grants.c.id)
            .limit(bindparam("limit"))
            .with_for_update()
        )
    )
    .returning(literal(1))
)


def _add_if_free(statement: Statement, what: str, values: dict[str, Any]) -> Steps[None]:
    if not (yield Call(statement, values)):
        raise AlreadyThere(what)


def lock_user(sub: str) -> Steps[User | None]:
    """The user, for writing. The lock comes first: what is read behind it, roles included, is the newest."""
    locked = (yield Call(_LOCK_USER, {"sub": sub})) if rows.storable(sub) else ()
    return (yield from reads.user(sub)) if locked else None


def add_user(user: User) -> Steps[None]:
    """A new user with roles."""
    yield from _add_if_free(_ADD_USER, "username", rows.of_user(user))
    for role in sorted(user.roles):
        yield Call(_ADD_USER_ROLE, {"sub": user.sub, "role": role})


def put_user(user: User) -> Steps[None]:
    """The changed row of a user, and roles."""
    if not (yield Call(_LOCK_USER, {"sub": user.sub})):
        return
    yield Call(_PUT_USER, rows.of_user(user) | {"key": user.sub})
    yield Call(_DROP_USER_ROLES, {"sub": user.sub})
    for role in sorted(user.roles):
        yield Call(_ADD_USER_ROLE, {"sub": user.sub, "role": role})


def delete_user(sub: str) -> Steps[None]:
    """Delete a user with all that hangs on him."""
    yield Call(_LOCK_USER, {"sub": sub})
    yield Call(_LOCK_GRANTS_OF_USER, {"sub": sub})
    for statement in _DROP_OF_USER:
        yield Call(statement, {"sub": sub})
    yield Call(_DROP_USER_ROLES, {"sub": sub})
    yield Call(_DROP_USER, {"sub": sub})


def add_client(client: Client) -> Steps[None]:
    """A new client."""
    yield from _add_if_free(_ADD_CLIENT, "client", rows.of_client(client))


def lock_client(client_id: str) -> Steps[Client | None]:
    """The client, for writing."""
    row = (yield from reads.one(_LOCK_CLIENT, client_id=client_id)) if rows.storable(client_id) else None
    return None if row is None else rows.client_of(row)


def put_client(client: Client) -> Steps[None]:
    """The changed row of a client."""
    yield Call(_PUT_CLIENT, rows.of_client(client) | {"key": client.client_id})


def delete_grants_of_client(client_id: str, limit: int) -> Steps[int]:
    """Delete up to ``limit`` grants of a client; how many there were."""
    gone = yield Call(_DROP_GRANTS_OF_CLIENT, {"client_id": client_id, "limit": limit})
    return len(gone)


def delete_client(client_id: str) -> Steps[None]:
    """Delete a client with all that hangs on it."""
    # However many grants there are, no statement takes long.
    while (yield from delete_grants_of_client(client_id, _STEP)) == _STEP:
        pass
    for statement in _DROP_OF_CLIENT:
        yield Call(statement, {"client_id": client_id})
    yield Call(_DROP_CLIENT, {"client_id": client_id})


def add_api(api: Api) -> Steps[None]:
    """A new API with its scopes."""
    row = {"audience": api.audience, "alg": api.alg, "access_token_ttl": api.access_token_ttl}
    yield from _add_if_free(_ADD_API, "api", row)
    for scope in sorted(api.scope):
        yield Call(_ADD_API_SCOPE, {"audience": api.audience, "scope": scope})


def add_role(name: str, scope: Sequence[str]) -> Steps[None]:
    """A new role."""
    yield from _add_if_free(_ADD_ROLE, "role", {"name": name})
    for token in sorted(set(scope)):
        yield Call(_ADD_ROLE_SCOPE, {"role": name, "scope": token})


def raise_longest_access_token(ttl: Seconds) -> Steps[None]:
    """Remember ``ttl`` if it is longer than any before."""
    name = t.LONGEST_ACCESS_TOKEN
    if (yield Call(_ADD_META, {"name": name, "value": repr(float(ttl))})):
        return
    row = yield from reads.one(_LOCK_META, name=name)
    if row is None or float(row[0]) < ttl:
        yield from put_meta(name, repr(float(ttl)))


def add_session(session: Session) -> Steps[None]:
    """A new session."""
    yield Call(_ADD_SESSION, grant_rows.of_session(session))


def lock_session(sid: str) -> Steps[Session | None]:
    """The session, for writing."""
    row = (yield from reads.one(_LOCK_SESSION, sid=sid)) if rows.storable(sid) else None
    return None if row is None else grant_rows.session_of(row)


def put_session(session: Session) -> Steps[None]:
    """The changed row of a session."""
    yield Call(_PUT_SESSION, grant_rows.of_session(session) | {"key": session.sid})


def add_grant(grant: Grant) -> Steps[None]:
    """A new grant. The row of its session, which may end before it, is kept for it."""
    yield Call(_KEEP_SESSION, {"key": grant.sid, "end": grant.absolute_end})
    yield Call(_ADD_GRANT, grant_rows.of_grant(grant))


def lock_grant(grant_id: bytes) -> Steps[tuple[Grant, Standing] | None]:
    """The grant, for writing. The lock comes first: what is read behind it is the newest."""
    locked = yield Call(_LOCK_GRANT, {"id": grant_id})
    return (yield from reads.grant(grant_id)) if locked else None


def put_grant(grant: Grant) -> Steps[None]:
    """The changed row of a grant."""
    yield Call(PUT_GRANT, grant_rows.of_grant(grant) | {"key": grant.id})


def grants_of_user(sub: str, client_id: str) -> Steps[list[Grant]]:
    """The living grants of a user for one client, for writing."""
    values = {"sub": sub, "client_id": client_id}
    # PostgreSQL looks at a row anew after it waited for its lock: what ended meanwhile does not come.
    found = (yield Call(_LOCK_GRANTS_FOR_CLIENT, values)) if rows.storable(sub, client_id) else ()
    return [grant_rows.grant_of(row) for row in found]


def add_code(code: AuthorizationCode) -> Steps[None]:
    """A new authorization code."""
    yield Call(_ADD_CODE, grant_rows.of_code(code))


def lock_code(code_hash: bytes) -> Steps[AuthorizationCode | None]:
    """The code, for writing."""
    row = yield from reads.one(_LOCK_CODE, code_hash=code_hash)
    return None if row is None else grant_rows.code_of(row)


def put_code(code: AuthorizationCode) -> Steps[None]:
    """The changed row of a code."""
    yield Call(_PUT_CODE, grant_rows.of_code(code) | {"key": code.code_hash})


def lock_keys() -> Steps[list[RingKey]]:
    """All signing keys, for writing. The ring may be empty, so it is locked by a row that is always there."""
    yield Call(_LOCK_META, {"name": t.KEY_RING_LOCK})
    return (yield from reads.keys())


def put_key(key: RingKey) -> Steps[None]:
    """A new or changed signing key."""
    yield Call(_PUT_KEY, rows.of_key(key))


def lock_buckets(keys: Sequence[bytes]) -> Steps[dict[bytes, Bucket]]:
    """The buckets, for writing, locked in the order of their keys; missing ones are made first, to be locked."""
    found: dict[bytes, Bucket] = {}
    for key in sorted(set(keys)):
        yield Call(_ADD_BUCKET, rows.of_bucket(Bucket(key=key)))
        row = yield from reads.one(_LOCK_BUCKET, key=key)
        found[key] = Bucket(key=key) if row is None else rows.bucket_of(row)
    return found


def put_buckets(buckets: Iterable[Bucket]) -> Steps[None]:
    """New or changed buckets."""
    for bucket in sorted(buckets, key=attrgetter("key")):
        yield Call(_PUT_BUCKET, rows.of_bucket(bucket))


def record(event: AuditEvent, now: Instant) -> Steps[None]:
    """An audit row."""
    yield Call(ADD_EVENT, rows.of_event(event, now))


def put_meta(name: str, value: str) -> Steps[None]:
    """A named value."""
    yield Call(_PUT_META, {"name": name, "value": value})
