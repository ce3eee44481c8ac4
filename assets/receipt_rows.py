"""A receipt of OTTO as rows: one per unit, with exact cents.

Belongs here: the translation of one receipt. OTTO groups equal units on a line; here every unit
stands for itself, and what a line charges or takes off is spread over its units without losing a
cent. Storing does not belong here (`money_import`), nor comparing with orders.
"""

from collections.abc import Sequence
from typing import Any

from assets.money_judge import Judge
from assets.order_values import rate_text
from assets.rules.money import split_largest_remainder
from resources.operations.receipts import ReceiptRows
from resources.otto.receipts import (
    TYPES,
    DeliveryFeePartialRefund,
    ItemPosition,
    Price,
    PriceModification,
    Receipt,
)

REFUND_TYPES = frozenset(
    {
        "RETURN",
        "CANCELLATION",
        "SERVICE_FULL_REFUND_CANCELLED_BY_SDU",
        "SERVICE_FULL_REFUND_CANCELLED_BY_CUSTOMER",
        "SERVICE_FULL_REFUND_PRODUCT_RETURNED",
        "DELIVERY_FEE_REFUND_AFTER_FULL_REFUND",
    }
)
PARTIAL_REFUND_TYPES = frozenset(
    {
        "REFUND_COMPLAINT_ITEM",
        "REFUND_PAYPAL_DISPUTE",
        "REFUND_ESCALATION",
        "REFUND_PARTIAL_AMOUNT_AFTER_SERVICE_CANCELLATION",
        "REFUND_CREDIT_CARD_DISPUTE",
    }
)
MODIFICATION_TYPES = PARTIAL_REFUND_TYPES | {"PARTNER_DISCOUNT", "DEFECT_COMPENSATION"}
DETAILS_TYPES = frozenset({"PARTNER_DISCOUNT", "PLATFORM_DISCOUNT"})
MODIFICATION_REASONS = frozenset(
    {
        "GOODWILL_ITEM_FOR_FREE",
        "GOODWILL_ITEM_RETURN_REJECTED",
        "GOODWILL_ITEM_DISCOUNT_EXPIRED",
        "GOODWILL_OTHER",
    }
)
DELIVERY_COST_TYPES = frozenset({"DELIVERY_FEE_STANDARD", "DELIVERY_FEE_FREIGHT_SURCHARGE"})


def receipt_rows(receipt: Receipt, judge: Judge, page_ref: str | None) -> ReceiptRows:
    """Rows of a receipt; they count only if `judge` finds no flaw."""
    judge.gives_back = receipt.receipt_type != "PURCHASE"
    lines = _Lines(receipt, judge)
    lines.add_all()
    stated = receipt.totals_gross_amount
    totals = [judge.cents(total.gross, "totals.gross") for total in receipt.totals or ()]
    charged = sum(line["amount_cents"] for line in lines.rows)
    reductions = receipt.totals_reductions or ()
    for reduction in reductions:
        judge.word(reduction.type, ("VOUCHER",), "totalsReductions.type")
    head = {
        "receipt_number": judge.key(receipt.receipt_number, "receiptNumber"),
        "receipt_type": judge.word(receipt.receipt_type, TYPES, "receiptType"),
        "created_at": judge.moment(receipt.creation_date, "creationDate"),
        "sales_order_id": judge.key(receipt.sales_order_id, "salesOrderId"),
        "order_number": receipt.order_number,
        "currency": "EUR",
        "gross_cents": (
            judge.cents(stated, "totalsGrossAmount") if stated else sum(totals) or charged
        ),
        "amount_due_cents": judge.cents_or_none(receipt.amount_due, "amountDue"),
        "voucher_cents": sum(
            judge.cents(reduction.gross, "totalsReductions.gross") for reduction in reductions
        ),
        "refund_type": judge.word_or_none(receipt.refund_type, REFUND_TYPES, "refundType"),
        "partial_refund_type": judge.word_or_none(
            receipt.partial_refund_type, PARTIAL_REFUND_TYPES, "partialRefundType"
        ),
        "linked_receipt_number": receipt.linked_receipt_number,
        "is_real": receipt.is_real_receipt,
        "fulfilled_at": judge.moment_or_none(receipt.fulfillment_date, "fulfillmentDate"),
        "page_ref": page_ref,
    }
    return ReceiptRows(head, lines.rows, lines.modifications)


