"""The command `status`: how things stand, on one screen."""

import json
from typing import Annotated, Any

import duckdb
import sqlalchemy as sa
import typer

from otto_pipelines.commands.opening import console, explained, finance_file, operations, table
from resources.operations import outbox, sync_log
from resources.operations.schema import parcels, position_items, quarantine, sync_runs


def status(
    as_json: Annotated[bool, typer.Option("--json", help="Print as JSON.")] = False,
) -> None:
    """Show items by state, the outbox, what is parked, breaks and the last synchronisations."""
    with explained():
        found = {**_operations(), "open_breaks": _breaks()}
    if as_json:
        typer.echo(json.dumps(found, indent=2, default=str))
        return
    for title, values in found.items():
        if title != "synchronisations":
            rows = [[name, count] for name, count in values.items()]
            console.print(table(title.replace("_", " "), ["what", "count"], rows))
    columns = ["flow", "started_at", "result", "counts", "transport", "error"]
    rows = [[run[name] for name in columns] for run in found["synchronisations"]]
    console.print(table("last synchronisations", columns, rows))


def _operations() -> dict[str, Any]:
    items = position_items.c.fulfilment_status
    with operations() as db, db.read() as conn:
        by_status = conn.execute(sa.select(items, sa.func.count()).group_by(items).order_by(items))
        waiting = {
            "parcels_parked": _count(conn, parcels.c.state == "parked"),
            "rows_quarantined": _count(conn, quarantine.c.resolved_at.is_(None)),
        }
        flows = conn.scalars(sa.select(sync_runs.c.flow).distinct().order_by(sync_runs.c.flow))
        return {
            "position_items": {row[0]: row[1] for row in by_status},
            "waiting_for_a_person": waiting,
            "outbox": {
                f"{kind} {state}": count
                for kind, states in outbox.overview(conn).items()
                for state, count in states.items()
            },
            "synchronisations": [
                {
                    "flow": run.flow,
                    "started_at": run.started_at.isoformat(timespec="seconds"),
                    "result": run.result,
                    "counts": run.counts,
                    "transport": run.transport,
                    "error": run.error,
                }
                for flow in flows.all()
                for run in sync_log.last(conn, flow, 1)
            ],
        }


def _count(conn: sa.Connection, condition: sa.ColumnElement[bool]) -> int:
    return conn.scalar(sa.select(sa.func.count()).where(condition)) or 0


def _breaks() -> dict[str, int]:
    path = finance_file(None)
    if not path.exists():
        return {}
    with duckdb.connect(str(path), read_only=True) as con:
        return dict(
            con.execute(
                "SELECT kind, count(*) FROM reconciliation.breaks WHERE status = 'open' "
                "GROUP BY kind ORDER BY kind"
            ).fetchall()
        )
