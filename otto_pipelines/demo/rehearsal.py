"""The headless demo: simulated days, step by step, through real Dagster runs, marked at the end.

Belongs here: the order of steps of one rehearsal. The world is the sandbox in a process of its own;
the runs are the project's own jobs on a Dagster instance that is kept on disk.
"""

import os
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import dagster as dg
import httpx
import sqlalchemy as sa

from otto_pipelines.definitions import build_definitions
from otto_pipelines.demo.marking import Marks, mark
from otto_pipelines.demo.workplace import Workplace, credentials, prepare, start_sandbox
from resources.operations.database import OperationsDatabase
from resources.operations.outbox import due_count
from resources.operations.schema import outbox

Progress = Callable[[str], None]

BERLIN = ZoneInfo("Europe/Berlin")
STEP = timedelta(hours=3)
LONGEST_AFTER_ORDERS = timedelta(days=4)
STALL_SECONDS = 1.5

_QUIET = {"loggers": {"console": {"config": {"log_level": "CRITICAL"}}}}

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
}


def rehearse(
    *, orders: int, days: int, seed: int, folder: Path | None, progress: Progress
) -> dict[str, Any]:
    """Run the whole world once and mark it.

    Everything lies in `folder` afterwards; without one, in a temporary folder that goes.

    Returns:
        The summary: numbers, kinds injected, found and unexpected; see `summary`.
    """
    began = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="otto-pipelines-") as temporary:
        folder = folder or Path(temporary)
        folder.mkdir(parents=True, exist_ok=True)
        shared = credentials()
        arguments = {
            "--orders": orders,
            "--days": days,
            "--seed": seed,
            "--stall-seconds": STALL_SECONDS,
        }
        flat = [str(part) for pair in arguments.items() for part in pair]
        process, addresses = start_sandbox(flat, shared, folder / "sandbox.log")
        try:
            place = prepare(folder, addresses, shared, _MODEL_CHANGES)
            with _environment(place), dg.DagsterInstance.get() as instance:
                return _rehearse(place, addresses["otto"], instance, progress, began)
        finally:
            process.terminate()
            process.wait(timeout=20)


def _rehearse(
    place: Workplace,
    sandbox_url: str,
    instance: dg.DagsterInstance,
    progress: Progress,
    began: float,
) -> dict[str, Any]:
    world = httpx.Client(base_url=f"{sandbox_url}/_sandbox", timeout=300)
    runner = _Runner(instance)
    database = OperationsDatabase(place.operations_url)
    clock = world.get("/clock").raise_for_status().json()
    now, orders_end = (datetime.fromisoformat(clock[name]) for name in ("start", "orders_end"))
    reconciled = now
    while True:
        now += STEP
        world.post("/clock/advance", json={"to": now.isoformat()}).raise_for_status()
        runner.step(now)
        if now - reconciled >= timedelta(hours=12):
            reconciled = now
            runner.run("reconcile")
        truth = world.get("/truth").raise_for_status().json()
        progress(f"{now:%Y-%m-%d %H:%M} UTC, {truth['parcels']} parcels, {runner.runs} runs")
        settled = now > orders_end and truth["idle"] and now - orders_end > timedelta(days=2)
        if settled or now - orders_end > LONGEST_AFTER_ORDERS:
            break
    _drain(runner, database, now)
    runner.run("reconcile")
    marks = mark(
        world.get("/truth").raise_for_status().json(),
        world.get("/ledger").raise_for_status().json(),
        database,
        place.finance_file,
    )
    database.close()
    return summary(marks, runner, time.monotonic() - began)


def _drain(runner: "_Runner", database: OperationsDatabase, now: datetime) -> None:
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


class _Runner:
    """Executes the project's jobs and counts them."""

    def __init__(self, instance: dg.DagsterInstance) -> None:
        self._instance = instance
        self._definitions = build_definitions()
        self.runs = 0
        self.failed: Counter[str] = Counter()

    def step(self, now: datetime) -> None:
        """Run one round of both directions."""
        self.run(
            "sync_orders",
            partition_key=now.astimezone(BERLIN).date().isoformat(),
            config={"ops": {"otto_orders": {"config": {"mode": "changes"}}}},
        )
        self.run("sync_shipments")

    def run(
        self, job: str, *, partition_key: str | None = None, config: dict[str, Any] | None = None
    ) -> None:
        """Execute one job; a failure is counted, and the next step tries again."""
        result = self._definitions.resolve_job_def(job).execute_in_process(
            instance=self._instance,
            partition_key=partition_key,
            run_config={**_QUIET, **(config or {})},
            raise_on_error=False,
        )
        self.runs += 1
        if not result.success:
            self.failed[job] += 1


def summary(marks: Marks, runner: _Runner, seconds: float) -> dict[str, Any]:
    """The result as JSON; later versions add keys and rename none."""
    return {
        "orders": marks.orders,
        "items": marks.items,
        "parcels": marks.parcels,
        "confirmed": marks.confirmed,
        "parked": marks.parked,
        "lost": len(marks.lost),
        "doubled": marks.doubled,
        "injected": dict(sorted(marks.injected.items())),
        "found": dict(sorted(marks.found.items())),
        "unexpected": dict(sorted(Counter(kind for kind, _, _ in marks.unexpected).items())),
        "missed": [list(key) for key in marks.missed],
        "unexpected_rows": [list(key) for key in marks.unexpected],
        "lost_rows": [list(key) for key in marks.lost],
        "transport_injected": dict(sorted(marks.transport_injected.items())),
        "transport_met": dict(sorted(marks.transport_met.items())),
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
