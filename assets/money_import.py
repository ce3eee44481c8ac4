"""Pages about money into the operations database: judge each row, store the good, park the bad.

Belongs here: one import per list of OTTO, and that of the warehouse's returns, without Dagster. How
a row is read stands in `receipt_rows` and `money_rows`; which pages are asked for, and the
watermarks, belong to the caller.
"""

import hashlib
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Generic, TypeVar

from sqlalchemy.engine import Connection

from assets.contracts.money_rules import MONEY_RULES
from assets.money_judge import Flaw, Judge
from assets.money_rows import (
    active_row,
    marketplace_row,
    price_row,
    reduction_rows,
    return_row,
    return_shipment_rows,
)
from assets.receipt_rows import receipt_rows
from resources.keys import LONGEST
from resources.operations import quarantine
from resources.operations.bulk import Row
from resources.operations.database import OperationsDatabase
from resources.operations.held import Kept
from resources.operations.price_reductions import store_reductions
from resources.operations.products import store_active, store_marketplace_status, store_prices
from resources.operations.receipts import ReceiptRows, store_receipts
from resources.operations.returns import store_return_shipments, store_returns
from resources.operations.wms_returns import store_wms_returns
from resources.otto.price_reductions import ItemReductions
from resources.otto.products import ActiveStatus, MarketplaceStatus, SkuPrices
from resources.otto.receipts import Receipt
from resources.otto.returns import ReturnedItem, ReturnShipment
from resources.otto.rows import RowsPage
from resources.wms.port import ReturnPage

T = TypeVar("T")
V = TypeVar("V")
_Row = dict[str, Any]

WMS_RETURNS = "wms_returns"
"""Source of the warehouse's returns in the quarantine."""

_ROWS_SHOWN = 20


@dataclass(slots=True)
class MoneyImport:
    """What an import did. `kept` counts what was stored, by receipt, unit, parcel or SKU.

    `flaws` has the count by rule, `shown` the first bad rows as (key, rule, field, value).
    `newest` is the latest time of a good row, where the list has one.
    """

    source: str
    pages: int = 0
    rows_read: int = 0
    quarantined: int = 0
    kept: Kept = field(default_factory=Kept)
    flaws: Counter[str] = field(default_factory=Counter)
    shown: list[tuple[str, str, str, str]] = field(default_factory=list)
    newest: datetime | None = None

    def add(self, other: "MoneyImport") -> None:
        """Take in what another import of the same source did."""
        self.pages += other.pages
        self.rows_read += other.rows_read
        self.quarantined += other.quarantined
        self.kept += other.kept
        self.flaws += other.flaws
        self.shown = [*self.shown, *other.shown][:_ROWS_SHOWN]
        times = [time for time in (self.newest, other.newest) if time is not None]
        self.newest = max(times, default=None)

    @property
    def counts(self) -> dict[str, int]:
        """Its numbers by name, as logs and metadata show them."""
        return {
            "pages": self.pages,
            "rows_read": self.rows_read,
            "rows_new": self.kept.new,
            "rows_changed": self.kept.changed,
            "rows_unchanged": self.kept.unchanged,
            "rows_older": self.kept.older,
            "rows_quarantined": self.quarantined,
        }

    def add_flaws(self, key: str, flaws: Sequence[Flaw]) -> None:
        """Count the flaws of one row, each rule once."""
        self.quarantined += 1
        for flaw in flaws:
            self.flaws[flaw.rule] += 1
            if len(self.shown) < _ROWS_SHOWN:
                self.shown.append((key, flaw.rule, flaw.field, flaw.shown))


@dataclass(frozen=True)
class _List(Generic[T, V]):
    """How rows of one list are named, read and stored."""

    source: str
    key: Callable[[T], str]
    read: Callable[[T, Judge, str | None], V]
    store: Callable[[Connection, list[V], datetime], Kept]
    time: Callable[[V], datetime | None] = lambda value: None


