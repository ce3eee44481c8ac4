"""Exceptions in the Dagster UI and the terminal: the list as an asset, and jobs that act on it."""

import json
from collections.abc import Callable
from dataclasses import replace
from typing import Any

from otto_pipelines.definitions import build_definitions
from otto_pipelines.sandbox.stories import Story
from tests.assets.exceptions import books


def taxed(order: Any, rate: int) -> None:
    """OTTO shows all units of the order with this VAT rate."""
    for item in order.items:
        item.product = replace(item.product, vat_rate=rate)
    order.rendered = None


def listed(shop: Any) -> dict[str, Any]:
    """Metadata of the asset `exceptions`, just materialised."""
    result = shop.run("list_exceptions")
    [event] = result.asset_materializations_for_node("exceptions")
    return dict(event.metadata)


def rows(metadata: dict[str, Any]) -> list[dict[str, Any]]:
    return [dict(record.data) for record in metadata["first_rows"].records]


def launched(shop: Any, job: str, op: str, **config: Any) -> Any:
    return shop.run(job, config={"ops": {op: {"config": config}}}, must_succeed=False)


def why(result: Any) -> str:
    [failure] = [event for event in result.all_events if event.is_step_failure]
    return str(failure.step_failure_data.user_failure_data.description)


def test_the_list_is_an_asset_with_rows_and_numbers_and_its_jobs_act_on_it(shop: Any) -> None:
    refused = shop.new_order(story=Story.SHIPMENT_REFUSED)
    parked = shop.new_order(story=Story.TRACKING_MISSING)
    shop.sync_orders()
    for order in (refused, parked):
        shop.dispatch(order)
    shop.sync_shipments()
    found = listed(shop)
    shown = {row["kind"]: row for row in rows(found)}
    assert set(shown) == {"otto_shipment", "parcel_parked"}
    assert found["exceptions"].value == 2
    assert found["kind_parcel_parked"].value == found["owner_warehouse"].value == 1
    items = shop.table("position_items")
    assert found["at_risk_cents"].value == sum(item["buyer_price_cents"] for item in items)
    assert found["when_overdue"].value + found["when_within_24_h"].value <= 2

    # As the launchpad stands, all that can be sent again is due, and is delivered by its flow.
    retried = shop.run("retry_exceptions", must_succeed=False)
    assert retried.success
    assert [row["state"] for row in shop.outbox("otto_shipment")] == ["retrying"]

    decision = {"ids": [shown["parcel_parked"]["id"]], "reason": "", "person": "Eva"}
    assert "who decides and why" in why(launched(shop, "ignore_exceptions", "ignore", **decision))
    decision["reason"] = "the buyer got another one"
    assert launched(shop, "ignore_exceptions", "ignore", **decision).success
    assert [row["kind"] for row in rows(listed(shop))] == []
    assert launched(shop, "reopen_exceptions", "reopen", **decision).success
    assert [row["kind"] for row in rows(listed(shop))] == ["parcel_parked"]


def test_checks_are_green_again_once_a_parcel_sent_elsewhere_is_let_be(
    failing_rows: Any, shop: Any
) -> None:
    reason = "1 of 1 items are SENT at OTTO"
    rules = json.dumps([{"rule": "items_processable", "reason": reason, "remedy": "look"}])
    books.parcel(shop.db, "p", "o", "i1", state="parked", parked_rules=rules)
    books.message(shop.db, "otto_shipment", "p", "o", "blocked", reason="the gate holds it")
    before = shop.run("check_shipments")
    assert [row["parcel_id"] for row in failing_rows(before, "items_processable")] == ["p"]
    assert failing_rows(before, "shipments_accepted_by_otto") == []
    [row] = rows(listed(shop))
    decision = {"ids": [row["id"]], "reason": "sent with another parcel", "person": "Eva"}
    assert launched(shop, "ignore_exceptions", "ignore", **decision).success
    after = shop.run("check_shipments")
    assert failing_rows(after, "items_processable") == []


