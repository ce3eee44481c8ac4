"""A small world of orders on both sides, healthy unless a test says otherwise."""

import json
import shutil
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from assets.reconciliation.reconcile import ReconciliationOutcome, reconcile
from resources.finance import FinanceDatabase
from resources.operating_model import Reconciliation
from resources.operations import schema
from resources.operations.database import OperationsDatabase

START = datetime(2026, 3, 2, 12, 0, tzinfo=UTC)
BUYER = "Kanarienvogel"
POLICY = Reconciliation()

Row = dict[str, Any]


class World:
    """Both systems as our operations database saw them, and the finance database."""

    def __init__(self, db: OperationsDatabase, finance: FinanceDatabase) -> None:
        self.db = db
        self.finance = finance
        self.now = START
        self._orders: set[str] = set()

    def later(self, **time: float) -> None:
        self.now += timedelta(**time)

    def waiting(self, ref: str, item_id: str = "1", **changes: Row | None) -> None:
        """An item the WMS accepted an hour ago and has not dispatched yet.

        `changes`: columns of item, wms, line, parcel or shipment that differ; None = no such row.
        """
        self._put(ref, item_id, {"parcel": None, "shipment": None} | changes)

    def shipped(self, ref: str, item_id: str = "1", **changes: Row | None) -> None:
        """An item that left and that OTTO took as sent, with the same numbers on both sides."""
        sent = {
            "fulfilment_status": "SENT",
            "sent_at": self.now,
            "otto_carrier": "DHL",
            "otto_tracking_number": "577546565072",
        }
        given = changes | {
            "item": sent | (changes.get("item") or {}),
            "line": {"state": "SHIPPED", "quantity_shipped": 1} | (changes.get("line") or {}),
        }
        self._put(ref, item_id, given)

    def dispatched(self, ref: str, item_id: str = "1", **changes: Row | None) -> None:
        """An item that left just now and of which OTTO has not been told."""
        line = {"state": "SHIPPED", "quantity_shipped": 1}
        given = changes | {"line": line | (changes.get("line") or {})}
        self._put(ref, item_id, {"shipment": None} | given)

    def known_to_wms_alone(self, ref: str, item: str = "1", **line: Any) -> None:
        self._insert(schema.wms_orders, self._wms(ref) | {"submitted_at": None})
        self._insert(schema.wms_order_lines, self._line(ref, item) | line)

    def article(
        self, sku: str, *, level: Row | None = None, figure: Row | None = None, **terms: Any
    ) -> None:
        """A SKU with one level and a figure of 5 that OTTO accepted a minute ago.

        `level` and `figure`: columns that differ; `terms`: terms of the figure that differ.
        """
        self.level(**{"sku": sku} | (level or {}))
        self.figure(sku, terms, **(figure or {}))

    def level(self, sku: str, location: str = "MAIN", **changes: Any) -> None:
        row = {
            "sku": sku,
            "location": location,
            "on_hand": 9,
            "reserved": 3,
            "blocked": 1,
            "as_of": self.now - timedelta(minutes=2),
            "recorded_at": self.now,
        }
        self._insert(schema.stock_levels, row | changes)

    def figure(self, sku: str, terms: Row | None = None, **changes: Any) -> None:
        shown = {"safety_stock": 0, "percentage": 100, "share": 5} | (terms or {})
        accepted = self.now - timedelta(minutes=1)
        row = {
            "sku": sku,
            "quantity": 5,
            "sequence": 1,
            "terms": json.dumps({"cap": None, "floor": 0} | shown),
            "otto_open": shown.get("otto_open", 0),
            "computed_at": accepted,
            "lane": 1,
            "rank": 0,
            "pending": False,
            "accepted_quantity": 5,
            "accepted_sequence": 1,
            "accepted_at": accepted,
            "recorded_at": self.now,
        }
        self._insert(schema.availability, row | changes)

    def sold(self, sku: str, ref: str, **changes: Any) -> None:
        """A waiting unit of `sku`, ordered three hours ago, accepted by the WMS."""
        item, line = changes.pop("item", {}), changes.pop("line", {})
        self.waiting(ref, item={"sku": sku} | item, line={"sku_seen": "WMS-1"} | line)
        if changes:
            self.change(schema.orders, {"sales_order_id": ref}, **changes)

    def change(self, table: sa.Table, key: Row, **values: Any) -> None:
        """Overwrite columns of one row, as recorded now."""
        where = [table.c[name] == value for name, value in key.items()]
        with self.db.write() as conn:
            statement = table.update().where(*where).values(**values, recorded_at=self.now)
            assert conn.execute(statement).rowcount == 1

    def change_order(self, ref: str, **values: Any) -> None:
        self.change(schema.orders, {"sales_order_id": ref}, **values)

    def change_item(self, ref: str, item: str = "1", **values: Any) -> None:
        key = {"sales_order_id": ref, "position_item_id": item}
        self.change(schema.position_items, key, **values)

    def change_line(self, ref: str, item: str = "1", **values: Any) -> None:
        self.change(schema.wms_order_lines, {"order_ref": ref, "line_id": item}, **values)

    def erase(self, ref: str) -> None:
        """What the retention job does to an old order."""
        with self.db.write() as conn:
            for table in (schema.orders, schema.position_items):
                conn.execute(table.delete().where(table.c.sales_order_id == ref))
            for table in (schema.wms_orders, schema.wms_order_lines):
                conn.execute(table.delete().where(table.c.order_ref == ref))

    def reconcile(
        self,
        policy: Reconciliation = POLICY,
        *,
        full: bool = False,
        sku_map: dict[str, str] | None = None,
    ) -> ReconciliationOutcome:
        return reconcile(self.db, self.finance, policy, self.now, sku_map=sku_map, full=full)

    def query(self, sql: str) -> list[tuple[Any, ...]]:
        """Rows of the published file."""
        with self.finance.read() as con:
            return con.execute(sql).fetchall()

    def breaks(self) -> dict[str, set[str]]:
        """Open breaks: `order/item` to kinds."""
        found: dict[str, set[str]] = {}
        for ref, item, kind in self.query(
            "SELECT sales_order_id, position_item_id, kind FROM reconciliation.breaks "
            "WHERE status = 'open'"
        ):
            found.setdefault(f"{ref}/{item}", set()).add(kind)
        return found

    def stock_breaks(self) -> dict[str, str]:
        """Open breaks of stock: SKU to kind, one at most."""
        rows = self.query(
            "SELECT sku, kind FROM reconciliation.breaks WHERE status = 'open' AND area = 'stock'"
        )
        assert len({sku for sku, _ in rows}) == len(rows)
        return dict(rows)

    def stock_classes(self) -> dict[str, tuple[str, str | None]]:
        """SKU to difference class and kind."""
        rows = self.query("SELECT sku, difference_class, difference_kind FROM reconciliation.stock")
        return {sku: (name, kind) for sku, name, kind in rows}

    def classes(self) -> dict[str, tuple[str, str | None]]:
        """`order/item` to difference class and kinds."""
        rows = self.query(
            "SELECT sales_order_id || '/' || position_item_id, difference_class, difference_kinds "
            "FROM reconciliation.order_lines"
        )
        return {key: (name, kinds) for key, name, kinds in rows}

    def _put(self, ref: str, item: str, changes: dict[str, Row | None]) -> None:
        if ref not in self._orders:
            self._orders.add(ref)
            self._insert(schema.orders, self._order(ref))
            if changes.get("wms", {}) is not None:
                self._insert(schema.wms_orders, self._wms(ref) | (changes.get("wms") or {}))
        self._insert(schema.position_items, self._item(ref, item) | (changes.get("item") or {}))
        if changes.get("line", {}) is not None:
            line = self._line(ref, item) | (changes.get("line") or {})
            self._insert(schema.wms_order_lines, line)
        if changes.get("parcel", {}) is not None:
            parcel = self._parcel(ref, item) | (changes.get("parcel") or {})
            self._insert(schema.parcels, parcel)
            line = {"parcel_id": parcel["parcel_id"], "line_id": item, "quantity": 1}
            self._insert(schema.parcel_lines, line)
            if changes.get("shipment", {}) is not None:
                self.outbox(
                    "otto_shipment", parcel["parcel_id"], ref, **(changes.get("shipment") or {})
                )

    def outbox(self, kind: str, key: str, ref: str, **changes: Any) -> None:
        row = {
            "kind": kind,
            "business_key": key,
            "order_ref": ref,
            "payload": json.dumps({"name": BUYER}),
            "payload_hash": "h",
            "priority": 0,
            "state": "confirmed",
            "attempts": 1,
            "next_attempt_at": self.now,
            "result": json.dumps({"shipment_id": f"S-{key}"}),
            "last_error": f"address of {BUYER} refused",
            "reason": f"{BUYER} moved",
            "created_at": self.now,
            "recorded_at": self.now,
        }
        self._insert(schema.outbox, row | changes)

    def _insert(self, table: sa.Table, row: Row) -> None:
        with self.db.write() as conn:
            conn.execute(table.insert().values(row))

    def _order(self, ref: str) -> Row:
        return {
            "sales_order_id": ref,
            "order_number": f"N{ref}",
            "ordered_at": self.now - timedelta(hours=3),
            "order_day": date(2026, 3, 2),
            "lifecycle_changed_at": self.now - timedelta(hours=1),
            "delivery_address": json.dumps({"lastName": BUYER}),
            "delivery_fee_cents": 0,
            "order_discount_cents": 0,
            "discount_reading": "none",
            "payload_hash": "h",
            "page_ref": f"page-{ref}",
            "first_seen_at": self.now - timedelta(hours=3),
            "recorded_at": self.now,
        }

    def _item(self, ref: str, item: str) -> Row:
        return {
            "sales_order_id": ref,
            "position_item_id": item,
            "sku": "OTTO-1",
            "title": f"Tasse mit Namen {BUYER}",
            "vat_rate": "19",
            "currency": "EUR",
            "gross_cents": 1999,
            "item_discount_cents": 0,
            "order_discount_share_cents": 0,
            "buyer_price_cents": 1999,
            "fulfilment_status": "PROCESSABLE",
            "processable_at": self.now - timedelta(hours=2),
            "ship_by_at": self.now + timedelta(days=30),
            "recorded_at": self.now,
        }

    def _wms(self, ref: str) -> Row:
        return {
            "order_ref": ref,
            "wms_order_id": f"W{ref}",
            "submitted_at": self.now - timedelta(hours=1),
            "last_event_at": self.now,
            "audited_at": self.now,
            "present": True,
            "recorded_at": self.now,
        }

    def _line(self, ref: str, item: str) -> Row:
        return {
            "order_ref": ref,
            "line_id": item,
            "state": "ACCEPTED",
            "sku_sent": "WMS-1",
            "price_sent_cents": 1999,
            "sku_seen": "WMS-1",
            "price_seen_cents": 1999,
            "currency_seen": "EUR",
            "quantity_shipped": 0,
            "recorded_at": self.now,
        }

    def _parcel(self, ref: str, item: str) -> Row:
        return {
            "parcel_id": f"P-{ref}-{item}",
            "order_ref": ref,
            "carrier_raw": "DHL-PAKET",
            "carrier": "DHL",
            "tracking_number": "577546565072",
            "shipped_at": self.now,
            "state": "released",
            "recorded_at": self.now,
        }


@pytest.fixture
def world(sqlite_template: Path, tmp_path: Path) -> Iterator[World]:
    yield from _world(sqlite_template, tmp_path)


@pytest.fixture(scope="module")
def shared_world(
    sqlite_template: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[World]:
    """One world for all cases of a module that are judged together."""
    yield from _world(sqlite_template, tmp_path_factory.mktemp("shared"))


def _world(template: Path, folder: Path) -> Iterator[World]:
    shutil.copy(template, folder / "operations.sqlite")
    db = OperationsDatabase(f"sqlite:///{folder / 'operations.sqlite'}")
    yield World(db, FinanceDatabase(folder / "finance.duckdb", lock_timeout_seconds=5))
    db.close()


@pytest.fixture
def world_of_each_database(operations_db: OperationsDatabase, tmp_path: Path) -> World:
    """The same on SQLite and on PostgreSQL."""
    return World(operations_db, FinanceDatabase(tmp_path / "finance.duckdb"))
