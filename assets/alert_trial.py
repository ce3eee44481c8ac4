"""The test button of alerts in the UI: the step of the job `test_alerts`.

Belongs here: the Dagster shell of `assets.alerting.trial`, which `otto-pipelines alerts test` uses
as well.
"""

import dagster as dg
from pydantic import Field

from assets.alerting.trial import UnknownRoute, send_to_routes
from assets.reporting import table
from resources.alerts.channels import Sender
from resources.clock import Clock
from resources.operating_model import OperatingModel
from resources.operations.database import OperationsDatabase


class TrialConfig(dg.Config):
    """Which routes to try."""

    route: str = Field(default="", description="name of one route; empty: all")


@dg.op(description="Send a trial message to each channel; fails where one does not deliver.")
def send_trials(
    context: dg.OpExecutionContext,
    config: TrialConfig,
    operations: dg.ResourceParam[OperationsDatabase],
    model: dg.ResourceParam[OperatingModel],
    clock: dg.ResourceParam[Clock],
    alert_channels: dg.ResourceParam[Sender],
) -> None:
    """Try them all before saying which failed."""
    try:
        trials = send_to_routes(
            operations, model.alerts, alert_channels, config.route or None, clock.now()
        )
    except UnknownRoute as error:
        raise dg.Failure(str(error), allow_retries=False) from error
    rows = [{"route": t.route, "channel": t.channel, "outcome": t.outcome} for t in trials]
    context.add_output_metadata({"trials": table(rows)})
    failed = [trial.outcome for trial in trials if not trial.good]
    if failed:
        raise dg.Failure("; ".join(failed), metadata={"trials": table(rows)}, allow_retries=False)
