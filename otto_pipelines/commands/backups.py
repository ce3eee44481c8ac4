"""Commands `backup take|verify|restore`: all databases and closes of this installation.

Belongs here: what a person types, and refusing to restore under the feet of running services.
"""

import os
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import typer

from otto_pipelines.commands.opening import console, explained, operations
from resources.backup.installation import Installation, installation
from resources.backup.manifest import BackupError, Manifest
from resources.backup.manifest import verify as verified
from resources.backup.restoring import restore as put_back
from resources.backup.taking import take as made
from resources.operations import outbox_desk

app = typer.Typer(no_args_is_help=True, help="Copies of all databases, and putting them back.")

FolderArgument = Annotated[Path, typer.Argument(help="The backup's folder.")]
# The daemon notes its life every 30 seconds.
_ALIVE_SECONDS = 60


@app.command()
def take(folder: FolderArgument) -> None:
    """Back up while everything runs: databases, closes, raw pages, operating model."""
    with explained():
        manifest = made(installation(os.environ), folder.absolute())
    console.print(f"{folder}: {_size(manifest)}")
    console.print("it holds addresses of buyers: keep it no longer than those may be kept")


@app.command()
def verify(folder: FolderArgument) -> None:
    """Compare a backup's files with what was written when it was made."""
    with explained():
        manifest = verified(folder.absolute())
    console.print(f"{folder} of {manifest.created_at} is whole: {_size(manifest)}")


@app.command()
def restore(
    folder: FolderArgument,
    force: Annotated[
        bool, typer.Option("--force", help="Move aside what is there; replace databases.")
    ] = False,
) -> None:
    """Put a backup back; stop daemon and webserver first."""
    with explained():
        place = installation(os.environ)
        _refuse_while_running(place, force=force)
        manifest = put_back(folder.absolute(), place, force=force)
        with operations(place.operations_url) as db, db.write() as conn:
            asked = outbox_desk.doubt(conn, datetime.now(UTC))
    tables = sum(map(len, manifest.tables.values()))
    console.print(f"{folder} is put back; {tables} tables are those of {manifest.created_at}")
    console.print(f"{asked} message(s) may have left since: each is asked about before it is sent")
    console.print("next: otto-pipelines check-connection, then start the services")


def _size(manifest: Manifest) -> str:
    size = sum(size for size, _ in manifest.files.values())
    return f"{len(manifest.files)} files, {size / 1e6:.1f} MB"


def _refuse_while_running(place: Installation, *, force: bool) -> None:
    """Refuse while a daemon lives, and without `force` while a run counts as under way."""
    home = place.dagster_home
    if home is None or (not (home / "history" / "runs.db").exists() and not place.dagster_url):
        return
    import dagster as dg  # noqa: PLC0415 - other commands need not wait for it
    from dagster._core.storage.dagster_run import IN_PROGRESS_RUN_STATUSES  # noqa: PLC0415

    with dg.DagsterInstance.from_config(str(home)) as instance:
        newest = max(
            (beat.timestamp for beat in instance.get_daemon_heartbeats().values()), default=0
        )
        runs = instance.get_runs_count(dg.RunsFilter(statuses=list(IN_PROGRESS_RUN_STATUSES)))
    if time.time() - newest < _ALIVE_SECONDS:
        raise BackupError(
            "the daemon of this installation is alive: stop daemon and webserver, wait a minute, "
            "then restore"
        )
    if runs and not force:
        raise BackupError(
            f"{runs} run(s) are under way in this installation: wait for their end, or use "
            "--force if their processes are gone"
        )
