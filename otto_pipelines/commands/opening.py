"""What commands share: opening our own parts, and errors that end a command with one clear line."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import typer
from rich.console import Console
from rich.table import Table

from assets.reconciliation.decisions import DecisionError
from resources.finance import FinanceDatabaseError
from resources.operating_model import OperatingModel, OperatingModelError, load_operating_model
from resources.operations.database import OperationsDatabase, OperationsDatabaseError
from resources.operations.outbox_desk import OutboxRefusal
from resources.otto.errors import OttoError
from resources.settings import (
    Settings,
    SettingsError,
    finance_database_path,
    operations_database_url,
    settings_from_environment,
)
from resources.wms.port import WmsError

console = Console()
errors = Console(stderr=True)

EXPECTED = (
    DecisionError,
    FinanceDatabaseError,
    OperatingModelError,
    OperationsDatabaseError,
    OttoError,
    OutboxRefusal,
    SettingsError,
    WmsError,
)


@contextmanager
def explained() -> Iterator[None]:
    """Show an expected error as its message, without a traceback, and end with code 2."""
    try:
        yield
    except EXPECTED as error:
        errors.print(f"[red]{type(error).__name__}:[/red] {error}", highlight=False)
        raise typer.Exit(2) from error


def settings() -> Settings:
    """Read the environment."""
    return settings_from_environment(os.environ)


def model() -> OperatingModel:
    """Read the operating model."""
    return load_operating_model(settings().operating_model_path)


@contextmanager
def operations() -> Iterator[OperationsDatabase]:
    """Open the operations database, prepared to this version's schema."""
    database = OperationsDatabase(operations_database_url(os.environ))
    try:
        database.migrate()
        yield database
    finally:
        database.close()


def finance_file(given: Path | None) -> Path:
    """Choose the published finance file: the one named, or that of the environment."""
    return given or finance_database_path(os.environ)


def table(title: str, columns: list[str], rows: list[list[object]]) -> Table:
    """Lay rows out for a terminal."""
    shown = Table(title=title, title_justify="left", header_style="bold")
    for column in columns:
        shown.add_column(column, overflow="fold")
    for row in rows:
        shown.add_row(*("" if cell is None else str(cell) for cell in row))
    return shown
