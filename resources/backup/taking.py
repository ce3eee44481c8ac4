"""Making a backup while everything runs.

Belongs here: copying each part so that it is whole. Finance goes first and operations last: what
finance lacks then is found by the next reconciliation, while the other way round it would know of
orders that the operations database does not.
"""

import os
import shutil
import sqlite3
from contextlib import closing
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path

from resources.backup import postgres_tools
from resources.backup.installation import FINANCE, FINANCE_WORK, OPERATIONS, Installation
from resources.backup.manifest import (
    BackupError,
    Manifest,
    TableHashes,
    described,
    names_below,
    tables_of_duckdb,
    tables_of_sqlite,
    write_manifest,
)


def take(place: Installation, folder: Path) -> Manifest:
    """Write a backup into a new folder that only this user can read.

    Raises:
        BackupError: the folder exists, or a part cannot be copied; nothing is left then.
    """
    if folder.exists():
        raise BackupError(f"{folder} exists: each backup gets a folder of its own")
    fresh = folder.with_name(f".{folder.name}.{os.getpid()}.unfinished")
    try:
        fresh.mkdir(mode=0o700, parents=True)
        tables = _copy(place, fresh)
        for name in names_below(fresh):
            (fresh / name).chmod(0o600)
        manifest = Manifest(
            created_at=datetime.now(UTC).isoformat(timespec="seconds"),
            product_version=version("otto-pipelines"),
            files={name: described(fresh / name) for name in names_below(fresh)},
            tables=tables,
        )
        write_manifest(fresh, manifest)
        fresh.replace(folder)
    except OSError as error:
        raise BackupError(
            f"backup {folder} was not made ({error.strerror}: {error.filename}): check space and "
            "rights, then take it again"
        ) from error
    finally:
        shutil.rmtree(fresh, ignore_errors=True)
    return manifest


def _copy(place: Installation, fresh: Path) -> dict[str, TableHashes]:
    """Copy every part; returns the content of the copied databases."""
    tables: dict[str, TableHashes] = {}
    _finance(place, fresh)
    for name, file in place.plain_files().items():
        _file(file, fresh / name)
    for name, source in place.folders().items():
        if source.exists():
            shutil.copytree(source, fresh / name, ignore=shutil.ignore_patterns("*.tmp", ".*"))
    databases = place.sqlite_files()
    last = {OPERATIONS: databases.pop(OPERATIONS)} if OPERATIONS in databases else {}
    for name, file in {**databases, **last}.items():
        copy_sqlite(file, fresh / name)
        if not _is_run(name):
            tables[name] = tables_of_sqlite(fresh / name)
    for name, url in reversed(place.dumps().items()):
        tables[name] = postgres_tools.dump(url, fresh / name)
    for name in (FINANCE, FINANCE_WORK):
        if (fresh / name).exists():
            tables[name] = tables_of_duckdb(fresh / name)
    return tables


def _finance(place: Installation, fresh: Path) -> None:
    if place.finance.working_path.exists():
        with place.finance.writer() as con:
            con.execute("CHECKPOINT finance")
            _file(place.finance.working_path, fresh / FINANCE_WORK)


def _file(source: Path, target: Path) -> None:
    target.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    shutil.copyfile(source, target)


def copy_sqlite(source: Path, target: Path) -> None:
    """Copy one moment of a database that others go on writing to."""
    target.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    with (
        closing(sqlite3.connect(source, timeout=60)) as database,
        closing(sqlite3.connect(target)) as copy,
    ):
        # In one go: step by step it would start anew with each write of somebody else.
        database.backup(copy)
        copy.execute("PRAGMA journal_mode=DELETE")


def _is_run(name: str) -> bool:
    """Whether it is Dagster's file of a single run: thousands, each proven by its hash."""
    return name.startswith("dagster/history/runs/") and not name.endswith("/index.db")
