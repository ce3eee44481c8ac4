"""Which parcel of a unit customer care is shown, and by which numbers an order is found."""

from resources.operations import care_rows
from resources.operations.care_rows import UnitRow
from resources.operations.database import OperationsDatabase
from tests.assets.exceptions.books import HOUR, NOW, at_wms, message, parcel
from tests.resources.operations.money_books import put_order


def unit_of(db: OperationsDatabase, order: str) -> UnitRow:
    with db.read() as conn:
        [unit] = care_rows.units_of(conn, [order])
    return unit


def test_of_several_parcels_the_one_whose_number_otto_holds_counts_else_the_latest(
    operations_db: OperationsDatabase,
) -> None:
    for order, at_otto in (("told", "AB 1-2"), ("untold", None), ("other", "X9")):
        put_order(operations_db, order, {"i1": {"otto_tracking_number": at_otto}})
        at_wms(operations_db, order, i1="SHIPPED")
        first, second = f"{order} 1", f"{order} 2"
        parcel(operations_db, first, order, "i1", tracking_number="ab12")
        parcel(operations_db, second, order, "i1", tracking_number="CD34", shipped_at=NOW - HOUR)
        message(operations_db, "otto_shipment", first, order, "confirmed")
    chosen = {order: unit_of(operations_db, order).parcel for order in ("told", "untold", "other")}
    shown = {order: p and (p.parcel_id, p.confirmation_state) for order, p in chosen.items()}
    assert shown == {
        "told": ("told 1", "confirmed"),
        "untold": ("untold 2", None),
        "other": ("other 2", None),
    }


def test_an_order_without_anything_from_the_warehouse_is_read_as_such(
    operations_db: OperationsDatabase,
) -> None:
    put_order(operations_db, "o", {"i1": {"fulfilment_status": "PROCESSABLE"}}, order_number="n")
    put_order(operations_db, "p", {"i1": {}}, order_number="n")
    unit = unit_of(operations_db, "o")
    assert (unit.wms_status, unit.parcel, unit.submission_state) == (None, None, None)
    assert (unit.wms_denies, unit.received_back) == (False, False)
    with operations_db.read() as conn:
        assert [h.sales_order_id for h in care_rows.orders_named(conn, "n")] == ["o", "p"]
        assert [h.order_number for h in care_rows.orders_named(conn, "o")] == ["n"]
        assert care_rows.orders_named(conn, "q") == []
