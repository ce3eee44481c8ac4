"""Commands `sync` and `reconcile`: each runs a Dagster job that is then seen in the UI."""

import socket
from datetime import datetime
from enum import StrEnum
from typing import Annotated, Any
from zoneinfo import ZoneInfo

import typer

from otto_pipelines.commands.opening import console, dagster_home, errors, explained, operations


class Flow(StrEnum):
    """Flows that can be started by hand."""

    ORDERS = "orders"
    SHIPMENTS = "shipments"
    STOCK = "stock"
    RETURNS = "returns"
    RECEIPTS = "receipts"
    PRICES = "prices"
    ALL = "all"


def sync(
    flow: Annotated[Flow, typer.Argument(help="What to synchronise.")] = Flow.ALL,
    sku: Annotated[
        list[str] | None, typer.Option(help="stock: only this SKU of OTTO; may be repeated.")
    ] = None,
    full: Annotated[
        bool, typer.Option("--full", help="stock: send every figure, changed or not.")
    ] = False,
    confirm_drop: Annotated[
        bool,
        typer.Option(
            "--confirm-drop",
            help="stock: the stock is gone, take over the list that the mass-drop guard stopped.",
        ),
    ] = False,
) -> None:
    """Synchronise now: what changed since the last time."""
    if flow is not Flow.STOCK and (sku or full or confirm_drop):
        raise typer.BadParameter("--sku, --full and --confirm-drop belong to: sync stock")
    if sku and (full or confirm_drop):
        raise typer.BadParameter("--sku names a few SKUs; --full and --confirm-drop are about all")
    if flow in {Flow.ORDERS, Flow.ALL}:
        _execute("sync_orders", partition_key=_today(), config=_changes("otto_orders"))
    if flow in {Flow.SHIPMENTS, Flow.ALL}:
        _execute("sync_shipments")
    if flow in {Flow.STOCK, Flow.ALL}:
        task = {
            "task": "push" if full else "all",
            "skus": sku or [],
            "confirm_drop": confirm_drop,
        }
        job = "push_all_stock" if full else "sync_stock"
        _execute(job, config={"ops": {"stock": {"config": task}}})
    if flow in {Flow.RETURNS, Flow.ALL}:
        _execute("sync_returns")
    if flow in {Flow.RECEIPTS, Flow.ALL}:
        _execute("sync_receipts", partition_key=_today(), config=_changes("otto_receipts"))
    if flow in {Flow.PRICES, Flow.ALL}:
        _execute("sync_prices")


def reconcile() -> None:
    """Compare both systems now and publish the finance file."""
    _execute("reconcile")


def housekeeping(
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only count what is old.")] = False,
) -> None:
    """Erase old runs and records of runs, and compact the databases, now."""
    _execute("housekeeping", config={"ops": {"upkeep": {"config": {"dry": dry_run}}}})


def _today() -> str:
    return datetime.now(ZoneInfo("Europe/Berlin")).date().isoformat()


def _changes(asset: str) -> dict[str, Any]:
    return {"ops": {asset: {"config": {"mode": "changes"}}}}


def _execute(
    job: str, *, partition_key: str | None = None, config: dict[str, Any] | None = None
) -> None:
    import dagster as dg  # noqa: PLC0415 - other commands need not wait for it

    from otto_pipelines.definitions import build_definitions  # noqa: PLC0415
    from otto_pipelines.run_launcher import HOST_TAG  # noqa: PLC0415

    with explained(), operations():
        dagster_home()
        console.print(f"running {job}")
        with dg.DagsterInstance.get() as instance:
            result = (
                build_definitions()
                .resolve_job_def(job)
                .execute_in_process(
                    instance=instance,
                    partition_key=partition_key,
                    # Should this command be killed, the daemon sees that its run is dead.
                    tags={HOST_TAG: socket.gethostname()},
                    run_config={
                        "loggers": {"console": {"config": {"log_level": "ERROR"}}},
                        **(config or {}),
                    },
                    raise_on_error=False,
                )
            )
    if not result.success:
        errors.print(f"[red]{job} failed:[/red] see run {result.run_id} in the Dagster UI")
        raise typer.Exit(1)
    failed = [c for c in result.get_asset_check_evaluations() if not c.passed]
    console.print(f"{job} succeeded, {len(failed)} check(s) failed")
    for check in failed:
        console.print(f"  {check.asset_key.to_user_string()}: {check.check_name}")
