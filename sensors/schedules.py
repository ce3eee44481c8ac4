"""Schedules: flows that start by the clock. Crons come from the operating model."""

import dagster as dg

from assets.partitions import order_days
from resources.operating_model import Automation
from sensors.lanes import erase_personal_data, fast_lane, reconcile, sync_orders, sync_shipments
from sensors.runs import is_active


def build_schedules(automation: Automation) -> list[dg.ScheduleDefinition]:
    """Build the schedules, running or stopped as the operating model says."""
    status = (
        dg.DefaultScheduleStatus.RUNNING if automation.enabled else dg.DefaultScheduleStatus.STOPPED
    )

    @dg.schedule(
        name="orders",
        job=sync_orders,
        cron_schedule=automation.orders_cron,
        execution_timezone="Europe/Berlin",
        default_status=status,
        description="Read what changed at OTTO since the watermark, minus an overlap.",
    )
    def orders(context: dg.ScheduleEvaluationContext) -> dg.RunRequest | dg.SkipReason:
        if is_active(context.instance, sync_orders.name):
            return dg.SkipReason("the last synchronisation of orders is still under way")
        today = order_days.get_last_partition_key()
        return dg.RunRequest(
            partition_key=today,
            run_config=dg.RunConfig(ops={"otto_orders": {"config": {"mode": "changes"}}}),
        )

    @dg.schedule(
        name="reconciliation",
        job=reconcile,
        cron_schedule=automation.reconciliation_cron,
        execution_timezone="Europe/Berlin",
        default_status=status,
        description="Compare both systems and publish the finance file.",
    )
    def reconciliation(context: dg.ScheduleEvaluationContext) -> dg.RunRequest | dg.SkipReason:
        if is_active(context.instance, reconcile.name):
            return dg.SkipReason("the last reconciliation is still under way")
        return dg.RunRequest()

    @dg.schedule(
        name="shipments",
        job=sync_shipments,
        cron_schedule=automation.shipments_cron,
        execution_timezone="Europe/Berlin",
        default_status=status,
        description=(
            "Judge waiting parcels again without news of the warehouse: a run may have ended "
            "half-way, OTTO may have released an item, the operating model may have been corrected."
        ),
    )
    def shipments(context: dg.ScheduleEvaluationContext) -> dg.RunRequest | dg.SkipReason:
        if any(is_active(context.instance, job.name) for job in (sync_shipments, fast_lane)):
            return dg.SkipReason("the way back is under way")
        return dg.RunRequest()

    retention = dg.ScheduleDefinition(
        name="retention",
        job=erase_personal_data,
        cron_schedule=automation.retention_cron,
        execution_timezone="Europe/Berlin",
        default_status=status,
        description="Erase personal data in time.",
    )
    return [orders, shipments, reconciliation, retention]
