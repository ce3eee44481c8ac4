"""Decisions on returns and price reductions, against the sandbox's OTTO and its warehouse."""

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from assets.money_import import (
    import_receipts,
    import_reductions,
    import_return_shipments,
    import_returns,
    store_wms_return_page,
)
from assets.order_import import import_orders
from assets.outbound.otto_price_reduction import (
    OttoPriceReductionHandler,
    ReductionNotPossible,
    request_reduction,
)
from assets.outbound.otto_return import OttoReturnHandler, enqueue_decision, enqueue_decisions
from assets.outbound.otto_shipment import OttoShipmentHandler
from assets.outbound.wms_order import WmsOrderHandler, enqueue_orders
from otto_pipelines.sandbox.returns_life import Known
from resources.operations.price_reductions import ReductionRequest
from resources.operations.returns import PERSON, ReturnDecision
from resources.operations.wms_returns import match_units
from resources.otto.orders import OrdersQuery
from resources.otto.receipts import ReceiptsQuery

ACCEPT, REDUCE = "/v3/returns/acceptance", "/v1/price-reductions"
NEW = ("NEW", "RESTOCK", None)


def sent_order(shop: Any, lines: int = 1) -> Any:
    """An order whose units left the warehouse and are SENT at OTTO."""
    order = shop.new_order(lines)
    read_orders(shop)
    enqueue_orders(shop.db, datetime.now(UTC))
    shop.deliver(WmsOrderHandler(shop.db, shop.wms, shop.model, shop.clock))
    shop.dispatch(order)
    shop.judge()
    assert shop.deliver(OttoShipmentHandler(shop.db, shop.otto, lambda _: None)) == {"confirmed": 1}
    shop.advance(minutes=10)
    read_orders(shop)
    return order


def read_orders(shop: Any) -> None:
    import_orders(shop.otto.order_pages(OrdersQuery()), shop.db, shop.model, shop.clock.now())


def receive(shop: Any, order: Any, items: list[Any], *findings: Any) -> str:
    """The units come back; the receipt is read, stored and matched."""
    with shop.world.turn() as world:
        found = [findings[0] if findings else NEW] * len(items)
        receipt = world.money.life.receive(order, items, found, None, Known.UNIT)
    poll(shop)
    return str(receipt.receipt_id)


def poll(shop: Any) -> None:
    now = shop.clock.now()
    with shop.db.write() as conn:
        store_wms_return_page(conn, shop.wms.poll_returns(None), now)
        match_units(conn, lambda sku: sku, now)


def returns_handler(shop: Any) -> OttoReturnHandler:
    return OttoReturnHandler(shop.db, shop.otto.returns, within_seconds=60)


def reductions_handler(shop: Any, **values: Any) -> OttoPriceReductionHandler:
    return OttoPriceReductionHandler(shop.db, shop.otto.price_reductions, **values)


def cases(shop: Any) -> dict[str, str]:
    return {key: case.status for key, case in shop.world.money.desk.cases.items()}


def states(shop: Any, kind: str) -> list[str]:
    return sorted(row["state"] for row in shop.outbox(kind))


def by_person(order: Any, item: Any, decision: str, reason: str) -> ReturnDecision:
    return ReturnDecision(
        sales_order_id=order.order_id,
        position_item_id=item.item_id,
        decision="ACCEPT" if decision == "ACCEPT" else "REJECT",
        condition="E",
        reason=reason,
        basis=PERSON,
        decided_by="Eva",
        decided_at=datetime(2026, 6, 8, 10, 30, tzinfo=UTC),
    )


def decide(shop: Any, decision: ReturnDecision) -> bool:
    with shop.db.write() as conn:
        return enqueue_decision(conn, decision, shop.clock.now())


