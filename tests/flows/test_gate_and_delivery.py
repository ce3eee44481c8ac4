"""The gate and the delivery of its parcels agree, whoever runs in between."""

from datetime import UTC, datetime
from typing import Any

import sqlalchemy as sa

from assets.outbound.otto_shipment import OttoShipmentHandler
from assets.parcel_gate import judge_parcels
from resources.operations import outbox_desk
from resources.operations.schema import outbox
from resources.otto.errors import OttoTransient


def released(shop: Any, lines: int = 1) -> tuple[Any, Any]:
    """An order whose parcel has left and passed the gate, and is not yet reported."""
    order = shop.new_order(lines=lines)
    shop.sync_orders()
    [parcel] = shop.dispatch(order)
    shop.judge()
    return order, parcel


def test_a_gate_that_judges_between_the_last_look_and_its_record_leaves_no_parcel_behind(
    any_shop: Any,
) -> None:
    order, parcel = released(any_shop, lines=2)
    any_shop.cancel_at_otto(order, order.items[:1])
    any_shop.sync_orders(only=["otto_orders"])

    class OvertakenByAnotherRun(OttoShipmentHandler):
        def send(self, messages: Any) -> Any:
            outcomes = super().send(messages)
            judge_parcels(any_shop.db, any_shop.model, any_shop.clock.now(), datetime.now(UTC))
            return outcomes

    handler = OvertakenByAnotherRun(any_shop.db, any_shop.otto, lambda order_id: None)
    assert any_shop.deliver(handler) == {"blocked": 1}
    any_shop.sync_shipments()
    assert any_shop.shipments() == [(parcel.number, [order.items[1].item_id])]
    assert [row["state"] for row in any_shop.outbox("otto_shipment")] == ["confirmed"]


def test_a_retry_cannot_report_a_parcel_that_the_gate_holds(shop: Any) -> None:
    _, parcel = released(shop)
    with shop.db.write() as conn:
        conn.execute(sa.update(outbox).values(state="failed", reason="OTTO refused it"))
    with shop.world.turn() as world:
        wrong = parcel.wire | {"carrier_code": "DHL-PAKET", "tracking_number": "577546565073"}
        held = world.warehouse.orders[parcel.order_ref]
        world.warehouse.feed.add(
            "TRACKING_CHANGED", held, lines=[], parcels=[wrong], dispatch_id="D-1"
        )
    shop.sync_shipments()
    assert [row["state"] for row in shop.table("parcels")] == ["parked"]
    with shop.db.write() as conn:
        assert outbox_desk.retry_now(conn, None, ["otto_shipment"], datetime.now(UTC)) == 1
    shop.sync_shipments()
    assert shop.sandbox.otto_wire.posts("/v1/shipments") == []
    [row] = shop.outbox("otto_shipment")
    assert row["state"] == "blocked"
    assert "gate" in row["reason"]


def test_an_order_that_cannot_be_read_again_does_not_hold_back_other_parcels(shop: Any) -> None:
    cancelled, _ = released(shop)
    _, good = released(shop)
    shop.cancel_at_otto(cancelled)

    def unreadable(order_id: str) -> None:
        raise OttoTransient(f"OTTO GET /v4/orders/{order_id}: HTTP 503")

    handler = OttoShipmentHandler(shop.db, shop.otto, unreadable)
    assert shop.deliver(handler) == {"retry": 1, "confirmed": 1}
    assert [number for number, _ in shop.shipments()] == [good.number]
    shop.make_due()
    shop.sync_shipments()
    shop.sync_shipments()
    states = {row["order_ref"]: row["state"] for row in shop.outbox("otto_shipment")}
    assert states[cancelled.order_id] == "blocked"
    parked = {row["order_ref"]: row["state"] for row in shop.table("parcels")}
    assert parked[cancelled.order_id] == "parked"
