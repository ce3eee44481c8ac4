"""What Tryton holds of an order: our own record of it, its shipments, their history.

Belongs here: reading these and putting them in typed form. Tryton overwrites an ordered quantity
when it picks, and a move has no place for OTTO's id of a unit. So each order has a party whose code
is the order's key, with our record of the order as text (`OrderRecord`). What follows from it all
stands in `resources.wms.tryton.progress`, writing in `resources.wms.tryton.orders`.
"""

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from decimal import ROUND_HALF_UP, Decimal

import msgspec

from resources.wms.errors import WmsRejected
from resources.wms.tryton.rest import Domain, Record, TrytonRest

SHIPMENT = "stock.shipment.out"
MOVE = "stock.move"
PACKAGE = "stock.package"
PARTY = "party.party"
NOTE = "party.contact_mechanism"
NOTE_NAME = "otto-pipelines"

_MOVE_FIELDS = ("product.code", "quantity", "state", "unit_price", "currency.code", "package")
_SHIPMENT_FIELDS = (
    "number",
    "reference",
    "state",
    "partially_assigned",
    "carrier.party.name",
    "shipping_reference",
    "delivery_address",
    "last_modified_at",
    *(f"outgoing_moves.{name}" for name in _MOVE_FIELDS),
    "inventory_moves.origin",
    "inventory_moves.state",
    "inventory_moves.quantity",
    "packages.number",
    "packages.type.name",
    "packages.shipping_reference",
)
_LOG_FIELDS = ("resource", "event", "target", "create_date")