def test_what_came_back_in_good_condition_is_accepted_once_and_refunded(shop: Any) -> None:
    order = sent_order(shop, 2)
    receipt_id = receive(shop, order, order.items)
    assert enqueue_decisions(shop.db, shop.model, shop.clock.now()) == {"accept": 2}
    assert enqueue_decisions(shop.db, shop.model, shop.clock.now()) == {}
    assert shop.deliver(returns_handler(shop)) == {"confirmed": 2}
    assert [len(body["positionItems"]) for body in shop.sandbox.otto_wire.posts(ACCEPT)] == [2]
    assert set(cases(shop).values()) == {"ACCEPTED"}
    assert {row["basis"] for row in shop.table("return_decisions")} == {receipt_id}

    shop.advance(minutes=10)
    now = shop.clock.now()
    import_returns(shop.otto.returns.pages(), shop.db, now)
    import_receipts(shop.otto.receipts.pages(ReceiptsQuery()), shop.db, now)
    assert {row["status"] for row in shop.table("otto_returns")} == {"ACCEPTED"}
    bought, refunded = (
        sorted(
            (row["position_item_id"], row["amount_cents"])
            for row in shop.table("receipt_lines")
            if row["kind"] == "item" and row["receipt_number"].startswith(start)
        )
        for start in ("R-", "E-")
    )
    prices = [(r["position_item_id"], r["buyer_price_cents"]) for r in shop.table("position_items")]
    assert bought == refunded == sorted(prices)
    assert shop.table("quarantine") == []


def test_what_the_rules_do_not_decide_waits_for_a_person(shop: Any) -> None:
    order = sent_order(shop)
    receive(shop, order, order.items, ("DEFECT", "SCRAP", None))
    assert enqueue_decisions(shop.db, shop.model, shop.clock.now()) == {"person": 1}
    assert shop.outbox("otto_return") == []
    assert decide(shop, by_person(order, order.items[0], "REJECT", "ITEM_DAMAGED"))
    assert shop.deliver(returns_handler(shop)) == {"confirmed": 1}
    assert set(cases(shop).values()) == {"REJECTED"}
    assert decide(shop, by_person(order, order.items[0], "ACCEPT", "COMPLAINT"))
    assert shop.deliver(returns_handler(shop)) == {"confirmed": 1}
    assert set(cases(shop).values()) == {"ACCEPTED"}


def test_an_acceptance_whose_answer_was_lost_is_found_and_not_sent_again(shop: Any) -> None:
    order = sent_order(shop, 2)
    receive(shop, order, order.items)
    enqueue_decisions(shop.db, shop.model, shop.clock.now())
    shop.sandbox.otto_wire.lose("POST", ACCEPT)
    assert shop.deliver(returns_handler(shop)) == {"unknown": 2}
    shop.make_due()
    assert shop.deliver(returns_handler(shop)) == {"confirmed_by_asking": 2}
    assert len(shop.sandbox.otto_wire.posts(ACCEPT)) == 1


def test_a_unit_that_otto_accepted_by_itself_counts_as_done(shop: Any) -> None:
    order = sent_order(shop, 2)
    receive(shop, order, order.items)
    enqueue_decisions(shop.db, shop.model, shop.clock.now())
    with shop.world.turn() as world:
        world.market.mark_returned(order, order.items[0], by_marketplace=True)
    assert shop.deliver(returns_handler(shop)) == {"confirmed": 2}


def test_a_rejection_of_an_accepted_unit_fails_for_a_person_to_see(shop: Any) -> None:
    order = sent_order(shop)
    decide(shop, by_person(order, order.items[0], "REJECT", "WRONG_ITEM"))
    with shop.world.turn() as world:
        world.market.mark_returned(order, order.items[0], by_marketplace=True)
    assert shop.deliver(returns_handler(shop)) == {"refused": 1}
    [row] = shop.outbox("otto_return")
    assert row["state"] == "failed"
    assert "Already Accepted" in row["reason"]


