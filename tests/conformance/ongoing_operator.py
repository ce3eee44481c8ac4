"""The operator of adapter `ongoing`: works in a local server made from the vendor's documents."""

import itertools
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from resources.operating_model import Http
from resources.wms.ongoing.adapter import OngoingWms
from resources.wms.ongoing.policy import OngoingPolicy
from resources.wms.port import WmsPort
from tests.conformance.operator import Label, StartingPoint
from tests.resources.wms.ongoing_server import KEY, OWNER, OngoingServer

_QUICK = Http(timeout_seconds=10, attempts=3, first_backoff_seconds=0.01)
_POLICY = OngoingPolicy.model_validate(
    {
        "goods_owner_id": OWNER,
        "look_every_seconds": 0,
        # This warehouse makes its back orders before it says that an order is picked.
        "statuses": {"short_final_from": 400},
        "return_statuses": {
            "RESTOCK": {"condition": "NEW", "disposition": "RESTOCK"},
            "QUARANTINE": {"condition": "USED_LIGHT", "disposition": "QUARANTINE"},
            "SCRAP": {"condition": "DEFECT", "disposition": "SCRAP"},
        },
    }
)


class OngoingOperator:
    """One installation per case."""

    name = "ongoing"

    def __init__(self, folder: Path) -> None:
        self._server = OngoingServer()
        self._state = folder / "ongoing.sqlite"
        self._ports: list[OngoingWms] = []
        self._serial = itertools.count(1)
        self._later: dict[str, list[str]] = {}
        self.starting_point = StartingPoint()
        self.port: WmsPort = self._client(self._server.url)

    def close(self) -> None:
        for port in self._ports:
            port.close()
        self._server.close()

    def second_port(self) -> WmsPort:
        return self._client(self._server.url)

    def port_with_wrong_key(self) -> WmsPort:
        return self._client(self._server.url, key="rest-user:wrong")

    def port_without_server(self) -> WmsPort:
        return self._client("http://127.0.0.1:9/system/api/v1")

    @contextmanager
    def losing_answer(self, nth: int) -> Iterator[WmsPort]:
        """One request makes an order, and its repeats only look: there is no second change."""
        self._server.to_lose = int(nth == 1)
        yield self._client(self._server.url)
        assert self._server.to_lose == 0

    def article(self, units: int) -> str:
        sku = f"CONFORM-{next(self._serial)}"
        self._server.receive(sku, units)
        return sku

    def quarantine(self, sku: str, units: int) -> None:
        self._server.lock_items(sku, units)

    def take_up(self, order_ref: str) -> None:
        """Do nothing: an order that is open in Ongoing is accepted."""

    def pick(self, order_ref: str) -> None:
        """What was split off is picked on its own, after what it was split from."""
        numbers = self._numbers(order_ref)
        waiting = [number for number in numbers if self._server.held(number)["status"] < 400]
        self._server.pick(waiting[0])

    def pick_without(self, order_ref: str, line_id: str, *, backorder: bool) -> None:
        with self._server.lock:
            if backorder:
                self._later.setdefault(order_ref, []).append(
                    self._server.back_order(order_ref, [line_id])
                )
            self._server.pick(order_ref, without=(line_id,))

    def split(self, order_ref: str, line_ids: Sequence[str]) -> None:
        number = self._server.split(order_ref, list(line_ids))
        self._later.setdefault(order_ref, []).append(number)

    def ship(self, order_ref: str, boxes: Sequence[Sequence[str]]) -> list[Label]:
        with self._server.lock:
            number = self._number_with(order_ref, boxes[0][0])
            labels = [f"RET-{next(self._serial)}" for _ in boxes]
            numbers = self._server.pack(number, [list(box) for box in boxes], labels)
            self._server.send(number)
        return [Label(*pair) for pair in zip(numbers, labels, strict=True)]

    def pack(self, order_ref: str) -> None:
        """Do nothing: packing begins with picking here."""

    def renumber(self, order_ref: str, old: str) -> str:
        new = f"NEW-{next(self._serial)}"
        self._server.renumber(order_ref, old, new)
        return new

    def cancel(self, order_ref: str, line_id: str) -> None:
        self._server.take_out(order_ref, line_id)

    def take_back(self, order_ref: str | None, goods: Sequence[str], number: str) -> str:
        assert order_ref is not None
        return str(self._server.take_back(order_ref, list(goods), None, number))

    def grade(self, receipt: str, grades: Sequence[str]) -> None:
        self._server.grade(int(receipt), list(grades))

    def _numbers(self, order_ref: str) -> list[str]:
        return [order_ref, *self._later.get(order_ref, [])]

    def _number_with(self, order_ref: str, row: str) -> str:
        """The number of the order that has this row picked."""
        for number in self._numbers(order_ref):
            lines = self._server.held(number)["lines"]
            if any(line["row"] == row and line["picked"] for line in lines):
                return number
        raise AssertionError(f"nobody picked {row}")

    def _client(self, url: str, key: str = KEY) -> OngoingWms:
        client = OngoingWms(url, key, _QUICK, _POLICY, self._state, sleep=lambda _: None)
        self._ports.append(client)
        return client
