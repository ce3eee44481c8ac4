"""Cancelling in Tryton, whole or in part, up to the moment when the goods are packed.

Belongs here: which steps a shipment's state asks for. We note in our record first what we ask for:
from then on a unit that is missing counts as cancelled, and one that ships all the same as shipped.
"""

from collections.abc import Collection
from dataclasses import replace

import msgspec

from resources.wms.errors import WmsRejected
from resources.wms.port import CancelOutcome, CancelResult, LineState
from resources.wms.tryton.books import (
    MOVE,
    NOTE,
    SHIPMENT,
    Books,
    Claim,
    Move,
    Order,
    Shipment,
    record_text,
)
from resources.wms.tryton.lines import OPEN, lines_of
from resources.wms.tryton.rest import TrytonRest

# A picker may press a button between our look and our step: then we look again.
_LOOKS = 3


def cancel(
    rest: TrytonRest,
    books: Books,
    order_ref: str,
    line_ids: tuple[str, ...] | None,
    reason: str,
) -> CancelResult:
    """Cancel what is not packed yet of these lines (None = all).

    Raises:
        WmsError: the step that failed; calling again goes on from where it ended.
    """
    claim = books.claim(order_ref)
    known = {line.line_id for line in claim.record.lines} if claim else set()
    wanted = known if line_ids is None else known & set(line_ids)
    if claim is None or not wanted:
        return CancelResult(order_ref=order_ref, outcome=CancelOutcome.NOT_FOUND)
    claim = _noted(rest, claim, wanted, reason)
    moves = {m for line in claim.record.lines if line.line_id in wanted for m in line.moves}
    for look in range(_LOOKS):
        try:
            for held in books.shipments([order_ref]):
                _cancel_in(rest, held, moves)
        except WmsRejected:
            if look == _LOOKS - 1:
                raise
        else:
            break
    return _answer(books, claim, wanted)


def _noted(rest: TrytonRest, claim: Claim, wanted: Collection[str], reason: str) -> Claim:
    """The claim with the wish in its record, as Tryton keeps it from now on."""
    lines = tuple(
        msgspec.structs.replace(line, cancelled=reason or "not given")
        if line.line_id in wanted and line.cancelled is None
        else line
        for line in claim.record.lines
    )
    record = msgspec.structs.replace(claim.record, lines=lines)
    if record != claim.record:
        rest.write(NOTE, claim.note, {"comment": record_text(record)})
    return replace(claim, record=record)


def _cancel_in(rest: TrytonRest, held: Shipment, wanted: Collection[int]) -> None:
    """Take the wanted moves out of one shipment."""
    live = [m for m in held.moves if m.state != "cancelled" and m.quantity]
    going = [move for move in live if move.id in wanted]
    if not going or held.state not in OPEN | {"picked"}:
        return
    if len(going) == len(live):
        rest.act(SHIPMENT, held.id, "cancel")
    elif held.state == "picked":
        # The units lie at the packing table: an empty move tells the packer to leave them out.
        for move in going:
            rest.write(MOVE, move.id, {"quantity": 0})
    else:
        _shrink(rest, held, going)


def _shrink(rest: TrytonRest, held: Shipment, going: list[Move]) -> None:
    """Remove moves of a shipment that nobody has picked, and reserve the rest again."""
    reserved = held.state == "assigned" or held.partially_assigned
    if reserved:
        # Straight to draft would leave reservations behind.
        rest.act(SHIPMENT, held.id, "wait")
    if held.state != "draft":
        rest.act(SHIPMENT, held.id, "draft")
    rest.write(SHIPMENT, held.id, {"outgoing_moves": [["delete", [move.id for move in going]]]})
    if held.handed_over:
        rest.act(SHIPMENT, held.id, "wait")
    if reserved:
        rest.act(SHIPMENT, held.id, "assign_try")


def _answer(books: Books, claim: Claim, wanted: Collection[str]) -> CancelResult:
    order_ref = claim.order_ref
    order = Order(order_ref, claim.record, tuple(books.shipments([order_ref])))
    ended = {LineState.CANCELLED, LineState.SHORT}
    states = {line.ordered.line_id: line.state for line in lines_of(order)}
    done = tuple(line_id for line_id in sorted(wanted) if states[line_id] in ended)
    if len(done) == len(wanted):
        outcome = CancelOutcome.CANCELLED
    else:
        outcome = CancelOutcome.PARTIAL if done else CancelOutcome.TOO_LATE
    return CancelResult(order_ref=order_ref, outcome=outcome, cancelled_line_ids=done)
