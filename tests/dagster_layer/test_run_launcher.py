"""A run whose process is gone is found dead, and no other run is."""

import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import dagster as dg
import pytest
from dagster._core.events import EngineEventData
from dagster._core.launcher import WorkerStatus
from dagster._core.storage.tags import GRPC_INFO_TAG
from dagster._core.test_utils import create_run_for_test

from otto_pipelines import run_launcher
from otto_pipelines.run_launcher import HOST_TAG, WatchedRunLauncher

REPOSITORY = Path(__file__).resolve().parents[2]
NOBODY_LISTENS = 1
HERE = {GRPC_INFO_TAG: json.dumps({"host": "127.0.0.1", "port": NOBODY_LISTENS})}
ELSEWHERE = {GRPC_INFO_TAG: json.dumps({"host": "code.invalid", "port": NOBODY_LISTENS})}


@pytest.fixture
def instance(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[dg.DagsterInstance]:
    """An instance with the deployment's settings."""
    shutil.copy(REPOSITORY / "deploy" / "dagster.yaml", tmp_path / "dagster.yaml")
    monkeypatch.setenv("DAGSTER_HOME", str(tmp_path))
    with dg.DagsterInstance.get() as opened:
        yield opened


@pytest.fixture
def process() -> Iterator[subprocess.Popen[bytes]]:
    sleeping = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(300)"])
    yield sleeping
    sleeping.kill()
    sleeping.wait()


@pytest.fixture
def judged(instance: dg.DagsterInstance) -> Callable[..., WorkerStatus]:
    """What the launcher says of a started run with these tags, of that process."""

    def judge(tags: dict[str, str], pid: int) -> WorkerStatus:
        status = dg.DagsterRunStatus.STARTED
        run = create_run_for_test(instance, job_name="any", status=status, tags=tags)
        instance.report_engine_event("started", run, EngineEventData.in_process(pid))
        return instance.run_launcher.check_run_worker_health(run).status

    return judge


def test_the_deployment_lets_run_monitoring_ask_for_dead_runs(instance: dg.DagsterInstance) -> None:
    assert isinstance(instance.run_launcher, WatchedRunLauncher)
    assert instance.run_launcher.supports_check_run_worker_health
    assert instance.run_monitoring_enabled
    assert instance.run_monitoring_poll_interval_seconds <= 30


@pytest.mark.parametrize("tags", [HERE, {HOST_TAG: socket.gethostname()}])
def test_a_run_lives_as_long_as_its_process_though_no_server_knows_it(
    judged: Callable[..., WorkerStatus], process: subprocess.Popen[bytes], tags: dict[str, str]
) -> None:
    assert judged(tags, process.pid) is WorkerStatus.RUNNING
    process.send_signal(signal.SIGKILL)
    process.wait()
    assert judged(tags, process.pid) is WorkerStatus.FAILED


def test_a_killed_process_that_nobody_has_buried_is_dead(
    judged: Callable[..., WorkerStatus], process: subprocess.Popen[bytes]
) -> None:
    process.send_signal(signal.SIGKILL)
    while "State:\tZ" not in Path(f"/proc/{process.pid}/status").read_text(encoding="utf-8"):
        time.sleep(0.01)
    assert judged(HERE, process.pid) is WorkerStatus.FAILED


def test_another_process_with_the_same_number_does_not_count() -> None:
    assert run_launcher._lives(os.getpid(), time.time())
    assert not run_launcher._lives(os.getpid(), time.time() - 7 * 86400)


@pytest.mark.parametrize("tags", [ELSEWHERE, {}, {HOST_TAG: "another machine"}])
def test_a_run_of_another_machine_that_does_not_answer_is_left_alone(
    judged: Callable[..., WorkerStatus], process: subprocess.Popen[bytes], tags: dict[str, str]
) -> None:
    process.kill()
    process.wait()
    assert judged(tags, process.pid) is WorkerStatus.RUNNING


def test_a_code_server_of_another_machine_is_believed(
    judged: Callable[..., WorkerStatus], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its process numbers mean nothing here."""
    for known, status in ((True, WorkerStatus.RUNNING), (False, WorkerStatus.FAILED)):
        monkeypatch.setattr(WatchedRunLauncher, "_known_to_its_server", lambda *_, k=known: k)
        assert judged(ELSEWHERE, os.getpid()) is status
