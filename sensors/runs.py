"""What sensors and schedules ask Dagster about earlier runs before they request another."""

from datetime import UTC, datetime, timedelta

import dagster as dg

_ACTIVE = [
    dg.DagsterRunStatus.QUEUED,
    dg.DagsterRunStatus.NOT_STARTED,
    dg.DagsterRunStatus.STARTING,
    dg.DagsterRunStatus.STARTED,
]


def is_active(instance: dg.DagsterInstance, job_name: str) -> bool:
    """Whether a run of this job waits or runs."""
    runs = dg.RunsFilter(job_name=job_name, statuses=_ACTIVE)
    return instance.get_runs_count(runs) > 0


def failed_recently(instance: dg.DagsterInstance, job_name: str, within: timedelta) -> bool:
    """Whether the latest finished run of this job failed, less than `within` ago."""
    finished = dg.RunsFilter(
        job_name=job_name,
        statuses=[dg.DagsterRunStatus.FAILURE, dg.DagsterRunStatus.SUCCESS],
    )
    for record in instance.get_run_records(finished, limit=1):
        if record.dagster_run.status is dg.DagsterRunStatus.FAILURE:
            return datetime.now(UTC) - record.update_timestamp < within
    return False


def latest_success(instance: dg.DagsterInstance, job_name: str) -> str | None:
    """The id of the latest run of this job that succeeded."""
    succeeded = dg.RunsFilter(job_name=job_name, statuses=[dg.DagsterRunStatus.SUCCESS])
    for run in instance.get_runs(succeeded, limit=1):
        return run.run_id
    return None
