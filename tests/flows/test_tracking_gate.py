"""The tracking gate in the whole flow: parked, shown, corrected and gone; never half a report."""

from typing import Any

import pytest

from otto_pipelines.sandbox.stories import Story

CANARY = "Kanarienvogel"


def shipped(shop: Any, story: Story | None, lines: int = 1) -> tuple[Any, Any]:
    order = shop.new_order(lines=lines, story=story)
    order.address |= {
        "firstName": CANARY,
        "lastName": CANARY,
        "street": f"{CANARY}weg",
        "email": f"{CANARY}@example.org",
    }
    shop.sync_orders()
    [parcel] = shop.dispatch(order)
    return order, parcel


def rewritten(shop: Any, parcel: Any, **changes: Any) -> None:
    """The warehouse reports the parcel once more, with other facts."""
    with shop.world.turn() as world:
        held = world.warehouse.orders[parcel.order_ref]
        world.warehouse.feed.add(
            "TRACKING_CHANGED", held, lines=[], parcels=[parcel.wire | changes], dispatch_id="D-1"
        )


@pytest.mark.parametrize(
    ("story", "rule"),
    [
        (Story.TRACKING_MISSING, "tracking_number_present"),
        (Story.TRACKING_MALFORMED, "tracking_number_valid"),
        (Story.CARRIER_UNKNOWN, "carrier_known"),
    ],
)
def test_a_parcel_that_breaks_a_rule_is_parked_and_shown_with_its_deadline(
    failing_rows: Any, shop: Any, story: Story, rule: str
) -> None:
    order, parcel = shipped(shop, story)
    result = shop.sync_shipments()
    [row] = failing_rows(result, rule)
    assert (row["parcel_id"], row["sales_order_id"]) == (parcel.parcel_id, order.order_id)
    assert row["ship_by"].startswith("2026-06-")
    assert row["remedy"]
    [parked] = shop.table("parcels")
    assert (parked["state"], parked["deadline_at"] is None) == ("parked", False)
    assert shop.sandbox.otto_wire.posts("/v1/shipments") == []
    assert shop.shipments() == []


@pytest.mark.parametrize("story", [Story.TRACKING_MISSING, Story.TRACKING_MALFORMED])
def test_a_corrected_parcel_goes_by_itself(failing_rows: Any, shop: Any, story: Story) -> None:
    order, parcel = shipped(shop, story, lines=2)
    shop.sync_shipments()
    with shop.world.turn() as world:
        world.warehouse.correct_tracking(parcel)
    result = shop.sync_shipments()
    assert failing_rows(result, "tracking_number_present") == []
    assert failing_rows(result, "tracking_number_valid") == []
    [(number, items)] = shop.shipments()
    assert number == parcel.number
    assert sorted(items) == sorted(item.item_id for item in order.items)


def test_no_personal_data_reaches_the_event_log(shop: Any) -> None:
    for story in (Story.TRACKING_MISSING, Story.SHIPMENT_REFUSED, None):
        shipped(shop, story)
    shop.sandbox.otto_wire.lose("POST", "/v1/shipments")
    results = [shop.sync_shipments(), shop.sync_orders(), shop.run("reconcile")]
    sent = shop.sandbox.wms_wire.posts("/v1/orders/batch")
    assert CANARY in str(sent), "the canary must have travelled through the flow"
    for result in results:
        records = shop.instance.all_logs(result.run_id)
        assert len(records) > 10
        assert [r for r in records if CANARY.lower() in repr(r).lower()] == []
    for table in ("outbox", "outbox_attempts", "quarantine", "sync_runs", "fulfilment_events"):
        assert CANARY not in str(shop.table(table))


def test_items_cancelled_at_otto_stay_out_of_a_mixed_parcel(failing_rows: Any, shop: Any) -> None:
    order, parcel = shipped(shop, None, lines=3)
    shop.cancel_at_otto(order, order.items[:1])
    shop.sync_orders(only=["otto_orders"])
    result = shop.sync_shipments()
    [(number, items)] = shop.shipments()
    assert number == parcel.number
    assert sorted(items) == sorted(item.item_id for item in order.items[1:])
    [row] = failing_rows(result, "item_cancelled_at_otto")
    assert row["parcel_id"] == parcel.parcel_id
    assert "1 of 3 items" in row["reason"]


