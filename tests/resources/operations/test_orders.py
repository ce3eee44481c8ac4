"""Stored orders: repeated, stale and parallel imports all end in the newest version."""

from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, date, datetime, timedelta
from itertools import permutations
from typing import Any

import pytest
import sqlalchemy as sa

from resources.operations import orders as store
from resources.operations.database import OperationsDatabase
from resources.operations.orders import StoreCounts, store_orders
from resources.operations.outbox import enqueue
from resources.operations.schema import orders, position_items

NOW = datetime(2026, 11, 20, 15, 0, tzinfo=UTC)


def _order(sales_order_id: str, version: int = 1, **values: Any) -> dict[str, Any]:
    changed = NOW - timedelta(days=1) + timedelta(minutes=version)
    return {
        "sales_order_id": sales_order_id,
        "order_number": f"n-{sales_order_id}",
        "ordered_at": NOW - timedelta(days=1),
        "order_day": date(2026, 11, 19),
        "last_modified_at": changed,
        "lifecycle_changed_at": changed,
        "payment_method": "INVOICE",
        "delivery_address": '{"city":"Köln"}',
        "delivery_fee_cents": 590,
        "order_discount_cents": 0,
        "discount_reading": "none",
        "payload_hash": f"v{version}",
        "page_ref": "p",
        **values,
    }


def _item(sales_order_id: str, item: str, status: str = "PROCESSABLE") -> dict[str, Any]:
    empty = dict.fromkeys(c.name for c in position_items.c if c.name != "recorded_at")
    return {
        **empty,
        "sales_order_id": sales_order_id,
        "position_item_id": item,
        "sku": "SKU",
        "vat_rate": "19",
        "currency": "EUR",
        "gross_cents": 1000,
        "item_discount_cents": 0,
        "order_discount_share_cents": 0,
        "buyer_price_cents": 1000,
        "fulfilment_status": status,
    }


def _store(
    db: OperationsDatabase,
    order_rows: list[dict[str, Any]],
    item_rows: list[dict[str, Any]] | None = None,
    now: datetime = NOW,
) -> StoreCounts:
    with db.write() as conn:
        return store_orders(
            conn, _columns(orders, order_rows), _columns(position_items, item_rows or []), now
        )


def _columns(table: sa.Table, rows: list[dict[str, Any]]) -> dict[str, list[Any]]:
    stamps = {"first_seen_at", "recorded_at"}
    names = [column.name for column in table.c if column.name not in stamps]
    return {name: [row[name] for row in rows] for name in names}


def _held(db: OperationsDatabase, sales_order_id: str = "a") -> dict[str, Any]:
    with db.read() as conn:
        return store.order_with_items(conn, sales_order_id)


def test_new_orders_are_stored_with_their_items(operations_db: OperationsDatabase) -> None:
    counts = _store(operations_db, [_order("a"), _order("b")], [_item("a", "2"), _item("a", "1")])
    held = _held(operations_db)
    assert counts == StoreCounts(new=2, changed=0, unchanged=0)
    assert held["delivery_address"] == '{"city":"Köln"}'
    assert (held["first_seen_at"], held["recorded_at"]) == (NOW, NOW)
    assert [item["position_item_id"] for item in held["items"]] == ["1", "2"]
    assert _held(operations_db, "b")["items"] == []


def test_a_repeated_import_touches_nothing(operations_db: OperationsDatabase) -> None:
    _store(operations_db, [_order("a")], [_item("a", "1")])
    before = _held(operations_db)
    later = NOW + timedelta(hours=1)
    counts = _store(operations_db, [_order("a")], [_item("a", "1", "SENT")], later)
    assert counts == StoreCounts(new=0, changed=0, unchanged=1)
    assert _held(operations_db) == before


def test_a_newer_version_replaces_order_and_items_and_keeps_the_first_sight(
    operations_db: OperationsDatabase,
) -> None:
    _store(operations_db, [_order("a")], [_item("a", "1")])
    later = NOW + timedelta(hours=1)
    counts = _store(operations_db, [_order("a", 2)], [_item("a", "1", "SENT")], later)
    held = _held(operations_db)
    assert counts == StoreCounts(new=0, changed=1, unchanged=0)
    assert (held["payload_hash"], held["first_seen_at"], held["recorded_at"]) == ("v2", NOW, later)
    assert [(i["fulfilment_status"], i["recorded_at"]) for i in held["items"]] == [("SENT", later)]