class _Lines:
    """Lines of one receipt under construction, numbered from 1."""

    def __init__(self, receipt: Receipt, judge: Judge) -> None:
        self._receipt = receipt
        self._judge = judge
        self.rows: list[dict[str, Any]] = []
        self.modifications: list[dict[str, Any]] = []
        self._charged_units: set[str] = set()

    def add_all(self) -> None:
        """Add lines of all kinds, in the order of OTTO's arrays."""
        items = self._receipt.line_items
        for position in items.item_positions:
            self._add_units(position)
        for refund in items.item_partial_refund_positions:
            name = "itemPartialRefundPositions.partialRefundAmount"
            total = self._judge.cents(refund.partial_refund_amount.gross, name)
            ids = self._named(refund.position_item_ids, "itemPartialRefundPositions")
            shares = split_largest_remainder(total, [1] * len(ids)) if ids else []
            for item, cents in zip(ids, shares, strict=True):
                tax = refund.partial_refund_amount
                self._add("item_partial_refund", cents, cents, tax, item, refund.sku)
        for service in items.service_positions:
            self._add_charge("service", service.unit_price, service.position_sum,
                             service.price_modifications, "servicePositions")  # fmt: skip
        for refunded in items.service_partial_refund_positions:
            name = "servicePartialRefundPositions.partialRefundAmount"
            cents = self._judge.cents(refunded.partial_refund_amount.gross, name)
            self._add("service_partial_refund", cents, cents, refunded.partial_refund_amount)
        for fee in items.delivery_costs:
            self._judge.word(
                fee.delivery_cost_type, DELIVERY_COST_TYPES, "deliveryCosts.deliveryCostType"
            )
            self._add_charge("delivery_cost", fee.unit_price, fee.position_sum,
                             fee.price_modifications, "deliveryCosts")  # fmt: skip
        for given_back in items.delivery_fee_partial_refund_positions:
            self._add_fee_refund(given_back)

    def _add_units(self, position: ItemPosition) -> None:
        """A line of equal units: one row each."""
        judge, name = self._judge, "itemPositions"
        ids = self._named(position.position_item_ids, name)
        if not self._charged_units.isdisjoint(ids):
            judge.flaw("units_named", f"{name}.positionItemIds", "a unit of another line")
        self._charged_units.update(ids)
        if len(ids) != position.quantity:
            judge.flaw("units_named", f"{name}.quantity", position.quantity)
        unit_cents = judge.cents(position.unit_price.gross, f"{name}.unitPrice")
        prices = self._prices(position, ids)
        first = len(self.rows) + 1
        for item in ids:
            cents, price = prices.get(item, (0, position.position_sum))
            self._add("item", unit_cents, cents, price, item, position.sku)
        taken_off = [unit_cents - row["amount_cents"] for row in self.rows[first - 1 :]]
        self._add_modifications(position.price_modifications, first, taken_off, name)

    def _prices(self, position: ItemPosition, ids: Sequence[str]) -> dict[str, tuple[int, Price]]:
        """What each unit costs, and the price that says so."""
        judge, name = self._judge, "itemPositions.priceToPayPerPositionItems"
        whole = self._charged(
            position.unit_price, position.position_sum, position.price_modifications, len(ids)
        )
        groups = position.price_to_pay_per_position_items
        if not groups:
            shares = split_largest_remainder(whole, [1] * len(ids)) if ids else []
            return {
                item: (cents, position.position_sum)
                for item, cents in zip(ids, shares, strict=True)
            }
        if sorted(item for group in groups for item in group.position_item_ids) != sorted(ids):
            judge.flaw("units_named", name, f"{len(groups)} groups for {len(ids)} units")
        if not all(group.position_item_ids for group in groups):
            judge.flaw("units_named", name, "a price without a unit")
            return {}
        each = [judge.cents(group.price_to_pay.gross, name) for group in groups]
        sizes = [len(group.position_item_ids) for group in groups]
        # The price is that of each unit. Only where that cannot be, and the sum is right as it
        # stands, it is that of the group.
        of_groups = (
            sum(c * n for c, n in zip(each, sizes, strict=True)) != whole and sum(each) == whole
        )
        prices: dict[str, tuple[int, Price]] = {}
        for group, cents, size in zip(groups, each, sizes, strict=True):
            split = split_largest_remainder(cents, [1] * size) if of_groups else [cents] * size
            for item, share in zip(group.position_item_ids, split, strict=True):
                prices[item] = share, group.price_to_pay
        return prices

    def _charged(
        self,
        unit_price: Price,
        position_sum: Price,
        modifications: Sequence[PriceModification] | None,
        quantity: int = 1,
    ) -> int:
        """What a line charges: its sum, less what is taken off where the sum is without that."""
        judge = self._judge
        stated = judge.cents(position_sum.gross, "positionSum")
        unit_cents = judge.cents(unit_price.gross, "unitPrice")
        if stated != unit_cents * quantity:
            return stated
        return max(0, stated - sum(self._size(given) for given in modifications or ()))

    def _size(self, given: PriceModification) -> int:
        """The size of a modification, which OTTO may write below zero."""
        gross = given.price_modification_amount.gross
        return Judge(gives_back=True, flaws=self._judge.flaws).cents(gross, "priceModifications")

    def _add_charge(
        self, kind: str, unit_price: Price, position_sum: Price,
        modifications: Sequence[PriceModification] | None, name: str,
    ) -> None:  # fmt: skip
        """A line that belongs to no unit."""
        unit_cents = self._judge.cents(unit_price.gross, f"{name}.unitPrice")
        charged = self._charged(unit_price, position_sum, modifications)
        self._add(kind, unit_cents, charged, position_sum)
        self._add_modifications(modifications, len(self.rows), [1], name)

    def _add_fee_refund(self, refund: DeliveryFeePartialRefund) -> None:
        name = "deliveryFeePartialRefundPositions"
        price = refund.partial_refund_amount or refund.position_sum
        if price is None:
            self._judge.flaw("row_readable", name, "no amount")
            return
        cents = self._judge.cents(price.gross, name)
        self._add("delivery_fee_partial_refund", cents, cents, price)

    def _named(self, ids: Sequence[str], name: str) -> Sequence[str]:
        """The units of a line, each named once."""
        if not ids or len(set(ids)) != len(ids) or not all(item.strip() for item in ids):
            self._judge.flaw("units_named", f"{name}.positionItemIds", f"{len(ids)} ids")
        return list(dict.fromkeys(ids))

    def _add(
        self,
        kind: str,
        unit_cents: int,
        cents: int,
        price: Price,
        item: str | None = None,
        sku: str | None = None,
    ) -> None:
        # Net and tax stand for the amount only where this row is all that the price is about.
        own = price if self._judge.cents(price.gross, kind) == cents else None
        self.rows.append(
            {
                "receipt_number": self._receipt.receipt_number,
                "line_no": len(self.rows) + 1,
                "kind": kind,
                "sales_order_id": self._receipt.sales_order_id,
                "position_item_id": item,
                "sku": sku,
                "unit_price_cents": unit_cents,
                "amount_cents": cents,
                "tax_rate": rate_text(price.tax_rate),
                "net_cents": self._judge.cents_or_none(own.net, f"{kind}.net") if own else None,
                "tax_cents": self._judge.cents_or_none(own.tax, f"{kind}.tax") if own else None,
                "currency": "EUR",
            }
        )

    def _add_modifications(
        self,
        modifications: Sequence[PriceModification] | None,
        first: int,
        taken_off: Sequence[int],
        name: str,
    ) -> None:
        """Spread each modification over the rows from `first` on, as their prices were reduced."""
        judge, where = self._judge, f"{name}.priceModifications"
        weights = [max(0, cents) for cents in taken_off]
        for sequence, given in enumerate(modifications or (), start=1):
            details = given.details
            kind = judge.word(given.price_modification_type, MODIFICATION_TYPES, where)
            by = judge.word_or_none(details.type, DETAILS_TYPES, where) if details else None
            why = (
                judge.word_or_none(details.reason, MODIFICATION_REASONS, where) if details else None
            )
            shares = split_largest_remainder(self._size(given), weights) if weights else []
            self.modifications += [
                {
                    "receipt_number": self._receipt.receipt_number,
                    "line_no": line_no,
                    "sequence": sequence,
                    "modification_type": kind,
                    "details_type": by,
                    "reason": why,
                    "amount_cents": share,
                }
                for line_no, share in enumerate(shares, start=first)
            ]