def test_nothing_leaves_whose_basis_was_withdrawn_or_replaced(shop: Any) -> None:
    order = sent_order(shop, 2)
    receive(shop, order, [order.items[0]])
    enqueue_decisions(shop.db, shop.model, shop.clock.now())
    with shop.world.turn() as world:
        dock = world.money.dock
        [held] = dock.receipts.values()
        [line] = held.lines
        other = type(line)(line.sku, 1, "NEW", "RESTOCK", order.items[1].item_id, None)
        dock.grade(held, [other])
    poll(shop)
    decide(shop, by_person(order, order.items[1], "REJECT", "EXCHANGE"))
    decide(shop, by_person(order, order.items[1], "ACCEPT", "COMPLAINT"))
    found = shop.deliver(returns_handler(shop))
    assert found == {"blocked": 1, "dropped": 1, "confirmed": 1}
    assert cases(shop) == {order.items[1].item_id: "ACCEPTED"}
    unfounded = replace(by_person(order, order.items[0], "REJECT", "EXCHANGE"), basis="RCV-404")
    with pytest.raises(ValueError, match="does not name this unit"):
        decide(shop, unfounded)


def request(shop: Any, order: Any, request_id: str, cents: int = 100, item: int = 0) -> bool:
    wanted = ReductionRequest(
        request_id=request_id,
        sales_order_id=order.order_id,
        position_item_id=order.items[item].item_id,
        amount_cents=cents,
        currency="EUR",
        reason="scratched",
        requested_by="Eva",
        requested_at=shop.clock.now(),
    )
    with shop.db.write() as conn:
        return request_reduction(conn, wanted, shop.clock.now())


def test_what_is_asked_for_by_a_business_clock_that_is_ahead_leaves_at_once(shop: Any) -> None:
    order = sent_order(shop, 2)
    later = datetime.now(UTC) + timedelta(days=1)
    shop.clock.now = lambda: later
    assert decide(shop, by_person(order, order.items[0], "ACCEPT", "COMPLAINT"))
    assert request(shop, order, "r1", item=1)
    assert shop.deliver(returns_handler(shop)) == {"confirmed": 1}
    assert shop.deliver(reductions_handler(shop)) == {"accepted": 1}


def settled(shop: Any, handler: OttoPriceReductionHandler, rounds: int = 1) -> dict[str, int]:
    """Deliver again with every back-off over, so many times; the last result."""
    found: dict[str, int] = {}
    for _ in range(rounds):
        shop.make_due()
        found = shop.deliver(handler)
    return found


def test_a_reduction_is_confirmed_only_when_otto_has_processed_it(shop: Any) -> None:
    order, handler = sent_order(shop), reductions_handler(shop)
    assert request(shop, order, "q1", 250)
    assert not request(shop, order, "q1", 250)
    assert shop.deliver(handler) == {"accepted": 1}
    assert settled(shop, handler) == {"accepted_by_asking": 1}
    shop.advance(days=1)
    assert settled(shop, handler) == {"confirmed_by_asking": 1}
    now = shop.clock.now()
    import_reductions(shop.otto.price_reductions.pages(), shop.db, now)
    import_receipts(shop.otto.receipts.pages(ReceiptsQuery()), shop.db, now)
    [shown] = shop.table("price_reductions")
    assert (shown["status"], shown["amount_cents"]) == ("PROCESSED", 250)
    [line] = [r for r in shop.table("receipt_lines") if r["kind"] == "item_partial_refund"]
    assert (line["receipt_number"], line["amount_cents"]) == (shown["receipt_number"], 250)
    assert len(shop.sandbox.otto_wire.posts(REDUCE)) == 1


def test_a_rejected_reduction_fails_with_its_reason(shop: Any) -> None:
    order, handler = sent_order(shop), reductions_handler(shop)
    request(shop, order, "q1")
    with shop.world.turn() as world:
        left = world.money.billing.remaining_cents(order, order.items[0])
        world.money.reductions.ask(order, order.items[0], left - 50)
    shop.deliver(handler)
    shop.advance(days=1)
    assert settled(shop, handler) == {"accepted_by_asking": 1}
    assert settled(shop, handler) == {"refused_by_asking": 1}
    [row] = shop.outbox("otto_price_reduction")
    assert row["state"] == "failed"
    assert "OTTO rejected the reduction" in row["reason"]


