"""What runs at once: each actor is a process that repeats its work.

    python -m tests.kills.actors ROUNDS SECONDS REPORT

Belongs here: the actors. The parent loads the project once and forks, before anything is open. The
workers do so many rounds and go on until the time is over; the analyst and the impatient person at
the command line stay as long as one of them works. Each actor writes a line of JSON to REPORT: its
name, how often it worked, and whatever went wrong.
"""

import io
import json
import multiprocessing
import random
import sys
import time
import traceback
from collections.abc import Callable
from contextlib import redirect_stderr, redirect_stdout
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import click
import dagster as dg
import duckdb

from otto_pipelines.cli import app
from otto_pipelines.definitions import build_definitions

_BERLIN = ZoneInfo("Europe/Berlin")
_QUIET = {"loggers": {"console": {"config": {"log_level": "CRITICAL"}}}}
Work = Callable[[dg.DagsterInstance], None]


class Unwell(Exception):
    """An actor's work failed; the message holds all that was said about it."""


def execute(
    instance: dg.DagsterInstance, job: str, *, only: str | None = None, **options: Any
) -> None:
    """Execute a job of the project in this process, as its commands do."""
    result = (
        build_definitions()
        .resolve_job_def(job)
        .execute_in_process(
            instance=instance,
            run_config={**_QUIET, **options.pop("config", {})},
            asset_selection=[dg.AssetKey(only)] if only else None,
            raise_on_error=False,
            **options,
        )
    )
    if not result.success:
        errors = [e.event_specific_data for e in result.all_events if e.is_failure]
        raise Unwell(f"{job} failed: {errors}")


def dispatcher(instance: dg.DagsterInstance) -> None:
    """Hand over orders, report shipments."""
    execute(instance, "submit_orders")
    execute(instance, "sync_shipments")


def backfill(instance: dg.DagsterInstance) -> None:
    """Read the last three days as a whole."""
    today = datetime.now(_BERLIN).date()
    days = {
        "dagster/asset_partition_range_start": (today - timedelta(days=2)).isoformat(),
        "dagster/asset_partition_range_end": today.isoformat(),
    }
    execute(instance, "sync_orders", only="otto_orders", tags=days)


def live_sync(instance: dg.DagsterInstance) -> None:
    """Read what changed, hand it over, and send stock."""
    sync_orders(instance)
    execute(instance, "sync_stock")


def sync_orders(instance: dg.DagsterInstance) -> None:
    """Read what changed and hand it over."""
    today = datetime.now(_BERLIN).date().isoformat()
    changes = {"ops": {"otto_orders": {"config": {"mode": "changes"}}}}
    execute(instance, "sync_orders", partition_key=today, config=changes)


def reconciliation(instance: dg.DagsterInstance) -> None:
    """Compare both systems, publish the finance file."""
    execute(instance, "reconcile")


def retry_command(_: dg.DagsterInstance) -> None:
    """`otto-pipelines errors retry`, which makes everything due now."""
    time.sleep(random.uniform(0.0, 2.0))
    said = io.StringIO()
    with redirect_stdout(said), redirect_stderr(said):
        try:
            app(["errors", "retry"], standalone_mode=False)
        except (click.exceptions.Exit, SystemExit) as error:
            raise Unwell(f"errors retry ended with {error}: {said.getvalue()}") from error


def analyst(_: dg.DagsterInstance) -> None:
    """Open the finance file, keep it open, and get the same answers to the same questions."""
    from otto_pipelines.commands.opening import finance_file

    file = finance_file(None)
    if not file.exists():
        time.sleep(0.2)
        return
    with duckdb.connect(str(file), read_only=True) as con:
        first = _answers(con)
        time.sleep(random.uniform(0.0, 2.0))
        if _answers(con) != first:
            raise Unwell("the finance file changed while it was open")


def _answers(con: duckdb.DuckDBPyConnection) -> list[Any]:
    return [
        con.execute(f"SELECT count(*), sum(hash(t)) FROM reconciliation.{table} AS t").fetchone()
        for table in ("order_lines", "shipments", "breaks", "stock")
    ]


WORKERS: dict[str, Work] = {
    "dispatcher 1": dispatcher,
    "dispatcher 2": dispatcher,
    "backfill": backfill,
    "live sync": live_sync,
    "reconciliation": reconciliation,
}
ONLOOKERS: dict[str, Work] = {"retry": retry_command, "analyst": analyst}


def act(name: str, work: Work, goes_on: Callable[[int], bool], report: Path) -> None:
    """Work as long as `goes_on` says of the number of rounds done."""
    times, wrong = 0, []
    with dg.DagsterInstance.get() as instance:
        while goes_on(times):
            try:
                work(instance)
            except Exception:  # noqa: BLE001 - whatever it is, it is what we are looking for
                wrong.append(traceback.format_exc())
            times += 1
    with report.open("a", encoding="utf-8") as file:
        file.write(json.dumps({"actor": name, "times": times, "wrong": wrong}) + "\n")


def all_at_once(rounds: int, seconds: float, report: Path) -> None:
    """Each actor in a process of its own; returns when all have ended."""
    context = multiprocessing.get_context("fork")
    until, over = time.monotonic() + seconds, context.Event()

    def start(actors: dict[str, Work], goes_on: Callable[[int], bool]) -> list[Any]:
        arguments = [(name, work, goes_on, report) for name, work in actors.items()]
        processes = [context.Process(target=act, args=each) for each in arguments]
        for process in processes:
            process.start()
        return processes

    workers = start(WORKERS, lambda done: done < rounds or time.monotonic() < until)
    onlookers = start(ONLOOKERS, lambda done: done == 0 or not over.is_set())
    for process in workers:
        process.join()
    over.set()
    for process in onlookers:
        process.join()


if __name__ == "__main__":
    all_at_once(int(sys.argv[1]), float(sys.argv[2]), Path(sys.argv[3]))