def import_receipts(
    pages: Iterable[RowsPage[Receipt]], db: OperationsDatabase, now: datetime
) -> MoneyImport:
    """Store receipts; see `_import`. `newest` is the latest day of creation read."""
    return _import(pages, _RECEIPTS, db, now)


def import_returns(
    pages: Iterable[RowsPage[ReturnedItem]],
    db: OperationsDatabase,
    now: datetime,
    known_until: datetime | None = None,
) -> MoneyImport:
    """Store returns, the newest change first; see `_import`.

    Args:
        pages: pages of `Returns.pages`.
        db: the operations database.
        now: business time, aware UTC.
        known_until: all changes before it were read by an import that came to its end; None reads
            all pages. `newest` is what to pass next time, less an overlap.
    """
    return _import(pages, _RETURNS, db, now, known_until)


def import_return_shipments(
    pages: Iterable[RowsPage[ReturnShipment]], db: OperationsDatabase, now: datetime
) -> MoneyImport:
    """Store return parcels; see `_import`."""
    return _import(pages, _SHIPMENTS, db, now)


def import_reductions(
    pages: Iterable[RowsPage[ItemReductions]], db: OperationsDatabase, now: datetime
) -> MoneyImport:
    """Store price reductions, unit by unit; see `_import`."""
    return _import(pages, _REDUCTIONS, db, now)


def import_prices(
    pages: Iterable[RowsPage[SkuPrices]], db: OperationsDatabase, now: datetime
) -> MoneyImport:
    """Store prices of SKUs; see `_import`."""
    return _import(pages, _PRICES, db, now)


def import_active_status(
    pages: Iterable[RowsPage[ActiveStatus]], db: OperationsDatabase, now: datetime
) -> MoneyImport:
    """Store which SKUs are offered; see `_import`."""
    return _import(pages, _ACTIVE, db, now)


def import_marketplace_status(
    pages: Iterable[RowsPage[MarketplaceStatus]], db: OperationsDatabase, now: datetime
) -> MoneyImport:
    """Store the shop's view of SKUs; see `_import`."""
    return _import(pages, _MARKETPLACE, db, now)


def store_wms_return_page(conn: Connection, page: ReturnPage, now: datetime) -> MoneyImport:
    """Store a page of the warehouse's returns; the caller commits it with the feed's position."""
    done = MoneyImport(WMS_RETURNS, pages=1, rows_read=len(page.receipts) + len(page.unreadable))
    done.kept = store_wms_returns(conn, page.receipts, now)
    done.newest = max((receipt.received_at for receipt in page.receipts), default=None)
    parked: list[Row] = []
    for reason in page.unreadable:
        flaw = Flaw("row_readable", "(receipt)", reason)
        done.add_flaws(_unknown(reason), [flaw])
        parked.append(_parked(WMS_RETURNS, _unknown(reason), flaw, None))
    quarantine.put(conn, parked, now)
    return done


def _import(
    pages: Iterable[RowsPage[T]],
    of: _List[T, V],
    db: OperationsDatabase,
    now: datetime,
    known_until: datetime | None = None,
) -> MoneyImport:
    """Store what passes and quarantine the rest, one transaction per page.

    Repeating it changes nothing. A row that passes resolves what the quarantine held of it. Errors
    of `pages` come through; pages before them stay. Reading ends at a page whose rows all lie
    before `known_until`.
    """
    done = MoneyImport(of.source)
    for page in pages:
        good: list[V] = []
        passed: list[str] = []
        parked: list[Row] = []
        for row in page.rows:
            judge, key = Judge(), _business_key(of.key(row))
            value = of.read(row, judge, page.evidence_ref)
            if judge.flaws:
                # A value may be read more than once: the first flaw of each rule counts.
                flaws = list({flaw.rule: flaw for flaw in reversed(judge.flaws)}.values())
                done.add_flaws(key, flaws)
                parked += [_parked(of.source, key, flaw, page.evidence_ref) for flaw in flaws]
            else:
                good.append(value)
                passed.append(key)
        for unreadable in page.unreadable:
            flaw = Flaw("row_readable", "(row)", unreadable.reason)
            key = unreadable.key or _unknown(unreadable.reason)
            done.add_flaws(key, [flaw])
            parked.append(_parked(of.source, key, flaw, page.evidence_ref))
        with db.write() as conn:
            done.kept += of.store(conn, good, now)
            quarantine.resolve(conn, of.source, passed, now)
            quarantine.put(conn, parked, now)
        times = [time for time in map(of.time, good) if time is not None]
        done.pages += 1
        done.rows_read += len(page.rows) + len(page.unreadable)
        done.newest = max([*times, *([done.newest] if done.newest else [])], default=None)
        if known_until is not None and times and max(times) < known_until:
            break
    return done


