"""The money of the simulated world: its parts, and when OTTO writes receipts.

Belongs here: assembling, and what follows from a sent or accepted item. Amounts belong to
`billing`, what buyers do to `returns_life`. Callers hold the world's lock.
"""

import random
from collections.abc import Sequence
from datetime import datetime, timedelta
from functools import partial

from otto_pipelines.sandbox.billing import Billing
from otto_pipelines.sandbox.marketplace import Marketplace
from otto_pipelines.sandbox.model import Item, SalesOrder, Shipment
from otto_pipelines.sandbox.money_faults import MoneyFault, MoneyFaults
from otto_pipelines.sandbox.reductions import Reductions
from otto_pipelines.sandbox.returns_desk import ReturnsDesk
from otto_pipelines.sandbox.returns_life import ReturnsLife
from otto_pipelines.sandbox.simulation import Simulation
from otto_pipelines.sandbox.warehouse import Warehouse
from otto_pipelines.sandbox.wms_model import WmsOrder
from otto_pipelines.sandbox.wms_returns import ReturnDock

_RECEIPT_AFTER_MINUTES = 5
_FOREIGN_CURRENCY = "CHF"
_WRONG_REFUND_CENTS = 100


class Money:
    """Receipts, returns and price reductions of one world."""

    def __init__(self, sim: Simulation, market: Marketplace, warehouse: Warehouse) -> None:
        self._sim = sim
        self._market = market
        self.faults = MoneyFaults(sim)
        self.billing = Billing(sim, self.faults)
        self.desk = ReturnsDesk(sim, market)
        self.dock = ReturnDock(sim, warehouse.stock)
        self.reductions = Reductions(sim, self.billing, self.faults)
        self.life = ReturnsLife(
            sim, warehouse, self.desk, self.dock, self.reductions, self.billing, self.faults
        )
        self._unbilled: dict[tuple[str, str, datetime], list[Item]] = {}
        self.desk.on_accepted = self._accepted
        self._plan_blind_returns()

    def sent(self, order: SalesOrder, item: Item, shipment: Shipment) -> None:
        """The item left in that shipment; what leaves together stands on one receipt."""
        key = (order.order_id, shipment.shipment_id, self._sim.now)
        if key not in self._unbilled:
            self._unbilled[key] = []
            self._sim.after(_RECEIPT_AFTER_MINUTES, partial(self._bill, order, shipment, key))
        self._unbilled[key].append(item)

    def accepted_by_warehouse(self, held: WmsOrder) -> None:
        """Book the first line in a wrong currency, where that is planted."""
        order = self._market.orders.get(held.order_ref)
        if order is not None and self.faults.at_acceptance(order):
            line = next(iter(held.lines.values()))
            line.currency = _FOREIGN_CURRENCY
            self.faults.record(MoneyFault.WMS_CURRENCY, held.order_ref, line.line_id)

    def _bill(self, order: SalesOrder, shipment: Shipment, key: tuple[str, str, datetime]) -> None:
        items = self._unbilled.pop(key)
        fault = self.faults.at_billing(order, items)
        self.billing.purchase(order, shipment, items, fault)
        self.life.begin(order, shipment, items, fault)

    def _accepted(self, order: SalesOrder, items: Sequence[Item]) -> None:
        self._sim.after(_RECEIPT_AFTER_MINUTES, lambda: self._refund(order, items))

    def _refund(self, order: SalesOrder, items: Sequence[Item]) -> None:
        fault = self.faults.of(order)
        if fault is not MoneyFault.REFUND_WITHHELD:
            wrong = fault is MoneyFault.REFUND_OTHER_AMOUNT
            self.billing.refund(order, items, less_cents=_WRONG_REFUND_CENTS if wrong else 0)
        if fault in {MoneyFault.REFUND_WITHHELD, MoneyFault.REFUND_OTHER_AMOUNT}:
            for item in items:
                self.faults.record(fault, order.order_id, item.item_id)

    def _plan_blind_returns(self) -> None:
        config = self._sim.config
        rng = random.Random(f"blind:{config.seed}")
        for _ in range(config.money_faults):
            at = self._sim.clock.start + timedelta(days=config.days * rng.uniform(0.3, 0.9))
            self._sim.schedule(at, partial(self.life.deliver_blind, rng))
