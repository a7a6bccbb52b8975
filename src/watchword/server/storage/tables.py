"""The tables. What grows with use carries an indexed end date, which the sweep goes by.

Nothing hot is joined but by primary key. There are no foreign keys between users, clients, sessions and grants: what is
missing counts as ended, and a sweep of one never waits for another.
"""

from typing import Final

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    Double,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    Table,
    Text,
    text,
    true,
)

# Names are compared by code points on every database, so that their order is one.
NAME: Final = Text().with_variant(Text(collation="C"), "postgresql")
# SQLite counts up only columns that are exactly INTEGER.
COUNTER: Final = BigInteger().with_variant(Integer(), "sqlite")

metadata: Final = MetaData(
    naming_convention={
        "pk": "pk_%(table_name)s",
        "uq": "uq_%(table_name)s_%(column_0_name)s",
        "ix": "ix_%(table_name)s_%(column_0_name)s",
        "fk": "fk_%(table_name)s_%(column_0_name)s",
    }
)

users: Final = Table(
    "users",
    metadata,
    Column("sub", NAME, primary_key=True),
    Column("username", Text, nullable=False),
    Column("username_key", NAME, nullable=False, unique=True),
    Column("created_at", Double, nullable=False),
    Column("password_hash", Text),
    Column("email", Text),
    Column("email_verified", Boolean, nullable=False),
    Column("enabled", Boolean, nullable=False),
    Column("epoch", BigInteger, nullable=False),
    # Of a verified address, folded; several users may share one.
    Column("email_key", NAME, index=True),
)

roles: Final = Table("roles", metadata, Column("name", NAME, primary_key=True))

role_scopes: Final = Table(
    "role_scopes",
    metadata,
    Column("role", NAME, ForeignKey("roles.name", ondelete="CASCADE"), primary_key=True),
    Column("scope", NAME, primary_key=True),
)

user_roles: Final = Table(
    "user_roles",
    metadata,
    Column("sub", NAME, ForeignKey("users.sub", ondelete="CASCADE"), primary_key=True),
    Column("role", NAME, primary_key=True),
)

clients: Final = Table(
    "clients",
    metadata,
    Column("client_id", NAME, primary_key=True),
    Column("type", Text, nullable=False),
    Column("auth_method", Text, nullable=False),
    Column("created_at", Double, nullable=False),
    Column("secret_hash", LargeBinary),
    Column("grant_types", Text, nullable=False),
    Column("redirect_uris", Text, nullable=False),
    Column("origins", Text, nullable=False),
    Column("scope", Text, nullable=False),
    Column("apis", Text, nullable=False),
    Column("serves", Text),
    Column("first_party", Boolean, nullable=False),
    Column("reuse", Text, nullable=False),
    Column("lifetime", Text),
    Column("enabled", Boolean, nullable=False),
    Column("disabled_until", Double, nullable=False),
    # Of revision 0002; the defaults are for nodes of the version before, which do not know these columns.
    Column("post_logout_redirect_uris", Text, nullable=False, server_default="[]"),
    Column("backchannel_logout_uri", Text),
    Column("name", Text),
    Column("requires_pkce", Boolean, nullable=False, server_default=true()),
)

apis: Final = Table(
    "apis",
    metadata,
    Column("audience", NAME, primary_key=True),
    Column("alg", Text, nullable=False),
    Column("access_token_ttl", Double),
)

api_scopes: Final = Table(
    "api_scopes",
    metadata,
    Column("audience", NAME, ForeignKey("apis.audience", ondelete="CASCADE"), primary_key=True),
    Column("scope", NAME, primary_key=True),
)

