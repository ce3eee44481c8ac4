"""Orders into Tryton: created once, completed after a break, or brought up to date.

Belongs here: the steps of a submission and their sequence. Tryton has one unique field that helps:
the code of a party. So a draft shipment is made first, which no picker sees, then the party that
claims the order and names this draft, and only the draft that was claimed is shown to the
warehouse. Whoever comes second, or comes late, finds its claim refused and removes its own draft.
"""

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal

import msgspec

from resources.wms.errors import WmsRejected, WmsUnknownOutcome
from resources.wms.port import OutboundLine, OutboundOrder, ShipTo, SubmitOutcome, SubmitResult
from resources.wms.tryton.books import (
    NOTE,
    NOTE_NAME,
    PARTY,
    SHIPMENT,
    Books,
    Claim,
    OrderRecord,
    RecordedLine,
    Shipment,
    record_text,
)
from resources.wms.tryton.rest import Record, TrytonRest
from resources.wms.tryton.site import Article, Site

ADDRESS = "party.address"
_CHANGEABLE = frozenset({"draft", "waiting", "assigned"})


@dataclass(frozen=True)
class Catalogue:
    """What orders name, and Tryton's ids of it."""

    articles: Mapping[str, Article]
    countries: Mapping[str, int]
    currencies: Mapping[str, int]


