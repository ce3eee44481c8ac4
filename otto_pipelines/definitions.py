"""The roof: the only place where assets, resources, schedules and sensors are put together.

Add a definition to its own package and name it here. Nothing is read from disk or environment at
import; Dagster calls `defs` when it loads the code location.
"""

import os
from collections.abc import Mapping
from pathlib import Path

import dagster as dg

from assets import (
    fulfilment,
    fulfilment_checks,
    key_figures,
    open_exceptions,
    orders,
    period_close,
    prices,
    receipts,
    reconciled,
    retention,
    returns,
    stock,
    stock_checks,
    upkeep,
    warehouse,
)
from otto_pipelines import core_dumps
from resources.alerts_policy import AlertsPolicy
from resources.bindings import all_resources
from resources.freshness_policy import FreshnessPolicy
from resources.operating_model import Automation, AvailabilityPolicy, load_operating_model
from sensors.alerts import build_alert_sensors
from sensors.fast_lane import build_fast_lane
from sensors.follow_up import build_follow_up
from sensors.freshness import with_freshness
from sensors.lanes import JOBS
from sensors.schedules import build_money_schedules, build_schedules, build_stock_schedules
from sensors.stock_news import build_stock_news
from sensors.waiting_rows import build_waiting_rows

ASSETS = (
    orders.otto_orders,
    warehouse.wms_orders,
    warehouse.wms_order_audit,
    fulfilment.fulfilment,
    stock.stock,
    returns.otto_returns,
    returns.otto_return_shipments,
    returns.wms_returns,
    returns.return_decisions,
    returns.otto_return_decisions,
    receipts.otto_receipts,
    receipts.settled_discounts,
    prices.otto_price_reduction_requests,
    prices.otto_price_reductions,
    prices.otto_products,
    reconciled.reconciliation_tables,
    period_close.period_close,
    retention.retention,
    open_exceptions.exceptions,
    key_figures.kpis,
    upkeep.upkeep,
)

CHECKS = (
    fulfilment_checks.fulfilment_checks,
    stock_checks.stock_checks,
    returns.otto_returns_checks,
    returns.otto_return_shipments_checks,
    returns.wms_returns_checks,
    returns.return_decisions_checks,
    returns.otto_return_decisions_checks,
    receipts.receipts_checks,
    prices.requests_checks,
    prices.reductions_checks,
    prices.products_checks,
    prices.wms_price_checks,
    retention.retention_checks,
)


def build_definitions(
    automation: Automation | None = None,
    availability: AvailabilityPolicy | None = None,
    freshness: FreshnessPolicy | None = None,
    alerts: AlertsPolicy | None = None,
    *,
    resources: Mapping[str, object] | None = None,
) -> dg.Definitions:
    """Assemble the code location.

    Args:
        automation: crons and switches; default: those of the operating model's defaults.
        availability: the same of stock.
        freshness: how old sources may be.
        alerts: how often a sign of life is given.
        resources: overrides by name, for tests and special environments.
    """
    when = automation or Automation()
    return dg.Definitions(
        assets=with_freshness(ASSETS, freshness or FreshnessPolicy()),
        asset_checks=CHECKS,
        jobs=JOBS,
        schedules=[
            *build_schedules(when),
            *build_stock_schedules(when, availability or AvailabilityPolicy()),
            *build_money_schedules(when),
        ],
        sensors=[
            build_fast_lane(when),
            build_stock_news(when),
            *build_waiting_rows(when),
            build_follow_up(when),
            *build_alert_sensors(when, alerts or AlertsPolicy()),
        ],
        resources={**all_resources(), **(resources or {})},
        # One process per run: starting a process per step costs seconds, and the steps are short.
        executor=dg.in_process_executor,
    )


@dg.definitions
def defs() -> dg.Definitions:
    """Load with the automation settings of the file that OPERATING_MODEL names, if it is there.

    Every process that executes our code loads it here: code servers and runs.
    """
    core_dumps.leave_none()
    path = Path(os.environ.get("OPERATING_MODEL", "operating_model.yaml"))
    if not path.exists():
        return build_definitions()
    model = load_operating_model(path)
    return build_definitions(model.automation, model.availability, model.freshness, model.alerts)
