"""The operator of adapter `http`: works in the sandbox's warehouse, inside its process."""

import itertools
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime

from otto_pipelines.sandbox.config import SandboxConfig
from otto_pipelines.sandbox.server import Sandbox
from otto_pipelines.sandbox.warehouse import Warehouse
from otto_pipelines.sandbox.wms_model import WmsOrder
from otto_pipelines.sandbox.wms_returns import ReturnedLine
from resources.operating_model import Http
from resources.wms.http import HttpWms
from resources.wms.port import WmsPort
from tests.conformance.lossy import LossyProxy
from tests.conformance.operator import Label, StartingPoint

_CONDITION = {"RESTOCK": "NEW", "QUARANTINE": "USED_LIGHT", "SCRAP": "DEFECT"}
_QUICK = Http(timeout_seconds=10, attempts=3, first_backoff_seconds=0.01)


class SandboxOperator:
    """A sandbox whose time stands still: nothing happens but what the operator does."""

    name = "http"

    def __init__(self) -> None:
        self.starting_point = StartingPoint()
        start = datetime(2026, 6, 8, 10, tzinfo=UTC)
        config = SandboxConfig(start=start, orders=0, days=1, transport_fault_rate=0.0)
        self._sandbox = Sandbox(config).start()
        self._ports: list[HttpWms] = []
        self._serial = itertools.count(1)
        self.port: WmsPort = self._client(self._sandbox.wms_url)

    def close(self) -> None:
        for port in self._ports:
            port.close()
        self._sandbox.stop()

    def second_port(self) -> WmsPort:
        return self._client(self._sandbox.wms_url)

    def port_with_wrong_key(self) -> WmsPort:
        return self._client(self._sandbox.wms_url, key="wrong")

    def port_without_server(self) -> WmsPort:
        return self._client("http://127.0.0.1:9")

    @contextmanager
    def losing_answer(self, nth: int) -> Iterator[WmsPort]:
        proxy = LossyProxy(self._sandbox.wms_url, frozenset({"POST"}), nth)
        yield self._client(proxy.url)
        assert len(proxy.lost) == 1
        proxy.close()

    def article(self, units: int) -> str:
        sku = f"CONFORM-{next(self._serial)}"
        with self._sandbox.world.turn():
            self._sandbox.world.warehouse.stock.receive(sku, None, units)
        return sku

    def quarantine(self, sku: str, units: int) -> None:
        with self._sandbox.world.turn():
            self._sandbox.world.warehouse.stock.block(sku, None, units)

    def take_up(self, order_ref: str) -> None:
        with self._sandbox.world.turn():
            self._warehouse.accept(self._held(order_ref))

    def pick(self, order_ref: str) -> None:
        with self._sandbox.world.turn():
            self._pick(order_ref)

    def pick_without(self, order_ref: str, line_id: str, *, backorder: bool) -> None:
        with self._sandbox.world.turn():
            held = self._held(order_ref)
            self._warehouse.accept(held)
            line = held.lines[line_id]
            self._warehouse._allocation.write_off(line, certain=False)
            self._warehouse._come_up_short(held, line, backorder=backorder)
            self._pick(order_ref)

    def split(self, order_ref: str, line_ids: Sequence[str]) -> None:
        """Do nothing: in this warehouse each box leaves when it is ready."""

    def ship(self, order_ref: str, boxes: Sequence[Sequence[str]]) -> list[Label]:
        with self._sandbox.world.turn():
            held = self._held(order_ref)
            labels = []
            for box in boxes:
                lines = [held.lines[line_id] for line_id in box]
                for line in lines:
                    line.packed = True
                (parcel,) = self._warehouse._dispatch(held, lines)
                labels.append(Label(parcel.number or "", parcel.wire["return_tracking_number"]))
            return labels

    def pack(self, order_ref: str) -> None:
        with self._sandbox.world.turn():
            self._warehouse._pack(self._held(order_ref))

    def renumber(self, order_ref: str, old: str) -> str:
        with self._sandbox.world.turn():
            parcels = self._warehouse.parcels.values()
            parcel = next(parcel for parcel in parcels if parcel.number == old)
            self._warehouse.correct_tracking(parcel)
            return parcel.number or ""

    def cancel(self, order_ref: str, line_id: str) -> None:
        with self._sandbox.world.turn():
            self._warehouse.cancel(order_ref, [line_id], "damaged in the warehouse")

    def take_back(self, order_ref: str | None, goods: Sequence[str], number: str) -> str:
        with self._sandbox.world.turn():
            lines = [self._returned(order_ref, good, "UNKNOWN", "QUARANTINE") for good in goods]
            return self._sandbox.world.money.dock.receive(lines, order_ref, number).receipt_id

    def grade(self, receipt: str, grades: Sequence[str]) -> None:
        with self._sandbox.world.turn():
            dock = self._sandbox.world.money.dock
            known = dock.receipts[receipt]
            goods = [line.line_id or line.sku for line in known.lines]
            lines = [
                self._returned(known.order_ref, good, _CONDITION[grade], grade)
                for good, grade in zip(goods, grades, strict=True)
            ]
            dock.grade(known, lines)

    @property
    def _warehouse(self) -> Warehouse:
        return self._sandbox.world.warehouse

    def _held(self, order_ref: str) -> WmsOrder:
        return self._warehouse.orders[order_ref]

    def _pick(self, order_ref: str) -> None:
        held = self._held(order_ref)
        self._warehouse.accept(held)
        self._warehouse._allocate(held)
        self._warehouse._pick(held)

    def _returned(
        self, order_ref: str | None, good: str, condition: str, disposition: str
    ) -> ReturnedLine:
        if order_ref is None:
            return ReturnedLine(good, 1, condition, disposition)
        sku = self._held(order_ref).lines[good].sku
        return ReturnedLine(sku, 1, condition, disposition, line_id=good)

    def _client(self, url: str, key: str | None = None) -> HttpWms:
        key = key or self._sandbox.config.wms_api_key
        client = HttpWms(url, key, _QUICK, sleep=lambda _: None)
        self._ports.append(client)
        return client