def test_a_version_older_than_ours_changes_neither_order_nor_items(
    operations_db: OperationsDatabase,
) -> None:
    _store(operations_db, [_order("a", 2)], [_item("a", "1", "SENT")])
    before = _held(operations_db)
    counts = _store(operations_db, [_order("a", 1)], [_item("a", "1")], NOW + timedelta(hours=1))
    assert counts == StoreCounts(new=0, changed=0, unchanged=1)
    assert _held(operations_db) == before


def test_with_equal_lifecycle_the_last_modification_decides(
    operations_db: OperationsDatabase,
) -> None:
    older = _order("a", 1, last_modified_at=None)
    newer = _order("a", 1, payload_hash="corrected")
    _store(operations_db, [newer])
    _store(operations_db, [older])
    assert _held(operations_db)["payload_hash"] == "corrected"


@pytest.mark.parametrize("sequence", list(permutations([1, 2, 3])))
def test_one_batch_with_several_versions_of_an_order_stores_the_newest(
    operations_db: OperationsDatabase, sequence: tuple[int, ...]
) -> None:
    counts = _store(operations_db, [_order("a", version) for version in sequence])
    assert counts == StoreCounts(new=1, changed=0, unchanged=0)
    assert _held(operations_db)["payload_hash"] == "v3"


def test_parallel_imports_of_different_versions_end_in_the_newest(
    operations_db: OperationsDatabase,
) -> None:
    refs = [f"o{n}" for n in range(20)]

    def run(version: int) -> StoreCounts:
        rows = [_order(ref, version) for ref in (refs if version % 2 else reversed(refs))]
        items = [_item(ref, "1", f"status {version}") for ref in refs]
        return _store(operations_db, rows, items)

    with ThreadPoolExecutor(4) as pool:
        counts = list(pool.map(run, [3, 1, 4, 2]))
    with operations_db.read() as conn:
        assert set(conn.scalars(sa.select(orders.c.payload_hash))) == {"v4"}
        assert set(conn.scalars(sa.select(position_items.c.fulfilment_status))) == {"status 4"}
    assert sum(count.new for count in counts) == len(refs)


def test_an_address_is_not_lost_when_a_newer_version_has_none(
    operations_db: OperationsDatabase,
) -> None:
    _store(operations_db, [_order("a")])
    _store(operations_db, [_order("a", 2, delivery_address=None)])
    assert _held(operations_db)["delivery_address"] == '{"city":"Köln"}'


def test_only_orders_that_are_ready_and_not_yet_queued_go_to_the_warehouse(
    operations_db: OperationsDatabase,
) -> None:
    statuses = {
        "announced": ["ANNOUNCED"],
        "cancelled": ["CANCELLED_BY_MARKETPLACE"],
        "mixed": ["PROCESSABLE", "ANNOUNCED"],
        "older": ["PROCESSABLE"],
        "partly": ["PROCESSABLE", "CANCELLED_BY_MARKETPLACE", "PROCESSABLE"],
        "queued": ["PROCESSABLE"],
        "sent": ["SENT"],
    }
    rows = [_order(name) for name in statuses]
    rows[3]["ordered_at"] -= timedelta(hours=1)
    items = [
        _item(name, str(n), status)
        for name, of_order in statuses.items()
        for n, status in enumerate(of_order)
    ]
    _store(operations_db, rows, items)
    with operations_db.write() as conn:
        for kind, key in (("wms_order", "queued"), ("otto_shipment", "partly")):
            enqueue(
                conn, kind=kind, business_key=key, order_ref=key, payload={}, priority=0, now=NOW
            )
    with operations_db.read() as conn:
        assert store.processable_without_wms_order(conn) == ["older", "partly"]
        assert store.processable_without_wms_order(conn, limit=1) == ["older"]


def test_an_unknown_order_is_named_with_the_remedy(operations_db: OperationsDatabase) -> None:
    with operations_db.read() as conn, pytest.raises(LookupError, match=r"order x .*import it"):
        store.order_with_items(conn, "x")
