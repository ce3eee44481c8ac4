"""Old runs of the Dagster instance, their events, logs and check results: erased in time.

Belongs here: which runs may go, and erasing them. Dagster itself purges ticks, as
`deploy/dagster.yaml` says, and nothing else. Kept for ever are the runs that hold the newest
materialisation of an asset or of one of its partitions, its newest observation, or the newest
result of a check: without them the UI would forget the asset, a partition would count as missing
and a check as never run.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

import dagster as dg
import sqlalchemy as sa
from dagster._core.event_api import AssetRecordsFilter
from dagster._core.storage.dagster_run import FINISHED_STATUSES
from dagster._core.storage.event_log import SqlEventLogStorage
from dagster._core.storage.event_log.schema import AssetCheckExecutionsTable
from dagster._core.storage.event_log.sqlite.sqlite_event_log import SqliteEventLogStorage
from dagster._core.storage.runs.schema import RunTagsTable
from dagster._core.storage.runs.sql_run_storage import SqlRunStorage

_AT_ONCE = 500
MOST_RUNS = 5_000


@dataclass(frozen=True)
class Purged:
    """Runs that were erased (or would be), runs that are old and stay, and runs that are left."""

    erased: int
    old_but_kept: int
    left: int


def purge(
    instance: dg.DagsterInstance, before: datetime, *, dry: bool = False, most: int = MOST_RUNS
) -> Purged:
    """Erase runs that ended and were created before a moment, oldest first, `most` at a time.

    Each run goes by itself, so an interruption leaves nothing half erased that the next call would
    not find again.
    """
    kept = runs_to_keep(instance)
    old = dg.RunsFilter(statuses=list(FINISHED_STATUSES), created_before=before)
    ids = list(instance.run_storage.get_run_ids(old))
    due = [run_id for run_id in reversed(ids) if run_id not in kept][:most]
    if not dry:
        for run_id in due:
            _erase(instance, run_id)
    total = instance.get_runs_count()
    return Purged(
        erased=len(due),
        old_but_kept=sum(run_id in kept for run_id in ids),
        left=total - len(due) if dry else total,
    )


def runs_to_keep(instance: dg.DagsterInstance) -> set[str]:
    """Find the runs without which an asset, a partition or a check would look as if never made."""
    kept = set(_of_newest_checks(instance))
    for asset in instance.all_asset_keys():
        kept |= set(_of_newest_partitions(instance, asset))
        for newest in (
            instance.fetch_materializations(asset, limit=1).records,
            instance.fetch_observations(asset, limit=1).records,
        ):
            kept |= {record.event_log_entry.run_id for record in newest}
    return kept


def _of_newest_partitions(instance: dg.DagsterInstance, asset: dg.AssetKey) -> Iterator[str]:
    newest = instance.event_log_storage.get_latest_storage_id_by_partition(
        asset, dg.DagsterEventType.ASSET_MATERIALIZATION
    )
    ids = sorted(newest.values())
    for start in range(0, len(ids), _AT_ONCE):
        some = ids[start : start + _AT_ONCE]
        found = instance.fetch_materializations(
            AssetRecordsFilter(asset, storage_ids=some), limit=len(some)
        )
        yield from (record.event_log_entry.run_id for record in found.records)


def _of_newest_checks(instance: dg.DagsterInstance) -> Iterator[str]:
    results = AssetCheckExecutionsTable.c
    # By state, too: a check that was planned last and never judged must not hide its last result.
    newest = sa.select(sa.func.max(results.id)).group_by(
        results.asset_key, results.check_name, results.partition, results.execution_status
    )
    query = sa.select(results.run_id).where(results.id.in_(newest))
    with _events(instance).index_connection() as conn:
        yield from conn.scalars(query).all()


def _erase(instance: dg.DagsterInstance, run_id: str) -> None:
    """Erase one run, also what Dagster leaves: check results, tags, logs, its file (SQLite)."""
    instance.delete_run(run_id)
    events, runs = _events(instance), instance.run_storage
    with events.index_connection() as conn:
        conn.execute(
            sa.delete(AssetCheckExecutionsTable).where(AssetCheckExecutionsTable.c.run_id == run_id)
        )
    if isinstance(runs, SqlRunStorage):
        with runs.connect() as conn:
            conn.execute(sa.delete(RunTagsTable).where(RunTagsTable.c.run_id == run_id))
    instance.compute_log_manager.delete_logs(prefix=[run_id])
    if isinstance(events, SqliteEventLogStorage):
        _remove_shard(events, run_id)


def _remove_shard(events: SqliteEventLogStorage, run_id: str) -> None:
    for suffix in ("", "-wal", "-shm"):
        Path(events.path_for_shard(run_id) + suffix).unlink(missing_ok=True)


def _events(instance: dg.DagsterInstance) -> SqlEventLogStorage:
    storage = instance.event_log_storage
    if not isinstance(storage, SqlEventLogStorage):
        raise TypeError(
            f"event log storage {type(storage).__name__} is not known here: use SQLite or "
            "PostgreSQL in dagster.yaml"
        )
    return storage
