"""Launching runs, and telling whether the process of a run still lives.

Belongs here: what `run_launcher` in `deploy/dagster.yaml` names. Dagster's own launcher leaves it
to the code server to notice that a run's process died. If the code server dies as well (a crash, a
restart by the supervisor, a machine without power), nobody notices, and the run keeps its lane for
hours. This one answers when Dagster's run monitoring asks, so such a run fails soon and is started
once more.
"""

import json
import os
import socket
from collections.abc import Iterator
from pathlib import Path

import dagster as dg
from dagster._core.errors import DagsterUserCodeUnreachableError
from dagster._core.launcher import CheckRunHealthResult, WorkerStatus
from dagster._core.storage.tags import GRPC_INFO_TAG
from dagster._grpc.types import CanCancelExecutionRequest, CanCancelExecutionResult
from dagster._serdes import deserialize_value

# Set on a run that no code server starts: the machine whose process it is.
HOST_TAG = "otto_pipelines/host"
_SYSTEM = Path("/proc/stat")
_LOOPBACK = {"localhost", "127.0.0.1", "::1"}
# The clock by which processes are dated counts in whole seconds.
_TOLERANCE_SECONDS = 2.0


class WatchedRunLauncher(dg.DefaultRunLauncher):
    """Dagster's launcher that also knows which runs are dead.

    A run lives while its code server says so, or its process is on this machine. Where neither can
    be asked (another machine that does not answer), the run is left alone.
    """

    @property
    def supports_check_run_worker_health(self) -> bool:
        """Run monitoring may ask."""
        return True

    def check_run_worker_health(self, run: dg.DagsterRun) -> CheckRunHealthResult:
        """Tell whether the process of a started run lives."""
        known = self._known_to_its_server(run)
        if known or self._process_lives(run):
            return CheckRunHealthResult(WorkerStatus.RUNNING)
        if known is None and not _started_here(run):
            return CheckRunHealthResult(WorkerStatus.RUNNING, "its machine does not answer")
        return CheckRunHealthResult(WorkerStatus.FAILED, "the process of this run is gone")

    def _known_to_its_server(self, run: dg.DagsterRun) -> bool | None:
        """None: there is no such server, or it does not answer."""
        client = self._get_grpc_client_for_termination(run.run_id)  # type: ignore[no-untyped-call]
        if client is None:
            return None
        request = CanCancelExecutionRequest(run_id=run.run_id)
        try:
            answer = client.can_cancel_execution(request)
        except DagsterUserCodeUnreachableError:
            return None
        return deserialize_value(answer, CanCancelExecutionResult).can_cancel

    def _process_lives(self, run: dg.DagsterRun) -> bool:
        """Whether it is here: it may outlive the code server that started it."""
        if not _started_here(run):
            return False
        return any(_lives(pid, told_at) for pid, told_at in self._processes(run.run_id))

    def _processes(self, run_id: str) -> Iterator[tuple[int, float]]:
        """Processes that the run's log names, each with the time at which it was there."""
        entries = self._instance.all_logs(run_id, of_type=dg.DagsterEventType.ENGINE_EVENT)
        for entry in entries:
            event = entry.dagster_event
            pid = event.engine_event_data.metadata.get("pid") if event else None
            if pid is not None:
                yield int(str(pid.value)), entry.timestamp


def _started_here(run: dg.DagsterRun) -> bool:
    if GRPC_INFO_TAG not in run.tags:
        return run.tags.get(HOST_TAG) == socket.gethostname()
    server = json.loads(run.tags[GRPC_INFO_TAG])
    return server.get("socket") is not None or server.get("host") in _LOOPBACK


def _lives(pid: int, at: float) -> bool:
    """Whether the process that had this number at that time still runs.

    A number is used again, so a process that began later is another one. Where the system does not
    tell when processes began, any process of ours with that number counts.
    """
    try:
        os.kill(pid, 0)
    except (ProcessLookupError, PermissionError):
        return False
    if not _SYSTEM.exists():
        return True
    try:
        stat = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8")
    except (FileNotFoundError, ProcessLookupError):
        return False
    # The program's name stands in parentheses and may hold blanks.
    fields = stat.rpartition(")")[2].split()
    began = _booted_at() + int(fields[19]) / os.sysconf("SC_CLK_TCK")
    return fields[0] != "Z" and began <= at + _TOLERANCE_SECONDS


def _booted_at() -> float:
    lines = _SYSTEM.read_text(encoding="utf-8").splitlines()
    return next(float(line.split()[1]) for line in lines if line.startswith("btime "))
