"""The headless demo: simulated days, step by step, through real Dagster runs, marked at the end.

Belongs here: the order of steps of one rehearsal. The world is the sandbox in a process of its own;
the runs are the project's own jobs on a Dagster instance of their own.
"""

import os
import signal
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import dagster as dg
import httpx
import sqlalchemy as sa

from otto_pipelines.demo.closing import ClosedDay, close_busiest_day
from otto_pipelines.demo.marking import Marks, mark
from otto_pipelines.demo.runs import Runs
from otto_pipelines.demo.workplace import Workplace, clear, credentials, prepare, start_sandbox
from resources.operations.database import OperationsDatabase
from resources.operations.outbox import due_count
from resources.operations.schema import outbox

Progress = Callable[[str], None]

STEP, STEP_AFTER_ORDERS = timedelta(hours=3), timedelta(hours=6)
LONGEST_AFTER_ORDERS = timedelta(days=4)
STALL_SECONDS = 1.5
# OTTO sells what it shows, some articles are few, units vanish, and each side has SKUs of its own.
# Buyers send back within a day, prices are reduced, and every fault of money is planted once.
_WORLD = (
    "--sell-what-is-shown",
    "--scarce-share=0.15",
    "--hidden-losses-per-day=4",
    "--skus=80",
    "--orphan-skus=2",
    "--returns-share=0.15",
    "--reductions-share=0.05",
    "--voucher-share=0.1",
    "--money-faults=1",
    "--return-after-hours=8",
    "--return-transit-hours=10",
)

# The sandbox is near and enforces no request limits in stepped mode, so waits can be short.
_MODEL_CHANGES: dict[str, dict[str, Any]] = {
    "http": {
        "timeout_seconds": 1.0,
        "requests_per_second": 2000,
        "requests_per_minute": 120000,
        "attempts": 8,
        "first_backoff_seconds": 0.05,
        "longest_backoff_seconds": 1.0,
    },
    "outbox": {"first_backoff_seconds": 0.1, "longest_backoff_seconds": 2.0, "give_up_after": 200},
    # Nobody is there to decide: every unit that came back in a fair condition is accepted.
    "returns": {"auto_accept": ["NEW", "MINT", "USED_LIGHT"]},
    # The days end two days after the last order, so what outlives half a day must show.
    "reconciliation": {
        "receipt": 720,
        "refund": 720,
        "return_decision": 720,
        "price_reduction": 720,
    },
}


def rehearse(
    *, orders: int, days: int, seed: int, folder: Path | None, progress: Progress
) -> dict[str, Any]:
    """Run the whole world once and mark it.

    Everything lies in `folder` afterwards, also the Dagster instance. Without one the databases lie
    in a temporary folder that goes, Dagster's records in memory: to write them is half the work.

    Returns:
        The summary: numbers, kinds injected, found and unexpected; see `summary`.

    Raises:
        DemoError: the folder holds other files, or the sandbox did not start.
    """
    began = time.monotonic()
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    open_instance = dg.DagsterInstance.get if folder else dg.DagsterInstance.ephemeral
    with tempfile.TemporaryDirectory(prefix="otto-pipelines-") as temporary:
        ground = (folder or Path(temporary)).absolute()
        clear(ground)
        shared = credentials()
        arguments = {
            "--orders": orders,
            "--days": days,
            "--seed": seed,
            "--stall-seconds": STALL_SECONDS,
        }
        flat = [str(part) for pair in arguments.items() for part in pair]
        process, addresses = start_sandbox([*flat, *_WORLD], shared, ground / "sandbox.log")
        try:
            place = prepare(ground, addresses, shared, _MODEL_CHANGES)
            with _environment(place), open_instance() as instance:
                result = _rehearse(place, addresses["otto"], instance, progress, began)
        finally:
            process.terminate()
            process.wait(timeout=20)
    # What lay in the temporary folder is gone.
    return result if folder else {**result, "workbook": None, "report": None}


