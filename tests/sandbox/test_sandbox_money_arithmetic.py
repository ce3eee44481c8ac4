"""Every receipt is exact to the cent, whatever the basket, and spreads discounts as the product."""

import random
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from assets.rules import discounts as product_rules
from otto_pipelines.sandbox import pricing
from otto_pipelines.sandbox.billing import Billing
from otto_pipelines.sandbox.catalogue import PRODUCTS
from otto_pipelines.sandbox.clock import VirtualClock
from otto_pipelines.sandbox.config import SandboxConfig
from otto_pipelines.sandbox.generator import make_order
from otto_pipelines.sandbox.model import Discount, Item, SalesOrder, Shipment
from otto_pipelines.sandbox.money_faults import MoneyFaults
from otto_pipelines.sandbox.otto_wire import encode
from otto_pipelines.sandbox.receipts import Receipt, ReceiptType
from otto_pipelines.sandbox.receipts_wire import receipt_json
from otto_pipelines.sandbox.simulation import Simulation

START = datetime(2026, 6, 8, tzinfo=UTC)


@st.composite
def baskets(draw: st.DrawFn) -> SalesOrder:
    """Orders with any prices, equal units, and up to three discounts over several items."""
    order = make_order(random.Random(draw(st.integers(0, 999))), START)
    names = [f"item-{place}" for place in range(draw(st.integers(1, 7)))]
    order.items = []
    while len(order.items) < len(names):
        product = draw(st.sampled_from(PRODUCTS))
        gross = draw(st.integers(1, 99_999))
        own = draw(st.integers(0, gross // 3))
        for _ in range(draw(st.integers(1, 3))):
            if len(order.items) < len(names):
                name = names[len(order.items)]
                order.items.append(Item(name, product, gross, own, START + timedelta(days=4)))
    order.fee_cents = draw(st.sampled_from((0, 395, 595)))
    order.discounts = []
    for number in range(draw(st.integers(0, 3))):
        chosen = draw(st.lists(st.sampled_from(names), min_size=1, unique=True))
        worth = sum(item.reduced_cents for item in order.items if item.item_id in chosen)
        cents = draw(st.integers(0, worth // 9))
        order.discounts.append(Discount(f"d{number}", "Rabatt", cents, tuple(chosen)))
    return order


def _billing(**settings: Any) -> Billing:
    config = SandboxConfig(start=START, **settings)
    sim = Simulation(config, VirtualClock(START, 0))
    return Billing(sim, MoneyFaults(sim))


def _shipment(number: int) -> Shipment:
    address = {"zipCode": "01067", "countryCode": "DEU", "city": "Dresden"}
    return Shipment(f"s{number}", START, 0.0, "DHL", f"T{number}", "2026-06-08", address, [])


def _cents(amount: dict[str, Any]) -> int:
    cents = Decimal(str(amount["amount"])) * 100
    assert cents == int(cents)
    return int(cents)


def _on_wire(receipt: Receipt) -> Any:
    return msgspec.json.decode(encode(receipt_json(receipt)))


def _check_document(body: Any) -> int:
    """Each line adds up, the totals tie, VAT is whole. Returns the gross total."""
    lines = body["lineItems"]
    whole = 0
    for line in lines["itemPositions"]:
        parts = sum(
            _cents(m["priceModificationAmount"]["gross"]) for m in line["priceModifications"]
        )
        position = _cents(line["positionSum"]["gross"])
        assert _cents(line["unitPrice"]["gross"]) * line["quantity"] - parts == position
        assert line["quantity"] == len(line["positionItemIds"])
        if body["receiptType"] == "PURCHASE":
            named = line["priceToPayPerPositionItems"]
            assert position == sum(
                _cents(part["priceToPay"]["gross"]) * len(part["positionItemIds"]) for part in named
            )
            ids = [item for part in named for item in part["positionItemIds"]]
            assert sorted(ids) == sorted(line["positionItemIds"])
        whole += position
    for line in lines["itemPartialRefundPositions"]:
        whole += _cents(line["partialRefundAmount"]["gross"])
    for line in lines["deliveryCosts"] + lines["servicePositions"]:
        whole += _cents(line["positionSum"]["gross"])
    assert sum(_cents(total["gross"]) for total in body["totals"]) == whole
    for total in body["totals"]:
        assert _cents(total["net"]) + _cents(total["tax"]) == _cents(total["gross"])
    numbers = [line["lineNumber"] for group in lines.values() for line in group]
    assert numbers == list(range(1, len(numbers) + 1))
    return whole


@settings(max_examples=120, deadline=None)
@given(
    order=baskets(),
    reading=st.sampled_from(("on_top", "included")),
    data=st.data(),
)
def test_what_buyers_paid_is_what_receipts_say_less_what_they_got_back(
    order: SalesOrder, reading: str, data: st.DataObject
) -> None:
    if reading == "included":
        pricing.take_in_discounts(order)
    billing = _billing(discounts_are=reading, voucher_share=0.5, service_share=0.5)
    cuts = data.draw(
        st.lists(st.integers(0, 2), min_size=len(order.items), max_size=len(order.items))
    )
    sent: dict[int, list[Item]] = {}
    for item, cut in zip(order.items, cuts, strict=True):
        sent.setdefault(cut, []).append(item)
    for number, items in sent.items():
        billing.purchase(order, _shipment(number), items)
    owed = {item.item_id: billing.charge(order, item).to_pay_cents for item in order.items}
    shown = sum(item.reduced_cents for item in order.items)
    off = sum(discount.cents for discount in order.discounts) if reading == "on_top" else 0
    assert sum(owed.values()) == shown - off

    for item in order.items:
        left = billing.remaining_cents(order, item)
        if left > 1 and data.draw(st.booleans()):
            billing.partial_refund(order, item, data.draw(st.integers(1, left - 1)))
    returned = [item for item in order.items if data.draw(st.booleans())]
    if returned:
        billing.refund(order, returned)

    total = dict.fromkeys(ReceiptType, 0)
    paid: dict[str, int] = dict.fromkeys(owed, 0)
    for receipt in billing.book:
        total[receipt.type] += _check_document(_on_wire(receipt))
        sign = 1 if receipt.type is ReceiptType.PURCHASE else -1
        for unit in receipt.units:
            paid[unit.item.item_id] += sign * unit.amount_cents
    extras = sum(s.cents for receipt in billing.book for s in receipt.services)
    assert total[ReceiptType.PURCHASE] == sum(owed.values()) + order.fee_cents + extras
    gone = {item.item_id for item in returned}
    for item in order.items:
        expected = 0 if item.item_id in gone else billing.remaining_cents(order, item)
        assert paid[item.item_id] == expected


@settings(max_examples=120, deadline=None)
@given(order=baskets(), reading=st.sampled_from(("on_top", "included")))
def test_the_sandbox_and_the_product_spread_discounts_alike(
    order: SalesOrder, reading: Any
) -> None:
    if reading == "included":
        pricing.take_in_discounts(order)
    spread = product_rules.spread_discounts(
        [product_rules.PricedItem(i.item_id, i.gross_cents, i.reduced_cents) for i in order.items],
        [product_rules.OrderDiscount(d.discount_id, d.cents, d.item_ids) for d in order.discounts],
        reading,
    )
    assert spread.problem is None
    charges = pricing.charges(order, reading)
    assert [share.buyer_price_cents for share in spread.shares] == [
        charges[item.item_id].to_pay_cents for item in order.items
    ]
    assert [share.share_cents for share in spread.shares] == [
        sum(cents for _, cents in charges[item.item_id].shares) for item in order.items
    ]


@pytest.mark.parametrize(
    ("gross", "rate", "net"), [(11900, 19, 10000), (1, 19, 1), (999, 19, 839), (1070, 7, 1000)]
)
def test_net_amounts_are_rounded_to_the_nearest_cent(gross: int, rate: int, net: int) -> None:
    assert pricing.net_of(gross, rate) == net


def test_a_refund_after_reductions_names_each_of_them() -> None:
    order = make_order(random.Random(1), START, 1)
    order.discounts = []
    billing = _billing()
    item = order.items[0]
    billing.purchase(order, _shipment(1), [item])
    first = billing.partial_refund(order, item, 100)
    second = billing.partial_refund(order, item, 50)
    billing.refund(order, [item])
    refund = _on_wire(list(billing.book)[-1])
    (line,) = refund["lineItems"]["itemPositions"]
    named = {
        part["details"]["linkedReceiptNumber"]: _cents(part["priceModificationAmount"]["gross"])
        for part in line["priceModifications"]
        if part["priceModificationType"] == "REFUND_COMPLAINT_ITEM"
    }
    assert named == {first.number: 100, second.number: 50}
    assert _cents(refund["amountDue"]) == item.reduced_cents - 150
    assert "priceToPayPerPositionItems" not in line


def test_equal_units_share_a_line_though_a_discount_does_not_divide_evenly() -> None:
    order = make_order(random.Random(1), START, 3, PRODUCTS[0].sku)
    for item in order.items:
        item.discount_cents = 0
    order.discounts = [Discount("d", "Rabatt", 1000, tuple(i.item_id for i in order.items))]
    billing = _billing()
    receipt = billing.purchase(order, _shipment(1), order.items)
    assert receipt is not None
    (line,) = _on_wire(receipt)["lineItems"]["itemPositions"]
    assert line["quantity"] == 3
    amounts = {
        _cents(part["priceToPay"]["gross"]): len(part["positionItemIds"])
        for part in line["priceToPayPerPositionItems"]
    }
    price = PRODUCTS[0].price_cents
    assert amounts == {price - 334: 1, price - 333: 2}
    (part,) = line["priceModifications"]
    assert part["details"] == {"description": "Rabatt", "type": "PLATFORM_DISCOUNT", "id": "d"}
    assert _cents(part["priceModificationAmount"]["gross"]) == 1000
