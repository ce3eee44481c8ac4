"""Sensors on our own tables: rows that are due again, and findings that a check should show.

Rows of a system that is down are due again and again. So a run that brought nothing to its end is
followed by a rest, which doubles up to a quarter of an hour.

Belongs here: looking into the operations database, then requesting a run. News from outside are
looked for in `sensors.fast_lane`.
"""

import json
from datetime import UTC, datetime, timedelta

import dagster as dg
import sqlalchemy as sa

from assets.stock_intake import QUARANTINES
from resources.operating_model import Automation
from resources.operations import pending
from resources.operations.availability_desk import fingerprint as stock_fingerprint
from resources.operations.database import OperationsDatabase
from resources.operations.outbox import any_ended, due_count
from sensors.groups import in_group
from sensors.lanes import (
    check_shipments,
    check_stock,
    decide_returns,
    fast_lane,
    reduce_prices,
    stock_lane,
    submit_orders,
    sync_returns,
    sync_shipments,
)
from sensors.runs import is_active, latest_success

# Rows that the run which wrote them is about to deliver are not ours to chase.
SETTLING = timedelta(seconds=10)
FIRST_REST = timedelta(seconds=10)
LONGEST_REST = timedelta(minutes=15)
# By the run that delivers them.
_KINDS = {
    sync_shipments.name: ["otto_shipment", "otto_cancellation", "wms_backorder"],
    submit_orders.name: ["wms_order", "wms_cancellation"],
    decide_returns.name: ["otto_return"],
    reduce_prices.name: ["otto_price_reduction"],
}


class _Rests:
    """When each job was last requested, and how long it rests if that brought nothing."""

    def __init__(self, cursor: str | None) -> None:
        self._held: dict[str, tuple[str, float]] = json.loads(cursor or "{}")

    def rests(self, conn: sa.Connection, job: str, now: datetime) -> bool:
        """Whether the last run of `job` brought no row to its end, and its rest is not over."""
        if job not in self._held:
            return False
        at, rest = self._held[job]
        resting = now < datetime.fromisoformat(at) + timedelta(seconds=rest)
        return resting and not self._was_useful(conn, job)

    def requested(self, conn: sa.Connection, job: str, now: datetime) -> None:
        """Note that a run is requested; after the first in vain the rest doubles each time."""
        rest = 0.0
        if job in self._held and not self._was_useful(conn, job):
            longer = min(2 * self._held[job][1], LONGEST_REST.total_seconds())
            rest = max(longer, FIRST_REST.total_seconds())
        self._held[job] = (now.isoformat(), rest)

    def cursor(self) -> str:
        """What to read next time."""
        return json.dumps(self._held)

    def _was_useful(self, conn: sa.Connection, job: str) -> bool:
        return any_ended(conn, _KINDS[job], datetime.fromisoformat(self._held[job][0]))


def build_waiting_rows(automation: Automation) -> list[dg.SensorDefinition]:
    """Build the sensors, running or stopped as the operating model says."""
    status = (
        dg.DefaultSensorStatus.RUNNING if automation.enabled else dg.DefaultSensorStatus.STOPPED
    )

    @dg.sensor(
        name="outbox_due",
        tags=in_group("delivery"),
        jobs=[sync_shipments, submit_orders, decide_returns, reduce_prices],
        minimum_interval_seconds=10,
        default_status=status,
        description="Requests a run when outbox rows wait for another attempt.",
    )
    def outbox_due(
        context: dg.SensorEvaluationContext, operations: dg.ResourceParam[OperationsDatabase]
    ) -> dg.SensorResult | dg.SkipReason:
        now, rests = datetime.now(UTC), _Rests(context.cursor)
        with operations.read() as conn:
            due = {
                name
                for name, kinds in _KINDS.items()
                if due_count(conn, now - SETTLING, kinds) and not rests.rests(conn, name, now)
            }
            wanted = sorted(due - _busy(context.instance))
            for name in wanted:
                rests.requested(conn, name, now)
        if not wanted:
            return dg.SkipReason("no outbox row is due, or its run is under way or rests")
        return dg.SensorResult(
            run_requests=[dg.RunRequest(job_name=name) for name in wanted], cursor=rests.cursor()
        )

    @dg.sensor(
        name="findings",
        tags=in_group("delivery"),
        jobs=[check_shipments, check_stock],
        minimum_interval_seconds=5,
        default_status=status,
        description=(
            "Requests the checks when something is parked, refused, stopped or set right, and "
            "after each run of the fast lane or the stock lane."
        ),
    )
    def findings(
        context: dg.SensorEvaluationContext, operations: dg.ResourceParam[OperationsDatabase]
    ) -> dg.SensorResult | dg.SkipReason:
        # To Dagster a check is open again once its asset was materialised without it.
        lanes = {
            job.name: latest_success(context.instance, lane.name)
            for job, lane in ((check_shipments, fast_lane), (check_stock, stock_lane))
        }
        with operations.read() as conn:
            found = {
                check_shipments.name: pending.exceptions_fingerprint(conn),
                check_stock.name: stock_fingerprint(conn, QUARANTINES),
            }
        now = {name: f"{found[name]}; after run {lanes[name]}" for name in found}
        # An earlier version kept plain text here.
        cursor = context.cursor if (context.cursor or "").startswith("{") else None
        seen: dict[str, str] = json.loads(cursor or "{}")
        wanted = [
            name
            for name in now
            if now[name] != seen.get(name) and not is_active(context.instance, name)
        ]
        if not wanted:
            return dg.SkipReason("nothing new since the last look, or its checks are under way")
        return dg.SensorResult(
            run_requests=[dg.RunRequest(job_name=name) for name in wanted],
            cursor=json.dumps(seen | {name: now[name] for name in wanted}),
        )

    return [outbox_due, findings]


def _busy(instance: dg.DagsterInstance) -> set[str]:
    """Jobs whose rows are being delivered, by a run of their own or of another job."""
    busy = {name for name in _KINDS if is_active(instance, name)}
    if is_active(instance, fast_lane.name):
        # A run of the fast lane that stays for news delivers due rows as well.
        busy.add(sync_shipments.name)
    if is_active(instance, sync_returns.name):
        busy.add(decide_returns.name)
    return busy
