"""The lines of an order and how far each is, read from what Tryton holds of it.

Belongs here: pure derivation of states. Ordered quantities come from our own record: a unit whose
move is gone or empty is short once something was picked, and cancelled before. What events follow
stands in `resources.wms.tryton.progress`.
"""

from dataclasses import dataclass

from resources.wms.port import LineSnapshot, LineState, OrderSnapshot
from resources.wms.tryton.books import Move, Order, RecordedLine, Shipment

OPEN = frozenset({"draft", "waiting", "assigned"})
PICKED = frozenset({"picked", "packed"})
GONE = frozenset({"shipped", "done"})
_ORDER = list(LineState)


@dataclass(frozen=True)
class Unit:
    """One unit of a line: its move, while Tryton has one, and the shipment that holds it."""

    move: Move | None
    shipment: Shipment | None
    state: LineState


@dataclass(frozen=True)
class Line:
    """An ordered line, or a move that nobody ordered, with its units."""

    ordered: RecordedLine
    units: tuple[Unit, ...]

    @property
    def state(self) -> LineState:
        """The state of the unit that is least far; of a line of one unit that unit's."""
        return min((unit.state for unit in self.units), key=_ORDER.index)

    @property
    def shipped(self) -> int:
        """Units that left."""
        gone = [u.move for u in self.units if u.move and u.state is LineState.SHIPPED]
        return sum(move.quantity for move in gone)

    @property
    def move(self) -> Move | None:
        """A move of the line, which tells what Tryton makes of article and price."""
        return next((unit.move for unit in self.units if unit.move), None)

    @property
    def sku(self) -> str:
        """The article in Tryton."""
        return self.move.sku if self.move else self.ordered.sku

    def count(self, state: LineState) -> int:
        """Units in that state."""
        return sum(unit.state is state for unit in self.units)


def lines_of(order: Order) -> list[Line]:
    """Every ordered line, and each move beyond as a line of its own."""
    places = {move.id: (move, held) for held in order.shipments for move in held.moves}
    lost = _lost(order)
    ordered = order.record.lines if order.record else ()
    known = {move_id for line in ordered for move_id in line.moves}
    lines = [
        Line(line, tuple(_unit(line, places.get(move_id), lost) for move_id in line.moves))
        for line in ordered
    ]
    for move_id, place in sorted(places.items()):
        if move_id not in known and place[1].state != "draft":
            beyond = _unordered(place[0])
            lines.append(Line(beyond, (_unit(beyond, place, lost),)))
    return lines


def _lost(order: Order) -> LineState:
    """What it means that a unit is gone: while a part is a draft, somebody is changing it."""
    states = {held.state for held in order.shipments}
    if "draft" in states:
        return LineState.ACCEPTED
    return LineState.SHORT if states & (PICKED | GONE) else LineState.CANCELLED


def snapshot(order: Order) -> OrderSnapshot:
    """The order as the port tells of it; without its record it is there with unknown lines."""
    if order.fault:
        return OrderSnapshot(
            order_ref=order.order_ref, wms_order_id="", status="unreadable", lines=()
        )
    return OrderSnapshot(
        order_ref=order.order_ref,
        wms_order_id=order_id(order),
        status="+".join(dict.fromkeys(held.state for held in order.shipments)),
        lines=tuple(
            LineSnapshot(
                line_id=line.ordered.line_id,
                sku=line.sku,
                quantity=len(line.units),
                quantity_shipped=line.shipped,
                state=line.state,
                unit_price_cents=line.move.price_cents if line.move else None,
                currency=line.move.currency if line.move else None,
            )
            for line in lines_of(order)
        ),
    )


def order_id(order: Order) -> str:
    """Number of the shipment that stands for the order."""
    own = [s for s in order.shipments if order.record and s.id == order.record.shipment]
    return str((own or list(order.shipments))[0].number)


def _unordered(move: Move) -> RecordedLine:
    return RecordedLine(
        line_id=f"tryton:{move.id}",
        sku=move.sku,
        price_cents=move.price_cents or 0,
        currency=move.currency or "",
        moves=(move.id,),
    )


def _unit(line: RecordedLine, place: tuple[Move, Shipment] | None, lost: LineState) -> Unit:
    """The unit of a move; one that is gone, or empty, is `lost` unless we cancelled it."""
    if line.cancelled is not None:
        lost = LineState.CANCELLED
    if place is None:
        return Unit(None, None, lost)
    move, held = place
    if move.state == "cancelled" or held.state == "cancelled":
        return Unit(move, held, LineState.CANCELLED)
    if held.state in OPEN:
        reserved = move.id in held.allocated
        return Unit(move, held, LineState.ALLOCATED if reserved else LineState.ACCEPTED)
    if move.quantity == 0:
        return Unit(move, held, lost)
    return Unit(move, held, LineState.PICKED if held.state in PICKED else LineState.SHIPPED)
