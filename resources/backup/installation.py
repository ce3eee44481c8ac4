"""What belongs to one installation, and under which name a backup holds each part.

Belongs here: the places. The token cache and Dagster's log files are in no backup: the first is
fetched anew, the others are no record of what was done.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import sqlalchemy as sa

from resources.finance import FinanceDatabase
from resources.settings import (
    data_folder,
    finance_database_path,
    operating_model_path,
    operations_owner_url,
)

OPERATIONS = "operations.sqlite"
OPERATIONS_DUMP = "operations.dump"
DAGSTER_DUMP = "dagster.dump"
FINANCE_WORK = "finance.work.duckdb"
FINANCE = "finance.duckdb"
MODEL = "operating_model.yaml"
JOURNALS = ("wms_files.sqlite", "wms_ongoing.sqlite")
_CLOSES, _EVIDENCE, _DAGSTER = "closes", "evidence", "dagster"


@dataclass(frozen=True)
class Installation:
    """Databases, files and folders of one installation."""

    operations_url: str
    """As the role that owns the tables, where there is one: a restore replaces them."""
    finance: FinanceDatabase
    data: Path
    model: Path
    dagster_home: Path | None
    dagster_url: str | None
    """Dagster's storage, where that is PostgreSQL."""

    @property
    def operations_file(self) -> Path | None:
        """The operations database's file; None where it is PostgreSQL."""
        url = sa.make_url(self.operations_url)
        if url.get_backend_name() != "sqlite":
            return None
        return Path(url.database or "").absolute()

    def folders(self) -> dict[str, Path]:
        """Folders whose files are copied as they are: they are written once and renamed."""
        return {_CLOSES: self.finance.closes_path, _EVIDENCE: self.data / "evidence"}

    def sqlite_files(self) -> dict[str, Path]:
        """Databases that exist, by their name in a backup."""
        found = {name: self.data / name for name in JOURNALS}
        if self.operations_file is not None:
            found[OPERATIONS] = self.operations_file
        if self.dagster_home is not None:
            home = self.dagster_home
            for file in [*(home / "history").rglob("*.db"), *(home / "schedules").rglob("*.db")]:
                found[f"{_DAGSTER}/{file.relative_to(home).as_posix()}"] = file
        return {name: file for name, file in found.items() if file.exists()}

    def plain_files(self) -> dict[str, Path]:
        """Files that are replaced as a whole or by hand."""
        found = {FINANCE: self.finance.path, MODEL: self.model}
        if self.dagster_home is not None:
            found[f"{_DAGSTER}/dagster.yaml"] = self.dagster_home / "dagster.yaml"
        return {name: file for name, file in found.items() if file.exists()}

    def dumps(self) -> dict[str, str]:
        """Databases of PostgreSQL, by the name of their dump."""
        found = {}
        if self.operations_file is None:
            found[OPERATIONS_DUMP] = self.operations_url
        if self.dagster_url:
            found[DAGSTER_DUMP] = self.dagster_url
        return found

    def place_of(self, name: str) -> Path | None:
        """Where a file of a backup belongs; None for dumps, which go to their server."""
        head, _, rest = name.partition("/")
        if rest and head in self.folders():
            return self.folders()[head] / rest
        if rest and head == _DAGSTER:
            return None if self.dagster_home is None else self.dagster_home / rest
        return {
            OPERATIONS: self.operations_file,
            FINANCE: self.finance.path,
            FINANCE_WORK: self.finance.working_path,
            MODEL: self.model,
            **{journal: self.data / journal for journal in JOURNALS},
        }.get(name)


def installation(environment: Mapping[str, str]) -> Installation:
    """Find the installation that the environment names."""
    home = environment.get("DAGSTER_HOME")
    return Installation(
        operations_url=operations_owner_url(environment),
        finance=FinanceDatabase(finance_database_path(environment)),
        data=data_folder(environment),
        model=operating_model_path(environment).absolute(),
        dagster_home=Path(home).absolute() if home else None,
        dagster_url=environment.get("DAGSTER_POSTGRES_URL") or None,
    )
