"""The command `otto-pipelines`: what people type.

Belongs here: the list of commands and the demo's arguments. Each group of commands stands in
`otto_pipelines.commands`. Work is done by the project's Dagster jobs, so that every run is seen in
the UI; reading is done through `resources`.
"""

import json
import sys
from pathlib import Path
from typing import Annotated

import typer

from otto_pipelines import core_dumps
from otto_pipelines.commands import (
    alerts,
    automation,
    backups,
    breaks,
    closing,
    connections,
    customer_care,
    environment_file,
    exceptions,
    flows,
    migration,
    overview,
    receipts,
    reductions,
    returns,
    setup,
    syncs,
)
from otto_pipelines.commands.opening import errors, explained

app = typer.Typer(no_args_is_help=True, add_completion=False, pretty_exceptions_enable=False)


@app.callback()
def otto_pipelines() -> None:
    """Orders, shipments and reconciliation between OTTO Market and your warehouse.

    Settings come from the environment and from the file .env of the folder you are in.
    """
    if warning := environment_file.load(Path.cwd()):
        errors.print(f"[yellow]{warning}[/yellow]", soft_wrap=True)


@app.command()
def demo(
    once: Annotated[bool, typer.Option(help="Run the days headless, mark the run, end.")] = False,
    orders: Annotated[int, typer.Option(min=1, help="Orders of the simulated days.")] = 300,
    days: Annotated[int, typer.Option(min=1, max=60, help="Days to simulate.")] = 3,
    seed: Annotated[int, typer.Option(help="Equal seeds make equal worlds.")] = 7,
    as_json: Annotated[bool, typer.Option("--json", help="Print the result as JSON.")] = False,
    folder: Annotated[
        Path | None, typer.Option(help="Keep databases and Dagster instance here.")
    ] = None,
) -> None:
    """Run the pipelines against a local sandbox of OTTO and a warehouse."""
    if not once:
        from otto_pipelines.demo.live import run_live  # noqa: PLC0415

        raise typer.Exit(run_live(orders=orders, days=days, seed=seed, folder=folder))
    from otto_pipelines.demo.rehearsal import rehearse  # noqa: PLC0415

    with explained():
        result = rehearse(
            orders=orders,
            days=days,
            seed=seed,
            folder=folder,
            progress=lambda text: print(f"  {text}", file=sys.stderr),
        )
    if as_json:
        print(json.dumps(result, indent=2, ensure_ascii=False))
    else:
        for name, value in result.items():
            print(f"{name:>20}: {value}")
    good = not (
        result["lost"]
        or result["doubled"]
        or result["missed"]
        or result["unexpected"]
        or result["failed_runs"]
        or result["oversold_avoidable"]
        or result["shorts_settled"] != result["shorts"]
    )
    raise typer.Exit(0 if good else 1)


app.command()(setup.init)
app.command()(flows.sync)
app.command()(flows.reconcile)
app.command()(flows.housekeeping)
app.command()(overview.status)
app.command()(customer_care.order)
app.command()(syncs.syncs)
app.command()(migration.migrate)
app.command("check-connection")(connections.check_connection)
app.add_typer(automation.app, name="automation")
app.add_typer(backups.app, name="backup")
app.add_typer(exceptions.app, name="errors")
app.add_typer(alerts.app, name="alerts")
app.add_typer(returns.app, name="returns")
app.add_typer(reductions.app, name="reductions")
app.add_typer(receipts.app, name="receipt")
app.add_typer(breaks.app, name="breaks")
app.add_typer(closing.app, name="close")


def main() -> None:
    """Entry point."""
    core_dumps.leave_none()
    app()
