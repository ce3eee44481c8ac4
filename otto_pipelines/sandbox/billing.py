"""Writes the receipts of the simulated OTTO: what a buyer is charged and given back.

Belongs here: the arithmetic and the order of receipts, and faults in them. Spreading of discounts
belongs to `pricing`, when something is billed to `money`. Callers hold the world's lock.

A shipment of an order makes one PURCHASE receipt; the delivery fee stands on the first. A REFUND
gives back what the units cost, less what earlier PARTIAL_REFUND receipts gave back already.
"""

import random
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import replace

from otto_pipelines.sandbox.model import Item, SalesOrder, Shipment
from otto_pipelines.sandbox.money_faults import ORDER_ITSELF, MoneyFault, MoneyFaults
from otto_pipelines.sandbox.pricing import Charge, charges
from otto_pipelines.sandbox.receipts import (
    Modification,
    Receipt,
    ReceiptBook,
    ReceiptType,
    Service,
    Unit,
)
from otto_pipelines.sandbox.simulation import Simulation

_VOUCHERS = (500, 1000, 1500)
_SERVICE = ("DISPOSAL", 1999)
_WRONG_BY_CENTS = 100
COMPLAINT = "REFUND_COMPLAINT_ITEM"
_COMPLAINT_TEXT = "Preisnachlass Reklamation Artikel"


