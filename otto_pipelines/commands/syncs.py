"""The command `syncs`: the last synchronisations of each flow, with counts, duration and result.

Belongs here: showing the log of synchronisations. Runs of Dagster, with their steps and logs, are
seen in its UI.
"""

import json
from dataclasses import asdict
from typing import Annotated

import sqlalchemy as sa
import typer

from otto_pipelines.commands.opening import console, explained, operations, table
from resources.operations import sync_log
from resources.operations.schema import sync_runs


def syncs(
    flow: Annotated[str | None, typer.Argument(help="One flow; none means all.")] = None,
    last: Annotated[int, typer.Option(min=1, max=1000, help="So many of each flow.")] = 10,
    as_json: Annotated[bool, typer.Option("--json", help="Print as JSON.")] = False,
) -> None:
    """Show the last synchronisations of each flow, newest first."""
    with explained(), operations() as db, db.read() as conn:
        known = conn.scalars(sa.select(sync_runs.c.flow).distinct().order_by(sync_runs.c.flow))
        flows = list(known)
        if flow is not None and flow not in flows:
            raise typer.BadParameter(
                f"{flow!r} never ran; flows that did: {', '.join(flows) or 'none'}"
            )
        found = {name: sync_log.last(conn, name, last) for name in flows if flow in {None, name}}
    if as_json:
        shown = {
            name: [asdict(run) | {"seconds": run.seconds} for run in runs]
            for name, runs in found.items()
        }
        typer.echo(json.dumps(shown, indent=2, default=str))
        return
    if not found:
        console.print("nothing was synchronised yet")
    for name, runs in found.items():
        columns = ["started (UTC)", "seconds", "result", "counts", "error"]
        console.print(table(name, columns, [_row(run) for run in runs]))


def _row(run: sync_log.SyncRun) -> list[object]:
    counts = ", ".join(f"{name} {count}" for name, count in run.counts.items() if count)
    faults = ", ".join(f"{name} {count}" for name, count in run.transport.items())
    return [
        f"{run.started_at:%d %b %H:%M:%S}",
        None if run.seconds is None else f"{run.seconds:.1f}",
        run.result,
        f"{counts}; met {faults}" if faults else counts,
        run.error,
    ]
