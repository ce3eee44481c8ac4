"""The project's own jobs, executed in this process and counted.

Belongs here: how a job of each flow is started by hand, step by step. When which one runs belongs
to who steps through the days.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

import dagster as dg

from otto_pipelines.definitions import build_definitions
from sensors.lanes import fast_lane, stock_lane, sync_orders

BERLIN = ZoneInfo("Europe/Berlin")
_LANES = dg.define_asset_job(
    "lanes",
    selection=sync_orders.selection | fast_lane.selection | stock_lane.selection,
    description="What sensors start at any news, in one run: to open three takes longer than all.",
)
_QUIET = {"loggers": {"console": {"config": {"log_level": "CRITICAL"}}}}


class Runs:
    """Executes the project's jobs; `resources` replace those of the environment, by name.

    A run that fails is counted by its job, and the next step tries again.
    """

    def __init__(
        self,
        instance: dg.DagsterInstance,
        resources: Mapping[str, object] | None = None,
        *,
        further_jobs: Sequence[dg.JobDefinition] = (),
    ) -> None:
        self._instance = instance
        self._definitions = dg.Definitions.merge(
            build_definitions(resources=resources), dg.Definitions(jobs=[_LANES, *further_jobs])
        )
        # In the main thread Dagster keeps Ctrl-C for itself: it would end a run, and no more.
        self._thread = ThreadPoolExecutor(1)
        self.runs = 0
        self.failed: Counter[str] = Counter()
        self.last_errors: dict[str, str] = {}
        """By job, how its last run that failed ended."""

    def step(self, now: datetime) -> None:
        """Run one round of orders, shipments and stock."""
        self.orders(now)
        self.run("sync_shipments")
        self.stock("sync_stock", "all")

    def lanes(self, now: datetime) -> None:
        """Do the same in one run, by the changes of stock instead of the whole list."""
        self._changes("lanes", "otto_orders", now, stock={"task": "changes"})

    def orders(self, now: datetime) -> None:
        """Read what changed at OTTO."""
        self._changes("sync_orders", "otto_orders", now)

    def money(self, now: datetime) -> None:
        """Read receipts, returns and reductions, and decide what came back."""
        self.run("sync_returns")
        self.run("sync_prices")
        self._changes("sync_receipts", "otto_receipts", now)

    def stock(self, job: str, task: str) -> None:
        """Run a job of stock; `task` is the one that it is made for."""
        self.run(job, config={"ops": {"stock": {"config": {"task": task}}}})

    def _changes(self, job: str, asset: str, now: datetime, **further: dict[str, str]) -> None:
        configs = {asset: {"mode": "changes"}, **further}
        self.run(
            job,
            partition_key=now.astimezone(BERLIN).date().isoformat(),
            config={"ops": {name: {"config": config} for name, config in configs.items()}},
        )

    def run(
        self, job: str, *, partition_key: str | None = None, config: dict[str, Any] | None = None
    ) -> dg.ExecuteInProcessResult:
        """Execute one job and return its result, also if it failed."""
        result = self._thread.submit(
            self._definitions.resolve_job_def(job).execute_in_process,
            instance=self._instance,
            partition_key=partition_key,
            run_config={**_QUIET, **(config or {})},
            raise_on_error=False,
        ).result()
        self.runs += 1
        if not result.success:
            self.failed[job] += 1
            self.last_errors[job] = _error_of(result)
        return result


def _error_of(result: dg.ExecuteInProcessResult) -> str:
    """What the step that failed said, down to its first cause."""
    for event in result.all_events:
        if event.is_step_failure:
            error = event.step_failure_data.error
            texts = []
            while error is not None:
                texts.append(error.message.strip())
                error = error.cause
            return " <- ".join(texts)
    return "no step failed"
