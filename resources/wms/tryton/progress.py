"""Fulfilment events of an order, read from what Tryton holds of it.

Belongs here: pure derivation. Tryton keeps states and no events, so an event's id is made of what
it says, and the same state gives the same events on every read. States stand in
`resources.wms.tryton.lines`.
"""

import hashlib
from collections.abc import Iterator
from datetime import datetime

from resources.wms.port import (
    Discrepancy,
    EventKind,
    FulfilmentEvent,
    LineOutcome,
    LineState,
    Parcel,
    ParcelLine,
)
from resources.wms.tryton.books import (
    PACKAGE,
    SHIPMENT,
    History,
    Order,
    Package,
    Shipment,
)
from resources.wms.tryton.lines import GONE, PICKED, Line, Unit, lines_of, order_id
from resources.wms.tryton.policy import TrytonPolicy

_TAKEN_OUT = "taken out of the order in the warehouse"


def events(order: Order, history: History, policy: TrytonPolicy) -> list[FulfilmentEvent]:
    """Everything that the order's present state says, in the order in which it can have happened.

    What was passed through between two reads is told only where it still shows.
    """
    teller = _Teller(order, history, policy)
    return [
        *teller.accepted(),
        *teller.progressed(),
        *teller.shorts(),
        *teller.dispatched(),
        *teller.corrected(),
        *teller.cancelled(),
    ]


