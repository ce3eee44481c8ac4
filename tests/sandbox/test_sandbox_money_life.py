"""A run with returns, reductions and planted faults of money: the ledger says what there is."""

from collections import Counter
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec
import pytest

from otto_pipelines.sandbox.clock import VirtualClock
from otto_pipelines.sandbox.config import SandboxConfig, SandboxError
from otto_pipelines.sandbox.money_faults import BREAK_OF_MONEY_FAULT, MoneyFault
from otto_pipelines.sandbox.world import World

SCOPES = "orders shipments returns receipts price-reduction"
BUSY = {
    "orders": 150,
    "days": 2,
    "data_fault_rate": 0.01,
    "returns_share": 0.3,
    "hard_returns_share": 0.2,
    "reductions_share": 0.15,
    "voucher_share": 0.1,
    "service_share": 0.05,
    "money_faults": 1,
    "return_after_hours": 8,
    "return_transit_hours": 10,
}


def _accept_what_came(seller: Any, cursor: str | None) -> str:
    page = seller.wms.get("/v1/returns", params={"cursor": cursor} if cursor else {}).json()
    for receipt in page["receipts"]:
        items = [
            {
                "salesOrderId": receipt["order_ref"],
                "positionItemId": line["line_id"],
                "condition": "B",
                "reason": "RETURN_RECEIVED",
            }
            for line in receipt["lines"]
            if line["line_id"] and line["condition"] != "UNKNOWN"
        ]
        if items:
            seller.otto.post("/v3/returns/acceptance", json={"positionItems": items})
    return str(page["next_cursor"])


