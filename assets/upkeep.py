"""Asset `upkeep`: old runs of Dagster and old records of ours erased, databases compacted.

Belongs here: the Dagster shell, and which databases there are. Erasing personal data is the work of
`assets.retention`.
"""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import dagster as dg

from assets.reporting import numbers, table
from assets.run_history import purge
from resources.clock import Clock
from resources.compaction import Compacted, compact_postgresql, compact_sqlite
from resources.operating_model import OperatingModel
from resources.operations.database import OperationsDatabase
from resources.operations.old_records import OldRecords, erase_old_records, old_records


class UpkeepConfig(dg.Config):
    """What to do."""

    dry: bool = False
    """Only count what would be erased."""
    compact: bool = True
    """Also compact databases from which much was erased."""


@dg.asset(
    group_name="housekeeping",
    kinds={"python"},
    owners=["team:operations"],
    description=(
        "Runs of Dagster with their events, logs and check results, erased after the days that the "
        "operating model sets; what tells the newest state of an asset, partition or check stays. "
        "As long are synchronisations kept, and alerts that are over. "
        "Databases from which much was erased give their space back."
    ),
)
def upkeep(
    context: dg.AssetExecutionContext,
    config: UpkeepConfig,
    operations: dg.ResourceParam[OperationsDatabase],
    model: dg.ResourceParam[OperatingModel],
    clock: dg.ResourceParam[Clock],
) -> dg.MaterializeResult:
    """Erase, then compact."""
    instance = context.instance
    # Runs carry real time, whatever the clock of business says.
    kept = timedelta(days=model.retention.run_days)
    purged = purge(instance, datetime.now(UTC) - kept, dry=config.dry)
    records = _records(operations, clock.now() - kept, dry=config.dry)
    done = [] if config.dry or not config.compact else _compact(instance, operations)
    done_or_due = "due" if config.dry else "erased"
    counts = {
        "runs_erased": 0 if config.dry else purged.erased,
        "runs_due": purged.erased if config.dry else 0,
        "old_runs_kept": purged.old_but_kept,
        "runs_left": purged.left,
        f"synchronisations_{done_or_due}": records.synchronisations,
        f"alerts_{done_or_due}": records.alerts,
        "bytes_given_back": sum(one.bytes_before - one.bytes_after for one in done),
        "databases_skipped": sum(one.skipped is not None for one in done),
    }
    shown = [
        {
            "database": one.name,
            "bytes_before": one.bytes_before,
            "bytes_after": one.bytes_after,
            "skipped": one.skipped,
        }
        for one in done
    ]
    metadata: dict[str, dg.MetadataValue] = {**numbers(counts)}
    if shown:
        metadata["databases"] = table(shown)
    return dg.MaterializeResult(metadata=metadata)


def _records(operations: OperationsDatabase, before: datetime, *, dry: bool) -> OldRecords:
    if dry:
        with operations.read() as conn:
            return old_records(conn, before)
    with operations.write() as conn:
        return erase_old_records(conn, before)


def _compact(instance: dg.DagsterInstance, operations: OperationsDatabase) -> list[Compacted]:
    done = [operations.compact()]
    root = Path(instance.root_directory) / "history"
    if (root / "runs.db").exists():
        schedules = Path(instance.root_directory) / "schedules" / "schedules.db"
        files = [root / "runs.db", root / "runs" / "index.db", schedules]
        done += [compact_sqlite(file) for file in files if file.exists()]
    engine = getattr(instance.run_storage, "_engine", None)
    if engine is not None and engine.dialect.name == "postgresql":
        done.append(compact_postgresql(engine))
    return done