sessions: Final = Table(
    "sessions",
    metadata,
    Column("sid", NAME, primary_key=True),
    Column("sub", NAME, nullable=False, index=True),
    Column("epoch", BigInteger, nullable=False),
    Column("auth_time", BigInteger, nullable=False),
    Column("acr", Text, nullable=False),
    Column("amr", Text, nullable=False),
    Column("device", Text, nullable=False),
    Column("created_at", Double, nullable=False),
    Column("expires_at", Double, nullable=False),
    Column("ended_at", Double),
    Column("ended_reason", Text),
    # When it ended, or when it and its grants will have ended at the latest.
    Column("ends_at", Double, nullable=False, index=True),
    # Of a browser's session.
    Column("cookie_hash", LargeBinary),
    Column("idle", Double),
    Column("last_seen_at", Double, nullable=False, server_default=text("0")),
    # Of revision 0004. A node of the version before leaves it empty: then the session stands for itself.
    Column("opened_in", NAME, index=True),
    # Rows without a cookie do not collide: both databases hold NULLs to differ from each other.
    Index("uq_sessions_cookie_hash", "cookie_hash", unique=True),
)

grants: Final = Table(
    "grants",
    metadata,
    Column("id", LargeBinary, primary_key=True),
    Column("gid", NAME, nullable=False, unique=True),
    Column("sid", NAME, nullable=False, index=True),
    Column("sub", NAME, nullable=False, index=True),
    Column("client_id", NAME, nullable=False),
    Column("scope", Text, nullable=False),
    Column("audiences", Text, nullable=False),
    Column("created_at", Double, nullable=False),
    Column("last_used_at", Double, nullable=False),
    Column("idle", Double, nullable=False),
    Column("absolute_end", Double, nullable=False),
    Column("generation", BigInteger, nullable=False),
    Column("branch", BigInteger, nullable=False),
    Column("forks", BigInteger, nullable=False),
    Column("redeemed_at", Double, nullable=False),
    Column("redeemed_by", LargeBinary),
    Column("forked_by", LargeBinary),
    Column("shadows", BigInteger, nullable=False),
    Column("shadowed_generation", BigInteger, nullable=False),
    Column("ended_at", Double),
    Column("ended_reason", Text),
    # When it ended, or will end at the latest. A rotation does not move it, so no index is touched by one, and
    # PostgreSQL finds room for the new version of the row on the same page. (The migration asks it to leave room there;
    # said here, it would load SQLAlchemy's PostgreSQL on SQLite, too.)
    Column("ends_at", Double, nullable=False, index=True),
    # Of revision 0003. A node of the version before leaves them empty: then the session's count.
    Column("auth_time", BigInteger),
    Column("acr", Text),
    Column("amr", Text),
    # In the order in which a deleted client's grants go, a few at a time.
    Index("ix_grants_client_id", "client_id", "id"),
)

codes: Final = Table(
    "codes",
    metadata,
    Column("code_hash", LargeBinary, primary_key=True),
    Column("client_id", NAME, nullable=False),
    Column("sub", NAME, nullable=False, index=True),
    Column("epoch", BigInteger, nullable=False),
    Column("auth_time", BigInteger, nullable=False),
    Column("acr", Text, nullable=False),
    Column("amr", Text, nullable=False),
    Column("scope", Text, nullable=False),
    Column("audiences", Text, nullable=False),
    Column("code_challenge", Text),
    Column("expires_at", Double, nullable=False, index=True),
    Column("device", Text, nullable=False),
    Column("redirect_uri", Text),
    Column("nonce", Text),
    Column("sid", Text),
    Column("redeemed_at", Double),
    Column("redeemed_by", LargeBinary),
    Column("gid", Text),
    # Of revision 0003; the default is for nodes of the version before.
    Column("id_token_claims", Text, nullable=False, server_default="[]"),
)

consents: Final = Table(
    "consents",
    metadata,
    Column("sub", NAME, primary_key=True),
    Column("client_id", NAME, primary_key=True),
    Column("scope", Text, nullable=False),
    Column("audiences", Text, nullable=False),
    Column("granted_at", Double, nullable=False),
)

pushed_requests: Final = Table(
    "pushed_requests",
    metadata,
    Column("handle_hash", LargeBinary, primary_key=True),
    Column("client_id", NAME, nullable=False),
    Column("parameters", Text, nullable=False),
    Column("expires_at", Double, nullable=False, index=True),
)

