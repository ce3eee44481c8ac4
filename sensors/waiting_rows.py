"""Sensors on our own tables: rows that are due again, and findings that a check should show.

Belongs here: looking into the operations database, then requesting a run. News from outside are
looked for in `sensors.fast_lane`.
"""

import json
from datetime import UTC, datetime, timedelta

import dagster as dg

from assets.stock_intake import QUARANTINES
from resources.operating_model import Automation
from resources.operations import pending
from resources.operations.availability_desk import fingerprint as stock_fingerprint
from resources.operations.database import OperationsDatabase
from resources.operations.outbox import due_count
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
# By the run that delivers them.
_BY_SYNC_SHIPMENTS = ["otto_shipment", "otto_cancellation", "wms_backorder"]
_BY_SUBMIT_ORDERS = ["wms_order", "wms_cancellation"]
_BY_DECIDE_RETURNS = ["otto_return"]
_BY_REDUCE_PRICES = ["otto_price_reduction"]


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
        before = datetime.now(UTC) - SETTLING
        with operations.read() as conn:
            due = {
                sync_shipments.name: due_count(conn, before, _BY_SYNC_SHIPMENTS),
                submit_orders.name: due_count(conn, before, _BY_SUBMIT_ORDERS),
                decide_returns.name: due_count(conn, before, _BY_DECIDE_RETURNS),
                reduce_prices.name: due_count(conn, before, _BY_REDUCE_PRICES),
            }
        busy = {name for name in due if is_active(context.instance, name)}
        if is_active(context.instance, fast_lane.name):
            # A run of the fast lane that stays for news delivers due rows as well.
            busy.add(sync_shipments.name)
        if is_active(context.instance, sync_returns.name):
            busy.add(decide_returns.name)
        wanted = [name for name, rows in due.items() if rows and name not in busy]
        if not wanted:
            return dg.SkipReason("no outbox row is due, or its run is under way")
        return dg.SensorResult(run_requests=[dg.RunRequest(job_name=name) for name in wanted])

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
