"""The yardstick of the fast lane: a code location with one empty asset, one job and one sensor.

The sensor looks for a file the way the fast lane looks at the warehouse, and asks for a run.
"""

import os
import time
from pathlib import Path

import dagster as dg


@dg.asset
def empty() -> None:
    """Do nothing."""


empty_job = dg.define_asset_job("empty_job", selection=["empty"])


@dg.sensor(job=empty_job, minimum_interval_seconds=1, default_status=dg.DefaultSensorStatus.RUNNING)
def look_for_file(context: dg.SensorEvaluationContext) -> dg.RunRequest | dg.SkipReason:
    """Ask for a run as soon as the file is there; note when that was."""
    wanted = Path(os.environ["BENCHMARK_TRIGGER"])
    until = time.monotonic() + 45
    while time.monotonic() < until:
        if wanted.exists():
            wanted.unlink()
            return dg.RunRequest(tags={"requested_at": str(time.time())})
        time.sleep(0.1)
    return dg.SkipReason("no file")


defs = dg.Definitions(
    assets=[empty], jobs=[empty_job], sensors=[look_for_file], executor=dg.in_process_executor
)
