"""What commands share: opening our own parts, and errors that end a command with one clear line."""

import getpass
import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table

from assets.alerting.trial import UnknownRoute
from assets.closing.periods import ClosingError
from assets.customer_care.lookup import OrderNotFound
from assets.exceptions.desk import ExceptionRefusal
from assets.reconciliation.decisions import DecisionError
from assets.reduction_desk import ReductionRefused
from assets.return_desk import DecisionRefused
from otto_pipelines.demo.workplace import DemoError
from resources.alerts.channels import ChannelError
from resources.backup.manifest import BackupError
from resources.finance import FinanceDatabaseError
from resources.operating_model import OperatingModel, OperatingModelError, load_operating_model
from resources.operations.alerts import AlertRefusal
from resources.operations.database import OperationsDatabase, OperationsDatabaseError
from resources.operations.outbox_desk import OutboxRefusal
from resources.otto.errors import OttoError
from resources.settings import (
    Settings,
    SettingsError,
    finance_database_path,
    operating_model_path,
    operations_database_url,
    settings_from_environment,
)
from resources.wms.errors import WmsError

console = Console()
errors = Console(stderr=True)

FileOption = Annotated[
    Path | None, typer.Option("--file", help="The finance file; default FINANCE_DATABASE_PATH.")
]
ByOption = Annotated[
    str | None, typer.Option("--by", help="Who decides; default: the user of this machine.")
]

EXPECTED = (
    AlertRefusal,
    BackupError,
    ChannelError,
    ClosingError,
    DecisionError,
    DecisionRefused,
    DemoError,
    ExceptionRefusal,
    FinanceDatabaseError,
    OperatingModelError,
    OperationsDatabaseError,
    OrderNotFound,
    OttoError,
    OutboxRefusal,
    ReductionRefused,
    SettingsError,
    UnknownRoute,
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


def dagster_home() -> Path:
    """Name the folder of the Dagster instance.

    Raises:
        SettingsError: DAGSTER_HOME does not name one.
    """
    named = os.environ.get("DAGSTER_HOME", "")
    if not named:
        raise SettingsError(
            "DAGSTER_HOME is not set: it names the folder of the Dagster instance in which runs "
            "are kept, the same as that of daemon and webserver"
        )
    if not Path(named).is_dir():
        raise SettingsError(
            f"DAGSTER_HOME names {named}, which is no folder: make it, and copy "
            "deploy/dagster.yaml into it, or let otto-pipelines init do both"
        )
    return Path(named)


def model() -> OperatingModel:
    """Read the operating model."""
    return load_operating_model(operating_model_path(os.environ))


@contextmanager
def operations(url: str | None = None) -> Iterator[OperationsDatabase]:
    """Open the operations database, or the one at `url`, prepared to this version's schema."""
    database = OperationsDatabase(url or operations_database_url(os.environ))
    try:
        database.migrate()
        yield database
    finally:
        database.close()


def finance_file(given: Path | None) -> Path:
    """Choose the published finance file: the one named, or that of the environment."""
    return given or finance_database_path(os.environ)


def person(given: str | None) -> str:
    """Choose who decides: the one named, or the user of this machine."""
    return given or getpass.getuser()


def table(title: str, columns: list[str], rows: Sequence[Sequence[object]]) -> Table:
    """Lay rows out for a terminal."""
    shown = Table(title=title, title_justify="left", header_style="bold")
    for column in columns:
        shown.add_column(column, overflow="fold")
    for row in rows:
        shown.add_row(*("" if cell is None else str(cell) for cell in row))
    return shown
