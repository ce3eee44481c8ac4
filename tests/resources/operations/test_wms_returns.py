"""Whose unit came back: by line, by order and SKU, by tracking number, or nobody's for now."""

from datetime import timedelta
from typing import Any

import pytest

from resources.operations.bulk import upsert
from resources.operations.columns import metadata
from resources.operations.database import OperationsDatabase
from resources.operations.held import Kept
from resources.operations.returns import undecided_units
from resources.operations.wms_returns import Matched, match_units, store_wms_returns
from resources.wms.port import Condition, Disposition, ReturnedLine, ReturnReceipt
from tests.resources.operations.money_books import NOW, put_order, table

LATER = NOW + timedelta(hours=1)


def line(sku: str = "A", quantity: int = 1, **values: Any) -> ReturnedLine:
    fields: dict[str, Any] = {
        "condition": Condition.NEW,
        "disposition": Disposition.RESTOCK,
        **values,
    }
    return ReturnedLine(sku=sku, quantity=quantity, **fields)


def receipt(*lines: ReturnedLine, receipt_id: str = "R1", **values: Any) -> ReturnReceipt:
    fields: dict[str, Any] = {"received_at": NOW, **values}
    return ReturnReceipt(receipt_id=receipt_id, lines=lines, **fields)


def stored(db: OperationsDatabase, *receipts: ReturnReceipt, now: Any = NOW) -> Kept:
    with db.write() as conn:
        return store_wms_returns(conn, receipts, now)


def matched(db: OperationsDatabase, now: Any = NOW) -> tuple[int, int]:
    with db.write() as conn:
        found = match_units(conn, lambda sku: sku.removeprefix("W-"), now)
    assert found == Matched(found.matched, found.blind)
    return found.matched, found.blind


def owners(db: OperationsDatabase) -> list[tuple[str | None, str | None]]:
    rows = table(db, "wms_return_units")
    return [(row["sales_order_id"], row["position_item_id"]) for row in rows]


def put(db: OperationsDatabase, name: str, **row: Any) -> None:
    found = metadata.tables[name]
    empty = {column.name: None for column in found.c}
    keys = [column.name for column in found.primary_key]
    with db.write() as conn:
        upsert(conn, found, [{**empty, "recorded_at": NOW, **row}], keys)


def announce(db: OperationsDatabase, item: str, **columns: Any) -> None:
    values = {"status": "ANNOUNCED", "occurred_at": NOW, "announced_at": NOW, **columns}
    put(db, "otto_returns", sales_order_id="o", position_item_id=item, **values)


def test_a_line_that_the_warehouse_names_is_the_owner(operations_db: OperationsDatabase) -> None:
    put_order(operations_db, "o", {"i1": {}, "i2": {}})
    stored(operations_db, receipt(line(line_id="i2")))
    assert matched(operations_db) == (1, 0)
    assert owners(operations_db) == [("o", "i2")]
    assert matched(operations_db) == (0, 0)


def test_a_line_of_another_order_than_the_receipt_names_is_nobodys(
    operations_db: OperationsDatabase,
) -> None:
    put_order(operations_db, "o", {"i1": {}})
    stored(operations_db, receipt(line(line_id="i1"), order_ref="another"))
    assert matched(operations_db) == (0, 1)


def test_one_unit_of_the_order_and_the_sku_is_the_owner(operations_db: OperationsDatabase) -> None:
    others = {"i2": {"sku": "B"}, "i3": {"fulfilment_status": "PROCESSABLE"}}
    put_order(operations_db, "o", {"i1": {}, **others})
    stored(operations_db, receipt(line("W-A"), order_ref="o"))
    assert matched(operations_db) == (1, 0)
    assert owners(operations_db) == [("o", "i1")]


def test_all_equal_units_of_an_order_are_paired_off(operations_db: OperationsDatabase) -> None:
    put_order(operations_db, "o", {"i1": {}, "i2": {}})
    used = line(condition=Condition.USED_HEAVY)
    stored(operations_db, receipt(line(), used, order_ref="o"))
    assert matched(operations_db) == (2, 0)
    assert owners(operations_db) == [("o", "i1"), ("o", "i2")]


def test_units_of_different_price_and_condition_are_not_guessed(
    operations_db: OperationsDatabase,
) -> None:
    put_order(operations_db, "o", {"i1": {}, "i2": {"buyer_price_cents": 1994}})
    used = line(condition=Condition.USED_HEAVY)
    stored(operations_db, receipt(line(), used, order_ref="o"))
    assert matched(operations_db) == (0, 2)
    stored(operations_db, receipt(line(quantity=2), order_ref="o"), now=LATER)
    assert matched(operations_db) == (2, 0)


