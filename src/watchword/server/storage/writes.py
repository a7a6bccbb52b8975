"""Writes, as statements and the steps that run them.

Rows are locked in one order: users, sessions, grants by id, then the log's head.
"""

from collections.abc import Iterable, Sequence
from operator import attrgetter
from typing import Any, Final

from sqlalchemy import Table, bindparam, delete, literal, select, update

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
from watchword.server.ports.transaction import AlreadyThere
from watchword.server.storage import grant_rows, reads, rows
from watchword.server.storage import tables as t
from watchword.server.storage.statement import Call, Insert, Statement, Steps, fixed

_STEP: Final = 1000


def _values(table: Table, *, without: Sequence[str] = ()) -> dict[str, Any]:
    return {column.name: bindparam(column.name, type_=column.type) for column in table.c if column.name not in without}


def _adding(table: Table, *, without: Sequence[str] = ()) -> Statement:
    return fixed(table.insert().values(_values(table, without=without)))


def _adding_if_free(table: Table) -> Statement:
    # An insert that fails would end the whole transaction on PostgreSQL; this one answers with no row instead.
    key = next(iter(table.primary_key))
    return Statement(lambda insert: insert(table).values(_values(table)).on_conflict_do_nothing().returning(key))


def _changing(table: Table) -> Statement:
    key = next(iter(table.primary_key))
    return fixed(update(table).where(key == bindparam("key")).values(_values(table, without=(key.name,))))


def _putting(table: Table) -> Statement:
    key = next(iter(table.primary_key))

    def build(insert: Insert) -> Any:
        new = insert(table).values(_values(table))
        return new.on_conflict_do_update(
            index_elements=[key], set_={name: new.excluded[name] for name in _values(table, without=(key.name,))}
        )

    return Statement(build)


_ADD_USER: Final = _adding_if_free(t.users)
_PUT_USER: Final = _changing(t.users)
_LOCK_USER: Final = reads.locking(select(t.users.c.sub).where(t.users.c.sub == bindparam("sub")))
_DROP_USER: Final = fixed(delete(t.users).where(t.users.c.sub == bindparam("sub")))
_ADD_USER_ROLE: Final = _adding(t.user_roles)
_DROP_USER_ROLES: Final = fixed(delete(t.user_roles).where(t.user_roles.c.sub == bindparam("sub")))
_ADD_CLIENT: Final = _adding_if_free(t.clients)
_LOCK_CLIENT: Final = reads.locking(select(t.clients).where(t.clients.c.client_id == bindparam("client_id")))
_PUT_CLIENT: Final = _changing(t.clients)
_DROP_CLIENT: Final = fixed(delete(t.clients).where(t.clients.c.client_id == bindparam("client_id")))
_ADD_API: Final = _adding_if_free(t.apis)
_ADD_API_SCOPE: Final = _adding(t.api_scopes)
_ADD_ROLE: Final = _adding_if_free(t.roles)
_ADD_ROLE_SCOPE: Final = _adding(t.role_scopes)
_ADD_SESSION: Final = _adding(t.sessions)
_LOCK_SESSION: Final = reads.locking(select(*reads.SESSION_COLUMNS).where(t.sessions.c.sid == bindparam("sid")))
_PUT_SESSION: Final = _changing(t.sessions)
_ADD_GRANT: Final = _adding(t.grants)
_LOCK_GRANT: Final = reads.locking(select(t.grants.c.id).where(t.grants.c.id == bindparam("id")))
PUT_GRANT: Final = _changing(t.grants)
_ADD_CODE: Final = _adding(t.codes)
_LOCK_CODE: Final = reads.locking(reads.CODE)
_PUT_CODE: Final = _changing(t.codes)
_PUT_KEY: Final = _putting(t.signing_keys)
_ADD_BUCKET: Final = _adding_if_free(t.throttle)
_LOCK_BUCKET: Final = reads.locking(select(t.throttle).where(t.throttle.c.key == bindparam("key")))
_PUT_BUCKET: Final = _putting(t.throttle)
ADD_EVENT: Final = _adding(t.audit, without=("id",))
_ADD_META: Final = _adding_if_free(t.meta)
_LOCK_META: Final = reads.locking(select(t.meta.c.value).where(t.meta.c.name == bindparam("name")))
_PUT_META: Final = _putting(t.meta)


def _lock_grants_where(column: Any, name: str) -> Statement:
    return reads.locking(select(t.grants.c.id).where(column == bindparam(name)).order_by(t.grants.c.id))


def _drop_where(column: Any, name: str) -> Statement:
    return fixed(delete(column.table).where(column == bindparam(name)))


_LOCK_GRANTS_OF_USER: Final = _lock_grants_where(t.grants.c.sub, "sub")
_DROP_OF_USER: Final = tuple(_drop_where(table.c.sub, "sub") for table in (t.grants, t.sessions, t.codes))
_DROP_CODES_OF_CLIENT: Final = _drop_where(t.codes.c.client_id, "client_id")
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
    """Delete a client with its grants and codes."""
    # However many there are, no statement takes long.
    while (yield from delete_grants_of_client(client_id, _STEP)) == _STEP:
        pass
    yield Call(_DROP_CODES_OF_CLIENT, {"client_id": client_id})
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
    """A new grant."""
    yield Call(_ADD_GRANT, grant_rows.of_grant(grant))


def lock_grant(grant_id: bytes) -> Steps[tuple[Grant, Standing] | None]:
    """The grant, for writing. The lock comes first: what is read behind it is the newest."""
    locked = yield Call(_LOCK_GRANT, {"id": grant_id})
    return (yield from reads.grant(grant_id)) if locked else None


def put_grant(grant: Grant) -> Steps[None]:
    """The changed row of a grant."""
    yield Call(PUT_GRANT, grant_rows.of_grant(grant) | {"key": grant.id})


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