def _run(seller: Any) -> None:
    cursor = None
    for _ in range(24 * 8 // 4):
        seller.advance(hours=4)
        seller.log_in(SCOPES)
        seller.work()
        cursor = _accept_what_came(seller, cursor)


@pytest.fixture(scope="module")
def finished(selling: Callable[..., Any]) -> Iterator[Any]:
    with selling(**BUSY) as seller:
        _run(seller)
        yield seller


def _faults(seller: Any) -> list[dict[str, Any]]:
    lines = seller.control("ledger")["breaks"]
    return [line for line in lines if line["fault"] in set(MoneyFault)]


def _item(seller: Any, fault: MoneyFault) -> Any:
    (line,) = [line for line in _faults(seller) if line["fault"] == fault]
    items = seller.control("money")["position_items"]
    return next(i for i in items if i["position_item_id"] == line["position_item_id"])


def test_each_fault_is_planted_once_and_never_two_in_one_order(finished: Any) -> None:
    lines = _faults(finished)
    assert Counter(line["fault"] for line in lines) == Counter(MoneyFault)
    assert {line["kind"] for line in lines} == set(BREAK_OF_MONEY_FAULT.values())
    orders = Counter(line["sales_order_id"] for line in lines)
    assert max(orders.values()) == 1
    injected = finished.control("truth")["money"]["injected"]
    assert injected == Counter(line["kind"] for line in lines)
    everything = finished.control("ledger")["breaks"]
    touched = {line["sales_order_id"] for line in lines} - {""}
    others = {ln["sales_order_id"] for ln in everything if ln["fault"] not in set(MoneyFault)}
    assert touched.isdisjoint(others)


def test_buyers_did_what_buyers_do_and_the_world_came_to_rest(finished: Any) -> None:
    truth = finished.control("truth")
    money = truth["money"]
    assert truth["idle"]
    assert money["returns"]["ACCEPTED"] > 20
    assert money["returns"]["REJECTED"] == 1
    assert money["price_reductions"]["PROCESSED"] > 10
    assert money["wms_return_receipts"] > 20
    assert money["receipts"]["REFUND"] > 15


def test_where_nothing_is_planted_receipts_say_what_the_buyer_paid(finished: Any) -> None:
    planted = {line["sales_order_id"] for line in _faults(finished)}
    checked = 0
    for item in finished.control("money")["position_items"]:
        if item["sales_order_id"] in planted:
            continue
        given_back = item["refunded_cents"] + item["partially_refunded_cents"]
        if item["otto_status"] == "RETURNED":
            assert item["purchased_cents"] == item["buyer_price_cents"] == given_back
        elif item["otto_status"] == "SENT":
            assert item["purchased_cents"] == item["buyer_price_cents"]
            assert item["refunded_cents"] == 0
            assert (given_back > 0) == ("PROCESSED" in item["reductions"])
        else:
            assert item["purchased_cents"] == given_back == 0
        checked += 1
    assert checked > 150


def test_faults_of_receipts_are_what_they_are_called(finished: Any) -> None:
    withheld = _item(finished, MoneyFault.RECEIPT_WITHHELD)
    assert (withheld["otto_status"], withheld["purchased_cents"]) == ("SENT", 0)
    over = _item(finished, MoneyFault.RECEIPT_OVERCHARGED)
    assert over["purchased_cents"] == over["buyer_price_cents"] + 100
    misstated = _item(finished, MoneyFault.DISCOUNT_MISSTATED)
    assert misstated["purchased_cents"] == misstated["buyer_price_cents"]
    (twice,) = [ln for ln in _faults(finished) if ln["fault"] == MoneyFault.DELIVERY_FEE_TWICE]
    order_id = twice["sales_order_id"]
    fee = finished.sandbox.world.market.orders[order_id].fee_cents
    assert finished.control("money")["delivery_fees"][order_id] == 2 * fee


def test_a_misstated_discount_leaves_the_amount_to_pay_alone(finished: Any) -> None:
    world = finished.sandbox.world
    (line,) = [ln for ln in _faults(finished) if ln["fault"] == MoneyFault.DISCOUNT_MISSTATED]
    order = world.market.orders[line["sales_order_id"]]
    item = next(i for i in order.items if i.item_id == line["position_item_id"])
    receipts = finished.receipts(salesOrderId=order.order_id, receiptTypes="PURCHASE")
    (position,) = [
        position
        for receipt in receipts
        for position in receipt["lineItems"]["itemPositions"]
        if item.item_id in position["positionItemIds"]
    ]
    assert position["positionItemIds"] == [item.item_id]
    charge = world.money.billing.charge(order, item)
    named = sum(
        round(100 * float(part["priceModificationAmount"]["gross"]["amount"]))
        for part in position["priceModifications"]
    )
    assert 0 <= named < charge.own_cents + sum(cents for _, cents in charge.shares)
    (to_pay,) = position["priceToPayPerPositionItems"]
    assert round(100 * float(to_pay["priceToPay"]["gross"]["amount"])) == charge.to_pay_cents


def test_faults_of_refunds_are_what_they_are_called(finished: Any) -> None:
    other = _item(finished, MoneyFault.REFUND_OTHER_AMOUNT)
    assert other["refunded_cents"] == other["purchased_cents"] - 100
    missing = _item(finished, MoneyFault.REFUND_WITHHELD)
    assert (missing["return_status"], missing["refunded_cents"]) == ("ACCEPTED", 0)
    unasked = _item(finished, MoneyFault.REFUND_UNASKED)
    assert (unasked["otto_status"], unasked["return_status"]) == ("SENT", None)
    assert unasked["refunded_cents"] == unasked["purchased_cents"]
    rejected = _item(finished, MoneyFault.REJECTED_REFUNDED)
    assert (rejected["otto_status"], rejected["return_status"]) == ("SENT", "REJECTED")
    assert rejected["refunded_cents"] == rejected["purchased_cents"]


def test_faults_of_reductions_are_what_they_are_called(finished: Any) -> None:
    world = finished.sandbox.world
    for fault, surplus in (
        (MoneyFault.REDUCTION_OTHER_AMOUNT, 1),
        (MoneyFault.REDUCTION_WITHOUT_RECEIPT, None),
    ):
        item = _item(finished, fault)
        (reduction,) = world.money.reductions.of_item[item["position_item_id"]]
        assert reduction.status == "PROCESSED"
        found = finished.otto.get(f"/v3/receipts/{reduction.receipt_number}").status_code
        expected = 0 if surplus is None else reduction.cents + surplus
        assert (found, item["partially_refunded_cents"]) == (
            404 if surplus is None else 200,
            expected,
        )
    unasked = _item(finished, MoneyFault.PARTIAL_REFUND_UNASKED)
    assert unasked["partially_refunded_cents"] > 0
    assert unasked["reductions"] == []


def test_the_wms_books_one_line_in_a_foreign_currency(finished: Any) -> None:
    (line,) = [ln for ln in _faults(finished) if ln["fault"] == MoneyFault.WMS_CURRENCY]
    params = {"ref": line["sales_order_id"]}
    (order,) = finished.wms.get("/v1/orders", params=params).json()["orders"]
    currencies = {held["line_id"]: held["currency"] for held in order["lines"]}
    assert currencies.pop(line["position_item_id"]) == "CHF"
    assert set(currencies.values()) <= {"EUR"}


def test_a_blind_return_names_no_order_no_number_and_no_unit(finished: Any) -> None:
    (line,) = [ln for ln in _faults(finished) if ln["fault"] == MoneyFault.BLIND_RETURN]
    receipts = finished.wms.get("/v1/returns", params={"limit": 1000}).json()["receipts"]
    (blind,) = [r for r in receipts if r["order_ref"] is r["return_tracking_number"] is None]
    assert line["sales_order_id"] == ""
    assert line["position_item_id"] == blind["receipt_id"]
    assert [unit["line_id"] for unit in blind["lines"]] == [None]


def test_the_feed_holds_every_kind_of_return(finished: Any) -> None:
    receipts = finished.wms.get("/v1/returns", params={"limit": 1000}).json()["receipts"]
    lines = [line for receipt in receipts for line in receipt["lines"]]
    assert {"NEW", "MINT", "UNKNOWN"} <= {line["condition"] for line in lines}
    assert {"USED_HEAVY", "DEFECT", "MISSING"} & {line["condition"] for line in lines}
    seen = Counter(receipt["receipt_id"] for receipt in receipts)
    assert max(seen.values()) == 2
    assert any(line["line_id"] is None for line in lines)


@pytest.mark.parametrize("fault", [f for f in MoneyFault if f is not MoneyFault.BLIND_RETURN])
def test_a_fault_can_be_planted_in_an_order_of_ones_own(
    open_sandbox: Callable[..., Any], fault: MoneyFault
) -> None:
    seller = open_sandbox()
    seller.log_in(SCOPES)
    world = seller.sandbox.world
    while True:
        order = seller.new_order()
        answer = seller.otto.post(
            "/_sandbox/money/faults",
            json={"sales_order_id": order["salesOrderId"], "fault": fault},
        )
        if answer.status_code == 200:
            break
        assert answer.status_code == 409
    seller.send(order)
    cursor = None
    for _ in range(30):
        seller.advance(hours=4)
        seller.log_in(SCOPES)
        cursor = _accept_what_came(seller, cursor)
    assert {(line["sales_order_id"], line["fault"]) for line in _faults(seller)} == {
        (order["salesOrderId"], fault)
    }
    assert world.sim.idle


def _history(**settings: Any) -> tuple[bytes, bytes]:
    """All receipts and the ledger of a run in which only the portal sells."""
    start = datetime(2026, 6, 8, tzinfo=UTC)
    config = SandboxConfig(start=start, **(BUSY | settings))
    world = World(config, VirtualClock(start, 0))
    for hours in range(0, 24 * 8, 6):
        world.advance(start + timedelta(hours=hours))
        _confirm_everything(world)
    receipts = [(r.number, r.created_at, r.gross_cents) for r in world.money.billing.book]
    return msgspec.json.encode(receipts), msgspec.json.encode(world.ledger.as_json())


def _confirm_everything(world: World) -> None:
    for order in list(world.market.orders.values()):
        items = [item for item in order.items if item.status == "PROCESSABLE"]
        if items and order.story is None:
            named = [
                {
                    "positionItemId": item.item_id,
                    "salesOrderId": order.order_id,
                    "returnTrackingKey": {"carrier": "DHL", "trackingNumber": order.number},
                }
                for item in items
            ]
            world.market.create_shipments(
                [
                    {
                        "trackingKey": {"carrier": "DHL", "trackingNumber": order.number},
                        "shipDate": "2026-06-08T12:00:00Z",
                        "shipFromAddress": {"zipCode": "01067", "countryCode": "DEU"},
                        "positionItems": named,
                    }
                ]
            )


def test_equal_settings_make_equal_money() -> None:
    assert _history() == _history()
    assert _history() != _history(seed=8)


def test_money_leaves_the_rest_of_a_world_as_it_was(
    finished: Any, open_sandbox: Callable[..., Any]
) -> None:
    quiet = {name: 0 for name in BUSY if name.endswith(("_share", "_faults"))}
    still = open_sandbox(**(BUSY | quiet))
    _run(still)
    assert finished.events == still.events
    faults = set(MoneyFault)
    breaks = finished.sandbox.world.ledger.breaks
    assert [
        line for line in breaks if line.fault not in faults
    ] == still.sandbox.world.ledger.breaks
    ended = [
        [(item.item_id, item.status) for item in order.items]
        for order in still.sandbox.world.market.orders.values()
    ]
    assert ended == [
        [
            (item.item_id, "SENT" if item.status == "RETURNED" else item.status)
            for item in order.items
        ]
        for order in finished.sandbox.world.market.orders.values()
    ]


def test_without_settings_nothing_of_money_is_planted_or_sent_back(
    open_sandbox: Callable[..., Any],
) -> None:
    seller = open_sandbox(orders=60, days=1)
    for _ in range(40):
        seller.advance(hours=4)
        seller.log_in(SCOPES)
        seller.work()
    money = seller.control("truth")["money"]
    assert set(money["receipts"]) == {"PURCHASE"}
    assert money["receipts"]["PURCHASE"] > 40
    assert money["returns"] == money["price_reductions"] == money["injected"] == {}
    assert money["wms_return_receipts"] == 0


@pytest.mark.parametrize(
    "settings",
    [
        {"returns_share": 1.5},
        {"reductions_share": -0.1},
        {"money_faults": -1},
        {"return_after_hours": -1},
        {"discounts_are": "unknown"},
    ],
)
def test_settings_that_make_no_money_are_refused_by_name(settings: dict[str, Any]) -> None:
    with pytest.raises(SandboxError, match=next(iter(settings))):
        SandboxConfig(**settings)


@pytest.mark.parametrize(
    ("path", "body", "status"),
    [
        ("returns/announce", {"sales_order_id": "none"}, 400),
        ("returns/accept", {"reason": "NICE_WEATHER"}, 400),
        ("returns/receive", {"condition": "EATEN"}, 400),
        ("returns/receive", {"position_item_ids": ["none"]}, 400),
        ("returns/regrade", {"receipt_id": "none"}, 400),
        ("price-reductions", {"amount_cents": 0}, 400),
        ("money/faults", {"fault": "none"}, 400),
    ],
)
def test_controls_of_money_say_what_is_wrong(
    seller: Any, path: str, body: dict[str, Any], status: int
) -> None:
    order = seller.new_order()
    seller.send(order)
    answer = seller.otto.post(
        f"/_sandbox/{path}", json={"sales_order_id": order["salesOrderId"]} | body
    )
    assert answer.status_code == status
    assert answer.json()["error"]


def test_controls_refuse_what_an_item_forbids(seller: Any) -> None:
    order = seller.new_order()
    body = {"sales_order_id": order["salesOrderId"], "amount_cents": 100}
    for path in ("price-reductions", "returns/announce", "returns/accept"):
        assert seller.otto.post(f"/_sandbox/{path}", json=body).status_code == 409
