"""Everything at once, each in a process of its own: nothing is lost, doubled, locked out or torn.

Two dispatchers, a backfill, a live sync, a reconciliation, a retry by hand, and an analyst who
keeps the finance file open, while buyers order, requests fail, and the warehouse ships. The long
form:

    AT_ONCE_SECONDS=300 .venv/bin/python -m pytest tests/kills -m campaign -k at_once -s
"""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import dagster as dg
import pytest

from tests.kills import audit
from tests.kills.actors import (
    ONLOOKERS,
    WORKERS,
    dispatcher,
    live_sync,
    reconciliation,
    sync_orders,
)
from tests.kills.services import REPOSITORY
from tests.kills.shop import MODEL, Databases, buyers, open_shop
from tests.kills.telling import say

# Requests fail, and nobody waits long for it. The lease is above the longest call.
_MODEL = MODEL | {
    "http": {
        "timeout_seconds": 1.0,
        "attempts": 8,
        "first_backoff_seconds": 0.05,
        "longest_backoff_seconds": 0.5,
        "requests_per_second": 2000,
        "requests_per_minute": 120000,
    },
    "outbox": {
        "lease_seconds": 20.0,
        "first_backoff_seconds": 0.2,
        "longest_backoff_seconds": 1.0,
        "give_up_after": 200,
    },
}
# The whole way of an order takes seconds.
_WORLD = {
    "orders": 20,
    "tempo": 0.0001,
    "transport_fault_rate": 0.05,
    "stall_seconds": 1.5,
    "rate_limits_enforced": False,
    "returns_share": 0.0,
}


@pytest.mark.timeout(900)
def test_all_at_once_for_a_few_seconds(
    databases: Databases, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert_all_is_well(
        run(databases, tmp_path, monkeypatch, rounds=1, seconds=0.0, pause=1.0, seed=1)
    )


@pytest.mark.campaign
def test_all_at_once_for_minutes(
    databases: Databases, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    seconds = float(os.environ.get("AT_ONCE_SECONDS", "300"))
    seed = int(os.environ.get("KILLS_SEED", "1"))
    seen = run(databases, tmp_path, monkeypatch, rounds=2, seconds=seconds, pause=0.4, seed=seed)
    assert_all_is_well(seen)


def assert_all_is_well(seen: dict[str, Any]) -> None:
    assert seen["wrong"] == []
    assert seen["findings"] == []
    assert set(seen["times"]) == {*WORKERS, *ONLOOKERS}


def run(
    databases: Databases,
    folder: Path,
    monkeypatch: pytest.MonkeyPatch,
    *,
    rounds: int,
    seconds: float,
    pause: float,
    seed: int,
) -> dict[str, Any]:
    """Let all work at once, then one after the other until nothing is left to do."""
    report = folder / "report.jsonl"
    with open_shop(folder / "shop", databases, seed=seed, model=_MODEL, **_WORLD) as shop:
        for name, value in shop.place.environment.items():
            monkeypatch.setenv(name, value)
        with dg.DagsterInstance.get():
            pass  # its databases are prepared once, not by all at a time
        arguments = [str(rounds), str(seconds), str(report)]
        with buyers(shop.sandbox, seed, pause):
            done = subprocess.run(
                [sys.executable, "-m", "tests.kills.actors", *arguments],
                cwd=REPOSITORY,
                capture_output=True,
                text=True,
                check=False,
            )
        assert done.returncode == 0, done.stderr
        with dg.DagsterInstance.get() as instance:

            def look() -> list[str]:
                sync_orders(instance)
                dispatcher(instance)
                if audit_of_orders := list(audit.still_at_work(shop)):
                    return audit_of_orders
                live_sync(instance)
                if waiting := list(audit.nothing_waits(shop)):
                    return waiting
                reconciliation(instance)
                return [*audit.effects(shop), *audit.finance(shop)]

            findings = audit.until_none(look, 240.0, 1.0)
        findings += [*audit.files(shop), *audit.finance_file(shop)]
        with shop.sandbox.world.turn() as world:
            orders, shipments = len(world.market.orders), len(world.market.shipments)
    findings += audit.postgresql([databases.operations_url, databases.dagster_url])
    actors = [json.loads(line) for line in report.read_text(encoding="utf-8").splitlines()]
    seen = {
        "orders": orders,
        "shipments": shipments,
        "times": {actor["actor"]: actor["times"] for actor in actors},
        "wrong": [text for actor in actors for text in actor["wrong"]]
        + [line for line in done.stderr.splitlines() if "locked" in line],
        "findings": findings,
    }
    say(json.dumps(seen, indent=1))
    return seen
