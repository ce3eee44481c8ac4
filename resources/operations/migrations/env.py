"""Alembic's environment: runs the packaged revisions on a connection that the caller opened.

Belongs here: nothing but this hand-over. `resources.operations.database` opens the transaction,
holds the lock and decides which revision is wanted.
"""

from alembic import context

import resources.operations.schema  # noqa: F401 - its tables fill the metadata
from resources.operations.columns import metadata

context.configure(connection=context.config.attributes["connection"], target_metadata=metadata)
with context.begin_transaction():
    context.run_migrations()
