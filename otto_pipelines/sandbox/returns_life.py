"""What buyers do after the parcel came: send back, or complain; and what the dock finds.

Belongs here: who does what and when, drawn from a generator of each parcel, so that nothing else of
a run changes. State belongs to `returns_desk`, `reductions` and `wms_returns`. Only orders with
which nothing else is wrong are touched. Callers hold the world's lock.
"""

import random
from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, replace
from enum import Enum
from functools import partial

from otto_pipelines.sandbox import catalogue
from otto_pipelines.sandbox.billing import Billing
from otto_pipelines.sandbox.model import Item, SalesOrder, Shipment
from otto_pipelines.sandbox.money_faults import NO_ORDER, MoneyFault, MoneyFaults
from otto_pipelines.sandbox.reductions import Reductions
from otto_pipelines.sandbox.returns_desk import Decision, ReturnsDesk, ReturnShipment
from otto_pipelines.sandbox.simulation import Simulation
from otto_pipelines.sandbox.warehouse import Warehouse
from otto_pipelines.sandbox.wms_returns import ReturnDock, ReturnedLine, ReturnReceipt

_REFUND_FAULTS = frozenset({MoneyFault.REFUND_OTHER_AMOUNT, MoneyFault.REFUND_WITHHELD})
_REDUCTION_FAULTS = frozenset(
    {MoneyFault.REDUCTION_OTHER_AMOUNT, MoneyFault.REDUCTION_WITHOUT_RECEIPT}
)
Finding = tuple[str, str, str | None]
"""Condition, disposition, and the warehouse's reason."""

# What is found, and how often.
_FINE: tuple[tuple[Finding, int], ...] = (
    (("NEW", "RESTOCK", None), 6),
    (("MINT", "RESTOCK", "UNUSED"), 3),
)
_SO_SO: tuple[tuple[Finding, int], ...] = ((("USED_LIGHT", "QUARANTINE", "TRIED_ON"), 1),)
_HARD: tuple[tuple[Finding, int], ...] = (
    (("USED_HEAVY", "SCRAP", "WORN"), 1),
    (("DEFECT", "SCRAP", "DAMAGED"), 1),
    (("MISSING", "QUARANTINE", "NOT_IN_PARCEL"), 1),
)
_UNGRADED: Finding = ("UNKNOWN", "QUARANTINE", None)
_UNANNOUNCED, _MISDIRECTED, _WITHDRAWN = 0.05, 0.09, 0.14
_PARCEL_KNOWN, _ORDER_KNOWN = 0.08, 0.28
_GRADED_LATER = 0.12


class Known(Enum):
    """What the dock knows of units that came back."""

    UNIT = "each unit's line"
    ORDER = "the order and the articles"
    PARCEL = "the parcel's number and the articles"


@dataclass(frozen=True, slots=True)
class _Back:
    """Items of an order that come back in one parcel; `smooth`: nothing odd on the way."""

    order: SalesOrder
    items: tuple[Item, ...]
    carrier: str
    number: str
    rng: random.Random
    smooth: bool


