"""What follows by itself: assets downstream of a change, through automation conditions."""

import dagster as dg

from resources.operating_model import Automation
from sensors.groups import in_group


def build_follow_up(automation: Automation) -> dg.AutomationConditionSensorDefinition:
    """Build the sensor that evaluates automation conditions of all assets."""
    return dg.AutomationConditionSensorDefinition(
        "follow_up",
        tags=in_group("delivery"),
        target=dg.AssetSelection.all(),
        default_status=(
            dg.DefaultSensorStatus.RUNNING if automation.enabled else dg.DefaultSensorStatus.STOPPED
        ),
        minimum_interval_seconds=15,
        description="Materialises what is downstream of an asset that changed.",
    )