def test_one_of_several_units_is_that_which_the_buyer_announced(
    operations_db: OperationsDatabase,
) -> None:
    put_order(operations_db, "o", {"i1": {}, "i2": {}, "i3": {}})
    stored(operations_db, receipt(line(), order_ref="o"))
    assert matched(operations_db) == (0, 1)
    announce(operations_db, "i2")
    assert matched(operations_db) == (1, 0)
    assert owners(operations_db) == [("o", "i2")]


def test_a_unit_that_has_come_back_is_not_the_owner_of_another(
    operations_db: OperationsDatabase,
) -> None:
    put_order(operations_db, "o", {"i1": {}})
    stored(operations_db, receipt(line(line_id="i1")))
    assert matched(operations_db) == (1, 0)
    stored(operations_db, receipt(line(), order_ref="o", receipt_id="R2"))
    assert matched(operations_db) == (0, 1)


@pytest.mark.parametrize("told_by", ["return", "parcel", "dispatch"])
def test_a_blind_unit_is_found_by_the_number_of_its_parcel(
    operations_db: OperationsDatabase, told_by: str
) -> None:
    put_order(operations_db, "o", {"i1": {}, "i2": {"sku": "B"}})
    if told_by == "return":
        announce(operations_db, "i1", tracking_numbers='["6", "7"]')
    elif told_by == "parcel":
        shipment = {"carrier": "DHL", "tracking_number": "7", "created_at": NOW}
        state = {"state": "DELIVERED", "state_at": NOW}
        put(operations_db, "return_shipments", return_shipment_id="s", **shipment, **state)
        item = {"sales_order_id": "o", "position_item_id": "i1"}
        put(operations_db, "return_shipment_items", return_shipment_id="s", **item)
    else:
        parcel = {"order_ref": "o", "shipped_at": NOW, "state": "released"}
        put(operations_db, "parcels", parcel_id="p", return_tracking_number="7", **parcel)
        with operations_db.write() as conn:
            rows = [{"parcel_id": "p", "line_id": item, "quantity": 1} for item in ("i1", "i2")]
            upsert(conn, metadata.tables["parcel_lines"], rows, ["parcel_id", "line_id"])
    stored(operations_db, receipt(line(), return_tracking_number="7"))
    stored(operations_db, receipt(line(), return_tracking_number="8", receipt_id="R2"))
    stored(operations_db, receipt(line(), receipt_id="R3"))
    assert matched(operations_db) == (1, 2)
    assert owners(operations_db) == [("o", "i1"), (None, None), (None, None)]


def test_a_receipt_that_comes_again_changes_nothing_and_keeps_its_owners(
    operations_db: OperationsDatabase,
) -> None:
    put_order(operations_db, "o", {"i1": {}})
    assert stored(operations_db, receipt(line(), order_ref="o")) == Kept(new=1)
    matched(operations_db)
    before = table(operations_db, "wms_return_units")
    assert stored(operations_db, receipt(line(), order_ref="o"), now=LATER) == Kept(unchanged=1)
    assert table(operations_db, "wms_return_units") == before


def test_a_later_grading_changes_units_and_withdraws_those_it_does_not_name(
    operations_db: OperationsDatabase,
) -> None:
    put_order(operations_db, "o", {"i1": {}, "i2": {}})
    unknown = line(quantity=2, condition=Condition.UNKNOWN, disposition=Disposition.QUARANTINE)
    stored(operations_db, receipt(unknown, order_ref="o"))
    assert matched(operations_db) == (2, 0)
    graded = receipt(line(condition=Condition.MINT), order_ref="o")
    assert stored(operations_db, graded, now=LATER) == Kept(changed=1)
    assert [
        (row["unit_no"], row["condition"], row["position_item_id"], row["withdrawn_at"])
        for row in table(operations_db, "wms_return_units")
    ] == [(1, "MINT", "i1", None), (2, "UNKNOWN", "i2", LATER)]
    assert stored(operations_db, graded, now=LATER + timedelta(1)) == Kept(unchanged=1)


def test_a_unit_waits_for_a_decision_until_anybody_made_one(
    operations_db: OperationsDatabase,
) -> None:
    items = {f"i{n}": {} for n in range(1, 5)} | {"i5": {"fulfilment_status": "RETURNED"}}
    put_order(operations_db, "o", items)
    announce(operations_db, "i2")
    announce(operations_db, "i3", status="ACCEPTED")
    lines = [line(line_id=item) for item in items]
    stored(operations_db, receipt(*lines, order_ref="o"))
    matched(operations_db)
    decided = {"decision": "REJECT", "condition": "E", "reason": "WRONG_ITEM", "basis": "person"}
    by = {"decided_by": "Eva", "decided_at": NOW}
    key = {"sales_order_id": "o", "position_item_id": "i4"}
    put(operations_db, "return_decisions", **key, **decided, **by)
    with operations_db.read() as conn:
        waiting = undecided_units(conn)
    assert [unit.position_item_id for unit in waiting] == ["i1", "i2"]
    assert [unit.announced_at for unit in waiting] == [None, NOW]
    assert waiting[0].condition is Condition.NEW
