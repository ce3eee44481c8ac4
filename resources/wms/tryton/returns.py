"""Goods that came back to the Tryton warehouse, as return receipts.

Belongs here: what a customer return says. Its moves name the shipped moves that came back, the
location to which a unit was put is its grade, its reference is the number on the parcel.
"""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import datetime

from resources.wms.port import Condition, Disposition, ReturnedLine, ReturnPage, ReturnReceipt
from resources.wms.tryton.books import MOVE, SHIPMENT, Books
from resources.wms.tryton.feed import Window, row
from resources.wms.tryton.policy import Grade, TrytonPolicy
from resources.wms.tryton.rest import Domain, Record, TrytonRest

RETURN = "stock.shipment.out.return"
_UNGRADED = Grade(condition=Condition.UNKNOWN, disposition=Disposition.QUARANTINE)
# Tryton notes the button, or the change of state, or both.
_RECEIVED = frozenset({"receive", "state:received"})
_FIELDS = (
    "number",
    "create_date",
    "reference",
    "state",
    "last_modified_at",
    "incoming_moves.product.code",
    "incoming_moves.quantity",
    "incoming_moves.origin",
    "inventory_moves.product.code",
    "inventory_moves.quantity",
    "inventory_moves.origin",
    "inventory_moves.to_location.code",
)


@dataclass(frozen=True)
class _Origins:
    """What the moves that came back had been when they left."""

    orders: Mapping[int, str]
    lines: Mapping[int, str]


def return_page(
    rest: TrytonRest, books: Books, policy: TrytonPolicy, window: Window, limit: int
) -> ReturnPage:
    """Returns that were received or graded since the cursor, at most `limit`."""
    domain: Domain = [
        ["customer.code", "=", books.customer],
        ["state", "in", ["received", "done", "cancelled"]],
    ]
    if window.since is not None:
        since = window.since
        domain.append(
            ["OR", ["last_modified_at", ">=", since], ["moves.last_modified_at", ">=", since]]
        )
    found = rest.read(RETURN, domain, ("last_modified_at", "moves.last_modified_at"))
    rows = [
        row(
            each["id"],
            each["id"],
            [each["last_modified_at"], *(move["last_modified_at"] for move in each["moves"])],
        )
        for each in found
    ]
    news = window.news(rows, limit)
    returns = {each["id"]: each for each in rest.read_by(RETURN, "id", news.items, _FIELDS)}
    received_at = _received_at(rest, news.items)
    origins = _origins(rest, books, returns.values())
    receipts, unreadable = [], []
    for key in news.items:
        back = returns.get(key)
        lines = _lines(back, policy, origins) if back else ()
        if back is None or back["state"] == "cancelled" or not lines:
            number = back["number"] if back else key
            unreadable.append(f"return {number}: it was cancelled or emptied after its receipt")
            continue
        at = received_at.get(key) or back["create_date"]
        receipts.append(_receipt(back, at, lines, origins))
    return ReturnPage(
        receipts=tuple(receipts),
        next_cursor=news.cursor,
        has_more=news.more,
        unreadable=tuple(unreadable),
    )


def _receipt(
    back: Record, at: datetime, lines: tuple[ReturnedLine, ...], origins: _Origins
) -> ReturnReceipt:
    orders = {origins.orders[move] for move in _left(back) if move in origins.orders}
    return ReturnReceipt(
        receipt_id=back["number"],
        received_at=at,
        lines=lines,
        order_ref=orders.pop() if len(orders) == 1 else None,
        return_tracking_number=back["reference"],
    )


def _lines(back: Record, policy: TrytonPolicy, origins: _Origins) -> tuple[ReturnedLine, ...]:
    """Each unit as it was graded; before that, each as it arrived."""
    arrived = {move["id"]: _target(move["origin"]) for move in back["incoming_moves"]}
    if back["state"] != "done":
        return tuple(
            _line(move, _UNGRADED, origins.lines.get(arrived[move["id"]] or 0))
            for move in back["incoming_moves"]
            if round(move["quantity"])
        )
    return tuple(
        _line(
            move,
            policy.grades.get(move["to_location"]["code"] or "", _UNGRADED),
            origins.lines.get(arrived.get(_target(move["origin"]) or 0) or 0),
        )
        for move in back["inventory_moves"]
        if round(move["quantity"])
    )


def _line(move: Record, grade: Grade, line_id: str | None) -> ReturnedLine:
    return ReturnedLine(
        sku=move["product"]["code"],
        quantity=round(move["quantity"]),
        condition=grade.condition,
        disposition=grade.disposition,
        line_id=line_id,
    )


def _left(back: Record) -> list[int]:
    """Ids of the shipped moves that this return names."""
    targets = [_target(move["origin"]) for move in back["incoming_moves"]]
    return [target for target in targets if target is not None]


def _target(origin: str | None) -> int | None:
    """Id in a reference to a move, such as `stock.move,7`."""
    model, _, key = (origin or "").partition(",")
    return int(key) if model == MOVE else None


def _origins(rest: TrytonRest, books: Books, returns: Collection[Record]) -> _Origins:
    left = [move for back in returns for move in _left(back)]
    moves = rest.read_by(MOVE, "id", left, ("shipment",)) if left else []
    shipment_of = {
        move["id"]: int(move["shipment"].rpartition(",")[2])
        for move in moves
        if (move["shipment"] or "").startswith(f"{SHIPMENT},")
    }
    shipments = list(dict.fromkeys(shipment_of.values()))
    rows = rest.read_by(SHIPMENT, "id", shipments, ("reference",)) if shipments else []
    refs = {row["id"]: row["reference"] for row in rows if row["reference"]}
    claims = books.claims(set(refs.values())) if refs else {}
    return _Origins(
        orders={move: refs[held] for move, held in shipment_of.items() if held in refs},
        lines={
            move: line.line_id
            for claim in claims.values()
            for line in claim.record.lines
            for move in line.moves
        },
    )


def _received_at(rest: TrytonRest, returns: list[int]) -> dict[int, datetime]:
    resources = [f"{RETURN},{key}" for key in returns]
    moments: dict[int, datetime] = {}
    for entry in rest.read_by(
        "ir.model.log", "resource", resources, ("resource", "target", "create_date")
    ):
        if entry["target"] in _RECEIVED:
            key = int(entry["resource"].rpartition(",")[2])
            moments[key] = min(entry["create_date"], moments.get(key, entry["create_date"]))
    return moments