class ReturnsLife:
    """Plans what buyers do with each shipment."""

    def __init__(
        self,
        sim: Simulation,
        warehouse: Warehouse,
        desk: ReturnsDesk,
        dock: ReturnDock,
        reductions: Reductions,
        billing: Billing,
        faults: MoneyFaults,
    ) -> None:
        self._sim = sim
        self._warehouse = warehouse
        self._desk = desk
        self._dock = dock
        self._reductions = reductions
        self._billing = billing
        self._faults = faults

    def begin(
        self,
        order: SalesOrder,
        shipment: Shipment,
        items: Sequence[Item],
        fault: MoneyFault | None,
    ) -> None:
        """A shipment was billed: plan what its buyer does."""
        if fault is not None:
            self._play(fault, order, shipment, items[0])
        elif self._faults.untouched(order):
            config = self._sim.config
            draws = {item.item_id: self._rng("buyer", item) for item in items}
            back = [i for i in items if draws[i.item_id].random() < config.returns_share]
            self._plan_return(order, shipment, back, smooth=False)
            for item in items:
                if draws[item.item_id].random() < config.reductions_share:
                    self._plan_reduction(order, item, draws[item.item_id], None)

    def deliver_blind(self, rng: random.Random) -> None:
        """Something arrives without any hint whose it is; no order will ever claim it."""
        sku = rng.choice(catalogue.PRODUCTS).sku
        receipt = self._dock.receive([ReturnedLine(sku, 1, "MINT", "QUARANTINE")], None, None)
        self._faults.record(MoneyFault.BLIND_RETURN, NO_ORDER, receipt.receipt_id)

    def receive(
        self,
        order: SalesOrder,
        items: Sequence[Item],
        findings: Sequence[Finding],
        number: str | None,
        known: Known,
    ) -> ReturnReceipt | None:
        """These items are at the dock now; None where none of them ever left the warehouse."""
        lines = self._lines(order, items, findings, named=known is Known.UNIT)
        if not lines:
            return None
        if known is not Known.PARCEL or any(line.line_id for line in lines):
            return self._dock.receive(lines, order.order_id, number)
        self._sim.ledger.harmless["return_known_by_number"] += 1
        return self._dock.receive(lines, None, number)

    def _rng(self, what: str, item: Item) -> random.Random:
        return random.Random(f"{what}:{self._sim.config.seed}:{item.item_id}")

    def _about(self, hours: float, rng: random.Random) -> float:
        """Minutes of about so many hours."""
        return 60 * hours * rng.uniform(0.5, 1.5)

    def _play(self, fault: MoneyFault, order: SalesOrder, shipment: Shipment, item: Item) -> None:
        """Let a planted fault have its occasion; receipts had theirs already."""
        rng = self._rng("fault", item)
        minutes = self._about(self._sim.config.return_after_hours, rng)
        if fault in _REFUND_FAULTS:
            self._plan_return(order, shipment, [item], smooth=True)
        elif fault in _REDUCTION_FAULTS:
            self._plan_reduction(order, item, rng, fault)
        elif fault is MoneyFault.REFUND_UNASKED:
            self._sim.after(minutes, lambda: self._refund_unasked(order, item))
        elif fault is MoneyFault.PARTIAL_REFUND_UNASKED:
            self._sim.after(minutes, lambda: self._refund_part_unasked(order, item))
        elif fault is MoneyFault.REJECTED_REFUNDED:
            back = self._parcels(order, shipment, [item], smooth=True)[0]
            self._sim.after(minutes, lambda: self._reject_in_portal(back))

    # Money back that nobody asked for

    def _refund_unasked(self, order: SalesOrder, item: Item) -> None:
        if self._desk.undecided(item):
            self._billing.refund(order, [item])
            self._faults.record(MoneyFault.REFUND_UNASKED, order.order_id, item.item_id)

    def _refund_part_unasked(self, order: SalesOrder, item: Item) -> None:
        if self._desk.undecided(item):
            cents = max(1, self._billing.remaining_cents(order, item) // 10)
            self._billing.partial_refund(order, item, cents)
            self._faults.record(MoneyFault.PARTIAL_REFUND_UNASKED, order.order_id, item.item_id)

    def _reject_in_portal(self, back: _Back) -> None:
        """A person rejects an announced return; nothing came, and OTTO pays all the same."""
        (item,) = back.items
        if not self._desk.undecided(item):
            return
        self._desk.announce(back.order, back.items, back.carrier, back.number)
        decision = Decision(back.order, item, "E", "ITEM_NOT_IN_THE_PARCEL")
        transit = self._about(self._sim.config.return_transit_hours, back.rng)
        self._sim.after(transit, lambda: self._reject_and_refund(decision))

    def _reject_and_refund(self, decision: Decision) -> None:
        if not self._desk.undecided(decision.item):
            return
        self._desk.reject([decision])
        self._billing.refund(decision.order, [decision.item])
        order_id, item_id = decision.order.order_id, decision.item.item_id
        self._faults.record(MoneyFault.REJECTED_REFUNDED, order_id, item_id)

    # Complaints

    def _plan_reduction(
        self, order: SalesOrder, item: Item, rng: random.Random, fault: MoneyFault | None
    ) -> None:
        minutes = self._about(self._sim.config.return_after_hours / 2, rng)
        percent = rng.choice((5, 10, 15, 20))
        too_much = fault is None and rng.random() < 0.1
        self._sim.after(minutes, lambda: self._complain(order, item, percent, too_much, fault))

    def _complain(
        self,
        order: SalesOrder,
        item: Item,
        percent: int,
        too_much: bool,
        fault: MoneyFault | None,
    ) -> None:
        """The seller gives a reduction in OTTO's portal; asking for too much is refused later."""
        if not self._desk.undecided(item):
            return
        left = self._billing.remaining_cents(order, item)
        cents = left if too_much else max(1, left * percent // 100)
        self._reductions.ask(order, item, cents, fault)

    # The way back

    def _plan_return(
        self, order: SalesOrder, shipment: Shipment, items: Sequence[Item], *, smooth: bool
    ) -> None:
        for back in self._parcels(order, shipment, items, smooth=smooth):
            minutes = self._about(self._sim.config.return_after_hours, back.rng)
            self._sim.after(minutes, partial(self._send_back, back))

    def _parcels(
        self, order: SalesOrder, shipment: Shipment, items: Sequence[Item], *, smooth: bool
    ) -> list[_Back]:
        """One per return number that was told to OTTO at dispatch."""
        keys = {
            wire["positionItemId"]: wire.get("returnTrackingKey")
            for wire in shipment.position_items
        }
        groups: defaultdict[tuple[str, str], list[Item]] = defaultdict(list)
        for item in items:
            key = keys.get(item.item_id) or {
                "carrier": "DHL",
                "trackingNumber": self._warehouse.spare_number()[1],
            }
            groups[key["carrier"], key["trackingNumber"]].append(item)
        return [
            _Back(order, tuple(group), *key, self._rng("back", group[0]), smooth)
            for key, group in groups.items()
        ]

    def _send_back(self, back: _Back) -> None:
        way = 1.0 if back.smooth else back.rng.random()
        items = tuple(item for item in back.items if self._desk.undecided(item))
        if not items:
            return
        back = replace(back, items=items)
        transit = self._about(self._sim.config.return_transit_hours, back.rng)
        if way < _UNANNOUNCED:
            self._sim.after(transit, lambda: self._arrive(back))
            return
        shipment = self._desk.announce(back.order, items, back.carrier, back.number)
        if way > _WITHDRAWN:
            self._sim.after(transit * 0.2, lambda: self._desk.move(shipment, "ON_THE_WAY"))
            self._sim.after(transit, lambda: self._delivered(back, shipment))
        elif way > _MISDIRECTED:
            self._sim.after(transit, lambda: self._desk.withdraw(shipment))
        else:
            self._sim.after(transit, lambda: self._desk.misdirect(back.order, items))
            self._sim.after(transit * 1.5, lambda: self._arrive(back))

    def _delivered(self, back: _Back, shipment: ReturnShipment) -> None:
        self._desk.move(shipment, "DELIVERED")
        self._sim.after(self._about(3, back.rng), lambda: self._arrive(back))
        overdue = self._sim.config.overdue_credit_hours
        if overdue > 0:
            self._sim.after(60 * overdue, lambda: self._credit_overdue(back))

    def _credit_overdue(self, back: _Back) -> None:
        """OTTO pays the buyer because the seller did not decide."""
        late = [item for item in back.items if self._desk.undecided(item)]
        decisions = [Decision(back.order, item, None, "OVERDUE_CREDIT") for item in late]
        self._desk.accept(decisions, by_marketplace=True)
        self._sim.ledger.harmless["accepted_by_marketplace"] += len(late)

    def _arrive(self, back: _Back) -> None:
        rng = back.rng
        hard = self._sim.config.hard_returns_share
        findings = [
            _find(rng, _HARD if rng.random() < hard else (*_FINE, *_SO_SO)) for _ in back.items
        ]
        known = Known.UNIT if back.smooth else _known(rng)
        if self._could_be_mistaken(back, findings):
            known = Known.UNIT
        later = not back.smooth and rng.random() < _GRADED_LATER
        first = [_UNGRADED] * len(findings) if later else findings
        receipt = self.receive(back.order, back.items, first, back.number, known)
        if receipt is not None and later:
            named = known is Known.UNIT
            lines = self._lines(back.order, back.items, findings, named=named)
            minutes = self._about(4, rng)
            self._sim.after(minutes, lambda: self._dock.grade(receipt, lines))

    def _could_be_mistaken(self, back: _Back, findings: Sequence[Finding]) -> bool:
        """Whether units of one article differ in condition and in price: which one is worn?"""
        seen: defaultdict[str, set[tuple[Finding, int]]] = defaultdict(set)
        for item, found in zip(back.items, findings, strict=True):
            seen[item.product.sku].add((found, self._billing.charge(back.order, item).to_pay_cents))
        return any(
            min(len({found for found, _ in units}), len({cents for _, cents in units})) > 1
            for units in seen.values()
        )

    def _lines(
        self,
        order: SalesOrder,
        items: Sequence[Item],
        findings: Sequence[Finding],
        *,
        named: bool,
    ) -> list[ReturnedLine]:
        """Lines of the units that left; unnamed only where nobody could mistake them."""
        held = self._warehouse.orders.get(order.order_id)
        held_lines = held.lines if held else {}
        lines = []
        for item, found in zip(items, findings, strict=True):
            line = held_lines.get(item.item_id)
            if line is not None and line.shipped:
                lines.append(ReturnedLine(line.sku, 1, found[0], found[1], line.line_id, found[2]))
        back = Counter(line.sku for line in lines)
        ordered = Counter(line.sku for line in held_lines.values())
        if named or any(ordered[sku] != count for sku, count in back.items()):
            return lines
        units = Counter(replace(line, line_id=None) for line in lines)
        return [replace(line, quantity=count) for line, count in units.items()]


def _known(rng: random.Random) -> Known:
    draw = rng.random()
    if draw < _PARCEL_KNOWN:
        return Known.PARCEL
    return Known.ORDER if draw < _ORDER_KNOWN else Known.UNIT


def _find(rng: random.Random, table: Sequence[tuple[Finding, int]]) -> Finding:
    return rng.choices([found for found, _ in table], [weight for _, weight in table])[0]