class _Teller:
    """Tells the events of one order."""

    def __init__(self, order: Order, history: History, policy: TrytonPolicy) -> None:
        self._order = order
        self._history = history
        self._policy = policy
        self._lines = lines_of(order)
        self._latest = max(held.modified_at for held in order.shipments)

    def accepted(self) -> Iterator[FulfilmentEvent]:
        """The order stands in the warehouse."""
        first = self._order.shipments[0]
        at = self._history.reached.get((first.id, "waiting"), first.modified_at)
        told = [self._outcome(line) for line in self._lines]
        yield self._event(EventKind.ACCEPTED, at, told)

    def progressed(self) -> Iterator[FulfilmentEvent]:
        """Units that are reserved, or lie in the pick box."""
        for held in self._order.shipments:
            for kind, state in (
                (EventKind.ALLOCATED, LineState.ALLOCATED),
                (EventKind.PICKED, LineState.PICKED),
            ):
                picked = kind is EventKind.PICKED
                told = [
                    self._outcome(line, picked=line.count(state) if picked else 0)
                    for line in self._lines_in(held)
                    if line.state is state
                ]
                if told:
                    reached = "picked" if picked else "assigned"
                    at = self._history.reached.get((held.id, reached), held.modified_at)
                    yield self._event(kind, at, told, held)

    def shorts(self) -> Iterator[FulfilmentEvent]:
        """Lines of which units were not found: for good, or until a later shipment."""
        picks = [at for (_, state), at in self._history.reached.items() if state == "picked"]
        picked_at = max(picks, default=self._latest)
        for line in self._lines:
            lost = line.count(LineState.SHORT)
            if lost:
                told = self._outcome(line, short=lost, discrepancy=Discrepancy.COMPLETE)
                yield self._event(EventKind.SHORT_PICKED, picked_at, [told])
            later = [unit for unit in line.units if self._follows(unit)]
            if later:
                told = self._outcome(line, short=len(later), discrepancy=Discrepancy.BACKORDER)
                yield self._event(EventKind.SHORT_PICKED, picked_at, [told])

    def dispatched(self) -> Iterator[FulfilmentEvent]:
        """Shipments that left, each with its parcels."""
        for held in self._gone():
            told = [self._shipped_outcome(line, held) for line in self._lines_in(held)]
            told = [outcome for outcome in told if outcome.quantity_shipped]
            if told:
                parcels = self._parcels(held)
                identity = [*(parcel.parcel_id for parcel in parcels)]
                yield self._event(
                    EventKind.DISPATCHED,
                    self._left_at(held),
                    told,
                    held,
                    parcels=parcels,
                    identity=identity,
                )

    def corrected(self) -> Iterator[FulfilmentEvent]:
        """Parcels whose numbers were written after they had left."""
        for held in self._gone():
            left_at = self._left_at(held)
            labels = [p for p in held.packages if p.kind == self._policy.return_label]
            for parcel in self._parcels(held):
                sources = [f"{SHIPMENT},{held.id}", *(f"{PACKAGE},{p.id}" for p in labels)]
                sources += [
                    f"{PACKAGE},{p.id}" for p in held.packages if p.number == parcel.parcel_id
                ]
                numbered = self._history.numbered
                written = [numbered[source] for source in sources if source in numbered]
                at = max(written, default=left_at)
                if at > left_at:
                    inside = {packed.line_id for packed in parcel.lines}
                    told = [
                        self._shipped_outcome(line, held)
                        for line in self._lines_in(held)
                        if line.ordered.line_id in inside
                    ]
                    yield self._event(
                        EventKind.TRACKING_CHANGED,
                        at,
                        told,
                        held,
                        parcels=(parcel,),
                        identity=[
                            parcel.parcel_id,
                            parcel.tracking_number or "",
                            parcel.return_tracking_number or "",
                        ],
                    )

    def cancelled(self) -> Iterator[FulfilmentEvent]:
        """Lines that will not ship, whoever cancelled them."""
        for line in self._lines:
            if line.state is LineState.CANCELLED:
                reason = line.ordered.cancelled or _TAKEN_OUT
                told = self._outcome(line, reason=reason)
                yield self._event(EventKind.CANCELLED, self._latest, [told])

    def _follows(self, unit: Unit) -> bool:
        """Whether the unit is to follow: others were reserved or picked, this one not."""
        held = unit.shipment
        if held is None or unit.state is not LineState.ACCEPTED:
            return False
        return held.partially_assigned or any(
            other.state in PICKED | GONE for other in self._order.shipments if other is not held
        )

    def _gone(self) -> list[Shipment]:
        return [held for held in self._order.shipments if held.state in GONE]

    def _lines_in(self, held: Shipment) -> list[Line]:
        return [ln for ln in self._lines if any(u.shipment is held for u in ln.units)]

    def _left_at(self, held: Shipment) -> datetime:
        reached = self._history.reached
        moments = [reached[(held.id, state)] for state in GONE if (held.id, state) in reached]
        return min(moments, default=held.modified_at)

    def _parcels(self, held: Shipment) -> tuple[Parcel, ...]:
        """The shipment's parcels; without any, the shipment is one. Labels give return numbers."""
        labels = [p.tracking for p in held.packages if p.kind == self._policy.return_label]
        boxes: list[Package | None] = [
            package
            for package in held.packages
            if package.kind != self._policy.return_label and self._packed(held, package.id)
        ]
        boxes = boxes or [None]
        return tuple(
            Parcel(
                parcel_id=box.number if box else f"{held.number}",
                lines=self._packed(held, box.id if box else None),
                shipped_at=self._left_at(held),
                carrier_code=held.carrier,
                tracking_number=(box.tracking if box else None) or held.tracking,
                return_carrier_code=(self._policy.return_carrier or held.carrier)
                if labels
                else None,
                # As many labels as parcels: one each. Otherwise the first goes for all.
                return_tracking_number=(
                    labels[place] if len(labels) == len(boxes) else next(iter(labels), None)
                ),
            )
            for place, box in enumerate(boxes)
        )

    def _packed(self, held: Shipment, package: int | None) -> tuple[ParcelLine, ...]:
        packed = []
        for line in self._lines_in(held):
            moves = [u.move for u in line.units if u.shipment is held and u.move]
            units = sum(m.quantity for m in moves if package is None or m.package == package)
            if units:
                packed.append(ParcelLine(line_id=line.ordered.line_id, quantity=units))
        return tuple(packed)

    def _shipped_outcome(self, line: Line, held: Shipment) -> LineOutcome:
        moves = [u.move for u in line.units if u.shipment is held and u.move]
        units = sum(move.quantity for move in moves)
        over = units > len(line.units)
        return self._outcome(
            line,
            picked=units,
            shipped=units,
            discrepancy=Discrepancy.OVER if over else Discrepancy.NONE,
        )

    def _outcome(
        self,
        line: Line,
        *,
        picked: int = 0,
        shipped: int = 0,
        short: int = 0,
        discrepancy: Discrepancy = Discrepancy.NONE,
        reason: str | None = None,
    ) -> LineOutcome:
        return LineOutcome(
            line_id=line.ordered.line_id,
            sku=line.sku,
            quantity_ordered=len(line.units),
            quantity_picked=picked,
            quantity_shipped=shipped,
            quantity_short=short,
            discrepancy=discrepancy,
            reason=reason,
        )

    def _event(
        self,
        kind: EventKind,
        at: datetime,
        told: list[LineOutcome],
        held: Shipment | None = None,
        *,
        parcels: tuple[Parcel, ...] = (),
        identity: list[str] | None = None,
    ) -> FulfilmentEvent:
        about = [f"{line.line_id}:{line.quantity_short}:{line.discrepancy}" for line in told]
        words = [self._order.order_ref, kind, str(held.id if held else ""), *(identity or ())]
        digest = hashlib.sha256("|".join([*words, *about]).encode()).hexdigest()
        return FulfilmentEvent(
            event_id=f"tryton-{digest[:32]}",
            kind=kind,
            occurred_at=at,
            order_ref=self._order.order_ref,
            wms_order_id=order_id(self._order),
            wms_dispatch_id=held.number if held and parcels else None,
            lines=tuple(told),
            parcels=parcels,
        )
