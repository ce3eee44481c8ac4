"""What finance reads: columns, exact money, the daily summary, and no personal data."""

from datetime import UTC, date, datetime, timedelta
from typing import Any

from resources.finance_close import CLOSING
from resources.finance_schema import RECONCILIATION
from resources.operations import schema

HUGE = 2**53 + 1
"""The first whole number that a floating-point number cannot hold."""


def test_every_table_and_column_explains_itself_in_the_file(world: Any) -> None:
    world.reconcile()
    tables = world.query(
        "SELECT table_name, comment FROM duckdb_tables() WHERE schema_name = 'reconciliation'"
    )
    columns = world.query(
        "SELECT table_name || '.' || column_name, comment FROM duckdb_columns() "
        "WHERE schema_name = 'reconciliation'"
    )
    assert {name for name, _ in tables} == {table.name for table in RECONCILIATION + CLOSING}
    assert [name for name, comment in tables + columns if not comment] == []


def test_no_column_of_the_file_is_a_floating_point_number(world: Any) -> None:
    world.reconcile()
    types = world.query("SELECT DISTINCT data_type FROM duckdb_columns() WHERE NOT internal")
    assert types
    assert {name for (name,) in types} & {"DOUBLE", "FLOAT"} == set()


def test_amounts_beyond_floating_point_stay_exact_to_the_cent(world: Any) -> None:
    world.waiting(
        "o",
        item={"buyer_price_cents": HUGE, "gross_cents": HUGE},
        line={"price_seen_cents": HUGE - 1},
    )
    # Columns that begin with nulls only must not be taken for another type.
    world.waiting("n", line={"price_seen_cents": None, "currency_seen": None})
    outcome = world.reconcile()
    assert outcome.amount_at_risk_cents == 1
    assert world.query(
        "SELECT buyer_price_cents, buyer_price::VARCHAR, difference_cents, difference::VARCHAR "
        "FROM reconciliation.prices WHERE sales_order_id = 'o'"
    ) == [(HUGE, "90071992547409.93", -1, "-0.01")]


def test_no_personal_data_reaches_the_file(world: Any) -> None:
    world.waiting("o", wms=None, line=None, item={"processable_at": world.now})
    world.outbox("wms_order", "o", "o", state="failed")
    world.dispatched("p", shipment={"state": "blocked"})
    world.reconcile()
    names = world.query(
        "SELECT schema_name || '.' || table_name, column_name FROM duckdb_columns() "
        "WHERE NOT internal"
    )
    forbidden = {"address", "name", "payload", "reason", "last_error", "title", "email", "phone"}
    found = {column for table, column in names if table != "main.meta"}
    assert found & forbidden == set()
    assert [column for column in found if "address" in column] == []
    for path in (world.finance.path, world.finance.working_path):
        assert b"Kanarienvogel" not in path.read_bytes()
    with world.finance.read() as con:
        for table in {table for table, _ in names}:
            columns = [column for other, column in names if other == table]
            tells = " OR ".join(f"{column}::VARCHAR ILIKE '%kanarienvogel%'" for column in columns)
            assert con.execute(f"SELECT * FROM {table} WHERE {tells}").fetchall() == []


def test_the_daily_summary_counts_progress_and_adds_up_the_amounts_at_risk(world: Any) -> None:
    world.waiting("a", line={"price_seen_cents": 2004})
    world.waiting("b", wms={"present": False}, line={"state": "NEW", "sku_seen": None})
    world.shipped("c")
    world.dispatched("d")
    world.waiting("e", item={"fulfilment_status": "CANCELLED_BY_PARTNER"}, line={"state": "SHORT"})
    world.known_to_wms_alone("f", price_seen_cents=700, price_sent_cents=None)
    with world.db.write() as conn:
        conn.execute(
            schema.wms_orders.update()
            .where(schema.wms_orders.c.order_ref == "f")
            .values(submitted_at=datetime(2026, 3, 1, 23, 30, tzinfo=UTC), recorded_at=world.now)
        )
    outcome = world.reconcile()
    assert world.query(
        "SELECT order_day, orders, items, cancelled, shipped, confirmed, expected, open_breaks, "
        "orders_at_risk_cents, shipments_at_risk_cents, prices_at_risk_cents, "
        "orders_at_risk::VARCHAR FROM reconciliation.daily_summary"
    ) == [(date(2026, 3, 2), 6, 5, 1, 2, 1, 1, 3, 2699, 0, 5, "26.99")]
    assert outcome.amount_at_risk_cents == 2704


