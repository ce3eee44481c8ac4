"""Each key figure counts what it says and nothing else; the page shows them all, alone."""

import re
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest

from assets.kpi.figures import KPIS, Figures, measure, spoken
from assets.kpi.page import PAGE, write_page
from resources.operations import kpi_rows
from resources.operations.database import OperationsDatabase
from tests.assets.exceptions.books import (
    HOUR,
    NOW,
    at_wms,
    message,
    model,
    parcel,
    put,
    waiting_order,
)
from tests.resources.operations.money_books import put_order

DAY = 24 * HOUR
TIMES = {"oldest_unshipped_minutes", "confirmation_median_minutes", "confirmation_p95_minutes"}


@pytest.fixture
def db(operations_db: OperationsDatabase) -> Iterator[OperationsDatabase]:
    """SQLite and PostgreSQL: the queries count times, which they spell differently."""
    return operations_db


def figures_of(db: OperationsDatabase) -> Figures:
    return measure(db, model(), NOW)


def test_without_any_order_every_count_is_zero_and_no_time_is_invented(
    db: OperationsDatabase,
) -> None:
    assert figures_of(db) == {name: None if name in TIMES else 0 for name in KPIS}


def test_open_work_is_counted_by_how_far_the_warehouse_is(db: OperationsDatabase) -> None:
    due = NOW + 50 * HOUR
    waiting_order(db, "packed", due, i1=1000, i2=500)
    at_wms(db, "packed", i1="PICKED", i2="SHIPPED")
    waiting_order(db, "gone", due)
    parcel(db, "p1", "gone", "i1")
    put_order(db, "later", {"i1": {"fulfilment_status": "ANNOUNCED", "sent_at": None}})
    put_order(db, "done", {"i1": {}, "i2": {"fulfilment_status": "CANCELLED_BY_PARTNER"}})
    parcel(db, "p2", "done", "i1", state="parked")
    found = figures_of(db)
    assert found["open_orders"] == 3
    assert found["open_units"] == 4
    assert found["pending_shipments"] == 1
    assert found["waiting_for_tracking"] == 2
    assert found["oldest_unshipped_minutes"] == 24 * 60
    assert found["parcels_parked"] == 1


def test_what_is_stuck_is_counted_and_what_is_under_way_or_settled_is_not(
    db: OperationsDatabase,
) -> None:
    put_order(db, "o", {"i1": {}})
    for state in ("failed", "blocked", "pending", "confirmed", "ignored"):
        message(db, "otto_shipment", state, "o", state)
    for state in ("pending", "retrying", "confirmed", "ignored"):
        message(db, "otto_price_reduction", f"r {state}", "o", state)
    amount = {"amount_cents": 100, "currency": "EUR", "created_at": NOW}
    for number, status in enumerate(("INITIATED", "PROCESSED", "REJECTED")):
        put(
            db,
            "price_reductions",
            sales_order_id="o",
            position_item_id="i1",
            sequence=number,
            status=status,
            **amount,
        )
    for number, status in enumerate(("ANNOUNCED", "ACCEPTED")):
        put(
            db,
            "otto_returns",
            sales_order_id="o",
            position_item_id=f"i{number}",
            status=status,
            occurred_at=NOW,
        )
    runs = [(HOUR, "failure"), (HOUR, "success"), (25 * HOUR, "failure")]
    for number, (ago, result) in enumerate(runs):
        put(
            db,
            "sync_runs",
            id=number + 1,
            flow="orders",
            started_at=NOW - ago,
            result=result,
            counts="{}",
            transport="{}",
        )
    found = figures_of(db)
    assert found["sync_errors"] == 2
    assert found["pending_price_reductions"] == 3
    assert found["open_returns"] == 1
    assert found["failed_syncs"] == 1


