"""An order whose submission is uncertain: what happens to it meanwhile still ends right."""

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

import msgspec
import pytest

from assets.outbound.wms_order import WmsOrderHandler, enqueue_orders
from otto_pipelines.sandbox.stories import Story
from resources.operations import outbox_desk
from resources.operations.orders import order_with_items
from resources.wms.errors import WmsContractError, WmsError, WmsRejected


@pytest.mark.parametrize("cancelled", [1, 2], ids=["in part", "whole"])
def test_an_order_cancelled_while_its_submission_was_uncertain_is_cancelled_at_the_warehouse(
    any_shop: Any, cancelled: int
) -> None:
    order = any_shop.new_order(lines=2)
    any_shop.sandbox.wms_wire.lose("POST", "/v1/orders/batch")
    any_shop.sync_orders()
    any_shop.cancel_at_otto(order, order.items[:cancelled])
    any_shop.make_due()
    for _ in range(2):
        any_shop.sync_orders()
    assert [row["state"] for row in any_shop.outbox("wms_order")] == ["confirmed"]
    lines = any_shop.world.warehouse.orders[order.order_id].lines
    gone = {item.item_id for item in order.items[:cancelled]}
    assert {line_id for line_id, line in lines.items() if line.state == "CANCELLED"} == gone


class PartlyDeaf:
    """A warehouse that gives no usable answer about one order."""

    def __init__(self, wms: Any, ref: str, error: WmsError) -> None:
        self._wms, self._ref, self._error = wms, ref, error

    def __getattr__(self, name: str) -> Any:
        return getattr(self._wms, name)

    def get_orders(self, refs: Sequence[str]) -> Any:
        if self._ref in refs:
            raise self._error
        return self._wms.get_orders(refs)


@pytest.mark.parametrize(
    "error",
    [WmsContractError("state 'LIMBO' is unknown"), WmsRejected("HTTP 422 rejected")],
    ids=lambda error: type(error).__name__,
)
def test_an_order_that_the_warehouse_cannot_be_asked_about_does_not_hold_back_the_others(
    shop: Any, error: WmsError
) -> None:
    first, second = shop.new_order(), shop.new_order()
    shop.sandbox.wms_wire.lose("POST", "/v1/orders/batch")
    shop.sync_orders()
    shop.make_due()
    deaf = PartlyDeaf(shop.wms, first.order_id, error)
    handler = WmsOrderHandler(shop.db, deaf, shop.model, shop.clock)
    shop.deliver(handler)
    states = {row["business_key"]: row["state"] for row in shop.outbox("wms_order")}
    assert states == {first.order_id: "sent", second.order_id: "confirmed"}
    [row] = [r for r in shop.outbox("wms_order") if r["business_key"] == first.order_id]
    assert str(error) in row["last_error"]


@pytest.mark.parametrize(("alpha_3", "alpha_2"), [("DEU", "DE"), ("EST", "EE"), ("POL", "PL")])
def test_the_warehouse_gets_the_country_by_its_two_letter_code(
    shop: Any, alpha_3: str, alpha_2: str
) -> None:
    order = shop.new_order()
    order.address["countryCode"] = alpha_3
    shop.sync_orders()
    [batch] = shop.sandbox.wms_wire.posts("/v1/orders/batch")
    assert batch["orders"][0]["ship_to"]["country_code"] == alpha_2


def test_an_order_to_a_country_that_nobody_knows_is_refused_and_the_others_go(shop: Any) -> None:
    odd, good = shop.new_order(), shop.new_order()
    odd.address["countryCode"] = "QQQ"
    shop.sync_orders()
    states = {row["business_key"]: row["state"] for row in shop.outbox("wms_order")}
    assert states == {odd.order_id: "failed", good.order_id: "confirmed"}
    [row] = [r for r in shop.outbox("wms_order") if r["business_key"] == odd.order_id]
    assert "countryCode" in row["reason"]
    assert list(shop.world.warehouse.orders) == [good.order_id]


def test_a_corrected_address_changes_the_payload_hash(shop: Any) -> None:
    order = shop.new_order()
    shop.sync_orders(only=["otto_orders"])
    enqueue_orders(shop.db, datetime.now(UTC))
    handler = WmsOrderHandler(shop.db, shop.wms, shop.model, shop.clock)
    shop.deliver(handler)
    [batch] = shop.sandbox.wms_wire.posts("/v1/orders/batch")
    first = batch["orders"][0]["payload_hash"]
    assert order.order_id == batch["orders"][0]["order_ref"]
    again = handler._outbound(_with_street(shop, order.order_id, "Neue Straße"))
    assert again.payload_hash != first
    assert handler._outbound(_with_street(shop, order.order_id, None)).payload_hash == first


def _with_street(shop: Any, order_id: str, street: str | None) -> dict[str, Any]:
    with shop.db.read() as conn:
        held = order_with_items(conn, order_id)
    if street is not None:
        address = msgspec.json.decode(held["delivery_address"]) | {"street": street}
        held["delivery_address"] = msgspec.json.encode(address).decode()
    return held


def test_an_order_that_the_warehouse_lost_is_sent_again_by_retry(shop: Any) -> None:
    order = shop.new_order(story=Story.ORDER_LOST)
    shop.sync_orders()
    shop.advance(hours=3)
    shop.run("reconcile")
    assert order.order_id not in shop.world.warehouse.orders
    [row] = shop.outbox("wms_order")
    order.story = None
    with shop.db.write() as conn:
        assert outbox_desk.retry_now(conn, [row["id"]], None, datetime.now(UTC)) == 1
    shop.sync_orders()
    assert order.order_id in shop.world.warehouse.orders
    assert [row["state"] for row in shop.outbox("wms_order")] == ["confirmed"]
    assert shop.table("wms_orders")[0]["present"] is True
