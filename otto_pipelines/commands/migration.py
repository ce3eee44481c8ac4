"""The command `migrate`: the operations database's schema, brought up by the role that owns it."""

import os

from otto_pipelines.commands.opening import console, explained
from resources.operations.database import OperationsDatabase
from resources.settings import operations_owner_url


def migrate() -> None:
    """Bring the operations database to this version's schema, as its owner if there is one."""
    with explained():
        database = OperationsDatabase(operations_owner_url(os.environ))
        try:
            database.migrate()
        finally:
            database.close()
        console.print(f"{database.shown_url} has this version's schema", highlight=False)
