"""What OTTO's answers to a shipment report lead to, and how a person gets out of a refusal."""

from datetime import UTC, datetime
from typing import Any

import pytest
import sqlalchemy as sa

from assets.outbound.otto_shipment import OttoShipmentHandler
from otto_pipelines.sandbox.model import SalesOrder
from otto_pipelines.sandbox.stories import Story
from resources.operations.schema import outbox
from resources.otto.wire import ShipFromAddress, ShipmentItem, ShipmentRequest, TrackingKey

RETURN_NUMBER = "221557927533"


def shipment_handler(shop: Any) -> OttoShipmentHandler:
    return OttoShipmentHandler(shop.db, shop.otto, refresh_order=lambda order_id: None)


def released(shop: Any, lines: int = 2) -> tuple[SalesOrder, Any]:
    """One order whose parcel is judged and waits in the outbox."""
    order = shop.new_order(lines=lines)
    shop.sync_orders()
    [parcel] = shop.dispatch(order)
    shop.judge()
    return order, parcel


def told_by_another_program(
    shop: Any, parcel: Any, order: SalesOrder, items: list[Any]
) -> ShipmentRequest:
    """A shipment with the parcel's number that exists at OTTO already."""
    carrier = shop.model.carriers[parcel.raw_carrier].otto_code
    request = ShipmentRequest(
        tracking_key=TrackingKey(carrier=carrier, tracking_number=parcel.number),
        ship_date="2026-06-08T12:00:00.000Z",
        ship_from_address=ShipFromAddress(city="Dresden", country_code="DEU", zip_code="01067"),
        position_items=[
            ShipmentItem(
                position_item_id=item.item_id,
                sales_order_id=order.order_id,
                return_tracking_key=TrackingKey(carrier="DHL", tracking_number=RETURN_NUMBER),
            )
            for item in items
        ],
    )
    shop.otto.create_shipment(request)
    return request


def mark_as_sent(shop: Any) -> None:
    """As a worker leaves a row whose outcome it does not know."""
    with shop.db.write() as conn:
        conn.execute(sa.update(outbox).where(outbox.c.kind == "otto_shipment").values(state="sent"))


def test_a_tracking_number_of_another_order_is_refused_with_a_message(shop: Any) -> None:
    _, parcel = released(shop)
    other = shop.new_order()
    told_by_another_program(shop, parcel, other, other.items)
    result = shop.sync_shipments()
    [row] = shop.outbox("otto_shipment")
    assert row["state"] == "failed"
    assert parcel.number in row["reason"]
    assert "ask the warehouse for the right number" in row["reason"]
    assert len(shop.shipments()) == 1
    [evaluation] = [
        e
        for e in result.get_asset_check_evaluations()
        if e.check_name == "shipments_accepted_by_otto"
    ]
    assert not evaluation.passed


def test_a_corrected_number_takes_a_refused_parcel_out_of_its_dead_end(shop: Any) -> None:
    order, parcel = released(shop)
    other = shop.new_order()
    told_by_another_program(shop, parcel, other, other.items)
    shop.sync_shipments()
    with shop.world.turn() as world:
        world.warehouse.correct_tracking(parcel)
    shop.sync_shipments()
    [row] = shop.outbox("otto_shipment")
    assert (row["state"], row["reason"]) == ("confirmed", None)
    told = {number: sorted(items) for number, items in shop.shipments()}
    assert told[parcel.number] == sorted(item.item_id for item in order.items)
    assert len(told) == 2


def test_a_half_made_shipment_gets_its_missing_items(shop: Any) -> None:
    order, parcel = released(shop, lines=3)
    told_by_another_program(shop, parcel, order, order.items[:1])
    mark_as_sent(shop)
    assert shop.deliver(shipment_handler(shop)) == {"confirmed_by_asking": 1}
    [(number, items)] = shop.shipments()
    assert number == parcel.number
    assert sorted(items) == sorted(item.item_id for item in order.items)


def test_a_report_that_somebody_else_made_is_confirmed_and_not_repeated(shop: Any) -> None:
    order, parcel = released(shop)
    told_by_another_program(shop, parcel, order, order.items)
    assert shop.deliver(shipment_handler(shop)) == {"confirmed": 1}
    assert len(shop.shipments()) == 1


def test_a_refusal_for_good_stays_until_a_person_acts(shop: Any) -> None:
    order = shop.new_order(story=Story.SHIPMENT_REFUSED)
    shop.sync_orders()
    shop.dispatch(order)
    for _ in range(2):
        shop.sync_shipments()
        shop.make_due()
    [row] = shop.outbox("otto_shipment")
    assert row["state"] == "failed"
    assert "INSUFFICIENT_PERMISSION" in row["reason"]
    assert len(shop.sandbox.otto_wire.posts("/v1/shipments")) == 1


@pytest.mark.parametrize("cancelled", [1, 2])
def test_an_item_cancelled_unseen_is_found_by_ottos_refusal_and_the_rest_goes(
    shop: Any, cancelled: int
) -> None:
    order, _ = released(shop, lines=2)
    shop.cancel_at_otto(order, order.items[:cancelled])
    for _ in range(2):
        shop.sync_shipments()
    going = [item.item_id for item in order.items[cancelled:]]
    assert [items for _, items in shop.shipments()] == ([going] if going else [])
    [row] = shop.outbox("otto_shipment")
    assert row["state"] == ("confirmed" if going else "blocked")
    [parcel] = shop.table("parcels")
    assert parcel["state"] == ("released" if going else "parked")
    assert "item_cancelled_at_otto" in parcel["parked_rules"]
    assert datetime.now(UTC) > row["recorded_at"]
