"""Passkeys, authenticator apps, recovery codes, one-time links, and what was spent. It only adds."""

from typing import Final

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"

NAME: Final = sa.Text().with_variant(sa.Text(collation="C"), "postgresql")


def upgrade() -> None:
    """Add columns that may be empty or have a default, so that nodes of the version before go on writing; and tables."""
    op.add_column("users", sa.Column("email_key", NAME))
    op.create_index("ix_users_email_key", "users", ["email_key"])
    op.add_column("codes", sa.Column("id_token_claims", sa.Text, nullable=False, server_default="[]"))

    # What a grant was given for stays with it; those that are there go by their session, as they did.
    op.add_column("grants", sa.Column("auth_time", sa.BigInteger))
    op.add_column("grants", sa.Column("acr", sa.Text))
    op.add_column("grants", sa.Column("amr", sa.Text))

    op.create_table(
        "passkeys",
        sa.Column("credential_id", sa.LargeBinary, primary_key=True),
        sa.Column("sub", NAME, nullable=False),
        sa.Column("public_key", sa.LargeBinary, nullable=False),
        sa.Column("sign_count", sa.BigInteger, nullable=False),
        sa.Column("backup_eligible", sa.Boolean, nullable=False),
        sa.Column("backed_up", sa.Boolean, nullable=False),
        sa.Column("transports", sa.Text, nullable=False),
        sa.Column("name", sa.Text, nullable=False),
        sa.Column("created_at", sa.Double, nullable=False),
        sa.Column("last_used_at", sa.Double),
    )
    op.create_index("ix_passkeys_sub", "passkeys", ["sub"])

    op.create_table(
        "totps",
        sa.Column("sub", NAME, primary_key=True),
        sa.Column("sealed", sa.LargeBinary, nullable=False),
        sa.Column("last_step", sa.BigInteger, nullable=False),
        sa.Column("created_at", sa.Double, nullable=False),
    )

    op.create_table(
        "recovery_codes",
        sa.Column("code_hash", sa.LargeBinary, primary_key=True),
        sa.Column("sub", NAME, nullable=False),
    )
    op.create_index("ix_recovery_codes_sub", "recovery_codes", ["sub"])

    op.create_table(
        "one_time_links",
        sa.Column("sub", NAME, primary_key=True),
        sa.Column("purpose", NAME, primary_key=True),
        sa.Column("id", sa.LargeBinary, nullable=False, unique=True),
        sa.Column("email", sa.Text, nullable=False),
        sa.Column("epoch", sa.BigInteger, nullable=False),
        sa.Column("expires_at", sa.Double, nullable=False),
    )
    op.create_index("ix_one_time_links_expires_at", "one_time_links", ["expires_at"])

    op.create_table(
        "spent",
        sa.Column("key", sa.LargeBinary, primary_key=True),
        sa.Column("until", sa.Double, nullable=False),
    )
    op.create_index("ix_spent_until", "spent", ["until"])
