"""The fast lane: look for news of the warehouse, then request a run.

Belongs here: looking. A sensor that looks once per tick would answer within the daemon's loop of
five seconds; this one keeps looking inside its tick, so a dispatch is seen within half a second.
The work itself is done by the run.
"""

import dagster as dg

from resources.operating_model import Automation
from resources.operations import watermarks
from resources.operations.database import OperationsDatabase
from resources.wms.port import WmsPort
from sensors.groups import in_group
from sensors.lanes import fast_lane
from sensors.looking import look_for
from sensors.runs import is_active, rests_after_failure

# Below the 60 s that Dagster allows one evaluation.
LOOK_SECONDS = 45.0
PAUSE_SECONDS = 0.3


def build_fast_lane(automation: Automation) -> dg.SensorDefinition:
    """Build the sensor, running or stopped as the operating model says."""
    status = (
        dg.DefaultSensorStatus.RUNNING if automation.enabled else dg.DefaultSensorStatus.STOPPED
    )

    @dg.sensor(
        name="warehouse_news",
        tags=in_group("shipments"),
        job=fast_lane,
        minimum_interval_seconds=1,
        default_status=status,
        description="Requests a run as soon as the warehouse reports a pick, short or dispatch.",
    )
    def warehouse_news(
        context: dg.SensorEvaluationContext,
        wms_look: dg.ResourceParam[WmsPort],
        operations: dg.ResourceParam[OperationsDatabase],
    ) -> dg.RunRequest | dg.SkipReason:
        if rests_after_failure(context.instance, fast_lane.name):
            return dg.SkipReason("the last run of the fast lane failed; it is tried again soon")

        def found() -> bool:
            idle = not is_active(context.instance, fast_lane.name)
            return idle and _has_news(wms_look, operations)

        if not look_for(
            "the warehouse", found, look_seconds=LOOK_SECONDS, pause_seconds=PAUSE_SECONDS
        ):
            return dg.SkipReason("no news from the warehouse")
        return dg.RunRequest(run_config=_lingering(automation.linger_seconds))

    return warehouse_news


def _lingering(seconds: float) -> dg.RunConfig:
    return dg.RunConfig(ops={"fulfilment": {"config": {"linger_seconds": seconds}}})


def _has_news(wms: WmsPort, operations: OperationsDatabase) -> bool:
    with operations.read() as conn:
        cursor = watermarks.get(conn, "wms_fulfilment")
    page = wms.poll_fulfilment(cursor, limit=1)
    return bool(page.events or page.unreadable)