def test_two_equal_reductions_of_one_unit_are_two_and_each_has_its_own(shop: Any) -> None:
    order, handler = sent_order(shop), reductions_handler(shop)
    request(shop, order, "q1")
    request(shop, order, "q2")
    assert shop.deliver(handler) == {"accepted": 1, "retry": 1}
    for _ in range(3):
        settled(shop, handler)
    shop.advance(days=1)
    settled(shop, handler, rounds=2)
    assert states(shop, "otto_price_reduction") == ["confirmed", "confirmed"]
    assert len({row["result"] for row in shop.outbox("otto_price_reduction")}) == 2
    assert [row.status for row in shop.world.money.reductions] == ["PROCESSED", "PROCESSED"]


@pytest.mark.parametrize("had_effect", [True, False])
def test_a_reduction_whose_answer_was_lost_happens_once(shop: Any, had_effect: bool) -> None:
    order = sent_order(shop)
    request(shop, order, "q1")
    careful = reductions_handler(shop)
    if had_effect:
        shop.sandbox.otto_wire.lose("POST", REDUCE)
    else:
        lose_before_effect(shop)
    assert shop.deliver(careful) == {"unknown": 1}
    first = settled(shop, careful)
    assert first == ({"accepted_by_asking": 1} if had_effect else {"unknown_by_asking": 1})
    hasty = reductions_handler(shop, certain_after=timedelta(0))
    settled(shop, hasty)
    shop.advance(days=1)
    settled(shop, hasty, rounds=2)
    assert states(shop, "otto_price_reduction") == ["confirmed"]
    assert [row.status for row in shop.world.money.reductions] == ["PROCESSED"]


def lose_before_effect(shop: Any) -> None:
    """The next reduction breaks off at the server before it does anything."""
    wire = shop.sandbox.otto_wire
    app: Callable[[Any], Any] = wire._app

    def once(asked: Any) -> Any:
        if (asked.method, asked.path) != ("POST", REDUCE):
            return app(asked)
        wire._app = app
        answer = app(type(asked)(**{**vars(asked), "method": "GET"}))
        return type(answer)(502)

    wire._app = once


def test_what_otto_would_refuse_is_not_even_written_down(shop: Any) -> None:
    order = sent_order(shop)
    with pytest.raises(ReductionNotPossible, match="below what is left"):
        request(shop, order, "q1", 10_000_000)
    with shop.world.turn() as world:
        world.market.mark_returned(order, order.items[0], by_marketplace=True)
    request(shop, order, "q2")
    assert shop.deliver(reductions_handler(shop)) == {"refused": 1}
    [row] = shop.outbox("otto_price_reduction")
    assert "has been returned" in row["reason"]
    read_orders(shop)
    with pytest.raises(ReductionNotPossible, match="RETURNED at OTTO"):
        request(shop, order, "q3")
    assert [row["request_id"] for row in shop.table("price_reduction_requests")] == ["q2"]


def test_a_blind_return_is_matched_once_the_buyers_parcel_is_known(shop: Any) -> None:
    order = sent_order(shop)
    with shop.world.turn() as world:
        number = world.warehouse.spare_number()[1]
        world.money.life.receive(order, order.items, [NEW], number, Known.PARCEL)
    poll(shop)
    assert enqueue_decisions(shop.db, shop.model, shop.clock.now()) == {}
    with shop.world.turn() as world:
        world.money.desk.announce(order, order.items, "DHL", number)
    since = shop.clock.now() - timedelta(days=1)
    import_return_shipments(shop.otto.returns.shipments(since), shop.db, shop.clock.now())
    poll(shop)
    assert enqueue_decisions(shop.db, shop.model, shop.clock.now()) == {"accept": 1}