def test_the_launchpad_shows_all_that_can_be_filled_in() -> None:
    definitions = build_definitions()
    shown = {
        name: definitions.resolve_job_def(name).run_config
        for name in ("retry_exceptions", "ignore_exceptions", "reopen_exceptions", "pull_order")
    }
    decision = {"ids": [], "reason": "", "person": ""}
    assert shown == {
        "retry_exceptions": {"ops": {"retry": {"config": {"ids": [], "kinds": []}}}},
        "ignore_exceptions": {"ops": {"ignore": {"config": decision}}},
        "reopen_exceptions": {"ops": {"reopen": {"config": decision}}},
        "pull_order": {"ops": {"pull": {"config": {"sales_order_ids": []}}}},
    }


def test_an_order_is_pulled_anew_whatever_the_watermark_says(shop: Any) -> None:
    order = shop.new_order(announced=True)
    shop.sync_orders()
    with shop.world.turn() as world:
        world.market.release(order)
    shop.sandbox.otto_wire.requests.clear()
    assert launched(shop, "pull_order", "pull", sales_order_ids=[order.order_id]).success
    assert [r.path for r in shop.sandbox.otto_wire.requests] == [f"/v4/orders/{order.order_id}"]
    assert {i["fulfilment_status"] for i in shop.table("position_items")} == {"PROCESSABLE"}
    assert [row["state"] for row in shop.outbox("wms_order")] == ["pending"]

    assert "no order is named" in why(shop.run("pull_order", must_succeed=False))
    refused = launched(shop, "pull_order", "pull", sales_order_ids=["unknown", order.order_id])
    assert "1 of 2 order(s) are not in order: unknown unread" in why(refused)


def test_an_order_in_quarantine_leaves_it_when_it_is_pulled_in_order(
    command: Callable[..., tuple[int, str]], shop: Any
) -> None:
    order = shop.new_order()
    taxed(order, 12)
    shop.sync_orders()
    code, said = command("errors", "pull", order.order_id)
    assert code == 1
    assert f"{order.order_id}  quarantined: vat_rate_known" in said
    [row] = json.loads(command("errors", "list", "--json", "--owner", "finance")[1])
    assert (row["kind"], row["actions"]) == ("order_not_imported", "pull ignore")
    taxed(order, 19)
    code, said = command("errors", "pull", order.order_id)
    assert (code, said.strip()) == (0, f"{order.order_id}  new")
    assert json.loads(command("errors", "list", "--json")[1]) == []


def test_a_person_ignores_reopens_and_looks_back_in_a_terminal(
    command: Callable[..., tuple[int, str]], shop: Any
) -> None:
    order = shop.new_order(story=Story.TRACKING_MISSING)
    shop.sync_orders()
    shop.dispatch(order)
    shop.sync_shipments()
    [row] = json.loads(command("errors", "list", "--json", "--kind", "parcel_parked")[1])
    code, said = command("errors", "list", "--limit", "1")
    assert code == 0
    assert f"errors ignore {row['id']} --reason" in said
    assert "1 exception(s); at risk" in said

    ignored = command("errors", "ignore", row["id"], "--reason", "by hand", "--by", "Eva")
    assert ignored == (0, f"ignored: {row['id']}\n")
    assert command("errors", "list")[1].strip() == "nothing waits for a person"
    code, said = command("errors", "ignore", row["id"], "--reason", "again", "--by", "Eva")
    assert (code, "is not open" in said) == (2, True)
    assert command("errors", "reopen", row["id"], "--reason", "no", "--by", "Finn")[0] == 0
    told = json.loads(command("errors", "history", "--json")[1])
    assert [(each["action"], each["decided_by"]) for each in told] == [
        ("reopen", "Finn"),
        ("ignore", "Eva"),
    ]
    assert "2 decision(s)" in command("errors", "history")[1]