class Billing:
    """Puts receipts into the book."""

    def __init__(self, sim: Simulation, faults: MoneyFaults) -> None:
        self._sim = sim
        self._faults = faults
        self.book = ReceiptBook()
        self._charges: dict[str, dict[str, Charge]] = {}
        self._purchases: dict[str, tuple[Receipt, Unit]] = {}
        self._reductions: defaultdict[str, list[tuple[Receipt, int]]] = defaultdict(list)
        self._billed: set[str] = set()

    def charge(self, order: SalesOrder, item: Item) -> Charge:
        """What the buyer owes for the item by the order; fixed when it was placed."""
        of_order = self._charges.get(order.order_id)
        if of_order is None:
            of_order = charges(order, self._sim.config.discounts_are)
            self._charges[order.order_id] = of_order
        return of_order[item.item_id]

    def remaining_cents(self, order: SalesOrder, item: Item) -> int:
        """What the buyer paid for the item and did not get back by reductions."""
        given_back = sum(cents for _, cents in self._reductions[item.item_id])
        return self.charge(order, item).to_pay_cents - given_back

    def purchase(
        self,
        order: SalesOrder,
        shipment: Shipment,
        items: Sequence[Item],
        fault: MoneyFault | None = None,
    ) -> Receipt | None:
        """Bill what was sent; None where the fault is that no receipt is written."""
        first = order.order_id not in self._billed
        self._billed.add(order.order_id)
        if fault is MoneyFault.RECEIPT_WITHHELD:
            for item in items:
                self._faults.record(fault, order.order_id, item.item_id)
            return None
        units = [self._purchased(order, item) for item in items]
        fees = [order.fee_cents] if first and order.fee_cents else []
        if fault is MoneyFault.RECEIPT_OVERCHARGED:
            units[0] = replace(
                units[0],
                unit_cents=units[0].unit_cents + _WRONG_BY_CENTS,
                amount_cents=units[0].amount_cents + _WRONG_BY_CENTS,
            )
            self._faults.record(fault, order.order_id, items[0].item_id)
        elif fault is MoneyFault.DISCOUNT_MISSTATED:
            units[0] = _misstated(units[0])
            self._faults.record(fault, order.order_id, items[0].item_id)
        elif fault is MoneyFault.DELIVERY_FEE_TWICE:
            fees.append(order.fee_cents)
            self._faults.record(fault, order.order_id, ORDER_ITSELF)
        voucher_cents, services = self._extras(order, items) if first else (0, ())
        receipt = self._write(
            ReceiptType.PURCHASE,
            order,
            units,
            shipment=shipment,
            fees=fees,
            services=services,
            voucher_cents=voucher_cents,
        )
        for unit in units:
            self._purchases[unit.item.item_id] = (receipt, unit)
        return receipt

    def refund(self, order: SalesOrder, items: Sequence[Item], *, less_cents: int = 0) -> None:
        """Give back what the items cost: one receipt for each PURCHASE receipt that they stand on.

        `less_cents` is a fault: so much is missing on each item.
        """
        by_purchase: defaultdict[str, list[Unit]] = defaultdict(list)
        origins: dict[str, Receipt | None] = {}
        for item in items:
            purchase, _ = self._purchases.get(item.item_id, (None, None))
            number = purchase.number if purchase else ""
            origins[number] = purchase
            by_purchase[number].append(self._given_back(order, item, less_cents))
        for number, units in by_purchase.items():
            self._write(ReceiptType.REFUND, order, units, linked=origins[number])

    def partial_refund(self, order: SalesOrder, item: Item, cents: int) -> Receipt:
        """Give back a part of the item's price."""
        purchase, _ = self._purchases.get(item.item_id, (None, None))
        unit = Unit(item, cents, cents)
        receipt = self._write(ReceiptType.PARTIAL_REFUND, order, [unit], linked=purchase)
        self._reductions[item.item_id].append((receipt, cents))
        return receipt

    def _purchased(self, order: SalesOrder, item: Item) -> Unit:
        charge = self.charge(order, item)
        return Unit(item, charge.gross_cents, charge.to_pay_cents, _discounts(charge))

    def _given_back(self, order: SalesOrder, item: Item, less_cents: int) -> Unit:
        _, bought = self._purchases.get(item.item_id, (None, self._purchased(order, item)))
        earlier = tuple(
            Modification(COMPLAINT, cents, _COMPLAINT_TEXT, linked=receipt.number)
            for receipt, cents in self._reductions[item.item_id]
        )
        return replace(
            bought,
            unit_cents=bought.unit_cents - less_cents,
            amount_cents=bought.amount_cents - sum(part.cents for part in earlier) - less_cents,
            modifications=bought.modifications + earlier,
        )

    def _extras(self, order: SalesOrder, items: Sequence[Item]) -> tuple[int, tuple[Service, ...]]:
        """The voucher and the service that stand on the first receipt of some orders."""
        config = self._sim.config
        rng = random.Random(f"extras:{config.seed}:{order.order_id}")
        has_voucher, voucher = rng.random() < config.voucher_share, rng.choice(_VOUCHERS)
        has_service = rng.random() < config.service_share
        paid = sum(self.charge(order, item).to_pay_cents for item in items)
        services = (Service(items[0].item_id, *_SERVICE),) if has_service else ()
        return (min(voucher, paid) if has_voucher else 0), services

    def _write(
        self,
        kind: ReceiptType,
        order: SalesOrder,
        units: Sequence[Unit],
        *,
        shipment: Shipment | None = None,
        fees: Sequence[int] = (),
        services: tuple[Service, ...] = (),
        voucher_cents: int = 0,
        linked: Receipt | None = None,
    ) -> Receipt:
        serial = self.book.next_serial()
        letter = "R" if kind is ReceiptType.PURCHASE else "E"
        return self.book.put(
            Receipt(
                serial=serial,
                number=f"{letter}-DE-{serial + 1:010d}",
                type=kind,
                created_at=self._sim.now,
                order=order,
                units=tuple(units),
                shipment=shipment,
                fees=tuple(fees),
                services=services,
                voucher_cents=voucher_cents,
                linked=linked,
            )
        )


def _discounts(charge: Charge) -> tuple[Modification, ...]:
    own = (
        (Modification("PARTNER_DISCOUNT", charge.own_cents, "Rabatt", "PARTNER_DISCOUNT"),)
        if charge.own_cents
        else ()
    )
    shares = tuple(
        Modification(
            "PARTNER_DISCOUNT", cents, discount.name, "PLATFORM_DISCOUNT", discount.discount_id
        )
        for discount, cents in charge.shares
    )
    return own + shares


def _misstated(unit: Unit) -> Unit:
    """The same amount to pay from another price and another share of an order's discount."""
    *others, share = unit.modifications
    wrong = max(1, share.cents // 2)
    return replace(
        unit,
        unit_cents=unit.unit_cents - wrong,
        modifications=(*others, replace(share, cents=share.cents - wrong)),
    )
