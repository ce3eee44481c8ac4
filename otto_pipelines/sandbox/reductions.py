"""Price reductions of the simulated OTTO: asked for now, processed or rejected later.

Belongs here: state, the rules of OTTO, and the faults of a reduction. HTTP belongs to
`otto_reductions`, the PARTIAL_REFUND receipt to `billing`. Callers hold the world's lock.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime

from otto_pipelines.sandbox.billing import Billing
from otto_pipelines.sandbox.model import Item, SalesOrder, Status
from otto_pipelines.sandbox.money_faults import MoneyFault, MoneyFaults
from otto_pipelines.sandbox.simulation import Simulation

_WRONG_BY_CENTS = 1


@dataclass(slots=True)
class Reduction:
    """One reduction of one item's price."""

    order: SalesOrder
    item: Item
    cents: int
    at: datetime
    status: str = "INITIATED"
    receipt_number: str | None = None


class Reductions:
    """All reductions, in the order in which they were asked for."""

    def __init__(self, sim: Simulation, billing: Billing, faults: MoneyFaults) -> None:
        self._sim = sim
        self._billing = billing
        self._faults = faults
        self.of_item: dict[str, list[Reduction]] = {}

    def __iter__(self) -> Iterator[Reduction]:
        return (reduction for group in self.of_item.values() for reduction in group)

    def possible(self, item: Item) -> bool:
        """Whether a reduction may be asked for now: sent, and not returned."""
        return item.status is Status.SENT

    def ask(
        self, order: SalesOrder, item: Item, cents: int, fault: MoneyFault | None = None
    ) -> Reduction:
        """Take a request; it is processed or rejected after the configured delay."""
        reduction = Reduction(order, item, cents, self._sim.now)
        self.of_item.setdefault(item.item_id, []).append(reduction)
        minutes = self._sim.config.price_reduction_minutes
        self._sim.after(minutes, lambda: self._process(reduction, fault))
        return reduction

    def totals(self, order: SalesOrder, item: Item) -> tuple[int, int]:
        """What all reductions together take off that were not rejected, and the invoice's price."""
        group = self.of_item.get(item.item_id, ())
        total = sum(reduction.cents for reduction in group if reduction.status != "REJECTED")
        return total, self._billing.charge(order, item).to_pay_cents

    def _process(self, reduction: Reduction, fault: MoneyFault | None) -> None:
        order, item = reduction.order, reduction.item
        too_much = reduction.cents >= self._billing.remaining_cents(order, item)
        if not self.possible(item) or too_much:
            reduction.status = "REJECTED"
            self._sim.ledger.harmless["reduction_rejected"] += 1
            return
        reduction.status = "PROCESSED"
        if fault is MoneyFault.REDUCTION_WITHOUT_RECEIPT:
            reduction.receipt_number = self._billing.book.lost_number()
        else:
            wrong = _WRONG_BY_CENTS if fault is MoneyFault.REDUCTION_OTHER_AMOUNT else 0
            receipt = self._billing.partial_refund(order, item, reduction.cents + wrong)
            reduction.receipt_number = receipt.number
        if fault is not None:
            self._faults.record(fault, order.order_id, item.item_id)
