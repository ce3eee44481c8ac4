"""Sensors on our own tables: rows that are due again, and findings that a check should show.

Belongs here: looking into the operations database, then requesting a run. News from outside are
looked for in `sensors.fast_lane`.
"""

from datetime import UTC, datetime, timedelta

import dagster as dg

from resources.operating_model import Automation
from resources.operations import pending
from resources.operations.database import OperationsDatabase
from resources.operations.outbox import due_count
from sensors.lanes import check_shipments, fast_lane, submit_orders, sync_shipments
from sensors.runs import is_active, latest_success

# Rows that the run which wrote them is about to deliver are not ours to chase.
SETTLING = timedelta(seconds=10)
_OTTO_KINDS = ["otto_shipment", "otto_cancellation"]
_WMS_KINDS = ["wms_order", "wms_cancellation"]


def build_waiting_rows(automation: Automation) -> list[dg.SensorDefinition]:
    """Build the sensors, running or stopped as the operating model says."""
    status = (
        dg.DefaultSensorStatus.RUNNING if automation.enabled else dg.DefaultSensorStatus.STOPPED
    )

    @dg.sensor(
        name="outbox_due",
        jobs=[sync_shipments, submit_orders],
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
                sync_shipments.name: due_count(conn, before, _OTTO_KINDS),
                submit_orders.name: due_count(conn, before, _WMS_KINDS),
            }
        busy = {name for name in due if is_active(context.instance, name)}
        if is_active(context.instance, fast_lane.name):
            # A run of the fast lane that stays for news delivers due rows as well.
            busy.add(sync_shipments.name)
        wanted = [name for name, rows in due.items() if rows and name not in busy]
        if not wanted:
            return dg.SkipReason("no outbox row is due, or its run is under way")
        return dg.SensorResult(run_requests=[dg.RunRequest(job_name=name) for name in wanted])

    @dg.sensor(
        name="findings",
        job=check_shipments,
        minimum_interval_seconds=5,
        default_status=status,
        description=(
            "Requests the checks when something is parked, refused or set right, and after each "
            "run of the fast lane."
        ),
    )
    def findings(
        context: dg.SensorEvaluationContext, operations: dg.ResourceParam[OperationsDatabase]
    ) -> dg.SensorResult | dg.SkipReason:
        if is_active(context.instance, check_shipments.name):
            return dg.SkipReason("the last run of the checks is still under way")
        # To Dagster a check is open again once its asset was materialised without it.
        lane = latest_success(context.instance, fast_lane.name)
        with operations.read() as conn:
            seen = f"{pending.exceptions_fingerprint(conn)}; after run {lane}"
        if seen == context.cursor:
            return dg.SkipReason("nothing was parked, refused or set right since the last look")
        return dg.SensorResult(run_requests=[dg.RunRequest()], cursor=seen)

    return [outbox_due, findings]
