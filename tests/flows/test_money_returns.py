"""Returns through the project's own jobs: read from both sides, decided, told to OTTO once."""

from collections.abc import Callable
from typing import Any

import pytest

from assets.outbound.otto_return import OttoReturnHandler
from otto_pipelines.sandbox.returns_life import Known
from tests.flows.test_money_outbound import ACCEPT, NEW, cases, sent_order, states

REJECT = "/v3/returns/rejection"
Rows = Callable[..., list[dict[str, Any]]]


def announce(shop: Any, order: Any) -> str:
    with shop.world.turn() as world:
        number = world.warehouse.spare_number()[1]
        world.money.desk.announce(order, order.items, "DHL", number)
    return str(number)


def receive(
    shop: Any, order: Any, *findings: Any, known: Known = Known.UNIT, number: str | None = None
) -> str:
    """The order's units are booked in; nothing is read yet."""
    with shop.world.turn() as world:
        found = [findings[0] if findings else NEW] * len(order.items)
        receipt = world.money.life.receive(order, order.items, found, number, known)
    return str(receipt.receipt_id)


def decide(shop: Any, order: Any, decision: str, reason: str, **options: Any) -> Any:
    """Start the job with a person's decision on each item of the order."""
    given = [
        {
            "sales_order_id": order.order_id,
            "position_item_id": item.item_id,
            "decision": decision,
            "condition": "E",
            "reason": reason,
            "decided_by": "Eva",
        }
        for item in order.items
    ]
    config = {"ops": {"return_decisions": {"config": {"by_person": given}}}}
    return shop.run("decide_returns", config=config, **options)


def refunds(shop: Any) -> list[str]:
    """Units that OTTO has paid back, as often as it did."""
    return sorted(
        unit.item.item_id
        for receipt in shop.world.money.billing.book
        if receipt.type == "REFUND"
        for unit in receipt.units
    )


def counts(result: Any, asset: str) -> dict[str, Any]:
    [event] = result.asset_materializations_for_node(asset)
    return {name: value.value for name, value in event.metadata.items()}


def test_nothing_is_decided_before_the_warehouse_has_the_unit(
    any_shop: Any, failing_rows: Rows
) -> None:
    order = sent_order(any_shop, 2)
    number = announce(any_shop, order)
    result = any_shop.run("sync_returns")
    assert counts(result, "otto_returns")["rows_new"] == 2
    assert counts(result, "otto_return_shipments")["rows_new"] == 1
    assert any_shop.table("return_decisions") == []

    receipt_id = receive(any_shop, order, known=Known.PARCEL, number=number)
    result = any_shop.run("sync_returns")
    assert counts(result, "wms_returns")["units_matched"] == 2
    assert counts(result, "return_decisions")["accepted_by_rule"] == 2
    assert counts(result, "otto_return_decisions")["confirmed"] == 2
    assert failing_rows(result, "returned_units_decided") == []
    assert {row["basis"] for row in any_shop.table("return_decisions")} == {receipt_id}
    assert set(cases(any_shop).values()) == {"ACCEPTED"}

    any_shop.run("sync_returns")
    any_shop.advance(minutes=10)
    assert {row["status"] for row in any_shop.table("otto_returns")} == {"ACCEPTED"}
    assert len(any_shop.sandbox.otto_wire.posts(ACCEPT)) == 1
    assert refunds(any_shop) == sorted(item.item_id for item in order.items)


def test_an_acceptance_whose_answer_was_lost_refunds_once(shop: Any) -> None:
    order = sent_order(shop)
    receive(shop, order)
    shop.sandbox.otto_wire.lose("POST", ACCEPT)
    shop.run("sync_returns")
    assert states(shop, "otto_return") == ["sent"]
    shop.make_due()
    result = shop.run("decide_returns")
    assert counts(result, "otto_return_decisions")["confirmed_by_asking"] == 1
    shop.advance(minutes=10)
    assert len(shop.sandbox.otto_wire.posts(ACCEPT)) == 1
    assert refunds(shop) == [order.items[0].item_id]


class Crash(Exception):
    """The process ends here."""


