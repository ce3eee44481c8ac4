"""News of stock: the WMS's feed of changes, and units that OTTO sold and no figure allows for.

Belongs here: looking, in the way of `sensors.fast_lane`: several times within a tick. The work is
done by the run, which stays for further news.
"""

import dagster as dg

from assets.stock_figures import may_compute
from assets.stock_flow import has_news
from resources.operating_model import Automation, OperatingModel
from resources.operations.database import OperationsDatabase
from resources.wms.port import WmsPort
from sensors.groups import in_group
from sensors.lanes import stock_lane, stock_task, sync_stock
from sensors.looking import look_for
from sensors.runs import is_active, rests_after_failure

# Below the 60 s that Dagster allows one evaluation.
LOOK_SECONDS = 45.0
PAUSE_SECONDS = 0.5
# The first list is asked for once; if it fails, the schedule `stock` comes again.
_BEGINNING = "the first list was asked for"


def build_stock_news(automation: Automation) -> dg.SensorDefinition:
    """Build the sensor, running or stopped as the operating model says."""
    status = (
        dg.DefaultSensorStatus.RUNNING if automation.enabled else dg.DefaultSensorStatus.STOPPED
    )

    @dg.sensor(
        name="stock_news",
        tags=in_group("stock"),
        jobs=[stock_lane, sync_stock],
        minimum_interval_seconds=1,
        default_status=status,
        description=(
            "Requests a run as soon as stock moves in the warehouse, OTTO sold units, or a figure "
            "waits to be sent; and the first whole list."
        ),
    )
    def stock_news(
        context: dg.SensorEvaluationContext,
        wms_look: dg.ResourceParam[WmsPort],
        operations: dg.ResourceParam[OperationsDatabase],
        model: dg.ResourceParam[OperatingModel],
    ) -> dg.SensorResult | dg.SkipReason:
        if rests_after_failure(context.instance, stock_lane.name):
            return dg.SkipReason("the last run of the stock lane failed; it is tried again soon")
        with operations.read() as conn:
            begun = may_compute(conn)
        if not begun:
            if context.cursor == _BEGINNING:
                return dg.SkipReason("the WMS's stock list was not yet taken over")
            first = dg.RunRequest(job_name=sync_stock.name, run_config=stock_task("all"))
            return dg.SensorResult(run_requests=[first], cursor=_BEGINNING)

        def found() -> bool:
            idle = not is_active(context.instance, stock_lane.name)
            return idle and has_news(operations, wms_look, model)

        if not look_for("stock", found, look_seconds=LOOK_SECONDS, pause_seconds=PAUSE_SECONDS):
            return dg.SkipReason("no news of stock")
        config = stock_task("changes", automation.linger_seconds)
        return dg.SensorResult(
            run_requests=[dg.RunRequest(job_name=stock_lane.name, run_config=config)]
        )

    return stock_news
