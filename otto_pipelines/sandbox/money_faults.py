"""Faults of money that are planted, each so many times, never two in one order.

Belongs here: the kinds of fault, which order gets which, and their names in the ledger. What a
fault does belongs to `billing` (receipts), `returns_life` and `reductions`.
"""

from collections.abc import Callable, Sequence
from enum import StrEnum

from otto_pipelines.sandbox.model import Item, SalesOrder
from otto_pipelines.sandbox.pricing import charges
from otto_pipelines.sandbox.simulation import Simulation
from otto_pipelines.sandbox.stories import DATA_FAULTS, Story

ORDER_ITSELF = ""
"""In place of a position item: the difference is one of the whole order."""
NO_ORDER = ""
"""In place of a sales order: nobody knows whose it is."""


class MoneyFault(StrEnum):
    """What goes wrong with the money of an order."""

    WMS_CURRENCY = "wms_currency"
    RECEIPT_WITHHELD = "receipt_withheld"
    RECEIPT_OVERCHARGED = "receipt_overcharged"
    DISCOUNT_MISSTATED = "discount_misstated"
    DELIVERY_FEE_TWICE = "delivery_fee_twice"
    REFUND_OTHER_AMOUNT = "refund_other_amount"
    REFUND_WITHHELD = "refund_withheld"
    REFUND_UNASKED = "refund_unasked"
    REJECTED_REFUNDED = "rejected_refunded"
    REDUCTION_OTHER_AMOUNT = "reduction_other_amount"
    REDUCTION_WITHOUT_RECEIPT = "reduction_without_receipt"
    PARTIAL_REFUND_UNASKED = "partial_refund_unasked"
    BLIND_RETURN = "blind_return"


BREAK_OF_MONEY_FAULT = {
    MoneyFault.WMS_CURRENCY: "currency_mismatch",
    MoneyFault.RECEIPT_WITHHELD: "receipt_missing",
    MoneyFault.RECEIPT_OVERCHARGED: "receipt_amount_mismatch",
    MoneyFault.DISCOUNT_MISSTATED: "discount_mismatch",
    MoneyFault.DELIVERY_FEE_TWICE: "receipt_amount_mismatch",
    MoneyFault.REFUND_OTHER_AMOUNT: "refund_amount_mismatch",
    MoneyFault.REFUND_WITHHELD: "refund_missing",
    MoneyFault.REFUND_UNASKED: "refund_without_return",
    MoneyFault.REJECTED_REFUNDED: "rejected_but_refunded",
    MoneyFault.REDUCTION_OTHER_AMOUNT: "price_reduction_mismatch",
    MoneyFault.REDUCTION_WITHOUT_RECEIPT: "price_reduction_mismatch",
    MoneyFault.PARTIAL_REFUND_UNASKED: "price_reduction_mismatch",
    MoneyFault.BLIND_RETURN: "return_not_decided",
}
_NOT_AT_BILLING = frozenset({MoneyFault.WMS_CURRENCY, MoneyFault.BLIND_RETURN})
_BROKEN_STORIES = {*DATA_FAULTS, Story.CANCELLED_AFTER_PACKING, Story.CANCELLED_LATE} - {
    Story.RETURN_NUMBER_MISSING
}
# Few orders can have these.
_FITS: dict[MoneyFault, Callable[[SalesOrder, Sequence[Item]], bool]] = {
    MoneyFault.RECEIPT_WITHHELD: lambda order, sent: (
        len(order.items) == len(sent) == 1 and not order.fee_cents
    ),
    MoneyFault.DISCOUNT_MISSTATED: lambda order, sent: bool(
        charges(order, "on_top")[sent[0].item_id].shares
    ),
    MoneyFault.DELIVERY_FEE_TWICE: lambda order, _: order.fee_cents > 0,
}


def fits(fault: MoneyFault, order: SalesOrder, sent: Sequence[Item]) -> bool:
    """Whether an order of which these items are sent first can meet the fault."""
    return fault not in _FITS or _FITS[fault](order, sent)


class MoneyFaults:
    """Chooses orders for the faults, the rarest chances first, and keeps count."""

    def __init__(self, sim: Simulation) -> None:
        self._sim = sim
        self._left = dict.fromkeys(MoneyFault, sim.config.money_faults)
        self._told: dict[str, MoneyFault] = {}
        self._wanted: dict[str, MoneyFault] = {}

    def want(self, order_id: str, fault: MoneyFault) -> None:
        """Let the order meet that fault, when its time comes and it can."""
        self._wanted[order_id] = fault

    def at_acceptance(self, order: SalesOrder) -> bool:
        """Whether the WMS books this order in a wrong currency."""
        wanted = self._wanted.get(order.order_id)
        if wanted is None:
            return order.story is None and self._take(order, MoneyFault.WMS_CURRENCY)
        if wanted is MoneyFault.WMS_CURRENCY:
            self._told[order.order_id] = wanted
        return wanted is MoneyFault.WMS_CURRENCY

    def at_billing(self, order: SalesOrder, sent: Sequence[Item]) -> MoneyFault | None:
        """The fault of an order of which these items were sent just now, mostly none.

        Every second order is left in peace, but for faults that few orders can have.
        """
        if order.order_id in self._told or not self.sound(order):
            return None
        fault = self._wanted.get(order.order_id) or self._due(order, sent)
        if fault is None or fault in _NOT_AT_BILLING or not fits(fault, order, sent):
            return None
        self._told[order.order_id] = fault
        return fault

    def sound(self, order: SalesOrder) -> bool:
        """Whether nothing else is wrong with the order; buyers return only such orders."""
        return order.story not in _BROKEN_STORIES

    def untouched(self, order: SalesOrder) -> bool:
        """Sound, and without a planted fault of money."""
        return self.sound(order) and order.order_id not in self._told

    def of(self, order: SalesOrder) -> MoneyFault | None:
        """The fault that was planted in the order."""
        return self._told.get(order.order_id)

    def record(self, fault: MoneyFault, order_id: str, item_id: str) -> None:
        """Note in the ledger that the fault took effect."""
        kind = BREAK_OF_MONEY_FAULT[fault]
        self._sim.ledger.record_break(kind, order_id, item_id, fault, self._sim.now)

    def _due(self, order: SalesOrder, sent: Sequence[Item]) -> MoneyFault | None:
        plain = [fault for fault in MoneyFault if fault not in _NOT_AT_BILLING | _FITS.keys()]
        fitting = [fault for fault in _FITS if fits(fault, order, sent)]
        candidates = [*fitting, *(plain if order.draw < 0.5 else ())]
        return next((fault for fault in candidates if self._take(order, fault)), None)

    def _take(self, order: SalesOrder, fault: MoneyFault) -> bool:
        if not self._left[fault] or order.order_id in self._told:
            return False
        self._left[fault] -= 1
        self._told[order.order_id] = fault
        return True
