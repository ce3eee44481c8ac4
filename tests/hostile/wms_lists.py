"""Lists of the warehouse: mutated answers through the real adapters into SQLite.

Belongs here: the reference contract (adapter `http`) and the records of Ongoing, whose adapter
keeps a journal in between. What is common to all lists stands in `judging`.
"""

import random
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

import msgspec

from assets.fast_lane import _unreadable as parked_events
from assets.money_import import store_wms_return_page
from assets.stock_intake import _unreadable_rows as parked_levels
from resources.operations import fulfilment, quarantine, watermarks
from resources.operations.database import OperationsDatabase
from resources.operations.stock import store_levels
from resources.wms.errors import WmsError
from tests.hostile.corpus import corpus
from tests.hostile.judging import (
    Case,
    Document,
    Known,
    Rows,
    Shape,
    Shelf,
    demand,
    demand_equal,
    open_quarantine,
)
from tests.hostile.wire import Clients

NOW = datetime(2026, 6, 20, 12, 0, tzinfo=UTC)


@dataclass(frozen=True)
class WmsList:
    """One list of a warehouse."""

    name: str
    shape: Shape
    tables: dict[str, str]
    read: Callable[[Clients], Any]
    records: Callable[[Any], Sequence[Any]]
    store: Callable[[Any, OperationsDatabase], object]
    exact: Callable[[Document, Rows], None]
    key: str
    known: Known = field(default_factory=Known)

    def case(self, rng: random.Random, number: int) -> Case:
        """One page of the list."""
        return self.shape.case(corpus()[self.name], rng, number)

    def sound(self) -> Case:
        """All records of the corpus."""
        return self.shape.sound(corpus()[self.name])

    def run(self, cases: Sequence[Case], db: OperationsDatabase, clients: Clients) -> None:
        """Read and store all cases, and judge what became of each."""
        read: list[Case] = []
        pages: list[Any] = []
        for case in cases:
            clients.wire.show(case.body, case.headers)
            try:
                page = self.read(clients)
            except WmsError as error:
                demand(case.row is None, f"one record cost its whole page: {error}")
                demand(len(str(error)) < 1_000 and "WMS GET /" in str(error), f"unclear: {error}")
                case.verdict = "refused"
                continue
            found = len(self.records(page)) + len(page.unreadable)
            if case.elements is not None:
                demand_equal(found, len(case.elements), "records of the page")
            demand(all(len(reason) < 1_000 for reason in page.unreadable), "an endless reason")
            pages.append(page)
            case.verdict = "quarantined" if page.unreadable else "accepted"
            read.append(case)
        if pages:
            # All at once: a transaction for each would take most of the campaign's time.
            records = tuple(record for page in pages for record in self.records(page))
            unreadable = tuple(reason for page in pages for reason in page.unreadable)
            whole = {self.shape.array: records, "unreadable": unreadable}
            self.store(msgspec.structs.replace(pages[0], **whole), db)
        shelf, parked = Shelf(db, self.tables), open_quarantine(db)
        if not self.known:
            self.known.learn(cases[0], shelf, lambda row: row[self.key])
            return
        claims = Counter(
            str(row.get(self.key))
            for case in read
            for row in case.elements or ()
            if isinstance(row, dict)
        )
        for case in read:
            self.judge(case, shelf, parked, claims)

    def judge(self, case: Case, shelf: Shelf, parked: Rows, claims: Mapping[str, int]) -> None:
        """What is stored says what was sent; what is not, waits with a reason."""
        self.known.compare(case, shelf, lambda row: row[self.key], claims)
        demand(parked or case.verdict == "accepted", "unreadable, and not in quarantine")
        for record in case.elements or ():
            key = record.get(self.key) if isinstance(record, dict) else None
            stored = shelf.of(key) if isinstance(key, str) else {}
            if claims[str(key)] == 1 and any(stored.values()):
                self.exact(record, stored)


def _store_events(page: Any, db: OperationsDatabase) -> None:
    with db.write() as conn:
        fulfilment.apply_events(conn, fulfilment.record_events(conn, page.events, NOW), NOW)
        quarantine.put(conn, parked_events(page), NOW)
        watermarks.set(conn, "hostile", page.next_cursor, NOW)


def _store_levels(page: Any, db: OperationsDatabase) -> None:
    with db.write() as conn:
        store_levels(conn, page.levels, NOW)
        quarantine.put(conn, parked_levels(page.unreadable, "the list"), NOW)


def _store_returns(page: Any, db: OperationsDatabase) -> None:
    with db.write() as conn:
        store_wms_return_page(conn, page, NOW)


def _exact_event(event: Document, stored: Rows) -> None:
    [row] = stored["fulfilment_events"]
    kept = msgspec.json.decode(row["payload"])
    demand_equal(row["kind"], event["kind"], "kind")
    demand_equal(kept["order_ref"], event["order_ref"], "order")
    for ours, sent in zip(kept["lines"], event.get("lines") or (), strict=True):
        for name in ("line_id", "sku", "quantity_ordered", "quantity_shipped"):
            demand_equal(ours[name], sent.get(name, 0), name)
    for ours, sent in zip(kept["parcels"], event.get("parcels") or (), strict=True):
        for name in ("parcel_id", "tracking_number", "carrier_code"):
            demand_equal(ours.get(name), sent.get(name), name)


def _exact_level(level: Document, stored: Rows) -> None:
    for row in stored["stock_levels"]:
        if row["location"] == level["location"]:
            for name in ("on_hand", "reserved", "blocked", "sellable"):
                demand_equal(row[name], level.get(name), name)


def _exact_return(receipt: Document, stored: Rows) -> None:
    units = stored["wms_return_units"]
    demand_equal(len(units), sum(line["quantity"] for line in receipt["lines"]), "units")
    demand_equal({row["sku"] for row in units}, {line["sku"] for line in receipt["lines"]}, "SKUs")


_FEED = {"next_cursor": "c-1", "has_more": False}
_LEVELS = {"next_page": None, "snapshot_at": "2026-06-20T12:00:00Z", "complete": True}

WMS_LISTS = (
    WmsList(
        "events",
        Shape("events", frozenset({"event_id", "order_ref", "line_id", "parcel_id"}), _FEED),
        {"fulfilment_events": "event_id"},
        lambda clients: clients.wms.poll_fulfilment('{"after": "{0} {"}'),
        lambda page: page.events,
        _store_events,
        _exact_event,
        "event_id",
    ),
    WmsList(
        "levels",
        Shape("levels", frozenset({"sku"}), _LEVELS),
        {"stock_levels": "sku"},
        lambda clients: clients.wms.stock_snapshot(None),
        lambda page: page.levels,
        _store_levels,
        _exact_level,
        "sku",
    ),
    WmsList(
        "wms_returns",
        Shape("receipts", frozenset({"receipt_id", "order_ref", "line_id"}), _FEED),
        {"wms_returns": "receipt_id", "wms_return_units": "receipt_id"},
        lambda clients: clients.wms.poll_returns(None),
        lambda page: page.receipts,
        _store_returns,
        _exact_return,
        "receipt_id",
    ),
)
