"""Whoever compares all that both servers say of money finds the ledger's breaks, and no others."""

from collections import Counter
from collections.abc import Callable
from typing import Any

import pytest

from otto_pipelines.sandbox.money_faults import MoneyFault

SCOPES = "orders shipments returns receipts price-reduction"
BUSY = {
    "orders": 120,
    "days": 2,
    "data_fault_rate": 0.01,
    "returns_share": 0.25,
    "reductions_share": 0.25,
    "voucher_share": 0.2,
    "service_share": 0.1,
    "money_faults": 2,
    "return_after_hours": 6,
    "return_transit_hours": 8,
    "overdue_credit_hours": 9,
}
Key = tuple[str, str, str]


def _cents(price: Any) -> int:
    return round(100 * float(price["gross"]["amount"]))


class _Books:
    """What the servers say, by unit."""

    def __init__(self, seller: Any) -> None:
        self.paid: dict[str, int] = {}
        self.reduced_by: dict[str, int] = {}
        self.fees: Counter[str] = Counter()
        self.refunded: Counter[str] = Counter()
        self.partial: dict[str, tuple[str, int]] = {}
        for receipt in seller.receipts(receiptTypes="PURCHASE,REFUND,PARTIAL_REFUND"):
            self._add(receipt)
        self.cases = {
            case["positionItemId"]: case["status"]
            for case in seller.pages("/v3/returns", "positionItems", limit=50)
        }
        self.reductions = {
            entry["positionItemId"]: [
                (
                    one["status"],
                    one["receiptNumber"],
                    round(100 * float(one["priceReduction"]["amount"])),
                )
                for one in entry["priceReductions"]
            ]
            for entry in seller.pages("/v1/price-reductions", "results", limit=128)
        }

    def _add(self, receipt: Any) -> None:
        lines = receipt["lineItems"]
        self.fees[receipt["salesOrderId"]] += sum(
            _cents(f["positionSum"]) for f in lines["deliveryCosts"]
        )
        for line in lines["itemPositions"]:
            ids = line["positionItemIds"]
            if receipt["receiptType"] == "REFUND":
                for item_id in ids:
                    self.refunded[item_id] += _cents(line["positionSum"]) // len(ids)
                continue
            for part in line["priceToPayPerPositionItems"]:
                for item_id in part["positionItemIds"]:
                    self.paid[item_id] = _cents(part["priceToPay"])
            off = sum(
                _cents(part["priceModificationAmount"]) for part in line["priceModifications"]
            )
            self.reduced_by[",".join(ids)] = off
        for line in lines["itemPartialRefundPositions"]:
            (item_id,) = line["positionItemIds"]
            self.partial[receipt["receiptNumber"]] = (item_id, _cents(line["partialRefundAmount"]))


def _compare(seller: Any) -> set[Key]:
    world, books = seller.sandbox.world, _Books(seller)
    given_back: Counter[str] = Counter()
    for item_id, cents in books.partial.values():
        given_back[item_id] += cents
    found: set[Key] = set()
    charge = {
        item.item_id: world.money.billing.charge(order, item)
        for order in world.market.orders.values()
        for item in order.items
    }
    for order in seller.orders():
        order_id = order["salesOrderId"]
        ids = {item["positionItemId"] for item in order["positionItems"]}
        held = world.market.orders[order_id]
        if ids & books.paid.keys() and books.fees[order_id] != held.fee_cents:
            found.add(("receipt_amount_mismatch", order_id, ""))
        for item in order["positionItems"]:
            item_id, status = item["positionItemId"], item["fulfillmentStatus"]
            paid, case = books.paid.get(item_id), books.cases.get(item_id)
            kinds = _of_purchase(status, paid, charge[item_id].to_pay_cents)
            kinds += _of_refund(case, paid, books.refunded[item_id], given_back[item_id])
            kinds += _of_reductions(item_id, books)
            found |= {(kind, order_id, item_id) for kind in kinds}
    for named, off in books.reduced_by.items():
        ids = set(named.split(","))
        if off != sum(
            charge[item_id].gross_cents - charge[item_id].to_pay_cents for item_id in ids
        ):
            (order_id,) = {
                o.order_id
                for o in world.market.orders.values()
                for i in o.items
                if i.item_id in ids
            }
            found |= {("discount_mismatch", order_id, item_id) for item_id in ids}
    return found


def _of_purchase(status: str, paid: int | None, owed: int) -> list[str]:
    if paid is None:
        return ["receipt_missing"] if status in {"SENT", "RETURNED"} else []
    return ["receipt_amount_mismatch"] if paid != owed else []


def _of_refund(case: str | None, paid: int | None, refunded: int, partial: int) -> list[str]:
    if case == "ACCEPTED":
        if not refunded:
            return ["refund_missing"]
        return ["refund_amount_mismatch"] if refunded != (paid or 0) - partial else []
    if not refunded:
        return []
    return ["rejected_but_refunded" if case == "REJECTED" else "refund_without_return"]


def _of_reductions(item_id: str, books: _Books) -> list[str]:
    processed = [one for one in books.reductions.get(item_id, ()) if one[0] == "PROCESSED"]
    named = {(number, (item_id, cents)) for _, number, cents in processed}
    receipts = {entry for entry in books.partial.items() if entry[1][0] == item_id}
    return ["price_reduction_mismatch"] if named != receipts else []


def _wms_side(seller: Any) -> set[Key]:
    refs = list(seller.submitted)
    orders = [
        order
        for begin in range(0, len(refs), 100)
        for order in seller.wms.get("/v1/orders", params={"ref": refs[begin : begin + 100]}).json()[
            "orders"
        ]
    ]
    foreign = {
        ("currency_mismatch", order["order_ref"], line["line_id"])
        for order in orders
        for line in order["lines"]
        if line["currency"] != "EUR"
    }
    receipts = seller.wms.get("/v1/returns", params={"limit": 1000}).json()["receipts"]
    blind = {
        ("return_not_decided", "", receipt["receipt_id"])
        for receipt in receipts
        if receipt["order_ref"] is receipt["return_tracking_number"] is None
    }
    return foreign | blind


@pytest.mark.parametrize(("seed", "reading"), [(1, "on_top"), (2, "included"), (3, "on_top")])
def test_the_ledger_of_money_is_what_the_servers_show(
    open_sandbox: Callable[..., Any], seed: int, reading: str
) -> None:
    seller = open_sandbox(**BUSY, seed=seed, discounts_are=reading)
    for _ in range(24 * 7 // 4):
        seller.advance(hours=4)
        seller.log_in(SCOPES)
        seller.work()
    lines = seller.control("ledger")["breaks"]
    injected = {
        (line["kind"], line["sales_order_id"], line["position_item_id"])
        for line in lines
        if line["fault"] in set(MoneyFault)
    }
    assert len(injected) >= 2 * len(MoneyFault) - 1
    assert _compare(seller) | _wms_side(seller) == injected
