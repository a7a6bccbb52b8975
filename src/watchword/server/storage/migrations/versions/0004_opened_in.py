"""The browser's session that an offline grant's own one was opened in. It only adds."""

from typing import Final

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"

NAME: Final = sa.Text().with_variant(sa.Text(collation="C"), "postgresql")


def upgrade() -> None:
    """Add a column that may be empty, so that nodes of the version before go on writing."""
    op.add_column("sessions", sa.Column("opened_in", NAME))
    op.create_index("ix_sessions_opened_in", "sessions", ["opened_in"])