def _rehearse(
    place: Workplace,
    sandbox_url: str,
    instance: dg.DagsterInstance,
    progress: Progress,
    began: float,
) -> dict[str, Any]:
    world = httpx.Client(base_url=f"{sandbox_url}/_sandbox", timeout=300)
    runner = Runs(instance)
    database = OperationsDatabase(place.operations_url)
    clock = world.get("/clock").raise_for_status().json()
    now, orders_end = (datetime.fromisoformat(clock[name]) for name in ("start", "orders_end"))
    # OTTO shows nothing of what it was never told, so this comes before the first sale.
    runner.stock("sync_stock", "all")
    half_day = day = now
    while True:
        now += STEP if now < orders_end else STEP_AFTER_ORDERS
        _advance(world, runner, now)
        if now - half_day < timedelta(hours=12):
            runner.lanes(now)
        else:
            half_day = now
            runner.step(now)
            runner.money(now)
        if now - day >= timedelta(days=1):
            day = now
            runner.stock("push_all_stock", "push")
            runner.stock("read_back_stock", "read_back")
            runner.run("reconcile")
        truth = world.get("/truth").raise_for_status().json()
        progress(f"{now:%Y-%m-%d %H:%M} UTC, {truth['parcels']} parcels, {runner.runs} runs")
        settled = now > orders_end and truth["idle"] and now - orders_end > timedelta(days=2)
        if settled or now - orders_end > LONGEST_AFTER_ORDERS:
            break
    _drain(runner, database, now)
    runner.money(now)
    runner.run("reconcile")
    marks = mark(
        world.get("/truth").raise_for_status().json(),
        world.get("/ledger").raise_for_status().json(),
        world.get("/stock").raise_for_status().json(),
        database,
        place.finance_file,
    )
    database.close()
    closed = close_busiest_day(place.finance_file, now, lambda: runner.run("reconcile"))
    return summary(marks, closed, runner, time.monotonic() - began)


def _advance(world: httpx.Client, runner: Runs, to: datetime) -> None:
    """Step to `to`. An order that would oversell waits until the product has looked once.

    The product's own lanes look several times a second, which days in minutes leave no time for. A
    look before each order would come to the same; before all others it would change nothing.
    """
    body = {"to": to.isoformat(), "stop_before_overselling": True}
    while True:
        clock = world.post("/clock/advance", json=body).raise_for_status().json()
        now = datetime.fromisoformat(clock["now"])
        if now >= to:
            return
        runner.lanes(now)


def _drain(runner: Runs, database: OperationsDatabase, now: datetime) -> None:
    """Let retries run out: until no row waits for a try, but for effects that OTTO never shows."""
    for _ in range(30):
        runner.step(now)
        with database.read() as conn:
            waiting = conn.scalar(
                sa.select(sa.func.count())
                .select_from(outbox)
                .where(outbox.c.state.in_(("pending", "retrying")))
            )
            due = due_count(conn, datetime.now(UTC), ["otto_shipment", "wms_order"])
        if not waiting and not due:
            return
        time.sleep(0.5)


def summary(marks: Marks, closed: ClosedDay, runner: Runs, seconds: float) -> dict[str, Any]:
    """The result as JSON; later versions add keys and rename none."""
    return {
        "orders": marks.orders,
        "items": marks.items,
        "parcels": marks.parcels,
        "confirmed": marks.confirmed,
        "parked": marks.parked,
        "lost": len(marks.lost),
        "doubled": marks.doubled,
        "oversold_avoidable": marks.oversold_avoidable,
        "oversold_units": marks.oversold_units,
        "shorts": marks.shorts,
        "shorts_settled": marks.shorts_settled,
        "injected": dict(sorted(marks.injected.items())),
        "found": dict(sorted(marks.found.items())),
        "unexpected": dict(sorted(Counter(kind for kind, _, _ in marks.unexpected).items())),
        "missed": [list(key) for key in marks.missed],
        "unexpected_rows": [list(key) for key in marks.unexpected],
        "lost_rows": [list(key) for key in marks.lost],
        "transport_injected": dict(sorted(marks.transport_injected.items())),
        "transport_met": dict(sorted(marks.transport_met.items())),
        "closed_day": closed.day,
        "breaks_accepted": closed.accepted,
        "workbook": str(closed.workbook),
        "report": str(closed.report),
        "runs": runner.runs,
        "failed_runs": sum(runner.failed.values()),
        "seconds": round(seconds, 1),
    }


@contextmanager
def _environment(place: Workplace) -> Iterator[None]:
    """Lead this process to the workplace, and back afterwards."""
    before = dict(os.environ)
    os.environ.update(place.environment)
    try:
        yield
    finally:
        os.environ.clear()
        os.environ.update(before)
