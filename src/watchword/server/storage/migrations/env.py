"""What alembic runs: the missing migrations, on the connection and in the transaction that ``schema`` opened."""

from typing import Any

from alembic import context

from watchword.server.storage.tables import metadata


def _note(*, step: Any, **_: Any) -> None:
    context.config.attributes["applied"].append(step.up_revision_id)


context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=metadata,
    transactional_ddl=True,
    on_version_apply=_note,  # type: ignore[arg-type] # it is called by keywords
)
with context.begin_transaction():
    context.run_migrations()
