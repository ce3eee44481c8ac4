"""Whoever works in the Tryton warehouse: reserves, picks, packs, ships, takes goods back.

Belongs here: the steps of a warehouse, over Tryton's own interface and with a key of its own. The
adapter (`resources.wms.tryton`) knows nothing of it; demos and tests let it do what people do.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal

from otto_pipelines.tryton import master_data
from resources.operating_model import Http
from resources.wms.tryton.books import MOVE, PACKAGE, SHIPMENT
from resources.wms.tryton.rest import Domain, Record, TrytonRest
from resources.wms.tryton.returns import RETURN

_HTTP = Http(timeout_seconds=60, first_backoff_seconds=0.05)
_UNGRADED = "IN"


@dataclass(frozen=True)
class Box:
    """A parcel to be packed: its moves, its number, and the number of the label inside."""

    moves: tuple[int, ...]
    tracking: str | None
    return_number: str | None = None


class Floor:
    """One person at the warehouse of `url`."""

    def __init__(self, url: str, key: str) -> None:
        self.rest = TrytonRest(url, key, _HTTP)
        self._session = master_data.Session(url, "admin")
        company = self.rest.read("company.company", [], ())[0]["id"]
        # Warnings ask a person whether it is meant so; on this floor it is.
        self._context = {"company": company, "_skip_warnings": True}
        self._company = company
        self._places = self._codes("stock.location", "code")
        self._kinds = self._codes("stock.package.type", "name")
        self._carriers = {
            row["party"]["name"]: row["id"]
            for row in self.rest.read("carrier", [], ("party.name",))
        }
        customer = self.rest.read(
            "party.party", [["code", "=", master_data.CUSTOMER]], ("customer_location",)
        )[0]
        self._customer = customer["id"]
        self._customer_location = customer["customer_location"]

    def close(self) -> None:
        """Close the connections."""
        self.rest.close()
        self._session.close()

    def add_stock(self, units: Mapping[str, int], location: str = "PICK") -> None:
        """Count: so many units of each SKU lie there from now on. New SKUs become articles."""
        master_data.add_articles(self.rest, list(units))
        master_data.count(self.rest, location, units)

    def shipments(self, order_ref: str, states: Collection[str]) -> list[Record]:
        """The order's shipments in one of these states, oldest first."""
        domain: Domain = [["reference", "=", order_ref], ["state", "in", list(states)]]
        fields = ("number", "state", "outgoing_moves.product.code", "outgoing_moves.quantity")
        return self.rest.read(
            SHIPMENT, [*domain, ["number", "!=", None]], fields, order=[("id", "ASC")]
        )

    def waiting(self) -> list[Record]:
        """Shipments that nobody has begun with, oldest first."""
        return self.rest.read(
            SHIPMENT,
            [["state", "=", "waiting"]],
            ("number", "reference", "outgoing_moves.product.code", "outgoing_moves.quantity"),
            order=[("id", "ASC")],
        )

    def press(self, shipment: int, *buttons: str) -> None:
        """Press these buttons of a shipment, one after the other."""
        for button in buttons:
            self.rest.act(SHIPMENT, shipment, button, self._context)

    def leave_out(self, shipment: int, moves: Collection[int]) -> None:
        """Reserve the shipment without the units of these moves: they were not found."""
        self.press(shipment, "wait")
        held = self.rest.read(SHIPMENT, [["id", "=", shipment]], ("inventory_moves.origin",))[0]
        lost = {f"{MOVE},{move}" for move in moves}
        for pick in held["inventory_moves"]:
            if pick["origin"] in lost:
                self.rest.write(MOVE, pick["id"], {"quantity": 0}, context=self._context)
        self.press(shipment, "assign_try")

    def split(self, shipment: int, moves: Collection[int]) -> int:
        """Give these moves a shipment of their own, with the same reference; returns its id."""
        self.press(shipment, "wait", "draft")
        held = self.rest.read(SHIPMENT, [["id", "=", shipment]], ("outgoing_moves.state",))[0]
        splittable = [move["id"] for move in held["outgoing_moves"] if move["state"] == "draft"]
        wizard = "wizard.stock.shipment.split"
        context = self._context | {
            "active_model": SHIPMENT,
            "active_id": shipment,
            "active_ids": [shipment],
        }
        key = self._session.call(f"{wizard}.create", [context])[0]
        chosen = {"start": {"moves": list(moves), "domain_moves": splittable}}
        self._session.call(f"{wizard}.execute", [key, chosen, "split", context])
        self._session.call(f"{wizard}.delete", [key, context])
        target = self.rest.read(MOVE, [["id", "=", next(iter(moves))]], ("shipment",))[0]
        made = int(target["shipment"].rpartition(",")[2])
        self.press(shipment, "wait")
        self.press(made, "wait")
        return made

    def pack(self, shipment: int, boxes: Sequence[Box], carrier: str = "DHL-PAKET") -> None:
        """Pack a picked shipment into boxes."""
        self.rest.write(
            SHIPMENT, shipment, {"carrier": self._carriers[carrier]}, context=self._context
        )
        for box in boxes:
            package = self._package(master_data.PARCEL, shipment, box.tracking)
            self.rest.create(
                PACKAGE, package | {"moves": [["add", list(box.moves)]]}, context=self._context
            )
        for box in boxes:
            if box.return_number is not None:
                label = self._package(master_data.RETURN_LABEL, shipment, box.return_number)
                self.rest.create(PACKAGE, label, context=self._context)
        self.press(shipment, "pack")

    def renumber(self, old: str, new: str) -> None:
        """Write another number on a parcel, whether or not it left."""
        for package in self.rest.read(PACKAGE, [["shipping_reference", "=", old]], ()):
            values = {"shipping_reference": new}
            self.rest.write(PACKAGE, package["id"], values, context=self._context)

    def receive_return(
        self, number: str | None, moves: Sequence[int], blind_skus: Sequence[str] = ()
    ) -> int:
        """Goods have arrived: shipped moves that came back, or articles of which nobody knows."""
        shipped = self.rest.read_by(MOVE, "id", moves, ("product",)) if moves else []
        product_of = {move["id"]: move["product"] for move in shipped}
        arrived = [(product_of[move], f"{MOVE},{move}") for move in moves]
        blind = self.rest.read_by("product.product", "code", blind_skus, ()) if blind_skus else []
        products = [*arrived, *((product["id"], None) for product in blind)]
        made = self.rest.create(
            RETURN,
            {
                "reference": number,
                "customer": self._customer,
                "company": self._company,
                "warehouse": self._places["WH"],
                "warehouse_input": self._places[_UNGRADED],
                "warehouse_storage": self._places["STO"],
                "incoming_moves": [["create", [self._arrival(*each) for each in products]]],
            },
            context=self._context,
        )
        self.rest.act(RETURN, made["id"], "receive", self._context)
        return int(made["id"])

    def grade(self, back: int, locations: Sequence[str]) -> None:
        """Put each unit, in the sequence of its arrival, to the location (code) of its grade."""
        fields = ("inventory_moves.origin",)
        puts = self.rest.read(RETURN, [["id", "=", back]], fields)[0]["inventory_moves"]
        in_sequence = sorted(puts, key=lambda move: int(move["origin"].rpartition(",")[2]))
        for put, code in zip(in_sequence, locations, strict=True):
            place = {"to_location": self._places[code]}
            self.rest.write(MOVE, put["id"], place, context=self._context)
        self.rest.act(RETURN, back, "do", self._context)

    def _arrival(self, product: int, origin: str | None) -> Record:
        unit = self.rest.read("product.product", [["id", "=", product]], ("default_uom",))[0]
        return {
            "product": product,
            "unit": unit["default_uom"],
            "quantity": 1,
            "from_location": self._customer_location,
            "to_location": self._places[_UNGRADED],
            "company": self._company,
            "origin": origin,
            "unit_price": Decimal(0),
            "currency": self.rest.read("currency.currency", [["code", "=", "EUR"]], ())[0]["id"],
        }

    def _package(self, kind: str, shipment: int, number: str | None) -> Record:
        return {
            "type": self._kinds[kind],
            "company": self._company,
            "shipment": f"{SHIPMENT},{shipment}",
            "shipping_reference": number,
        }

    def _codes(self, model: str, field: str) -> dict[str, int]:
        return {row[field]: row["id"] for row in self.rest.read(model, [], (field,)) if row[field]}