def test_a_crash_between_acceptance_and_record_refunds_once(
    shop: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    order = sent_order(shop)
    receive(shop, order)
    send = OttoReturnHandler.send

    def crash(handler: OttoReturnHandler, messages: Any) -> Any:
        send(handler, messages)
        raise Crash

    with monkeypatch.context() as patch:
        patch.setattr(OttoReturnHandler, "send", crash)
        assert not shop.run("sync_returns", must_succeed=False).success
    assert states(shop, "otto_return") == ["sent"]
    assert set(cases(shop).values()) == {"ACCEPTED"}
    shop.make_due()
    shop.run("decide_returns")
    shop.advance(minutes=10)
    assert states(shop, "otto_return") == ["confirmed"]
    assert len(shop.sandbox.otto_wire.posts(ACCEPT)) == 1
    assert refunds(shop) == [order.items[0].item_id]


def test_what_no_rule_decides_is_shown_and_a_person_rejects_and_later_accepts_it(
    shop: Any, failing_rows: Rows
) -> None:
    order = sent_order(shop)
    receive(shop, order, ("DEFECT", "SCRAP", "R07"))
    [shown] = failing_rows(shop.run("sync_returns"), "returned_units_decided")
    assert (shown["position_item_id"], shown["condition"]) == (order.items[0].item_id, "DEFECT")
    assert shown["warehouse reason"] == "R07"

    result = decide(shop, order, "REJECT", "ITEM_DAMAGED")
    assert failing_rows(result, "returned_units_decided") == []
    assert set(cases(shop).values()) == {"REJECTED"}
    result = decide(shop, order, "ACCEPT", "COMPLAINT")
    assert counts(result, "return_decisions")["by_person"] == 1
    assert set(cases(shop).values()) == {"ACCEPTED"}
    assert states(shop, "otto_return") == ["confirmed", "confirmed"]
    [decision] = shop.table("return_decisions")
    assert (decision["decision"], decision["basis"], decision["decided_by"]) == (
        "ACCEPT",
        "person",
        "Eva",
    )


def test_a_decision_that_cannot_be_carried_out_stops_all_of_its_run(shop: Any) -> None:
    order = sent_order(shop, 2)
    decide(shop, order, "ACCEPT", "SHIPMENT_LOST")
    shop.run("sync_returns")
    other = sent_order(shop)
    wrong = [
        ({"sales_order_id": other.order_id}, "not in the operations database"),
        ({"decision": "REJECT", "reason": "WRONG_ITEM"}, "accepted at OTTO already"),
        ({"reason": "ITEM_DAMAGED"}, "none of OTTO's to ACCEPT"),
        ({"decided_by": " "}, "say who decides"),
    ]
    base = {
        "sales_order_id": order.order_id,
        "position_item_id": order.items[0].item_id,
        "decision": "ACCEPT",
        "condition": "A",
        "reason": "RETURN_RECEIVED",
        "decided_by": "Eva",
    }
    good = base | {
        "sales_order_id": other.order_id,
        "position_item_id": other.items[0].item_id,
    }
    given = [good, *(base | change for change, _ in wrong)]
    config = {"ops": {"return_decisions": {"config": {"by_person": given}}}}
    result = shop.run("decide_returns", config=config, must_succeed=False)
    assert not result.success
    [failure] = [e for e in result.all_node_events if e.is_step_failure]
    said = failure.event_specific_data.error_display_string
    assert [words for _, words in wrong if words not in said] == []
    assert len(shop.table("return_decisions")) == 2
    assert len(shop.outbox("otto_return")) == 2


def test_one_bad_item_of_a_request_costs_only_itself(shop: Any, failing_rows: Rows) -> None:
    order = sent_order(shop, 2)
    with shop.world.turn() as world:
        world.market.mark_returned(order, order.items[0], by_marketplace=True)
    result = decide(shop, order, "REJECT", "WRONG_ITEM")
    assert counts(result, "otto_return_decisions") == {
        "decisions": 2,
        "confirmed": 1,
        "refused": 1,
    }
    [body] = shop.sandbox.otto_wire.posts(REJECT)
    assert len(body["positionItems"]) == 2
    [row] = failing_rows(result, "decisions_accepted_by_otto")
    assert order.items[0].item_id in row["business_key"]
    assert "Already Accepted" in row["reason"]
    assert cases(shop)[order.items[1].item_id] == "REJECTED"


def test_a_unit_of_unknown_owner_is_shown_and_never_decided(shop: Any, failing_rows: Rows) -> None:
    receipt_id = receive(shop, sent_order(shop), known=Known.PARCEL)
    result = shop.run("sync_returns")
    [row] = failing_rows(result, "returned_units_have_an_owner")
    assert row["receipt"] == receipt_id
    assert shop.table("return_decisions") == []
    assert failing_rows(result, "returned_units_decided") == []


def test_changes_of_returns_are_read_once_and_open_ones_each_time(shop: Any) -> None:
    order = sent_order(shop)
    announce(shop, order)
    assert counts(shop.run("sync_returns"), "otto_returns")["rows_new"] == 1
    shop.advance(days=2)
    again = counts(shop.run("sync_returns"), "otto_returns")
    assert (again["rows_read"], again["rows_unchanged"]) == (2, 2)
    before = shop.table("otto_returns")
    everything = {"ops": {"otto_returns": {"config": {"everything": True}}}}
    shop.run("sync_returns", config=everything)
    assert shop.table("otto_returns") == before


@pytest.mark.parametrize("job", ["sync_returns", "sync_prices", "reduce_prices"])
def test_each_asset_can_be_materialised_alone_with_its_own_checks(shop: Any, job: str) -> None:
    definition = shop.definitions.resolve_job_def(job)
    for key in definition.asset_layer.executable_asset_keys:
        result = shop.run(job, only=[key.to_user_string()])
        assert {event.asset_key for event in result.get_asset_materialization_events()} == {key}
        checked = {e.asset_key for e in result.get_asset_check_evaluations()}
        assert checked == {key}
