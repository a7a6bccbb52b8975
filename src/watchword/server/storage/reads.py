"""Reads, as statements and the steps that run them."""

from collections.abc import Sequence
from functools import cache
from typing import Any, Final

from sqlalchemy import ARRAY, Double, LargeBinary, and_, any_, bindparam, func, select

from watchword.server.domain.api import Catalog
from watchword.server.domain.audit import AuditRecord
from watchword.server.domain.client import Client
from watchword.server.domain.grant import Grant, Standing
from watchword.server.domain.grant_types.authorization_code import AuthorizationCode
from watchword.server.domain.key_ring import RingKey
from watchword.server.domain.session import Session
from watchword.server.domain.throttle import Bucket
from watchword.server.domain.time import Instant, Seconds
from watchword.server.domain.user import User
from watchword.server.storage import grant_rows, rows
from watchword.server.storage import tables as t
from watchword.server.storage.gathering import Gathered
from watchword.server.storage.statement import Call, Row, Statement, Steps, fixed

SESSION_COLUMNS: Final = [column for column in t.sessions.c if column.name != "ends_at"]
GRANT_COLUMNS: Final = [column for column in t.grants.c if column.name != "ends_at"]
# A node of the version before writes grants that do not say which sign-in they were given for.
_GRANT_COLUMNS_OR_SESSIONS: Final = [
    func.coalesce(column, t.sessions.c[column.name]) if column.name in ("auth_time", "acr", "amr") else column
    for column in GRANT_COLUMNS
]

_roles_of_users: Final = (
    select(Gathered(t.user_roles.c.role))
    .where(t.user_roles.c.sub == t.users.c.sub)
    .correlate(t.users)
    .scalar_subquery()
)
_users: Final = select(t.users, _roles_of_users)

# Everything beside the grant is found by its primary key. Only the grant's row is ever locked by this statement.
_grants: Final = (
    select(
        *_GRANT_COLUMNS_OR_SESSIONS,
        t.users.c.enabled,
        t.users.c.epoch,
        _roles_of_users,
        t.sessions.c.epoch,
        t.sessions.c.ended_at,
        t.sessions.c.ended_reason,
        t.sessions.c.opened_in,
        # Deleted and created anew, a client is another one, and inherits no grant that was written meanwhile.
        and_(t.clients.c.enabled, t.clients.c.created_at <= t.grants.c.created_at),
    )
    .select_from(t.grants)
    .outerjoin(t.users, t.users.c.sub == t.grants.c.sub)
    .outerjoin(t.sessions, t.sessions.c.sid == t.grants.c.sid)
    .outerjoin(t.clients, t.clients.c.client_id == t.grants.c.client_id)
)