class Submission:
    """Submits orders one by one."""

    def __init__(self, rest: TrytonRest, books: Books, site: Site, catalogue: Catalogue) -> None:
        self._rest = rest
        self._books = books
        self._site = site
        self._catalogue = catalogue

    def submit(self, order: OutboundOrder) -> SubmitResult:
        """Bring the order into Tryton.

        Raises:
            WmsError: the step that failed; calling again goes on from where it ended.
        """
        fault = self._fault(order)
        if fault is not None:
            return _result(order, SubmitOutcome.REJECTED, None, fault)
        claim = self._books.claim(order.order_ref)
        if claim is None:
            claim, ours = self._create(order)
            if ours:
                return self._hand_over(order, claim, SubmitOutcome.CREATED)
        held = self._held(claim)
        if held is None:
            code = self._books.code(order.order_ref)
            why = f"its shipment was removed from Tryton; remove party {code} too, then send again"
            return _result(order, SubmitOutcome.REJECTED, None, why)
        if claim.record.payload_hash != order.payload_hash:
            refusal = self._update(order, claim, held)
            outcome = SubmitOutcome.REJECTED if refusal else SubmitOutcome.UPDATED
            return _result(order, outcome, held.number, refusal)
        if held.state == "draft" and not held.handed_over:
            return self._hand_over(order, claim, SubmitOutcome.UNCHANGED)
        return _result(order, SubmitOutcome.UNCHANGED, held.number)

    def _hand_over(
        self, order: OutboundOrder, claim: Claim, outcome: SubmitOutcome
    ) -> SubmitResult:
        """Show the claimed draft to the warehouse, and remove drafts that can win no more."""
        self._rest.act(SHIPMENT, claim.record.shipment, "wait")
        number = None
        for held in self._books.shipments([claim.order_ref]):
            if held.id == claim.record.shipment:
                number = held.number
            elif held.state == "draft" and not held.handed_over and held.address is not None:
                self._remove(held.id, held.address)
        return _result(order, outcome, number)

    def _fault(self, order: OutboundOrder) -> str | None:
        """What Tryton could not take, named before anything is sent."""
        for line in order.lines:
            if line.sku not in self._catalogue.articles:
                return f"article {line.sku!r} is not in Tryton, or more than once"
            if line.currency not in self._catalogue.currencies:
                return f"currency {line.currency!r} is not in Tryton"
        if order.ship_to.country_code not in self._catalogue.countries:
            return f"country {order.ship_to.country_code!r} is not in Tryton: import its countries"
        return None

    def _create(self, order: OutboundOrder) -> tuple[Claim, bool]:
        """Make a draft and claim the order for it; also whether the claim is ours."""
        place = {"party": self._site.customer, **self._address(order.ship_to)}
        address = self._rest.create(ADDRESS, place)["id"]
        moves = [self._move(line) for line in order.lines for _ in range(line.quantity)]
        values = {
            "reference": order.order_ref,
            "customer": self._site.customer,
            "delivery_address": address,
            "company": self._site.company,
            "warehouse": self._site.warehouse,
            "warehouse_storage": self._site.storage,
            "warehouse_output": self._site.output,
            "outgoing_moves": [["create", moves]],
        }
        made = self._rest.create(SHIPMENT, values, ("outgoing_moves.product",), self._context)
        record = OrderRecord(
            payload_hash=order.payload_hash,
            shipment=made["id"],
            address=address,
            lines=self._bound(order.lines, made["outgoing_moves"]),
        )
        claim = self._claim(order.order_ref, record)
        return claim, claim.record.shipment == record.shipment

    def _claim(self, order_ref: str, record: OrderRecord) -> Claim:
        """Claim the order for our draft; whoever was first stays, and we take ours back."""
        note = {"type": "other", "value": order_ref, "name": NOTE_NAME}
        values = {
            "name": f"{self._books.customer} order {order_ref}",
            "code": self._books.code(order_ref),
            "contact_mechanisms": [["create", [{**note, "comment": record_text(record)}]]],
        }
        try:
            made = self._rest.create(PARTY, values, ("contact_mechanisms.name",))
        except (WmsRejected, WmsUnknownOutcome):
            standing = self._books.claim(order_ref)
            if standing is None:
                raise
            if standing.record.shipment != record.shipment:
                self._remove(record.shipment, record.address)
            return standing
        return Claim(order_ref, made["id"], made["contact_mechanisms"][0]["id"], record)

    def _remove(self, shipment: int, address: int) -> None:
        """Remove a draft and its address, unless somebody else has done it already."""
        for model, record_id in ((SHIPMENT, shipment), (ADDRESS, address)):
            try:
                self._rest.delete(model, record_id)
            except WmsRejected:
                if self._rest.read(model, [["id", "=", record_id]], ()):
                    raise

    def _held(self, claim: Claim) -> Shipment | None:
        found = self._books.shipments([claim.order_ref])
        return next((held for held in found if held.id == claim.record.shipment), None)

    def _update(self, order: OutboundOrder, claim: Claim, held: Shipment) -> str | None:
        """Bring lines and address up to date; returns why that cannot be done."""
        siblings = [s for s in self._books.shipments([claim.order_ref]) if s.handed_over]
        if len(siblings) > 1:
            return "the order was split in Tryton and cannot be changed any more"
        if held.state not in _CHANGEABLE:
            return f"the shipment is {held.state} in Tryton and cannot be changed any more"
        self._rest.write(ADDRESS, claim.record.address, self._address(order.ship_to))
        if held.state == "assigned" or held.partially_assigned:
            self._rest.act(SHIPMENT, held.id, "wait")
        if held.state != "draft":
            self._rest.act(SHIPMENT, held.id, "draft")
        kept = {line.line_id: line for line in claim.record.lines}
        same = [line for line in order.lines if _same(kept.get(line.line_id), line)]
        stay = {move for line in same for move in kept[line.line_id].moves}
        new = [line for line in order.lines if line not in same]
        values = [
            ["delete", [move.id for move in held.moves if move.id not in stay]],
            ["create", [self._move(line) for line in new for _ in range(line.quantity)]],
        ]
        changed = self._rest.write(
            SHIPMENT,
            held.id,
            {"outgoing_moves": values},
            ("outgoing_moves.product",),
            self._context,
        )
        made = [move for move in changed["outgoing_moves"] if move["id"] not in stay]
        gone = [line for line in claim.record.lines if line.line_id not in _ids(order)]
        record = msgspec.structs.replace(
            claim.record,
            payload_hash=order.payload_hash,
            lines=(
                *(kept[line.line_id] for line in same),
                *self._bound(tuple(new), made),
                *(_cancelled(line, "removed by an update of the order") for line in gone),
            ),
        )
        # The record comes last but one: until then a repeat starts the update again.
        self._rest.write(NOTE, claim.note, {"comment": record_text(record)})
        self._rest.act(SHIPMENT, held.id, "wait")
        return None

    @property
    def _context(self) -> Record:
        return {"company": self._site.company}

    def _move(self, line: OutboundLine) -> Record:
        article = self._catalogue.articles[line.sku]
        return {
            "product": article.product,
            "unit": article.unit,
            "quantity": 1,
            "from_location": self._site.output,
            "to_location": self._site.customer_location,
            "company": self._site.company,
            "currency": self._catalogue.currencies[line.currency],
            "unit_price": Decimal(line.unit_price_cents) / 100,
        }

    def _bound(
        self, lines: tuple[OutboundLine, ...], moves: list[Record]
    ) -> tuple[RecordedLine, ...]:
        """Give each line its moves: of one article, in the sequence in which they were made."""
        free: dict[int, list[int]] = defaultdict(list)
        for move in sorted(moves, key=lambda move: -int(move["id"])):
            free[move["product"]].append(move["id"])
        return tuple(
            RecordedLine(
                line_id=line.line_id,
                sku=line.sku,
                price_cents=line.unit_price_cents,
                currency=line.currency,
                moves=tuple(
                    free[self._catalogue.articles[line.sku].product].pop()
                    for _ in range(line.quantity)
                ),
            )
            for line in lines
        )

    def _address(self, to: ShipTo) -> Record:
        return {
            "party_name": to.name,
            "street_name": to.street,
            "building_number": to.house_number,
            "building_name": to.addition,
            "postal_code": to.postal_code,
            "city": to.city,
            "country": self._catalogue.countries[to.country_code],
            "attn": ", ".join(filter(None, (to.phone, to.email))) or None,
            "delivery": True,
        }


def _same(held: RecordedLine | None, line: OutboundLine) -> bool:
    """Whether the line stands in Tryton as it is wanted, so that its moves can stay."""
    return (
        held is not None
        and held.cancelled is None
        and (
            held.sku,
            held.price_cents,
            held.currency,
            len(held.moves),
        )
        == (line.sku, line.unit_price_cents, line.currency, line.quantity)
    )


def _cancelled(line: RecordedLine, reason: str) -> RecordedLine:
    return msgspec.structs.replace(line, cancelled=line.cancelled or reason)


def _ids(order: OutboundOrder) -> set[str]:
    return {line.line_id for line in order.lines}


def _result(
    order: OutboundOrder, outcome: SubmitOutcome, number: str | None, error: str | None = None
) -> SubmitResult:
    return SubmitResult(
        order_ref=order.order_ref, outcome=outcome, wms_order_id=number, error=error
    )
