"""Browser sign-in: cookies of sessions, consents, pushed requests, deliveries. It only adds and loosens."""

from typing import Final

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"

NAME: Final = sa.Text().with_variant(sa.Text(collation="C"), "postgresql")


def upgrade() -> None:
    """Add columns that have a default or may be empty, so that nodes of the version before go on writing; and tables."""
    op.add_column("clients", sa.Column("post_logout_redirect_uris", sa.Text, nullable=False, server_default="[]"))
    op.add_column("clients", sa.Column("backchannel_logout_uri", sa.Text))
    op.add_column("clients", sa.Column("name", sa.Text))
    op.add_column("clients", sa.Column("requires_pkce", sa.Boolean, nullable=False, server_default=sa.true()))

    op.add_column("sessions", sa.Column("cookie_hash", sa.LargeBinary))
    op.add_column("sessions", sa.Column("idle", sa.Double))
    op.add_column("sessions", sa.Column("last_seen_at", sa.Double, nullable=False, server_default=sa.text("0")))

    # SQLite cannot loosen a column: there the table is copied.
    with op.batch_alter_table("codes") as codes:
        codes.alter_column("code_challenge", existing_type=sa.Text, nullable=True)

    op.create_table(
        "consents",
        sa.Column("sub", NAME, primary_key=True),
        sa.Column("client_id", NAME, primary_key=True),
        sa.Column("scope", sa.Text, nullable=False),
        sa.Column("audiences", sa.Text, nullable=False),
        sa.Column("granted_at", sa.Double, nullable=False),
    )

    op.create_table(
        "pushed_requests",
        sa.Column("handle_hash", sa.LargeBinary, primary_key=True),
        sa.Column("client_id", NAME, nullable=False),
        sa.Column("parameters", sa.Text, nullable=False),
        sa.Column("expires_at", sa.Double, nullable=False),
    )

    op.create_table(
        "deliveries",
        sa.Column("id", NAME, primary_key=True),
        sa.Column("kind", sa.Text, nullable=False),
        sa.Column("target", sa.Text, nullable=False),
        sa.Column("content", sa.Text, nullable=False),
        sa.Column("due_at", sa.Double, nullable=False),
        sa.Column("expires_at", sa.Double, nullable=False),
        sa.Column("tries", sa.BigInteger, nullable=False),
    )

    op.create_index("uq_sessions_cookie_hash", "sessions", ["cookie_hash"], unique=True)
    op.create_index("ix_pushed_requests_expires_at", "pushed_requests", ["expires_at"])
    op.create_index("ix_deliveries_due_at", "deliveries", ["due_at"])
    op.create_index("ix_deliveries_expires_at", "deliveries", ["expires_at"])