def test_products_and_stale_articles_are_counted_once_each(db: OperationsDatabase) -> None:
    for sku, active in (("a", True), ("b", False), ("c", None)):
        put(db, "products", sku=sku, active=active)
    levels = {"on_hand": 1, "reserved": 0, "blocked": 0}
    for sku, location, ago in (("a", "M", 3), ("a", "N", 3), ("b", "M", 1), ("c", "M", 5)):
        put(db, "stock_levels", sku=sku, location=location, as_of=NOW - ago * HOUR, **levels)
    found = figures_of(db)
    assert (found["products"], found["products_active"], found["stale_stock"]) == (3, 1, 2)


def test_confirmation_times_are_those_of_the_last_seven_days(db: OperationsDatabase) -> None:
    for number in range(1, 21):
        sent = {"i1": {"sent_at": NOW - HOUR + timedelta(minutes=number)}}
        put_order(db, f"o{number}", sent, ordered_at=NOW - HOUR)
    put_order(db, "long ago", {"i1": {"sent_at": NOW - 8 * DAY}}, ordered_at=NOW - 30 * DAY)
    found = figures_of(db)
    assert found["confirmation_median_minutes"] == 10
    assert found["confirmation_p95_minutes"] == 19


def test_exceptions_are_those_of_the_list_by_owner_with_their_money(
    db: OperationsDatabase,
) -> None:
    waiting_order(db, "o", NOW + 50 * HOUR, i1=1000)
    message(db, "wms_order", "o", "o", "failed", reason="no such article")
    found = figures_of(db)
    assert found["exceptions"] == found["exceptions_operations"] == 1
    assert found["exceptions_warehouse"] == 0
    assert found["at_risk_cents"] == 1000


def test_history_keeps_figures_of_ninety_days(db: OperationsDatabase) -> None:
    moments = [NOW - 91 * DAY, NOW - 89 * DAY, NOW]
    with db.write() as conn:
        for number, moment in enumerate(moments):
            kpi_rows.record(conn, moment, {"open_orders": number, "at_risk_cents": None})
        kpi_rows.record(conn, NOW, {"open_orders": 7})
    with db.read() as conn:
        kept = kpi_rows.history(conn, NOW - 365 * DAY)
    assert kept == [
        (moments[1], {"open_orders": 1, "at_risk_cents": None}),
        (NOW, {"open_orders": 7}),
    ]


@pytest.mark.parametrize(
    ("name", "value", "said"),
    [
        ("open_orders", 1234, "1,234"),
        ("at_risk_cents", 123405, "1,234.05 EUR"),
        ("oldest_unshipped_minutes", 59, "59 min"),
        ("oldest_unshipped_minutes", 61, "1 h 1 min"),
        ("oldest_unshipped_minutes", 3000, "2 d 2 h"),
        ("oldest_unshipped_minutes", None, ""),
    ],
)
def test_a_figure_is_spoken_with_its_unit(name: str, value: int | None, said: str) -> None:
    assert spoken(KPIS[name], value) == said


def test_the_page_shows_every_figure_and_needs_nothing_from_outside(tmp_path: Path) -> None:
    figures: Figures = {name: 4321 + number for number, name in enumerate(KPIS)}
    figures["confirmation_p95_minutes"] = None
    older: Figures = {"open_orders": 1}
    page = tmp_path / "new" / PAGE
    write_page(page, older | dict.fromkeys(KPIS), [(NOW, older)], NOW)
    write_page(page, figures, [(NOW - HOUR, older), (NOW, figures)], NOW)
    text = page.read_text(encoding="utf-8")
    for kpi in KPIS.values():
        assert kpi.meaning.replace("'", "&#39;") in text
        assert (spoken(kpi, figures[kpi.name]) or "–") in text
    assert text.count("<svg") == 6
    assert re.findall(r"""(?:src|href)\s*=\s*["'](?!#)|<script|@import|url\((?!#)""", text) == []
    assert [path.name for path in page.parent.iterdir()] == [PAGE]