passkeys: Final = Table(
    "passkeys",
    metadata,
    Column("credential_id", LargeBinary, primary_key=True),
    Column("sub", NAME, nullable=False, index=True),
    Column("public_key", LargeBinary, nullable=False),
    Column("sign_count", BigInteger, nullable=False),
    Column("backup_eligible", Boolean, nullable=False),
    Column("backed_up", Boolean, nullable=False),
    Column("transports", Text, nullable=False),
    Column("name", Text, nullable=False),
    Column("created_at", Double, nullable=False),
    Column("last_used_at", Double),
)

totps: Final = Table(
    "totps",
    metadata,
    Column("sub", NAME, primary_key=True),
    Column("sealed", LargeBinary, nullable=False),
    Column("last_step", BigInteger, nullable=False),
    Column("created_at", Double, nullable=False),
)

recovery_codes: Final = Table(
    "recovery_codes",
    metadata,
    Column("code_hash", LargeBinary, primary_key=True),
    Column("sub", NAME, nullable=False, index=True),
)

# One for each purpose of a user.
one_time_links: Final = Table(
    "one_time_links",
    metadata,
    Column("sub", NAME, primary_key=True),
    Column("purpose", NAME, primary_key=True),
    Column("id", LargeBinary, nullable=False, unique=True),
    Column("email", Text, nullable=False),
    Column("epoch", BigInteger, nullable=False),
    Column("expires_at", Double, nullable=False, index=True),
)

# What was handed out sealed, works once, and was used.
spent: Final = Table(
    "spent",
    metadata,
    Column("key", LargeBinary, primary_key=True),
    Column("until", Double, nullable=False, index=True),
)

# Messages to somebody outside, until they are taken.
deliveries: Final = Table(
    "deliveries",
    metadata,
    Column("id", NAME, primary_key=True),
    Column("kind", Text, nullable=False),
    Column("target", Text, nullable=False),
    Column("content", Text, nullable=False),
    Column("due_at", Double, nullable=False, index=True),
    Column("expires_at", Double, nullable=False, index=True),
    Column("tries", BigInteger, nullable=False),
)

signing_keys: Final = Table(
    "signing_keys",
    metadata,
    Column("kid", NAME, primary_key=True),
    Column("alg", Text, nullable=False),
    Column("state", Text, nullable=False),
    Column("public_jwk", Text, nullable=False),
    Column("sealed", LargeBinary),
    Column("created_at", Double, nullable=False),
    Column("since", Double, nullable=False),
    Column("published_until", Double),
)

# The revocation log, and its one-row head.
log: Final = Table(
    "log",
    metadata,
    Column("seq", BigInteger, primary_key=True, autoincrement=False),
    Column("until", BigInteger, nullable=False, index=True),
    Column("link", Text, nullable=False),
    Column("gid", Text),
    Column("sid", Text),
    Column("sub", Text),
    Column("epoch", BigInteger),
    Column("client_id", Text),
    Column("issued_before", BigInteger),
    Column("jti", Text),
    Column("kid", Text),
    Index("ix_log_client_id", "client_id", "until"),
)

log_head: Final = Table(
    "log_head",
    metadata,
    Column("id", BigInteger, primary_key=True, autoincrement=False),
    Column("name", Text, nullable=False),
    Column("sequence", BigInteger, nullable=False),
    Column("link", Text, nullable=False),
)

audit: Final = Table(
    "audit",
    metadata,
    Column("id", COUNTER, primary_key=True, autoincrement=True),
    Column("at", Double, nullable=False),
    Column("kind", Text, nullable=False),
    Column("fields", Text, nullable=False),
    Column("ends_at", Double, nullable=False, index=True),
)

throttle: Final = Table(
    "throttle",
    metadata,
    Column("key", LargeBinary, primary_key=True),
    Column("failures", BigInteger, nullable=False),
    Column("blocked_until", Double, nullable=False),
    Column("known", Boolean, nullable=False),
    Column("until", Double, nullable=False, index=True),
)

meta: Final = Table(
    "meta",
    metadata,
    Column("name", NAME, primary_key=True),
    Column("value", Text, nullable=False),
)

LONGEST_ACCESS_TOKEN: Final = "longest_access_token"
# An empty row of ``meta``, there to be locked by who changes the key ring, which may have no rows yet.
KEY_RING_LOCK: Final = "lock.key_ring"