def test_shipments_show_parcel_gate_and_confirmation_side_by_side(world: Any) -> None:
    world.shipped("a")
    world.dispatched(
        "b",
        parcel={
            "state": "parked",
            "parked_rules": '[{"rule": "return_key_present"}, {"rule": "ship_from_complete"}]',
        },
    )
    world.shipped("c", parcel=None, line={"state": "PICKED"})
    world.reconcile()
    assert world.query(
        "SELECT sales_order_id, parcel_id, parcel_state, parked_rules, confirmation_state, "
        "otto_shipment_id, difference_class, difference_kind FROM reconciliation.shipments "
        "ORDER BY sales_order_id"
    ) == [
        ("a", "P-a-1", "released", None, "confirmed", "S-P-a-1", "matched", None),
        (
            "b",
            "P-b-1",
            "parked",
            "return_key_present, ship_from_complete",
            None,
            None,
            "break",
            "dispatched_not_confirmed",
        ),
        ("c", None, None, None, None, None, "expected", "confirmed_not_dispatched"),
    ]


def test_a_late_commit_within_the_overlap_is_still_copied(world: Any) -> None:
    world.waiting("a")
    world.reconcile()
    world.now -= timedelta(minutes=9)
    world.change_line("a", price_seen_cents=1)
    world.now += timedelta(minutes=9)
    outcome = world.reconcile()
    assert outcome.staged["wms_order_lines"] == 1
    assert world.breaks() == {"a/1": {"price_mismatch"}}


def test_a_row_that_was_committed_much_too_late_is_still_copied(world: Any) -> None:
    world.waiting("a")
    world.reconcile()
    now, world.now = world.now, world.now - timedelta(days=1)
    world.waiting("late", line={"price_seen_cents": 1})
    world.now = now
    world.reconcile()
    assert world.breaks() == {"late/1": {"price_mismatch"}}


def test_both_operations_databases_give_the_same_tables(world_of_each_database: Any) -> None:
    world = world_of_each_database
    world.shipped("a", item={"otto_tracking_number": "406522044489"})
    world.waiting("b", line={"price_seen_cents": None})
    outcome = world.reconcile()
    assert {table: count for table, count in outcome.staged.items() if count} == {
        "orders": 2,
        "position_items": 2,
        "wms_orders": 2,
        "wms_order_lines": 2,
        "parcels": 1,
        "parcel_lines": 1,
        "outbox": 1,
    }
    assert world.breaks() == {"a/1": {"tracking_mismatch"}}
    assert world.query(
        "SELECT order_day, sent_at, buyer_price_cents FROM reconciliation.order_lines "
        "WHERE sales_order_id = 'a'"
    ) == [(date(2026, 3, 2), world.now, 1999)]


def test_customer_care_gets_no_link_that_the_warehouse_made(world: Any) -> None:
    """It may hold a postal code; the link of a released parcel is made by us."""
    link = "https://carrier.example/?plz=01067"
    for ref, state in (("good", "released"), ("held", "parked"), ("new", "received")):
        world.dispatched(ref, parcel={"state": state, "tracking_url": link})
    world.reconcile()
    assert world.query(
        "SELECT sales_order_id, status, tracking_link FROM reports.fulfilment_status ORDER BY 1"
    ) == [
        ("good", "shipped_confirmation_on_its_way", link),
        ("held", "shipped_number_held", None),
        ("new", "shipped_confirmation_on_its_way", None),
    ]
    held = "SELECT count(*) FROM staging.parcels WHERE tracking_url IS NOT NULL"
    assert world.query(held) == [(1,)]
