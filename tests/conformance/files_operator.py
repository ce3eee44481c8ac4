"""The operator of adapter `files`: a partner that reads and writes CSV files behind a real SFTP."""

import csv
import itertools
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from threading import RLock
from typing import Any

from resources.wms.errors import WmsUnknownOutcome
from resources.wms.files.adapter import FilesWms
from resources.wms.files.policy import FilesPolicy
from resources.wms.files.sftp import SftpFolder, sftp_login
from resources.wms.port import WmsPort
from tests.conformance.operator import Label, StartingPoint
from tests.resources.wms.sftp_server import SftpServer

_POLICY = FilesPolicy(settle_seconds=0, look_every_seconds=0)
_CONDITION = {"RESTOCK": "NEW", "QUARANTINE": "USED_LIGHT", "SCRAP": "DEFECT"}
_TIMEOUT = 10.0

Row = dict[str, Any]


class _LosingFolder(SftpFolder):
    """A folder whose `nth` file arrives, and nobody hears of it."""

    left = 0

    def publish(self, path: str, content: bytes) -> None:
        super().publish(path, content)
        self.left -= 1
        if self.left == 0:
            raise WmsUnknownOutcome("no answer to the renaming")


class FilesOperator:
    """Keeps its own books, made from the order files alone."""

    name = "files"

    def __init__(
        self,
        server: SftpServer,
        folder: Path,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self._clock = now
        self._server = server
        self._state = folder / "files.sqlite"
        self._root = server.root / folder.name
        self._root.mkdir()
        self._ports: list[FilesWms] = []
        self._serial = itertools.count(1)
        self._lock = RLock()
        self._read: set[str] = set()
        self._orders: dict[str, dict[str, Row]] = {}
        self._stock: dict[str, Row] = {}
        self._returns: dict[str, list[Row]] = {}
        self._parcels: dict[str, tuple[str, str]] = {}
        self.starting_point = StartingPoint()
        self.port: WmsPort = self._client()

    def close(self) -> None:
        for port in self._ports:
            port.close()

    def second_port(self) -> WmsPort:
        return self._client()

    def port_with_wrong_key(self) -> WmsPort:
        return self._client(key_file=self._server.other_key_file)

    def port_without_server(self) -> WmsPort:
        return self._client(port=9)

    @contextmanager
    def losing_answer(self, nth: int) -> Iterator[WmsPort]:
        """One file makes an order, and its repeats write none: there is no second change."""
        folder = _LosingFolder(self._login(), _TIMEOUT)
        folder.left = nth
        yield self._opened(folder)
        assert folder.left <= 0 or nth > 1

    def article(self, units: int) -> str:
        with self._lock:
            sku = f"CONFORM-{next(self._serial)}"
            self._stock[sku] = {"units": units, "blocked": 0}
            self._tell_stock()
            return sku

    def stock_up(self, units: dict[str, int]) -> None:
        """Receive so many units of each article."""
        with self._lock:
            self._stock |= {sku: {"units": count, "blocked": 0} for sku, count in units.items()}
            self._tell_stock()

    def orders_received(self) -> set[str]:
        """Every order of which a file arrived."""
        with self._lock:
            self._read_files()
            return set(self._orders)

    def misread(self, order_ref: str, line_id: str, **values: str) -> None:
        """Type a value of a line in wrongly."""
        with self._lock:
            self._lines(order_ref)
            self._orders[order_ref][line_id].update(values)

    def quarantine(self, sku: str, units: int) -> None:
        with self._lock:
            self._stock[sku]["blocked"] += units
            self._tell_stock()

    def take_up(self, order_ref: str) -> None:
        with self._lock:
            new = [line for line in self._lines(order_ref) if line["state"] == "NEW"]
            for line in new:
                line["state"] = "ACCEPTED"
            prices = [
                {"unit_price": line["unit_price"], "currency": line["currency"]} for line in new
            ]
            self._tell(order_ref, "ACCEPTED", new, prices)

    def pick(self, order_ref: str) -> None:
        with self._lock:
            self.take_up(order_ref)
            found = [line for line in self._lines(order_ref) if line["state"] == "ACCEPTED"]
            for line in found:
                line["state"] = "PICKED"
                self._stock[line["sku"]]["units"] -= 1
            self._tell(order_ref, "PICKED", found)

    def pick_without(self, order_ref: str, line_id: str, *, backorder: bool) -> None:
        with self._lock:
            self.take_up(order_ref)
            lost = self._orders[order_ref][line_id]
            lost["state"] = "SHORT"
            self._tell(
                order_ref, "SHORT_PICKED", [lost], [{"discrepancy": "BP" if backorder else "CP"}]
            )
            self.pick(order_ref)
            lost["state"] = "ACCEPTED" if backorder else "LOST"
            self._tell_stock()

    def split(self, order_ref: str, line_ids: Sequence[str]) -> None:
        """Do nothing: in this warehouse each box leaves when it is ready."""

    def ship(
        self,
        order_ref: str,
        boxes: Sequence[Sequence[str]],
        numbers: Sequence[tuple[str, str]] | None = None,
    ) -> list[Label]:
        """Without `numbers` (of the parcel and its return) the operator makes some up."""
        with self._lock:
            rows, labels = [], []
            for place, box in enumerate(boxes):
                number = next(self._serial)
                given = numbers[place] if numbers else (f"TRACK-{number}", f"RETURN-{number}")
                label = Label(*given)
                labels.append(label)
                self._parcels[label.tracking] = (order_ref, f"P{number}")
                rows += [
                    {
                        "line_id": line_id,
                        "parcel_id": f"P{number}",
                        "carrier_code": "DHL-PAKET",
                        "return_carrier_code": "DHL",
                        "tracking_number": label.tracking,
                        "return_tracking_number": label.return_number,
                    }
                    for line_id in box
                ]
            self._put("dispatch", [self._row(order_ref, "DISPATCHED") | row for row in rows])
            return labels

    def pack(self, order_ref: str) -> None:
        """Do nothing: this partner does not tell of packing."""

    def renumber(self, order_ref: str, old: str) -> str:
        with self._lock:
            new = f"TRACK-{next(self._serial)}"
            parcel = self._parcels[new] = self._parcels.pop(old)
            row = self._row(order_ref, "TRACKING_CHANGED")
            self._put("dispatch", [row | {"parcel_id": parcel[1], "tracking_number": new}])
            return new

    def cancel(self, order_ref: str, line_id: str) -> None:
        with self._lock:
            self._lines(order_ref)
            line = self._orders[order_ref][line_id]
            line["state"] = "CANCELLED"
            self._tell(order_ref, "CANCELLED", [line])

    def take_back(self, order_ref: str | None, goods: Sequence[str], number: str) -> str:
        with self._lock:
            receipt = f"REC-{next(self._serial)}"
            common = {
                "receipt_id": receipt,
                "received_at": self._now(),
                "order_ref": order_ref or "",
                "return_tracking_number": number,
            }
            if order_ref is None:
                self._returns[receipt] = [common | {"sku": sku} for sku in goods]
            else:
                lines = self._orders[order_ref]
                self._returns[receipt] = [
                    common | {"line_id": line_id, "sku": lines[line_id]["sku"]} for line_id in goods
                ]
            self._put("returns", self._returns[receipt])
            return receipt

    def grade(self, receipt: str, grades: Sequence[str]) -> None:
        with self._lock:
            for row, grade in zip(self._returns[receipt], grades, strict=True):
                row.update(condition=_CONDITION[grade], disposition=grade)
                self._stock[row["sku"]]["units"] += grade != "SCRAP"
                self._stock[row["sku"]]["blocked"] += grade == "QUARANTINE"
            self._put("returns", self._returns[receipt])
            self._tell_stock()

    def _lines(self, order_ref: str) -> list[Row]:
        """The lines of an order after reading all new files."""
        self._read_files()
        return list(self._orders[order_ref].values())

    def _read_files(self) -> None:
        """A later file replaces an order."""
        files = (self._root / "orders").glob("ORD_*.csv")
        for path in sorted(files, key=lambda path: path.stat().st_mtime_ns):
            if path.name in self._read:
                continue
            self._read.add(path.name)
            with path.open(newline="", encoding="utf-8") as file:
                rows = list(csv.DictReader(file, delimiter=";"))
            known = self._orders.get(rows[0]["order_ref"], {})
            self._orders[rows[0]["order_ref"]] = {
                row["line_id"]: known.get(row["line_id"], row | {"state": "NEW"}) for row in rows
            }

    def _tell(
        self,
        order_ref: str,
        event: str,
        lines: Sequence[Row],
        more: Sequence[Row] | None = None,
    ) -> None:
        if lines:
            row = self._row(order_ref, event)
            rows = [row | {"line_id": line["line_id"], "sku": line["sku"]} for line in lines]
            added = more or [{}] * len(rows)
            self._put("dispatch", [a | b for a, b in zip(rows, added, strict=True)])
            self._tell_stock()

    def _row(self, order_ref: str, event: str) -> Row:
        return {"order_ref": order_ref, "event": event, "occurred_at": self._now()}

    def _tell_stock(self) -> None:
        reserved = dict.fromkeys(self._stock, 0)
        for lines in self._orders.values():
            for line in lines.values():
                reserved[line["sku"]] += line["state"] == "ACCEPTED"
        moment = self._now()
        self._put(
            "stock",
            [
                {
                    "sku": sku,
                    "on_hand": held["units"],
                    "reserved": reserved[sku],
                    "blocked": held["blocked"],
                    "as_of": moment,
                }
                for sku, held in self._stock.items()
            ],
        )

    def _put(self, folder: str, rows: Sequence[Row]) -> None:
        place = self._root / folder
        place.mkdir(exist_ok=True)
        name = f"{next(self._serial):06d}.csv"
        columns = list(dict.fromkeys(column for row in rows for column in row))
        with (place / f".{name}").open("w", newline="", encoding="utf-8") as file:
            writer = csv.DictWriter(file, columns, delimiter=";", restval="")
            writer.writeheader()
            writer.writerows(rows)
        (place / f".{name}").rename(place / name)

    def _login(self, **changed: Any) -> Any:
        port = changed.pop("port", self._server.port)
        url = f"sftp://{self._server.user}@127.0.0.1:{port}{self._root}"
        settings = {"host_key": self._server.host_key, "key_file": self._server.key_file}
        return sftp_login(url, **(settings | changed))

    def _client(self, **changed: Any) -> FilesWms:
        return self._opened(SftpFolder(self._login(**changed), _TIMEOUT))

    def _opened(self, folder: SftpFolder) -> FilesWms:
        self._ports.append(FilesWms(folder, _POLICY, self._state))
        return self._ports[-1]

    def _now(self) -> str:
        return self._clock().isoformat()