def _parked(source: str, key: str, flaw: Flaw, evidence_ref: str | None) -> Row:
    rule = MONEY_RULES[flaw.rule]
    return {
        "source": source,
        "business_key": key,
        "rule": rule.name,
        "field": flaw.field,
        "shown": flaw.shown,
        "owner": rule.owner,
        "remedy": rule.remedy,
        "evidence_ref": evidence_ref,
    }


def _business_key(key: str) -> str:
    """The row's key; a text of any length is none, and its rule says so."""
    return key if len(key) <= 3 * LONGEST else _unknown(key)


def _unknown(reason: str) -> str:
    """A key that is the same whenever the same thing comes again."""
    return f"unknown-{hashlib.blake2b(reason.encode(), digest_size=8).hexdigest()}"


def _store_shipments(conn: Connection, found: list[tuple[_Row, list[_Row]]], now: datetime) -> Kept:
    heads = [head for head, _ in found]
    return store_return_shipments(conn, heads, [row for _, rows in found for row in rows], now)


def _store_reductions(conn: Connection, units: list[list[_Row]], now: datetime) -> Kept:
    return store_reductions(conn, [row for rows in units for row in rows], now)


_RECEIPTS: _List[Receipt, ReceiptRows] = _List(
    "otto_receipts",
    lambda receipt: receipt.receipt_number,
    receipt_rows,
    store_receipts,
    lambda document: document.receipt["created_at"],
)
_RETURNS: _List[ReturnedItem, _Row] = _List(
    "otto_returns",
    lambda item: f"{item.sales_order_id}/{item.position_item_id}",
    lambda item, judge, _: return_row(item, judge),
    store_returns,
    lambda row: row["occurred_at"],
)
_SHIPMENTS: _List[ReturnShipment, tuple[_Row, list[_Row]]] = _List(
    "otto_return_shipments",
    lambda shipment: shipment.return_shipment_id,
    lambda shipment, judge, _: return_shipment_rows(shipment, judge),
    _store_shipments,
    lambda found: found[0]["state_at"],
)
_REDUCTIONS: _List[ItemReductions, list[_Row]] = _List(
    "otto_price_reductions",
    lambda item: f"{item.sales_order_id}/{item.position_item_id}",
    lambda item, judge, _: reduction_rows(item, judge),
    _store_reductions,
)
_PRICES: _List[SkuPrices, _Row] = _List(
    "otto_prices",
    lambda prices: prices.sku,
    lambda prices, judge, _: price_row(prices, judge),
    store_prices,
)
_ACTIVE: _List[ActiveStatus, _Row] = _List(
    "otto_active_status",
    lambda status: status.sku,
    lambda status, judge, _: active_row(status, judge),
    store_active,
)
_MARKETPLACE: _List[MarketplaceStatus, _Row] = _List(
    "otto_marketplace_status",
    lambda status: status.sku,
    lambda status, judge, _: marketplace_row(status, judge),
    store_marketplace_status,
)
