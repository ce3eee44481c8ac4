"""Checks across flows: each fails on a planted bad row and passes on a good one."""

from contextlib import suppress
from datetime import timedelta
from typing import Any

import dagster as dg
import pytest

from assets import exception_checks
from assets.exceptions.model import OpenException
from assets.source_freshness import SOURCES, old_sources
from otto_pipelines.definitions import build_definitions
from resources.freshness_policy import FreshnessPolicy
from resources.operations import watermarks
from resources.operations.database import OperationsDatabase
from resources.operations.schema import metadata
from resources.operations.sync_log import SyncLog
from tests.assets.exceptions.books import (
    HOUR,
    NOW,
    at_wms,
    held,
    listed,
    message,
    parcel,
    put,
    waiting_order,
)

PARKED = '[{"rule": "tracking_number_present", "reason": "none", "remedy": "enter it"}]'


def judged(db: OperationsDatabase) -> dict[str, dg.AssetCheckResult]:
    with db.read() as conn:
        old = old_sources(conn, FreshnessPolicy(), NOW)
    found = exception_checks.results(listed(db), old, 7)
    return {str(result.check_name): result for result in found}


def failed(db: OperationsDatabase) -> set[str]:
    return {name for name, result in judged(db).items() if not result.passed}


def test_all_pass_while_all_is_well_and_say_what_they_mean(db: OperationsDatabase) -> None:
    waiting_order(db, "o", NOW + 20 * HOUR, i1=1000)
    at_wms(db, "o", i1="ACCEPTED")
    message(db, "wms_order", "o", "o", "confirmed")
    results = judged(db)
    assert set(results) == {spec.name for spec in exception_checks.SPECS}
    assert failed(db) == set()
    measures = results["no_shipment_at_risk_in_24_hours"].metadata
    assert measures["units_due_in_24_hours"].value == 7


def test_an_order_in_quarantine_is_not_imported(db: OperationsDatabase) -> None:
    held(db, "otto_orders", "o", "rate 12")
    assert failed(db) == {"orders_imported"}


@pytest.mark.parametrize("why", ["parked", "refused", "late"])
def test_tracking_is_not_posted_back(db: OperationsDatabase, why: str) -> None:
    waiting_order(db, "o", NOW + 2 * HOUR, i1=1000)
    at_wms(db, "o", i1="SHIPPED")
    parcel(db, "p", "o", "i1")
    if why == "parked":
        parcel(db, "p", "o", "i1", state="parked", parked_rules=PARKED)
    else:
        message(db, "otto_shipment", "p", "o", {"refused": "failed", "late": "retrying"}[why])
    assert failed(db) == {"tracking_posted_back"}


@pytest.mark.parametrize(
    ("hours", "check", "severity"),
    [
        (20, "no_shipment_at_risk_in_24_hours", dg.AssetCheckSeverity.WARN),
        (3, "no_shipment_at_risk_in_4_hours", dg.AssetCheckSeverity.ERROR),
        (-1, "no_shipment_overdue", dg.AssetCheckSeverity.ERROR),
    ],
)
@pytest.mark.parametrize("refused", [True, False])
def test_the_risk_of_shipping_late_has_three_levels(
    db: OperationsDatabase,
    hours: int,
    check: str,
    severity: dg.AssetCheckSeverity,
    refused: bool,
) -> None:
    waiting_order(db, "o", NOW + hours * HOUR, i1=1000)
    if refused:
        message(db, "wms_order", "o", "o", "failed", reason="no such SKU")
    else:
        at_wms(db, "o", i1="NEW")
        message(db, "wms_order", "o", "o", "confirmed")
    result = judged(db)[check]
    assert failed(db) == {check}
    assert result.severity is severity
    [row] = result.metadata["rows"].records
    assert (row.data["sales_order_id"], row.data["at_risk_cents"]) == ("o", 1000)
    assert "What to do:" in str(result.description)


def drifting(
    db: OperationsDatabase, status: str, state: str, hours: float, *, packed: bool = False
) -> list[OpenException]:
    """A unit of which both say this for so long; returns what is listed of it."""
    since = NOW - hours * HOUR
    waiting_order(db, "o", NOW + 40 * HOUR, i1=1000)
    put(db, "wms_orders", order_ref="o", submitted_at=NOW - 100 * HOUR)
    put(db, "wms_order_lines", order_ref="o", line_id="i1", state=state, recorded_at=since)
    message(db, "wms_order", "o", "o", "confirmed")
    if packed:
        parcel(db, "p", "o", "i1")
        message(db, "otto_shipment", "p", "o", "confirmed")
    items = metadata.tables["position_items"]
    with db.write() as conn:
        conn.execute(
            items.update().values(fulfilment_status=status, sent_at=since, cancelled_at=since)
        )
    return [row for row in listed(db) if row.kind == "status_drift"]


