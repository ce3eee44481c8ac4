"""What sensors and schedules ask Dagster about earlier runs before they request another."""

from datetime import UTC, datetime, timedelta
from itertools import takewhile

import dagster as dg

FIRST_REST = timedelta(minutes=1)
LONGEST_REST = timedelta(minutes=15)
_FAILURES_THAT_COUNT = 5

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


def rests_after_failure(instance: dg.DagsterInstance, job_name: str) -> bool:
    """Whether this job failed so lately that another run would most likely fail, too.

    It rests for a minute, and twice as long after each further failure in a row, up to a quarter
    of an hour: a system that is down for a night costs some tens of runs, not hundreds.
    """
    finished = dg.RunsFilter(
        job_name=job_name,
        statuses=[dg.DagsterRunStatus.FAILURE, dg.DagsterRunStatus.SUCCESS],
    )
    records = instance.get_run_records(finished, limit=_FAILURES_THAT_COUNT)
    failures = list(
        takewhile(lambda r: r.dagster_run.status is dg.DagsterRunStatus.FAILURE, records)
    )
    if not failures:
        return False
    doublings: int = 2 ** (len(failures) - 1)
    rest = min(FIRST_REST * doublings, LONGEST_REST)
    return datetime.now(UTC) - failures[0].update_timestamp < rest


def latest_success(instance: dg.DagsterInstance, job_name: str) -> str | None:
    """The id of the latest run of this job that succeeded."""
    succeeded = dg.RunsFilter(job_name=job_name, statuses=[dg.DagsterRunStatus.SUCCESS])
    for run in instance.get_runs(succeeded, limit=1):
        return run.run_id
    return None