def test_a_missing_return_number_is_taken_from_the_pool_once(shop: Any) -> None:
    _, parcel = shipped(shop, Story.RETURN_NUMBER_MISSING)
    rewritten(shop, parcel, tracking_number=None)
    for _ in range(2):
        shop.sync_shipments()
        assert [row["state"] for row in shop.table("parcels")] == ["parked"]
    with shop.world.turn() as world:
        world.warehouse.correct_tracking(parcel)
    shop.sync_shipments()
    taken = [row for row in shop.table("return_numbers") if row["parcel_id"]]
    assert [row["parcel_id"] for row in taken] == [parcel.parcel_id]
    [body] = shop.sandbox.otto_wire.posts("/v1/shipments")
    key = {"carrier": "DHL", "trackingNumber": taken[0]["number"]}
    assert [item["returnTrackingKey"] for item in body["positionItems"]] == [key]


def test_an_empty_pool_parks_the_parcel(failing_rows: Any, open_shop: Any, sqlite_db: Any) -> None:
    shop = open_shop(sqlite_db, return_shipping={"carrier": "DHL", "number_pool": ()})
    _, parcel = shipped(shop, Story.RETURN_NUMBER_MISSING)
    [row] = failing_rows(shop.sync_shipments(), "return_key_present")
    assert row["parcel_id"] == parcel.parcel_id
    assert "number_pool" in row["remedy"]
    assert shop.shipments() == []


def test_a_wrong_check_digit_is_told_to_the_warehouse_and_not_to_otto(
    failing_rows: Any, shop: Any
) -> None:
    _, parcel = shipped(shop, None)
    rewritten(shop, parcel, carrier_code="DHL-PAKET", tracking_number="577546565073")
    [row] = failing_rows(shop.sync_shipments(), "tracking_number_valid")
    assert "'577546565073'" in row["reason"]
    assert "check digit" in row["reason"]
    assert shop.shipments() == []
    rewritten(shop, parcel, carrier_code="DHL-PAKET", tracking_number="577546565072")
    shop.sync_shipments()
    assert [number for number, _ in shop.shipments()] == ["577546565072"]


def test_a_parcel_whose_item_is_sent_already_is_parked_and_not_reported_again(
    failing_rows: Any, shop: Any
) -> None:
    order = shop.new_order()
    shop.sync_orders()
    with shop.world.turn() as world:
        world._send_in_portal(order)
    shop.sync_orders()
    shop.dispatch(order)
    [row] = failing_rows(shop.sync_shipments(), "items_processable")
    assert "1 of 1 items are SENT" in row["reason"]
    assert len(shop.shipments()) == 1
    assert shop.outbox("otto_shipment") == []


def test_every_report_that_leaves_holds_all_facts(shop: Any) -> None:
    stories = [
        None,
        Story.TRACKING_MISSING,
        Story.TRACKING_MALFORMED,
        Story.CARRIER_UNKNOWN,
        Story.RETURN_NUMBER_MISSING,
        Story.SHIPMENT_REFUSED,
    ]
    for story in stories:
        shipped(shop, story, lines=2)
    shop.sync_shipments()
    bodies = shop.sandbox.otto_wire.posts("/v1/shipments")
    assert len(bodies) == 3
    known = {carrier.otto_code for carrier in shop.model.carriers.values()}
    for body in bodies:
        assert body["trackingKey"]["carrier"] in known
        assert body["trackingKey"]["trackingNumber"]
        assert body["shipDate"]
        assert body["shipFromAddress"] == {
            "city": "Dresden",
            "zipCode": "01067",
            "countryCode": "DEU",
        }
        assert len(body["positionItems"]) == 2
        for item in body["positionItems"]:
            assert item["positionItemId"]
            assert item["salesOrderId"]
            assert item["returnTrackingKey"]["trackingNumber"]


def test_a_number_that_cannot_be_checked_goes_with_a_warning_that_is_shown_for_some_days(
    shop: Any,
) -> None:
    _, parcel = shipped(shop, None)
    rewritten(shop, parcel, carrier_code="DHL-PAKET", tracking_number="JJD014600003000123456")
    result = shop.sync_shipments()
    assert [number for number, _ in shop.shipments()] == ["JJD014600003000123456"]

    def shown(run: Any) -> Any:
        checks = run.get_asset_check_evaluations()
        return next(check for check in checks if check.check_name == "tracking_number_valid")

    warning = shown(result)
    assert (warning.passed, warning.severity.value) == (False, "WARN")
    [row] = [dict(record.data) for record in warning.metadata["rows"].records]
    assert row["parcel_id"] == parcel.parcel_id
    assert "no check digit" in row["reason"]
    shop.advance(days=4)
    assert shown(shop.sync_shipments()).passed
