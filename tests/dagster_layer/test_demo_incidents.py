"""The live demo's incidents reach the sandbox in their order and leave its stock list right."""

from collections.abc import Iterator
from datetime import UTC, datetime

import httpx
import pytest

from otto_pipelines.demo.incidents import INCIDENTS, Incident, play
from otto_pipelines.sandbox.config import SandboxConfig
from otto_pipelines.sandbox.server import Sandbox
from otto_pipelines.sandbox.wms_stock import FAULTS


@pytest.fixture
def sandbox() -> Iterator[Sandbox]:
    config = SandboxConfig(start=datetime(2026, 6, 8, tzinfo=UTC), orders=0, days=1)
    with Sandbox(config) as sandbox:
        yield sandbox


def levels(sandbox: Sandbox) -> int:
    return len(sandbox.world.stock_list.page(None)["levels"])


def test_an_incident_takes_effect_when_it_is_told(sandbox: Sandbox) -> None:
    whole, seen = levels(sandbox), list[int]()
    incidents = (Incident(0, "empty", "gone"), Incident(0.001, None, "back"))
    play(sandbox.otto_url, lambda _: seen.append(levels(sandbox)), incidents=incidents)
    assert seen == [0, whole]


def test_a_fault_that_the_sandbox_does_not_know_is_an_error(sandbox: Sandbox) -> None:
    with pytest.raises(httpx.HTTPStatusError):
        play(sandbox.otto_url, print, incidents=(Incident(0, "burnt", ""),))


def test_incidents_are_in_order_and_the_last_one_leaves_all_well() -> None:
    minutes = [incident.minute for incident in INCIDENTS]
    assert minutes == sorted(minutes)
    assert {incident.fault for incident in INCIDENTS} <= {None, *FAULTS}
    assert INCIDENTS[-1].fault is None
