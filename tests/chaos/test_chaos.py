"""Nothing is lost and nothing is doubled, whatever hinders: the chaos campaign, short and long.

What is marked stands in `campaign.Show`: breaks found against the ledger of the sandbox, and each
effect that OTTO and the warehouse received against a row of our outbox.
"""

import json
import sys
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from tests.chaos import weather
from tests.chaos.campaign import Campaign, long_form, run

MUST_BE_EMPTY = (
    "lost",
    "missed",
    "unexpected",
    "effects_that_differ",
    "outbox_unfinished",
    "wrong_at_otto",
    "failed_runs_at_rest",
)
EVERY_FAULT = {
    "429",
    "429_without_retry_after",
    "429_html",
    "403_html",
    "500",
    "502_html",
    "503",
    "stall",
    "closed",
    "truncated",
    "reset",
    "cut_json",
    "token_expired",
    "repeated_page",
}
AFTER_EFFECT = "_after_effect"


def show(summary: dict[str, Any]) -> None:
    sys.stdout.write(json.dumps(summary, indent=1, default=str) + "\n")


def tell(line: str) -> None:
    sys.stderr.write(line + "\n")


def judge(summary: dict[str, Any]) -> None:
    assert {name: summary[name] for name in MUST_BE_EMPTY if summary[name]} == {}
    assert summary["doubled"] == 0
    assert summary["shorts"] == summary["shorts_settled"] > 0
    assert summary["injected_breaks"]


@pytest.mark.timeout(600)
def test_whatever_hinders_for_a_day_nothing_is_lost_and_nothing_doubled(tmp_path: Path) -> None:
    campaign = Campaign(
        days=1,
        orders_per_day=60,
        seed=47,
        fault_rate=0.3,
        page_size=4,
        timeout_seconds=1.0,
        megabytes=256,
        after_orders=timedelta(days=3, hours=12),
        hindrance_every=1,
        money_faults=1,
        outages=[
            weather.Outage("otto", "closed", 4, 1),
            weather.Outage("wms", "unavailable", 6, 1),
        ],
    )
    summary = run(campaign, tmp_path, tell)
    show(summary)
    judge(summary)
    of_otto, of_wms = (set(summary["faults"][side]) for side in ("otto", "wms"))
    assert EVERY_FAULT - {name.removesuffix(AFTER_EFFECT) for name in of_otto | of_wms} == set()
    assert len(of_otto) > len(of_wms) > 5
    assert any(name.endswith(AFTER_EFFECT) for name in of_otto)
    assert summary["hindrances"].keys() >= {*weather.HINDRANCES, "otto_down", "wms_down"}
    assert min(summary["events_disordered"].values()) > 0


@pytest.mark.campaign
@pytest.mark.timeout(4 * 3600)
def test_thirty_days_of_it(tmp_path: Path) -> None:
    summary = run(long_form(), tmp_path, tell)
    show(summary)
    judge(summary)
