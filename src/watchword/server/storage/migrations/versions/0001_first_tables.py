"""The first tables."""

import secrets
from typing import Final

import sqlalchemy as sa
from alembic import op

from watchword.protocol import base64url
from watchword.protocol.revocation_feed import first_link

revision = "0001"
down_revision = None

# Written out here and not taken from tables.py: a migration says what was right in its day.
NAME: Final = sa.Text().with_variant(sa.Text(collation="C"), "postgresql")
COUNTER: Final = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    """Make all tables, the head of a log with a random name, and the row that guards the key ring."""
    op.create_table(
        "users",
        sa.Column("sub", NAME, primary_key=True),
        sa.Column("username", sa.Text, nullable=False),
        sa.Column("username_key", NAME, nullable=False),
        sa.UniqueConstraint("username_key", name="uq_users_username_key"),
        sa.Column("created_at", sa.Double, nullable=False),
        sa.Column("password_hash", sa.Text),
        sa.Column("email", sa.Text),
        sa.Column("email_verified", sa.Boolean, nullable=False),
        sa.Column("enabled", sa.Boolean, nullable=False),
        sa.Column("epoch", sa.BigInteger, nullable=False),
    )

    op.create_table("roles", sa.Column("name", NAME, primary_key=True))

    op.create_table(
        "role_scopes",
        sa.Column("role", NAME, primary_key=True),
        sa.ForeignKeyConstraint(["role"], ["roles.name"], name="fk_role_scopes_role", ondelete="CASCADE"),
        sa.Column("scope", NAME, primary_key=True),
    )

    op.create_table(
        "user_roles",
        sa.Column("sub", NAME, primary_key=True),
        sa.ForeignKeyConstraint(["sub"], ["users.sub"], name="fk_user_roles_sub", ondelete="CASCADE"),
        sa.Column("role", NAME, primary_key=True),
    )

    op.create_table(
        "clients",
        sa.Column("client_id", NAME, primary_key=True),
        sa.Column("type", sa.Text, nullable=False),
        sa.Column("auth_method", sa.Text, nullable=False),
        sa.Column("created_at", sa.Double, nullable=False),
        sa.Column("secret_hash", sa.LargeBinary),
        sa.Column("grant_types", sa.Text, nullable=False),
        sa.Column("redirect_uris", sa.Text, nullable=False),
        sa.Column("origins", sa.Text, nullable=False),
        sa.Column("scope", sa.Text, nullable=False),
        sa.Column("apis", sa.Text, nullable=False),
        sa.Column("serves", sa.Text),
        sa.Column("first_party", sa.Boolean, nullable=False),
        sa.Column("reuse", sa.Text, nullable=False),
        sa.Column("lifetime", sa.Text),
        sa.Column("enabled", sa.Boolean, nullable=False),
        sa.Column("disabled_until", sa.Double, nullable=False),
    )

    op.create_table(
        "apis",
        sa.Column("audience", NAME, primary_key=True),
        sa.Column("alg", sa.Text, nullable=False),
        sa.Column("access_token_ttl", sa.Double),
    )

    op.create_table(
        "api_scopes",
        sa.Column("audience", NAME, primary_key=True),
        sa.ForeignKeyConstraint(["audience"], ["apis.audience"], name="fk_api_scopes_audience", ondelete="CASCADE"),
        sa.Column("scope", NAME, primary_key=True),
    )

    op.create_table(
        "sessions",
        sa.Column("sid", NAME, primary_key=True),
        sa.Column("sub", NAME, nullable=False),
        sa.Column("epoch", sa.BigInteger, nullable=False),
        sa.Column("auth_time", sa.BigInteger, nullable=False),
        sa.Column("acr", sa.Text, nullable=False),
        sa.Column("amr", sa.Text, nullable=False),
        sa.Column("device", sa.Text, nullable=False),
        sa.Column("created_at", sa.Double, nullable=False),
        sa.Column("expires_at", sa.Double, nullable=False),
        sa.Column("ended_at", sa.Double),
        sa.Column("ended_reason", sa.Text),
        # When it ended, or will end at the latest.
        sa.Column("ends_at", sa.Double, nullable=False),
    )

    op.create_table(
        "grants",
        sa.Column("id", sa.LargeBinary, primary_key=True),
        sa.Column("gid", NAME, nullable=False),
        sa.UniqueConstraint("gid", name="uq_grants_gid"),
        sa.Column("sid", NAME, nullable=False),
        sa.Column("sub", NAME, nullable=False),
        sa.Column("client_id", NAME, nullable=False),
        sa.Column("scope", sa.Text, nullable=False),
        sa.Column("audiences", sa.Text, nullable=False),
        sa.Column("created_at", sa.Double, nullable=False),
        sa.Column("last_used_at", sa.Double, nullable=False),
        sa.Column("idle", sa.Double, nullable=False),
        sa.Column("absolute_end", sa.Double, nullable=False),
        sa.Column("generation", sa.BigInteger, nullable=False),
        sa.Column("branch", sa.BigInteger, nullable=False),
        sa.Column("forks", sa.BigInteger, nullable=False),
        sa.Column("redeemed_at", sa.Double, nullable=False),
        sa.Column("redeemed_by", sa.LargeBinary),
        sa.Column("forked_by", sa.LargeBinary),
        sa.Column("shadows", sa.BigInteger, nullable=False),
        sa.Column("shadowed_generation", sa.BigInteger, nullable=False),
        sa.Column("ended_at", sa.Double),
        sa.Column("ended_reason", sa.Text),
        # When it ended, or will end at the latest. A rotation does not move it, so no index is touched by one, and
        # PostgreSQL finds room for the new version of the row on the same page.
        sa.Column("ends_at", sa.Double, nullable=False),
        postgresql_with={"fillfactor": "70"},
    )

    op.create_table(
        "codes",
        sa.Column("code_hash", sa.LargeBinary, primary_key=True),
        sa.Column("client_id", NAME, nullable=False),
        sa.Column("sub", NAME, nullable=False),
        sa.Column("epoch", sa.BigInteger, nullable=False),
        sa.Column("auth_time", sa.BigInteger, nullable=False),
        sa.Column("acr", sa.Text, nullable=False),
        sa.Column("amr", sa.Text, nullable=False),
        sa.Column("scope", sa.Text, nullable=False),
        sa.Column("audiences", sa.Text, nullable=False),
        sa.Column("code_challenge", sa.Text, nullable=False),
        sa.Column("expires_at", sa.Double, nullable=False),
        sa.Column("device", sa.Text, nullable=False),
        sa.Column("redirect_uri", sa.Text),
        sa.Column("nonce", sa.Text),
        sa.Column("sid", sa.Text),
        sa.Column("redeemed_at", sa.Double),
        sa.Column("redeemed_by", sa.LargeBinary),
        sa.Column("gid", sa.Text),
    )

    op.create_table(
        "signing_keys",
        sa.Column("kid", NAME, primary_key=True),
        sa.Column("alg", sa.Text, nullable=False),
        sa.Column("state", sa.Text, nullable=False),
        sa.Column("public_jwk", sa.Text, nullable=False),
        sa.Column("sealed", sa.LargeBinary),
        sa.Column("created_at", sa.Double, nullable=False),
        sa.Column("since", sa.Double, nullable=False),
        sa.Column("published_until", sa.Double),
    )

    # The revocation log, and its one-row head.
    op.create_table(
        "log",
        sa.Column("seq", sa.BigInteger, primary_key=True, autoincrement=False),
        sa.Column("until", sa.BigInteger, nullable=False),
        sa.Column("link", sa.Text, nullable=False),
        sa.Column("gid", sa.Text),
        sa.Column("sid", sa.Text),
        sa.Column("sub", sa.Text),
        sa.Column("epoch", sa.BigInteger),
        sa.Column("client_id", sa.Text),
        sa.Column("issued_before", sa.BigInteger),
        sa.Column("jti", sa.Text),
        sa.Column("kid", sa.Text),
    )

    op.create_table(
        "log_head",
        sa.Column("id", sa.BigInteger, primary_key=True, autoincrement=False),
        sa.Column("name", sa.Text, nullable=False),
        sa.Column("sequence", sa.BigInteger, nullable=False),
        sa.Column("link", sa.Text, nullable=False),
    )

    op.create_table(
        "audit",
        sa.Column("id", COUNTER, primary_key=True, autoincrement=True),
        sa.Column("at", sa.Double, nullable=False),
        sa.Column("kind", sa.Text, nullable=False),
        sa.Column("fields", sa.Text, nullable=False),
        sa.Column("ends_at", sa.Double, nullable=False),
    )

    op.create_table(
        "throttle",
        sa.Column("key", sa.LargeBinary, primary_key=True),
        sa.Column("failures", sa.BigInteger, nullable=False),
        sa.Column("blocked_until", sa.Double, nullable=False),
        sa.Column("known", sa.Boolean, nullable=False),
        sa.Column("until", sa.Double, nullable=False),
    )

    op.create_table(
        "meta",
        sa.Column("name", NAME, primary_key=True),
        sa.Column("value", sa.Text, nullable=False),
    )

    op.create_index("ix_sessions_sub", "sessions", ["sub"])
    op.create_index("ix_sessions_ends_at", "sessions", ["ends_at"])
    op.create_index("ix_grants_sid", "grants", ["sid"])
    op.create_index("ix_grants_sub", "grants", ["sub"])
    op.create_index("ix_grants_ends_at", "grants", ["ends_at"])
    op.create_index("ix_grants_client_id", "grants", ["client_id", "id"])
    op.create_index("ix_codes_sub", "codes", ["sub"])
    op.create_index("ix_codes_expires_at", "codes", ["expires_at"])
    op.create_index("ix_log_until", "log", ["until"])
    op.create_index("ix_audit_ends_at", "audit", ["ends_at"])
    op.create_index("ix_throttle_until", "throttle", ["until"])
    op.create_index("ix_log_client_id", "log", ["client_id", "until"])

    name = base64url.encode(secrets.token_bytes(16))
    head = sa.table("log_head", sa.column("id"), sa.column("name"), sa.column("sequence"), sa.column("link"))
    op.execute(head.insert().values(id=1, name=name, sequence=0, link=first_link(name)))
    meta = sa.table("meta", sa.column("name"), sa.column("value"))
    op.execute(meta.insert().values(name="lock.key_ring", value=""))
