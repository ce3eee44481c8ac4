"""The command `status`: how things stand, on one screen."""

import json
from typing import Annotated, Any

import duckdb
import sqlalchemy as sa
import typer

from assets.kpi.figures import KPIS, Figures, measure, spoken
from assets.parcel_gate import parked_parcels
from otto_pipelines.commands.opening import (
    console,
    explained,
    finance_file,
    model,
    operations,
    table,
)
from resources.bindings import open_clock
from resources.operations import availability_desk, outbox_lists, quarantine, short_picks, sync_log
from resources.operations.availability import Lane
from resources.operations.schema import position_items, sync_runs


def status(
    as_json: Annotated[bool, typer.Option("--json", help="Print as JSON.")] = False,
) -> None:
    """Show the key figures, then items, outbox, stock, breaks and the last run of each flow."""
    with explained():
        found = {"kpis": _kpis(), **_operations(), "open_breaks": _breaks()}
    if as_json:
        typer.echo(json.dumps(found, indent=2, default=str))
        return
    rows = [[kpi.name, spoken(kpi, found["kpis"][kpi.name]), kpi.meaning] for kpi in KPIS.values()]
    console.print(table("key figures", ["figure", "now", "meaning"], rows))
    for title, values in found.items():
        if title not in {"kpis", "synchronisations"}:
            rows = [[name, count] for name, count in values.items()]
            console.print(table(title.replace("_", " "), ["what", "count"], rows))
    runs = [
        [run["flow"], run["started_at"][:16], run["result"], run["error"] or ""]
        for run in found["synchronisations"]
    ]
    console.print(
        table("last synchronisations", ["flow", "started (UTC)", "result", "error"], runs)
    )


def _kpis() -> Figures:
    with operations() as db:
        return measure(db, model(), open_clock().now())


def _operations() -> dict[str, Any]:
    items = position_items.c.fulfilment_status
    with operations() as db, db.read() as conn:
        by_status = conn.execute(sa.select(items, sa.func.count()).group_by(items).order_by(items))
        waiting = {
            "parcels_parked": len(parked_parcels(conn)),
            "rows_quarantined": len(quarantine.waiting_rows(conn)),
        }
        shorts = short_picks.counts(conn)
        flows = conn.scalars(sa.select(sync_runs.c.flow).distinct().order_by(sync_runs.c.flow))
        return {
            "position_items": {row[0]: row[1] for row in by_status},
            "waiting_for_a_person": waiting,
            "outbox": {
                f"{kind} {state}": count
                for kind, states in outbox_lists.overview(conn).items()
                for state, count in states.items()
            },
            "stock": _stock(conn),
            "short_picks": {
                name: getattr(shorts, name) for name in ("shipped", "cancelled", "open")
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


def _stock(conn: sa.Connection) -> dict[str, Any]:
    """SKUs of OTTO by what stands between our figure and what OTTO shows."""
    found = availability_desk.overview(conn)
    oldest = found.oldest_accepted_at
    return {
        "skus": found.skus,
        **{f"waiting_{lane.name.lower()}": found.pending_by_lane.get(lane, 0) for lane in Lane},
        "never_accepted": found.never_accepted,
        "refused": found.refused,
        "held_by_a_guard": found.frozen,
        "oldest_accepted_at": None if oldest is None else oldest.isoformat(timespec="seconds"),
    }


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
