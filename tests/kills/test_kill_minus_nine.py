"""SIGKILL to daemon, code server and runs at random instants: nothing is lost, doubled or stuck.

Real services, real runs, real HTTP and either database, for the operations database and for
Dagster's own storage. A supervisor starts the services again; nothing else helps. Orders keep
coming.
The long form:

    KILLS=100 KILLS_SEED=1 .venv/bin/python -m pytest tests/kills -m campaign --timeout=10800 -s
"""

import json
import os
import socket
import time
from collections import Counter
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import dagster as dg
import pytest

from tests.kills import audit
from tests.kills.killer import Kill, Killer, phases
from tests.kills.services import HOST, Services
from tests.kills.shop import MODEL, Databases, Shop, buyers, open_shop
from tests.kills.telling import say

BUYERS_PAUSE = 1.5
NEVER = "0 0 29 2 *"
PAUSE_BETWEEN_KILLS = (2.0, 16.0)
LONGEST_RECOVERY_SECONDS = 600.0


# Few runs, and nothing waits for longer than it must.
_SHORT_MODEL = MODEL | {
    "automation": {
        **MODEL["automation"],
        **dict.fromkeys(("shipments_cron", "returns_cron", "receipts_cron", "prices_cron"), NEVER),
        "reconciliation_cron": NEVER,
        "linger_seconds": 20.0,
    },
    "availability": MODEL["availability"] | {"snapshot_cron": "*/2 * * * *"},
    "outbox": MODEL["outbox"] | {"lease_seconds": 18.0},
}
_SHORT_DAGSTER = {
    "run_monitoring": {"poll_interval_seconds": 2, "free_slots_after_run_end_seconds": 2}
}


@pytest.mark.timeout(1200)
def test_a_few_kills_leave_nothing_lost_doubled_or_stuck(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A run in the midst of a call, the daemon, and the code server with all its runs."""
    summary = campaign(
        Databases(),
        tmp_path / "shop",
        monkeypatch,
        seed=7303,
        count=3,
        minutes=2,
        pause=(0.5, 2.0),
        aim_seconds=90.0,
        model=_SHORT_MODEL,
        dagster=_SHORT_DAGSTER,
        orders=10,
        tempo=0.0005,
        returns_share=0.0,
        with_finance=False,
    )
    assert summary["findings"] == []


@pytest.mark.campaign
def test_many_kills_in_every_phase_leave_nothing_lost_doubled_or_stuck(
    databases: Databases, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    seed, count, minutes = (
        int(os.environ.get(name, default))
        for name, default in (("KILLS_SEED", "1"), ("KILLS", "100"), ("KILLS_MINUTES", "60"))
    )
    summary = campaign(
        databases, tmp_path / "shop", monkeypatch, seed=seed, count=count, minutes=minutes
    )
    assert summary["findings"] == []


def campaign(
    databases: Databases,
    folder: Path,
    monkeypatch: pytest.MonkeyPatch,
    *,
    seed: int,
    count: int,
    minutes: float,
    pause: tuple[float, float] = PAUSE_BETWEEN_KILLS,
    aim_seconds: float = 15.0,
    with_finance: bool = True,
    **options: Any,
) -> dict[str, Any]:
    """Kill `count` times, or for so many minutes; then wait until all has settled.

    Returns:
        What was hit, how it recovered, and what is wrong; printed as JSON as well.
    """
    folder.mkdir()
    began = time.monotonic()
    with open_shop(folder, databases, seed=seed, **options) as shop:
        for name, value in shop.place.environment.items():
            monkeypatch.setenv(name, value)
        services = Services(folder, _free_port(), shop.place.environment)
        with services.running(), dg.DagsterInstance.get() as instance:
            killer = Killer(shop, services, instance, seed=seed, aim_seconds=aim_seconds)
            killer.wait_for_work()
            with buyers(shop.sandbox, seed, BUYERS_PAUSE):
                until = time.monotonic() + 60 * minutes
                while len(killer.kills) < count and time.monotonic() < until:
                    _tell(killer.strike(pause))
            quiet = time.monotonic()
            since = datetime.now(UTC)
            findings = audit.until_none(
                _all_findings(shop, instance, since, with_finance=with_finance),
                LONGEST_RECOVERY_SECONDS,
            )
            recovered = time.monotonic() - quiet
            figures = _figures(shop, instance, killer.kills)
        findings += audit.files(shop)
        if with_finance:
            findings += audit.finance_file(shop)
        findings += audit.postgresql([databases.operations_url, databases.dagster_url])
    summary = {
        "seed": seed,
        "kills": len(killer.kills),
        "starts of services": services.starts,
        **{name: dict(counts) for name, counts in phases(killer.kills).items()},
        **figures,
        "seconds until all was settled": round(recovered),
        "seconds": round(time.monotonic() - began),
        "findings": findings,
    }
    say(json.dumps(summary, indent=1))
    return summary


def _all_findings(
    shop: Shop, instance: dg.DagsterInstance, since: datetime, *, with_finance: bool
) -> Callable[[], list[str]]:
    def look() -> list[str]:
        return [
            *audit.still_at_work(shop),
            *audit.nothing_waits(shop),
            *audit.effects(shop),
            *audit.nothing_is_stuck(instance, since),
            *(audit.finance(shop) if with_finance else ()),
        ]

    return look


def _figures(shop: Shop, instance: dg.DagsterInstance, kills: list[Kill]) -> dict[str, Any]:
    runs = list(instance.get_run_records())
    ended = {record.dagster_run.run_id: record.end_time for record in runs}
    waits = [end - kill.at for kill in kills for run_id in kill.runs if (end := ended.get(run_id))]
    with shop.sandbox.world.turn() as world:
        effects = {
            "orders": len(world.market.orders),
            "parcels": len(world.warehouse.parcels),
            "shipments": len(world.market.shipments),
            "returns": len(world.money.desk.cases),
        }
    return {
        **effects,
        "requests answered": sum(wire.answers for wire in shop.sandbox.wires),
        "runs": dict(Counter(record.dagster_run.status.value for record in runs)),
        "longest a dead run counted as alive, seconds": round(max(waits, default=0.0), 1),
    }


def _tell(kill: Kill) -> None:
    runs = ", ".join(f"{job}: {phase}" for job, phase in kill.runs.values())
    say(f"kill {kill.number}: {kill.victim}, {kill.aim}; [{runs}] {kill.calls}")


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind((HOST, 0))
        return int(probe.getsockname()[1])
