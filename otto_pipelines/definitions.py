"""The roof: the only place where assets, resources, schedules and sensors are put together.

Add a definition to its own package and name it here. Nothing is read from disk or environment at
import; Dagster calls `defs` when it loads the code location.
"""

import os
from collections.abc import Mapping
from pathlib import Path

import dagster as dg

from assets import fulfilment, fulfilment_checks, orders, reconciled, retention, warehouse
from resources.bindings import all_resources
from resources.operating_model import Automation, load_operating_model
from sensors.fast_lane import build_fast_lane
from sensors.follow_up import build_follow_up
from sensors.lanes import JOBS
from sensors.schedules import build_schedules
from sensors.waiting_rows import build_waiting_rows

ASSETS = (
    orders.otto_orders,
    warehouse.wms_orders,
    warehouse.wms_order_audit,
    fulfilment.fulfilment,
    reconciled.reconciliation_tables,
    retention.retention,
)


def build_definitions(
    automation: Automation | None = None, *, resources: Mapping[str, object] | None = None
) -> dg.Definitions:
    """Assemble the code location.

    Args:
        automation: crons and switches; default: those of the operating model's defaults.
        resources: overrides by name, for tests and special environments.
    """
    when = automation or Automation()
    return dg.Definitions(
        assets=ASSETS,
        asset_checks=[fulfilment_checks.fulfilment_checks],
        jobs=JOBS,
        schedules=build_schedules(when),
        sensors=[build_fast_lane(when), *build_waiting_rows(when), build_follow_up(when)],
        resources={**all_resources(), **(resources or {})},
        # One process per run: starting a process per step costs seconds, and the steps are short.
        executor=dg.in_process_executor,
    )


@dg.definitions
def defs() -> dg.Definitions:
    """Load with the automation settings of the file that OPERATING_MODEL names, if it is there."""
    path = Path(os.environ.get("OPERATING_MODEL", "operating_model.yaml"))
    return build_definitions(load_operating_model(path).automation if path.exists() else None)
