"""Returns as the simulated OTTO sees them: announced, on the way, accepted, rejected, misdirected.

Belongs here: state and what is allowed. HTTP belongs to `otto_returns`, what buyers do to
`returns_life`, the money to `billing`. Callers hold the world's lock.
"""

import itertools
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from otto_pipelines.sandbox.marketplace import Marketplace
from otto_pipelines.sandbox.model import Item, SalesOrder, Status
from otto_pipelines.sandbox.simulation import Simulation

RETURN_STATUSES = ("ANNOUNCED", "ACCEPTED", "REJECTED", "MISDIRECTED")
CONDITIONS = frozenset("ABCDE")
ACCEPTANCE_REASONS = frozenset(
    {
        "RETURN_RECEIVED",
        "STATUS_SENT_BY_ACCIDENT",
        "CANCEL_REQUEST_BY_CUSTOMER",
        "REFUND_AFTER_AFFIDAVIT",
        "COMPLAINT",
        "SHIPMENT_LOST",
        "RETURN_LOST",
        "UNDELIVERABLE",
    }
)
REJECTION_REASONS = frozenset(
    {
        "THIRD_PARTY_ITEM",
        "WRONG_ITEM",
        "EXCHANGE",
        "DAMAGE_TO_THE_HYGIENE_SEAL",
        "ITEM_DAMAGED",
        "RETURN_PERIOD_EXCEEDED",
        "ITEM_NOT_IN_THE_PARCEL",
    }
)
MARKETPLACE_REASONS = frozenset(
    {"OVERDUE_CREDIT", "FAST_REFUND", "CUSTOMER_CLARIFICATION", "LACK_OF_COOPERATION"}
)
NOT_SENT = "Product Not Sent By The Partner"
NOT_IN_ORDER = "Product Does Not Belong To Sales Order Id"
ALREADY_ACCEPTED = "Product Is Already Accepted By The Partner"


@dataclass(slots=True)
class ReturnCase:
    """What OTTO knows of one item's return; `serial` grows with each change of status."""

    order: SalesOrder
    item: Item
    status: str
    at: datetime
    serial: int
    carrier: str | None = None
    number: str | None = None
    condition: str | None = None
    reason: str | None = None


@dataclass(slots=True)
class ReturnShipment:
    """A parcel on its way back; states in the order in which they came."""

    shipment_id: str
    created_at: datetime
    carrier: str
    number: str
    items: tuple[tuple[str, str], ...]
    states: list[tuple[str, datetime]] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Decision:
    """A seller's word on one item."""

    order: SalesOrder
    item: Item
    condition: str | None
    reason: str | None


class ReturnsDesk:
    """All returns and return shipments; `on_accepted` is told which items are to be refunded."""

    def __init__(self, sim: Simulation, market: Marketplace) -> None:
        self._sim = sim
        self._market = market
        self._serial = itertools.count(1)
        self._shipment_serial = itertools.count(700_000_001)
        self.cases: dict[str, ReturnCase] = {}
        self.shipments: dict[str, ReturnShipment] = {}
        self.on_accepted: Callable[[SalesOrder, Sequence[Item]], None] = lambda order, items: None

    def announce(
        self, order: SalesOrder, items: Sequence[Item], carrier: str, number: str
    ) -> ReturnShipment:
        """The buyer has asked for a label."""
        for item in items:
            self._set(order, item, "ANNOUNCED", carrier=carrier, number=number)
        shipment = ReturnShipment(
            str(next(self._shipment_serial)),
            self._sim.now,
            carrier,
            number,
            tuple((order.order_id, item.item_id) for item in items),
            [("ANNOUNCED", self._sim.now)],
        )
        self.shipments[shipment.shipment_id] = shipment
        return shipment

    def withdraw(self, shipment: ReturnShipment) -> None:
        """The buyer keeps the goods: the announcement vanishes, where nothing was decided."""
        del self.shipments[shipment.shipment_id]
        for _, item_id in shipment.items:
            if self.cases[item_id].status == "ANNOUNCED":
                del self.cases[item_id]

    def move(self, shipment: ReturnShipment, state: str) -> None:
        """The carrier has reported."""
        shipment.states.append((state, self._sim.now))

    def misdirect(self, order: SalesOrder, items: Sequence[Item]) -> None:
        """The buyer sent the goods to OTTO, which will send them on."""
        for item in items:
            if self.undecided(item):
                self._set(order, item, "MISDIRECTED")

    def undecided(self, item: Item) -> bool:
        """Sent, and neither accepted nor rejected."""
        case = self.cases.get(item.item_id)
        return item.status is Status.SENT and (case is None or case.status not in _DECIDED)

    def objection(self, order: SalesOrder | None, item: Item | None) -> str | None:
        """Why nothing can be decided on the item, or None."""
        if order is None or item is None:
            return NOT_IN_ORDER
        if item.status is Status.RETURNED:
            return ALREADY_ACCEPTED
        return None if item.status is Status.SENT else NOT_SENT

    def accept(self, decisions: Sequence[Decision], *, by_marketplace: bool = False) -> None:
        """Accept for good; each order's items are refunded together."""
        accepted: dict[str, tuple[SalesOrder, list[Item]]] = {}
        for decision in decisions:
            order, item = decision.order, decision.item
            self._set(order, item, "ACCEPTED", condition=decision.condition, reason=decision.reason)
            self._market.mark_returned(order, item, by_marketplace=by_marketplace)
            accepted.setdefault(order.order_id, (order, []))[1].append(item)
        for order, items in accepted.values():
            self.on_accepted(order, items)

    def reject(self, decisions: Sequence[Decision]) -> None:
        """Reject; an acceptance may still follow."""
        for decision in decisions:
            self._set(
                decision.order,
                decision.item,
                "REJECTED",
                condition=decision.condition,
                reason=decision.reason,
            )

    def newest_first(self, status: str | None) -> list[ReturnCase]:
        """The cases of that status, or all; the last change comes first."""
        chosen = [case for case in self.cases.values() if status in {None, case.status}]
        return sorted(chosen, key=lambda case: -case.serial)

    def shipments_since(self, since: datetime) -> Iterator[ReturnShipment]:
        """Return shipments that were announced or moved after that moment."""
        return (s for s in self.shipments.values() if s.states[-1][1] >= since)

    def _set(self, order: SalesOrder, item: Item, status: str, **facts: str | None) -> None:
        old = self.cases.get(item.item_id)
        case = ReturnCase(order, item, status, self._sim.now, next(self._serial))
        if old is not None:
            case.carrier, case.number = old.carrier, old.number
        for name, value in facts.items():
            setattr(case, name, value)
        self.cases[item.item_id] = case


_DECIDED = frozenset({"ACCEPTED", "REJECTED"})
