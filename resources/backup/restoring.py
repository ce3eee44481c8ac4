"""Putting a backup back.

Belongs here: proving it first, moving aside what is there, and proving what was put back. Whether
somebody is at work on the target is for the caller to know.
"""

import os
import shutil
from datetime import UTC, datetime
from pathlib import Path

from resources.backup import postgres_tools
from resources.backup.installation import FINANCE, Installation
from resources.backup.manifest import (
    BackupError,
    Manifest,
    TableHashes,
    tables_of_duckdb,
    tables_of_sqlite,
    verify,
)

_LEFTOVERS = ("-wal", "-shm", ".wal")


def restore(folder: Path, place: Installation, *, force: bool = False) -> Manifest:
    """Put a backup's files and databases where this installation has them.

    Without `force` nothing that exists is touched. With it, files are moved into a folder
    `before-restore-…` beside the data; databases of PostgreSQL are replaced.

    Raises:
        BackupError: the backup is not whole, does not fit this installation, something is in the
            way, or what was put back is not what the backup holds.
    """
    manifest = verify(folder)
    targets = _targets(manifest, place)
    _refuse_or_move(targets, place, force=force)
    for name, target in targets.items():
        # Finance's file is replaced as a whole, never written to.
        _put(folder / name, target, 0o444 if name == FINANCE else 0o600)
    for name, url in place.dumps().items():
        postgres_tools.load(url, folder / name)
    _prove(manifest, targets, place.dumps())
    return manifest


def _targets(manifest: Manifest, place: Installation) -> dict[str, Path]:
    targets: dict[str, Path] = {}
    homeless: list[str] = []
    for name in manifest.files:
        if name in place.dumps():
            continue
        target = place.place_of(name)
        if target is None:
            homeless.append(name)
        else:
            targets[name] = target
    missing = [name for name in place.dumps() if name not in manifest.files]
    if homeless or missing:
        parts = [f"it holds {homeless[0]}, for which this one has no place"] if homeless else []
        parts += [f"it has no {name}" for name in missing]
        raise BackupError(
            f"the backup is of another kind of installation: {'; '.join(parts)}. Set "
            "OPERATIONS_DATABASE_URL, DAGSTER_HOME and DAGSTER_POSTGRES_URL as they were"
        )
    return targets


def _refuse_or_move(targets: dict[str, Path], place: Installation, *, force: bool) -> None:
    there = [target for target in targets.values() if target.exists()]
    filled = [name for name, url in place.dumps().items() if postgres_tools.tables(url)]
    if not force and (there or filled):
        raise BackupError(
            f"{there[0] if there else filled[0]} is there already: restore into an empty "
            "installation, or use --force, which moves files aside and replaces databases"
        )
    aside = place.data / f"before-restore-{datetime.now(UTC):%Y%m%dT%H%M%S}"
    for name, target in targets.items():
        for file in (target, *(target.with_name(target.name + end) for end in _LEFTOVERS)):
            if file.exists():
                kept = (aside / name).with_name(file.name)
                kept.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
                shutil.move(file, kept)


def _put(source: Path, target: Path, mode: int) -> None:
    target.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    fresh = target.with_name(f"{target.name}.{os.getpid()}.restoring")
    shutil.copyfile(source, fresh)
    fresh.chmod(mode)
    fresh.replace(target)


def _prove(manifest: Manifest, targets: dict[str, Path], dumps: dict[str, str]) -> None:
    for name, written in manifest.tables.items():
        found = postgres_tools.tables(dumps[name]) if name in dumps else contents(targets[name])
        if found != written:
            tables = sorted(table for table in written if written[table] != found.get(table))
            raise BackupError(
                f"{targets.get(name, name)} differs from the backup in {', '.join(tables)}: check "
                "the disk, then restore again with --force"
            )


def contents(file: Path) -> TableHashes:
    """Content of the tables of a database file, as a manifest holds it."""
    return tables_of_duckdb(file) if file.suffix == ".duckdb" else tables_of_sqlite(file)
