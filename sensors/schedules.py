"""Schedules: flows that start by the clock. Crons come from the operating model."""

import dagster as dg

from assets.partitions import order_days
from resources.operating_model import Automation, AvailabilityPolicy
from sensors.groups import in_group
from sensors.lanes import (
    erase_personal_data,
    fast_lane,
    housekeeping,
    list_exceptions,
    measure_kpis,
    push_all_stock,
    read_back_stock,
    reconcile,
    sync_orders,
    sync_prices,
    sync_receipts,
    sync_returns,
    sync_shipments,
    sync_stock,
)
from sensors.runs import is_active


def build_stock_schedules(
    automation: Automation, availability: AvailabilityPolicy
) -> list[dg.ScheduleDefinition]:
    """Build those of stock: the whole list, the full push, reading back."""
    return [
        _unless_active(
            "stock",
            "stock",
            sync_stock.name,
            availability.snapshot_cron,
            automation,
            "Take the WMS's whole stock list: levels stay fresh, lost changes are found.",
        ),
        _unless_active(
            "stock_full_push",
            "stock",
            push_all_stock.name,
            availability.full_push_cron,
            automation,
            "Send every figure, changed or not.",
        ),
        _unless_active(
            "stock_read_back",
            "stock",
            read_back_stock.name,
            availability.read_back_cron,
            automation,
            "Compare what OTTO shows with what it accepted from us.",
        ),
    ]


def build_money_schedules(automation: Automation) -> list[dg.ScheduleDefinition]:
    """Build those of returns, receipts and prices."""

    @dg.schedule(
        name="receipts",
        tags=in_group("receipts"),
        job=sync_receipts,
        cron_schedule=automation.receipts_cron,
        execution_timezone="Europe/Berlin",
        default_status=_status(automation),
        description="Read receipts since the last time, price reductions, open discounts.",
    )
    def receipts(context: dg.ScheduleEvaluationContext) -> dg.RunRequest | dg.SkipReason:
        if is_active(context.instance, sync_receipts.name):
            return dg.SkipReason("the last run of sync_receipts is still under way")
        return dg.RunRequest(
            partition_key=order_days.get_last_partition_key(),
            run_config=dg.RunConfig(ops={"otto_receipts": {"config": {"mode": "changes"}}}),
        )

    return [
        _unless_active(
            "returns",
            "returns",
            sync_returns.name,
            automation.returns_cron,
            automation,
            "Read returns of both sides, decide on them, tell OTTO.",
        ),
        receipts,
        _unless_active(
            "prices",
            "finance",
            sync_prices.name,
            automation.prices_cron,
            automation,
            "Read prices and states of all products.",
        ),
    ]


def _unless_active(
    name: str,
    group: str,
    job_name: str,
    cron: str,
    automation: Automation,
    description: str,
) -> dg.ScheduleDefinition:
    @dg.schedule(
        name=name,
        job_name=job_name,
        cron_schedule=cron,
        execution_timezone="Europe/Berlin",
        default_status=_status(automation),
        description=description,
        tags=in_group(group),
    )
    def request(context: dg.ScheduleEvaluationContext) -> dg.RunRequest | dg.SkipReason:
        if is_active(context.instance, job_name):
            return dg.SkipReason(f"the last run of {job_name} is still under way")
        return dg.RunRequest()

    return request


def _status(automation: Automation) -> dg.DefaultScheduleStatus:
    running = automation.enabled
    return dg.DefaultScheduleStatus.RUNNING if running else dg.DefaultScheduleStatus.STOPPED


def build_schedules(automation: Automation) -> list[dg.ScheduleDefinition]:
    """Build the schedules, running or stopped as the operating model says."""
    status = _status(automation)

    @dg.schedule(
        name="orders",
        tags=in_group("orders"),
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
        tags=in_group("finance"),
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
        tags=in_group("shipments"),
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
        tags=in_group("operations"),
        job=erase_personal_data,
        cron_schedule=automation.retention_cron,
        execution_timezone="Europe/Berlin",
        default_status=status,
        description="Erase personal data in time.",
    )
    exceptions = _unless_active(
        "exceptions",
        "operations",
        list_exceptions.name,
        automation.exceptions_cron,
        automation,
        "List all that waits for a person, and judge deadlines and states.",
    )
    kpis = _unless_active(
        "kpis",
        "operations",
        measure_kpis.name,
        automation.kpis_cron,
        automation,
        "Measure the key figures and write their page.",
    )
    upkeep = _unless_active(
        "housekeeping",
        "operations",
        housekeeping.name,
        automation.upkeep_cron,
        automation,
        "Erase old runs and records of runs, compact the databases.",
    )
    return [orders, shipments, reconciliation, retention, exceptions, kpis, upkeep]
