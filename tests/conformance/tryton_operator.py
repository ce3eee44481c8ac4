"""The operator of adapter `tryton`: works in a real Tryton over Tryton's own interface."""

import itertools
import uuid
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from otto_pipelines.tryton.environment import RunningTryton
from otto_pipelines.tryton.floor import Box, Floor
from resources.operating_model import Http
from resources.wms.port import WmsPort
from resources.wms.tryton.adapter import TrytonWms
from resources.wms.tryton.books import Books
from resources.wms.tryton.policy import TrytonPolicy
from tests.conformance.lossy import LossyProxy
from tests.conformance.operator import Label, StartingPoint

_LOCATION = {"RESTOCK": "PICK", "QUARANTINE": "QUAR", "SCRAP": "SCRAP"}
_QUICK = Http(timeout_seconds=60, attempts=4, first_backoff_seconds=0.05)


class TrytonOperator:
    """Every case has articles and orders of its own, so one server serves them all."""

    name = "tryton"

    def __init__(self, server: RunningTryton, floor: Floor, starting_point: StartingPoint) -> None:
        self._server = server
        self._floor = floor
        self.starting_point = starting_point
        self._serial = itertools.count(1)
        self._case = uuid.uuid4().hex[:6]
        self._ports: list[TrytonWms] = []
        self.port: WmsPort = self._client(server.url)
        self._books = Books(self._floor.rest, TrytonPolicy().customer)

    def close(self) -> None:
        for port in self._ports:
            port.close()

    def second_port(self) -> WmsPort:
        return self._client(self._server.url)

    def port_with_wrong_key(self) -> WmsPort:
        return self._client(self._server.url, key="wrong")

    def port_without_server(self) -> WmsPort:
        return self._client("http://127.0.0.1:9/wms")

    @contextmanager
    def losing_answer(self, nth: int) -> Iterator[WmsPort]:
        proxy = LossyProxy(self._server.url, frozenset({"POST", "PUT", "DELETE"}), nth)
        yield self._client(proxy.url)
        assert len(proxy.lost) == 1
        proxy.close()

    def article(self, units: int) -> str:
        sku = f"CONFORM-{self._case}-{next(self._serial)}"
        self._floor.add_stock({sku: units})
        return sku

    def quarantine(self, sku: str, units: int) -> None:
        level = self.port.stock_snapshot([sku]).levels[0]
        self._floor.add_stock({sku: level.on_hand - units})
        self._floor.add_stock({sku: units}, "QUAR")

    def take_up(self, order_ref: str) -> None:
        """Do nothing: an order that waits in Tryton is accepted."""

    def pick(self, order_ref: str) -> None:
        shipment = self._floor.shipments(order_ref, ("waiting", "assigned"))[0]["id"]
        self._floor.press(shipment, "assign_try", "pick")

    def pick_without(self, order_ref: str, line_id: str, *, backorder: bool) -> None:
        shipment = self._floor.shipments(order_ref, ("waiting",))[0]["id"]
        moves = self._moves(order_ref, [line_id])
        if backorder:
            self._floor.split(shipment, moves)
            self._floor.press(shipment, "assign_try")
        else:
            self._floor.leave_out(shipment, moves)
        self._floor.press(shipment, "pick")

    def split(self, order_ref: str, line_ids: Sequence[str]) -> None:
        shipment = self._floor.shipments(order_ref, ("waiting", "assigned"))[0]["id"]
        later = self._floor.split(shipment, self._moves(order_ref, line_ids))
        self._floor.press(shipment, "assign_try")
        self._floor.press(later, "assign_try")

    def ship(self, order_ref: str, boxes: Sequence[Sequence[str]]) -> list[Label]:
        shipment = self._floor.shipments(order_ref, ("picked",))[0]["id"]
        labels = [Label(f"TR{self._number()}", f"RET{self._number()}") for _ in boxes]
        packed = [
            Box(tuple(self._moves(order_ref, box)), label.tracking, label.return_number)
            for box, label in zip(boxes, labels, strict=True)
        ]
        self._floor.pack(shipment, packed)
        self._floor.press(shipment, "ship")
        return labels

    def pack(self, order_ref: str) -> None:
        for shipment in self._floor.shipments(order_ref, ("picked",)):
            moves = [move["id"] for move in shipment["outgoing_moves"] if move["quantity"]]
            self._floor.pack(shipment["id"], [Box(tuple(moves), f"TR{self._number()}")])

    def renumber(self, order_ref: str, old: str) -> str:
        new = f"TR{self._number()}"
        self._floor.renumber(old, new)
        return new

    def cancel(self, order_ref: str, line_id: str) -> None:
        shipment = self._floor.shipments(order_ref, ("waiting", "assigned"))[0]["id"]
        part = self._floor.split(shipment, self._moves(order_ref, [line_id]))
        self._floor.press(part, "cancel")

    def take_back(self, order_ref: str | None, goods: Sequence[str], number: str) -> str:
        if order_ref is None:
            back = self._floor.receive_return(number, [], goods)
        else:
            for shipment in self._floor.shipments(order_ref, ("shipped",)):
                self._floor.press(shipment["id"], "do")
            back = self._floor.receive_return(number, self._moves(order_ref, goods))
        return str(back)

    def grade(self, receipt: str, grades: Sequence[str]) -> None:
        self._floor.grade(int(receipt), [_LOCATION[grade] for grade in grades])

    def _moves(self, order_ref: str, line_ids: Sequence[str]) -> list[int]:
        claim = self._books.claim(order_ref)
        assert claim is not None
        moves = {line.line_id: line.moves for line in claim.record.lines}
        return [move for line_id in line_ids for move in moves[line_id]]

    def _number(self) -> str:
        return f"{self._case}{next(self._serial):04d}"

    def _client(self, url: str, key: str | None = None) -> TrytonWms:
        client = TrytonWms(
            url, key or self._server.adapter_key, _QUICK, TrytonPolicy(), sleep=lambda _: None
        )
        self._ports.append(client)
        return client
