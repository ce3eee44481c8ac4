"""Short-picks as the tables hold them: which are open, with what, and how they ended."""

from datetime import UTC, datetime, timedelta
from typing import Any

from resources.operations.bulk import upsert
from resources.operations.database import OperationsDatabase
from resources.operations.outbox import enqueue
from resources.operations.schema import position_items, wms_order_lines
from resources.operations.short_picks import OpenShort, ShortCounts, counts, open_shorts

NOW = datetime(2026, 11, 20, 15, 0, tzinfo=UTC)
EARLIER = NOW - timedelta(hours=1)


def put(
    db: OperationsDatabase,
    item: str,
    status: str,
    state: str,
    ship_by_at: datetime | None = None,
    **line: Any,
) -> None:
    """A unit of order `o` on both sides."""
    cents = dict.fromkeys(
        ("gross_cents", "item_discount_cents", "order_discount_share_cents", "buyer_price_cents"), 0
    )
    unit = {
        **{c.name: None for c in position_items.c},
        **cents,
        "sales_order_id": "o",
        "position_item_id": item,
        "sku": f"SKU-{item}",
        "vat_rate": "19",
        "currency": "EUR",
        "fulfilment_status": status,
        "ship_by_at": ship_by_at,
        "recorded_at": NOW,
    }
    ours = {
        **{c.name: None for c in wms_order_lines.c},
        "order_ref": "o",
        "line_id": item,
        "state": state,
        "quantity_shipped": 0,
        "recorded_at": NOW,
        **line,
    }
    with db.write() as conn:
        upsert(conn, position_items, [unit], ["sales_order_id", "position_item_id"])
        upsert(conn, wms_order_lines, [ours], ["order_ref", "line_id"])


def found(db: OperationsDatabase) -> list[OpenShort]:
    with db.read() as conn:
        return open_shorts(conn, "stop", "cancel")


def test_a_short_unit_comes_with_all_that_its_next_step_depends_on(
    operations_db: OperationsDatabase,
) -> None:
    told = {"short_discrepancy": "BACKORDER", "short_reason": "DAMAGED", "short_at": EARLIER}
    put(operations_db, "1", "PROCESSABLE", "SHORT", NOW, **told)
    with operations_db.write() as conn:
        for kind, key, state in (
            ("stop", "o:1", "blocked"),
            ("cancel", "o:1", "pending"),
            ("other", "o:1", "failed"),
            ("stop", "o:2", "failed"),
        ):
            enqueue(
                conn,
                kind=kind,
                business_key=key,
                order_ref="o",
                payload={},
                priority=1,
                now=NOW,
                state=state,
            )
    [short] = found(operations_db)
    assert short == OpenShort(
        sales_order_id="o",
        position_item_id="1",
        sku="SKU-1",
        wms_state="SHORT",
        discrepancy="BACKORDER",
        reason="DAMAGED",
        since=EARLIER,
        ship_by_at=NOW,
        stop="blocked",
        cancellation="pending",
    )
    assert short.key == "o:1"


def test_open_are_units_that_otto_waits_for_and_the_nearest_ship_by_time_goes_first(
    operations_db: OperationsDatabase,
) -> None:
    put(operations_db, "1", "PROCESSABLE", "SHORT", None)
    put(operations_db, "2", "PROCESSABLE", "CANCELLED", NOW)
    put(operations_db, "3", "PROCESSABLE", "SHORT", EARLIER)
    put(operations_db, "4", "PROCESSABLE", "PICKED", EARLIER)
    put(operations_db, "5", "CANCELLED_BY_PARTNER", "SHORT", EARLIER)
    put(operations_db, "6", "SENT", "SHORT", EARLIER)
    put(operations_db, "7", "PROCESSABLE", "SHIPPED", EARLIER, short_at=EARLIER)
    assert [(short.position_item_id, short.since) for short in found(operations_db)] == [
        ("3", NOW),
        ("2", NOW),
        ("1", NOW),
    ]


def test_every_short_pick_is_counted_by_its_end(operations_db: OperationsDatabase) -> None:
    put(operations_db, "1", "SENT", "SHIPPED", short_at=NOW)
    put(operations_db, "2", "RETURNED", "SHIPPED", short_at=NOW)
    put(operations_db, "3", "CANCELLED_BY_PARTNER", "CANCELLED", short_at=NOW)
    put(operations_db, "4", "CANCELLED_BY_MARKETPLACE", "SHORT", short_at=NOW)
    put(operations_db, "5", "PROCESSABLE", "SHORT", short_at=NOW)
    put(operations_db, "6", "PROCESSABLE", "SHIPPED", short_at=NOW)
    put(operations_db, "7", "PROCESSABLE", "CANCELLED")
    with operations_db.read() as conn:
        ends = counts(conn)
    assert ends == ShortCounts(shipped=2, cancelled=2, open=2)
    assert (ends.shorts, ends.settled) == (6, 4)


def test_without_short_picks_all_counts_are_zero(operations_db: OperationsDatabase) -> None:
    put(operations_db, "1", "SENT", "SHIPPED")
    with operations_db.read() as conn:
        assert counts(conn) == ShortCounts(shipped=0, cancelled=0, open=0)