class RecordedLine(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One ordered line, and the moves that stand for its units, one move a unit."""

    line_id: str
    sku: str
    price_cents: int
    currency: str
    moves: tuple[int, ...]
    cancelled: str | None = None
    """Why we asked to cancel it."""


class OrderRecord(msgspec.Struct, frozen=True, kw_only=True):
    """What we ordered. `shipment` is the one that stands for the order; splitting makes more."""

    payload_hash: str
    shipment: int
    address: int
    lines: tuple[RecordedLine, ...]


@dataclass(frozen=True)
class Claim:
    """An order that is ours: its record, and where that is kept."""

    order_ref: str
    party: int
    note: int
    record: OrderRecord


@dataclass(frozen=True)
class Move:
    """Units of one article that leave with a shipment."""

    id: int
    sku: str
    quantity: int
    state: str
    price_cents: int | None
    currency: str | None
    package: int | None


@dataclass(frozen=True)
class Package:
    """A parcel, or a label that goes along in one."""

    id: int
    number: str
    kind: str
    tracking: str | None


@dataclass(frozen=True)
class Shipment:
    """One shipment. `allocated` are those of its moves whose units are reserved in full."""

    id: int
    number: str | None
    order_ref: str
    state: str
    partially_assigned: bool
    carrier: str | None
    tracking: str | None
    address: int | None
    modified_at: datetime
    moves: tuple[Move, ...]
    allocated: frozenset[int]
    packages: tuple[Package, ...]

    @property
    def handed_over(self) -> bool:
        """Whether it was ever shown to the warehouse: Tryton numbers it then."""
        return self.number is not None


@dataclass(frozen=True)
class History:
    """When shipments reached their states first, and numbers were last written."""

    reached: Mapping[tuple[int, str], datetime] = field(default_factory=dict)
    numbered: Mapping[str, datetime] = field(default_factory=dict)
    """By Tryton's reference of a package or shipment, such as `stock.package,7`."""


@dataclass(frozen=True)
class Order:
    """Everything that Tryton holds of one order. Without `record` nobody of us submitted it.

    `fault` says why our record cannot be read: then nothing is known of the lines.
    """

    order_ref: str
    record: OrderRecord | None
    shipments: tuple[Shipment, ...]
    fault: str | None = None


class Books:
    """Reads orders of the party whose code is `customer`."""

    def __init__(self, rest: TrytonRest, customer: str) -> None:
        self._rest = rest
        self.customer = customer

    def code(self, order_ref: str) -> str:
        """Code of the party that claims the order."""
        return f"{self.customer}-{order_ref}"

    def claim(self, order_ref: str) -> Claim | None:
        """Our record of the order, None where there is none.

        Raises:
            WmsRejected: the record was changed by hand and cannot be read any more.
        """
        found = self._claims([order_ref]).get(order_ref)
        if isinstance(found, WmsRejected):
            raise found
        return found

    def claims(self, order_refs: Collection[str]) -> dict[str, Claim]:
        """Our records of those orders that have one which can be read."""
        found = self._claims(order_refs)
        return {ref: claim for ref, claim in found.items() if isinstance(claim, Claim)}

    def _claims(self, order_refs: Collection[str]) -> dict[str, Claim | WmsRejected]:
        codes = {self.code(ref): ref for ref in order_refs}
        fields = ("code", "contact_mechanisms.name", "contact_mechanisms.comment")
        parties = self._rest.read_by(PARTY, "code", list(codes), fields)
        return {codes[party["code"]]: _claim(codes[party["code"]], party) for party in parties}

    def orders(self, order_refs: Collection[str]) -> dict[str, Order]:
        """Each order that was handed over to the warehouse, or that stands there without us."""
        claims = self._claims(order_refs)
        by_ref: dict[str, list[Shipment]] = defaultdict(list)
        for shipment in self.shipments(order_refs):
            by_ref[shipment.order_ref].append(shipment)
        orders = {}
        for ref, shipments in by_ref.items():
            if not any(held.handed_over for held in shipments):
                continue
            claim, fault = claims.get(ref), None
            if isinstance(claim, WmsRejected):
                claim, fault = None, str(claim)
            record = claim.record if claim else None
            ours = {move for line in record.lines for move in line.moves} if record else set()
            # A part that was split off has no number before it waits; a losing draft never has.
            shown = tuple(
                held
                for held in shipments
                if held.handed_over or any(move.id in ours for move in held.moves)
            )
            orders[ref] = Order(ref, record, shown, fault)
        return orders

    def shipments(self, order_refs: Collection[str]) -> list[Shipment]:
        """All shipments with these references, oldest first."""
        found: list[Record] = []
        for ref_part in _portions(list(order_refs)):
            domain: Domain = [["customer.code", "=", self.customer], ["reference", "in", ref_part]]
            found += self._rest.read(SHIPMENT, domain, _SHIPMENT_FIELDS)
        return sorted(map(_shipment, found), key=lambda shipment: shipment.id)

    def history(self, shipments: Iterable[Shipment]) -> History:
        """The history of these shipments and their packages."""
        resources = []
        for shipment in shipments:
            resources.append(f"{SHIPMENT},{shipment.id}")
            resources += [f"{PACKAGE},{package.id}" for package in shipment.packages]
        reached: dict[tuple[int, str], datetime] = {}
        numbered: dict[str, datetime] = {}
        wanted = [
            "OR",
            ["event", "=", "transition"],
            [["event", "=", "write"], ["target", "like", "%shipping_reference%"]],
        ]
        for part in _portions(resources):
            domain: Domain = [["resource", "in", part], wanted]
            for entry in self._rest.read("ir.model.log", domain, _LOG_FIELDS):
                resource, at = entry["resource"], entry["create_date"]
                if entry["event"] == "write":
                    numbered[resource] = max(at, numbered.get(resource, at))
                elif resource.startswith(SHIPMENT):
                    key = int(resource.rpartition(",")[2]), entry["target"].rpartition(":")[2]
                    reached[key] = min(at, reached.get(key, at))
        return History(reached, numbered)


def record_text(record: OrderRecord) -> str:
    """The record as it is kept in Tryton."""
    return msgspec.json.encode(record).decode()


def cents(price: Decimal | None) -> int | None:
    """A price of Tryton in whole cents, halves rounded up; it may have more decimals than two."""
    return None if price is None else int((price * 100).to_integral_value(ROUND_HALF_UP))


def _portions(values: list[str]) -> Iterable[list[str]]:
    return (values[start : start + 200] for start in range(0, len(values), 200))


def _claim(order_ref: str, party: Record) -> Claim | WmsRejected:
    """The claim, or the error that says why it cannot be read."""
    what = f"the record of order {order_ref} at party {party['code']} in Tryton"
    remedy = f"it is the text of the contact mechanism {NOTE_NAME!r}: put it back"
    for note in party["contact_mechanisms"]:
        if note["name"] == NOTE_NAME:
            try:
                record = msgspec.json.decode(note["comment"] or "", type=OrderRecord)
            except msgspec.MsgspecError as error:
                return WmsRejected(f"{what} cannot be read ({error}); {remedy}")
            return Claim(order_ref, party["id"], note["id"], record)
    return WmsRejected(f"{what} is gone; {remedy}")


def _shipment(row: Record) -> Shipment:
    moves = tuple(sorted(map(_move, row["outgoing_moves"]), key=lambda move: move.id))
    reserved: dict[int, int] = defaultdict(int)
    for pick in row["inventory_moves"]:
        if pick["state"] == "assigned" and pick["origin"]:
            reserved[int(pick["origin"].rpartition(",")[2])] += round(pick["quantity"])
    carrier = row["carrier"]
    return Shipment(
        id=row["id"],
        number=row["number"],
        order_ref=row["reference"] or "",
        state=row["state"],
        partially_assigned=bool(row["partially_assigned"]),
        carrier=carrier["party"]["name"] if carrier else None,
        tracking=row["shipping_reference"],
        address=row["delivery_address"],
        modified_at=row["last_modified_at"],
        moves=moves,
        allocated=frozenset(move.id for move in moves if 0 < move.quantity <= reserved[move.id]),
        packages=tuple(sorted(map(_package, row["packages"]), key=lambda package: package.id)),
    )


def _move(row: Record) -> Move:
    currency = row["currency"]
    return Move(
        id=row["id"],
        sku=row["product"]["code"] or "",
        quantity=round(row["quantity"]),
        state=row["state"],
        price_cents=cents(row["unit_price"]),
        currency=currency["code"] if currency else None,
        package=row["package"],
    )


def _package(row: Record) -> Package:
    return Package(row["id"], row["number"], row["type"]["name"], row["shipping_reference"])