@pytest.mark.parametrize(
    ("status", "state", "hours", "drifts"),
    [
        ("SENT", "PICKED", 5, True),
        ("SENT", "CANCELLED", 5, True),
        ("SENT", "PICKED", 3, False),
        ("SENT", "SHIPPED", 5, False),
        ("CANCELLED_BY_PARTNER", "PICKED", 5, True),
        ("CANCELLED_BY_PARTNER", "PICKED", 3, False),
        ("CANCELLED_BY_MARKETPLACE", "CANCELLED", 5, False),
        ("PROCESSABLE", "SHIPPED", 3, True),
        ("PROCESSABLE", "SHIPPED", 1, False),
        ("PROCESSABLE", "PICKED", 50, False),
    ],
)
def test_otto_and_the_warehouse_say_the_same_of_a_unit(
    operations_db: OperationsDatabase, status: str, state: str, hours: int, drifts: bool
) -> None:
    found = drifting(operations_db, status, state, hours)
    assert [(row.key, row.at_risk_cents) for row in found] == ([("o:i1", 1000)] if drifts else [])
    assert ("shipment_status_agrees" in failed(operations_db)) is drifts


@pytest.mark.parametrize(("status", "state"), [("SENT", "PICKED"), ("PROCESSABLE", "SHIPPED")])
def test_a_unit_that_is_in_a_parcel_has_left(
    operations_db: OperationsDatabase, status: str, state: str
) -> None:
    assert drifting(operations_db, status, state, 50, packed=True) == []


def test_a_unit_that_drifts_and_whose_message_is_stuck_is_listed_once(
    db: OperationsDatabase,
) -> None:
    message(db, "wms_cancellation", "o:i1", "o", "failed", reason="packed already")
    assert drifting(db, "CANCELLED_BY_PARTNER", "PICKED", 5) == []


def read(db: OperationsDatabase, flow: str, hours: float, error: str | None = None) -> None:
    """A run of a flow so long ago, with this error."""
    with suppress(RuntimeError), SyncLog(db, flow, NOW - hours * HOUR, {}):
        _fail(error)


def _fail(error: str | None) -> None:
    if error:
        raise RuntimeError(error)


def old(db: OperationsDatabase, **policy: int) -> list[dict[str, Any]]:
    with db.read() as conn:
        return old_sources(conn, FreshnessPolicy(**policy), NOW)


def test_a_source_is_old_when_it_was_not_read_in_time(operations_db: OperationsDatabase) -> None:
    read(operations_db, "wms_stock", 1)
    assert old(operations_db) == []
    [row] = old(operations_db, stock=30)
    assert (row["source"], row["last read"]) == ("wms_stock", "2026-11-20T09:00+00:00")
    assert (row["allowed minutes"], row["setting"]) == (30, "freshness.stock")


def test_a_failure_makes_nothing_fresh_and_is_named(operations_db: OperationsDatabase) -> None:
    read(operations_db, "products", 60)
    read(operations_db, "products", 1, "HTTP 503")
    [row] = old(operations_db)
    assert row["last error"] == "RuntimeError: HTTP 503"
    read(operations_db, "products", 0.5)
    assert old(operations_db) == []


def test_a_source_that_was_tried_and_never_read_is_old_after_its_time(
    operations_db: OperationsDatabase,
) -> None:
    read(operations_db, "products", 1, "HTTP 503")
    assert old(operations_db) == []
    assert [row["last read"] for row in old(operations_db, products=30)] == [None]


def test_a_backfill_of_old_days_makes_orders_not_fresh(operations_db: OperationsDatabase) -> None:
    read(operations_db, "orders", 0.1)
    with operations_db.write() as conn:
        watermarks.set(conn, "otto_orders", (NOW - HOUR).isoformat(), NOW)
    assert [row["source"] for row in old(operations_db)] == ["otto_orders"]
    assert old(operations_db, orders=90) == []


def test_every_source_has_the_freshness_policy_of_the_operating_model() -> None:
    definitions = build_definitions(freshness=FreshnessPolicy(orders=10))
    policies = {
        spec.key.to_user_string(): spec.freshness_policy
        for spec in definitions.resolve_all_asset_specs()
        if spec.freshness_policy is not None
    }
    assert set(policies) == {source.asset for source in SOURCES}
    assert policies["otto_orders"] == dg.FreshnessPolicy.time_window(
        fail_window=timedelta(minutes=10), warn_window=timedelta(minutes=5)
    )


def test_every_check_says_what_to_do() -> None:
    graph = build_definitions().resolve_asset_graph()
    specs = [graph.get_check_spec(key) for key in graph.asset_check_keys]
    assert len(specs) > 100
    silent = [s.name for s in specs if not str(s.metadata.get("remedy", "")).strip()]
    assert silent == []
    assert [s.name for s in specs if "What to do:" not in str(s.description)] == []
