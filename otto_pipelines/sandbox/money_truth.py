"""The truth about money, for whoever marks a run: what each unit cost, and what came back of it."""

from collections import Counter, defaultdict
from typing import Any

from otto_pipelines.sandbox.money_faults import MoneyFault
from otto_pipelines.sandbox.receipts import ReceiptType
from otto_pipelines.sandbox.world import World


def money_truth(world: World) -> dict[str, Any]:
    """The body of `GET /_sandbox/money`; amounts in cents, of what stands on receipts."""
    money = world.money
    billed: defaultdict[str, Counter[str]] = defaultdict(Counter)
    fees: Counter[str] = Counter()
    for receipt in money.billing.book:
        fees[receipt.order.order_id] += sum(receipt.fees)
        for unit in receipt.units:
            billed[unit.item.item_id][receipt.type] += unit.amount_cents
    items = []
    for order in world.market.orders.values():
        for item in order.items:
            case = money.desk.cases.get(item.item_id)
            amounts = billed[item.item_id]
            items.append(
                {
                    "sales_order_id": order.order_id,
                    "position_item_id": item.item_id,
                    "otto_status": item.status,
                    "buyer_price_cents": money.billing.charge(order, item).to_pay_cents,
                    "purchased_cents": amounts[ReceiptType.PURCHASE],
                    "refunded_cents": amounts[ReceiptType.REFUND],
                    "partially_refunded_cents": amounts[ReceiptType.PARTIAL_REFUND],
                    "return_status": case.status if case else None,
                    "reductions": [
                        r.status for r in money.reductions.of_item.get(item.item_id, ())
                    ],
                    "reduction_cents": [
                        r.cents for r in money.reductions.of_item.get(item.item_id, ())
                    ],
                }
            )
    return {
        "position_items": items,
        "delivery_fees": {order_id: cents for order_id, cents in fees.items() if cents},
        **money_marks(world),
    }


def money_marks(world: World) -> dict[str, Any]:
    """Counts: receipts by type, returns by status, reductions by status, injected by kind."""
    money = world.money
    faults = set(MoneyFault)
    return {
        "receipts": Counter(receipt.type for receipt in money.billing.book),
        "returns": Counter(case.status for case in money.desk.cases.values()),
        "price_reductions": Counter(reduction.status for reduction in money.reductions),
        "wms_return_receipts": len(money.dock.receipts),
        "injected": Counter(line.kind for line in world.ledger.breaks if line.fault in faults),
    }