USER: Final = fixed(_users.where(t.users.c.sub == bindparam("sub")))
_USER_BY_NAME: Final = fixed(_users.where(t.users.c.username_key == bindparam("username_key")))
_USERS_BY_EMAIL: Final = fixed(
    _users.where(t.users.c.email_key == bindparam("email_key"))
    .order_by(t.users.c.created_at, t.users.c.sub)
    .limit(bindparam("limit"))
)
_USERS: Final = fixed(
    _users.where(t.users.c.username_key > bindparam("after")).order_by(t.users.c.username_key).limit(bindparam("limit"))
)
CLIENT: Final = fixed(select(t.clients).where(t.clients.c.client_id == bindparam("client_id")))
_CLIENTS: Final = fixed(select(t.clients).order_by(t.clients.c.client_id))
_APIS: Final = fixed(select(t.apis).order_by(t.apis.c.audience))
_API_SCOPES: Final = fixed(select(t.api_scopes))
_ROLES: Final = fixed(select(t.roles).order_by(t.roles.c.name))
_ROLE_SCOPES: Final = fixed(select(t.role_scopes))
SESSION: Final = fixed(select(*SESSION_COLUMNS).where(t.sessions.c.sid == bindparam("sid")))
_SESSIONS_OF: Final = fixed(
    select(*SESSION_COLUMNS)
    .where(t.sessions.c.sub == bindparam("sub"))
    .order_by(t.sessions.c.created_at.desc(), t.sessions.c.sid)
)
_SESSION_BY_COOKIE: Final = fixed(
    select(*SESSION_COLUMNS, t.users, _roles_of_users)
    .join(t.users, t.users.c.sub == t.sessions.c.sub)
    .where(t.sessions.c.cookie_hash == bindparam("cookie_hash"))
)
_GRANTS_OF_SESSION: Final = fixed(
    select(*GRANT_COLUMNS).where(t.grants.c.sid == bindparam("sid")).order_by(t.grants.c.created_at, t.grants.c.gid)
)
_SESSIONS_WITH_GRANTS: Final = fixed(
    select(t.grants.c.sid)
    .distinct()
    .join(t.clients, t.clients.c.client_id == t.grants.c.client_id)
    .where(
        t.grants.c.sub == bindparam("sub"),
        t.grants.c.ended_at.is_(None),
        t.grants.c.absolute_end > bindparam("now", type_=Double),
        t.grants.c.last_used_at + t.grants.c.idle > bindparam("now", type_=Double),
        t.clients.c.enabled,
        t.clients.c.created_at <= t.grants.c.created_at,
    )
)
GRANT: Final = fixed(_grants.where(t.grants.c.id == bindparam("id")))
CODE: Final = select(t.codes).where(t.codes.c.code_hash == bindparam("code_hash"))
_CODE: Final = fixed(CODE)
_GRANT_BY_GID: Final = fixed(_grants.where(t.grants.c.gid == bindparam("gid")))


@cache
def grants(count: int) -> Statement:
    """The grants of ``count`` ids, ``id0`` and so on. For SQLite, which has no arrays."""
    return fixed(_grants.where(t.grants.c.id.in_([bindparam(f"id{at}") for at in range(count)])))


# PostgreSQL alone: the rows of a batch, locked in the order of their ids, so that batches never wait in a circle.
LOCK_GRANTS: Final = fixed(
    _grants.where(t.grants.c.id == any_(bindparam("ids", type_=ARRAY(LargeBinary))))
    .order_by(t.grants.c.id)
    .with_for_update(of=t.grants)
)
KEYS: Final = fixed(select(t.signing_keys).order_by(t.signing_keys.c.created_at, t.signing_keys.c.kid))
BUCKET: Final = fixed(select(t.throttle).where(t.throttle.c.key == bindparam("key")))
_AUDIT: Final = fixed(
    select(t.audit.c.at, t.audit.c.kind, t.audit.c.fields).order_by(t.audit.c.id.desc()).limit(bindparam("limit"))
)
META: Final = fixed(select(t.meta.c.value).where(t.meta.c.name == bindparam("name")))


def one(statement: Statement, **values: Any) -> Steps[Row | None]:
    """The only row, or None."""
    found = yield Call(statement, values)
    return found[0] if found else None


def user(sub: str) -> Steps[User | None]:
    """The user with that ``sub``."""
    row = (yield from one(USER, sub=sub)) if rows.storable(sub) else None
    return None if row is None else rows.user_of(row)


def user_by_name(username_key: str) -> Steps[User | None]:
    """The user with that folded name."""
    row = (yield from one(_USER_BY_NAME, username_key=username_key)) if rows.storable(username_key) else None
    return None if row is None else rows.user_of(row)


def users_by_email(email_key: str, limit: int) -> Steps[list[User]]:
    """Users with that verified address, folded."""
    found = (yield Call(_USERS_BY_EMAIL, {"email_key": email_key, "limit": limit})) if rows.storable(email_key) else ()
    return [rows.user_of(row) for row in found]


def users(after: str, limit: int) -> Steps[list[User]]:
    """Users in order of their folded names."""
    found = yield Call(_USERS, {"after": after, "limit": limit})
    return [rows.user_of(row) for row in found]


def client(client_id: str) -> Steps[Client | None]:
    """The client with that id."""
    row = (yield from one(CLIENT, client_id=client_id)) if rows.storable(client_id) else None
    return None if row is None else rows.client_of(row)


