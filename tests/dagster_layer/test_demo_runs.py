"""Runs of the headless demo: a failed one is counted, an ended one ends the demo."""

import os
import signal
from collections.abc import Iterator

import dagster as dg
import pytest

from otto_pipelines.demo.runs import Runs


@dg.op
def fail() -> None:
    raise ValueError("as planned")


@dg.op
def be_interrupted() -> None:
    os.kill(os.getpid(), signal.SIGINT)


@dg.job
def failing() -> None:
    fail()


@dg.job
def interrupted() -> None:
    be_interrupted()


@pytest.fixture
def runs() -> Runs:
    return Runs(dg.DagsterInstance.ephemeral(), further_jobs=[failing, interrupted])


def test_a_run_that_fails_is_counted_and_the_demo_goes_on(runs: Runs) -> None:
    runs.run("failing")
    assert (runs.runs, runs.failed) == (1, {"failing": 1})


@pytest.fixture
def listening() -> Iterator[None]:
    """Hear Ctrl-C also where a shell started these tests in the background, deaf to it."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.mark.usefixtures("listening")
def test_ctrl_c_in_the_middle_of_a_run_ends_the_demo(runs: Runs) -> None:
    with pytest.raises(KeyboardInterrupt):
        runs.run("interrupted")