def clients() -> Steps[list[Client]]:
    """All clients by id."""
    found = yield Call(_CLIENTS, {})
    return [rows.client_of(row) for row in found]


def catalog() -> Steps[Catalog]:
    """All APIs and roles."""
    api_rows = yield Call(_APIS, {})
    api_scope_rows = yield Call(_API_SCOPES, {})
    role_rows = yield Call(_ROLES, {})
    role_scope_rows = yield Call(_ROLE_SCOPES, {})
    return rows.catalog_of(api_rows, api_scope_rows, role_rows, role_scope_rows)


def longest_access_token() -> Steps[Seconds]:
    """The longest access-token lifetime that was ever in force."""
    value = yield from meta(t.LONGEST_ACCESS_TOKEN)
    return 0 if value is None else float(value)


def session(sid: str) -> Steps[Session | None]:
    """The session with that id."""
    row = (yield from one(SESSION, sid=sid)) if rows.storable(sid) else None
    return None if row is None else grant_rows.session_of(row)


def session_by_cookie(cookie_hash: bytes) -> Steps[tuple[Session, User] | None]:
    """The browser's session with that cookie, and its user."""
    row = yield from one(_SESSION_BY_COOKIE, cookie_hash=cookie_hash)
    if row is None:
        return None
    width = len(SESSION_COLUMNS)
    return grant_rows.session_of(row[:width]), rows.user_of(row[width:])


def sessions_of(sub: str) -> Steps[list[Session]]:
    """All kept sessions of a user, newest first."""
    found = (yield Call(_SESSIONS_OF, {"sub": sub})) if rows.storable(sub) else ()
    return [grant_rows.session_of(row) for row in found]


def grants_of_session(sid: str) -> Steps[list[Grant]]:
    """All grants of a session, oldest first."""
    found = (yield Call(_GRANTS_OF_SESSION, {"sid": sid})) if rows.storable(sid) else ()
    return [grant_rows.grant_of(row) for row in found]


def sessions_with_grants(sub: str, now: Instant) -> Steps[set[str]]:
    """The sessions of a user in which a grant lives."""
    found = (yield Call(_SESSIONS_WITH_GRANTS, {"sub": sub, "now": float(now)})) if rows.storable(sub) else ()
    return {row[0] for row in found}


def grant(grant_id: bytes) -> Steps[tuple[Grant, Standing] | None]:
    """The grant with that id and what it stands on."""
    row = yield from one(GRANT, id=grant_id)
    return None if row is None else (grant_rows.grant_of(row), grant_rows.standing_of(row))


def grant_by_gid(gid: str) -> Steps[tuple[Grant, Standing] | None]:
    """The grant with that public name and what it stands on."""
    row = (yield from one(_GRANT_BY_GID, gid=gid)) if rows.storable(gid) else None
    return None if row is None else (grant_rows.grant_of(row), grant_rows.standing_of(row))


def code(code_hash: bytes) -> Steps[AuthorizationCode | None]:
    """The code with that SHA-256."""
    row = yield from one(_CODE, code_hash=code_hash)
    return None if row is None else grant_rows.code_of(row)


def keys() -> Steps[list[RingKey]]:
    """All signing keys, oldest first."""
    found = yield Call(KEYS, {})
    return [rows.key_of(row) for row in found]


def buckets(keys: Sequence[bytes]) -> Steps[dict[bytes, Bucket]]:
    """Those of the buckets that exist."""
    found: dict[bytes, Bucket] = {}
    for key in dict.fromkeys(keys):
        row = yield from one(BUCKET, key=key)
        if row is not None:
            found[key] = rows.bucket_of(row)
    return found


def audit(limit: int) -> Steps[list[AuditRecord]]:
    """The newest audit events, newest first."""
    found = yield Call(_AUDIT, {"limit": limit})
    return [rows.record_of(row) for row in found]


def meta(name: str) -> Steps[str | None]:
    """A named value."""
    row = yield from one(META, name=name)
    return None if row is None else row[0]
