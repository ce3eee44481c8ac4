"""Results of the queries in `docs/finance.md`, from a small finance file that is always the same.

Belongs here: building that file (a handful of orders over three days, two closes, one late price)
and writing each query's result below it. A test compares what stands there; after a change run

    .venv/bin/python -m tools.finance_guide
"""

import json
import re
import tempfile
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import duckdb
import sqlalchemy as sa

from assets.closing.close import close_period
from assets.reconciliation.decisions import accept_break, explain_break
from assets.reconciliation.reconcile import reconcile
from resources.finance import FinanceDatabase
from resources.operating_model import Reconciliation
from resources.operations import schema
from resources.operations.database import OperationsDatabase

GUIDE = Path(__file__).resolve().parents[1] / "docs" / "finance.md"
# A query, a blank line, and the table of its result.
_QUERY = re.compile(r"(```sql\n(?P<sql>.*?)```\n\n)(?P<result>\|.*?\n)(?=\n|\Z)", re.DOTALL)
_NUMBERS = ("INTEGER", "BIGINT", "DECIMAL", "HUGEINT")

_FIRST, _SECOND, _THIRD = date(2026, 11, 18), date(2026, 11, 19), date(2026, 11, 20)
_TRACKING = "577546565072"


class _World:
    """Both systems as the operations database saw them."""

    def __init__(self, database: OperationsDatabase) -> None:
        self._database = database

    def order(self, ref: str, day: date, sku: str, cents: int, **given: Any) -> None:
        """One order of one unit that the WMS dispatched and OTTO took as sent.

        `given` changes that: `wms_cents`, `in_wms`, `sent`, `carrier` (at OTTO), `parked` (rules).
        """
        at = datetime(day.year, day.month, day.day, 9, 0, tzinfo=UTC)
        in_wms, sent = given.get("in_wms", True), given.get("sent", True)
        with self._database.write() as con:
            _insert(con, schema.orders, _order(ref, day, at))
            _insert(
                con,
                schema.position_items,
                _item(ref, sku, cents, at)
                | (_sent(at, given.get("carrier", "DHL")) if sent else {}),
            )
            _insert(con, schema.wms_orders, _wms_order(ref, at) | {"present": in_wms})
            if not in_wms:
                return
            price = given.get("wms_cents", cents)
            _insert(con, schema.wms_order_lines, _line(ref, sku, cents, price, at))
            parked = given.get("parked")
            _insert(con, schema.parcels, _parcel(ref, at, parked))
            _insert(
                con,
                schema.parcel_lines,
                {"parcel_id": f"P-{ref}", "line_id": "1", "quantity": 1},
            )
            if not parked:
                _insert(con, schema.outbox, _confirmation(ref, at, sent=sent))

    def correct_price(self, ref: str, cents: int, at: datetime) -> None:
        """The WMS holds another price than before."""
        table = schema.wms_order_lines
        with self._database.write() as con:
            con.execute(
                table.update()
                .where(table.c.order_ref == ref)
                .values(price_seen_cents=cents, recorded_at=at)
            )


def build(folder: Path) -> FinanceDatabase:
    """Build the file: two days closed, one open, a price that changed after its close."""
    operations = OperationsDatabase(f"sqlite:///{folder / 'operations.sqlite'}")
    operations.migrate()
    finance = FinanceDatabase(folder / "finance.duckdb")
    world = _World(operations)
    now = datetime(2026, 11, 19, 6, 0, tzinfo=UTC)

    def run() -> None:
        reconcile(operations, finance, Reconciliation(), now)

    world.order("S-1001", _FIRST, "Wanduhr-30", 2999)
    world.order("S-1002", _FIRST, "Kissen-40", 1695, wms_cents=1705)
    world.order("S-1003", _FIRST, "Leuchte-3", 9299, carrier="UPS")
    run()
    (carrier,) = _open(finance, "carrier_mismatch")
    explain_break(finance, carrier, "the label was printed twice", now, by="grete")
    accept_break(finance, carrier, "the parcel arrived", now, by="finn")
    close_period(finance, _FIRST.isoformat(), by="finn", now=now)

    now += timedelta(days=1)
    world.order("S-1004", _SECOND, "Regal-4F", 3633, wms_cents=3883)
    world.order("S-1005", _SECOND, "Kissen-40", 1695)
    world.correct_price("S-1002", 1795, now)
    run()
    (price,) = _open(finance, "price_mismatch", "S-1004")
    explain_break(finance, price, "price list of October", now, by="grete")
    close_period(finance, _SECOND.isoformat(), by="finn", now=now)

    now += timedelta(days=3)
    world.order("S-1006", _THIRD, "Leuchte-3", 9299, sent=False)
    world.order("S-1007", _THIRD, "Leuchte-3", 9299, sent=False, parked="tracking_number_valid")
    world.order("S-1008", _THIRD, "Wanduhr-30", 2999, in_wms=False, sent=False)
    world.correct_price("S-1004", 3633, now)
    run()
    operations.close()
    return finance


def filled(text: str, con: duckdb.DuckDBPyConnection) -> str:
    """The guide with every query's result rendered anew."""
    return _QUERY.sub(lambda found: found[1] + result_of(found["sql"], con), text)


def queries(text: str) -> list[str]:
    """Every query of the guide that has its result below it."""
    return [found["sql"] for found in _QUERY.finditer(text)]


def result_of(sql: str, con: duckdb.DuckDBPyConnection) -> str:
    """A query's result as a table of Markdown; numbers stand right."""
    result = con.execute(sql)
    names = [column[0] for column in result.description]
    marks = [
        "---:" if str(column[1]).startswith(_NUMBERS) else "---" for column in result.description
    ]
    rows = [["" if cell is None else str(cell) for cell in row] for row in result.fetchall()]
    lines = [f"| {' | '.join(names)} |", f"|{'|'.join(marks)}|"]
    return "\n".join([*lines, *(f"| {' | '.join(row)} |" for row in rows)]) + "\n"


def _open(finance: FinanceDatabase, kind: str, order: str | None = None) -> list[str]:
    with finance.read() as con:
        return [
            row[0]
            for row in con.execute(
                "SELECT break_id FROM reports.open_breaks "
                "WHERE kind = $1 AND ($2 IS NULL OR sales_order_id = $2)",
                [kind, order],
            ).fetchall()
        ]


def _insert(con: sa.Connection, table: sa.Table, row: dict[str, Any]) -> None:
    con.execute(table.insert().values(row))


def _order(ref: str, day: date, at: datetime) -> dict[str, Any]:
    return {
        "sales_order_id": ref,
        "order_number": f"N-{ref}",
        "ordered_at": at - timedelta(hours=3),
        "order_day": day,
        "lifecycle_changed_at": at,
        "delivery_fee_cents": 0,
        "order_discount_cents": 0,
        "discount_reading": "none",
        "payload_hash": "-",
        "page_ref": f"orders/{day}/1.json",
        "first_seen_at": at - timedelta(hours=3),
        "recorded_at": at,
    }


def _item(ref: str, sku: str, cents: int, at: datetime) -> dict[str, Any]:
    return {
        "sales_order_id": ref,
        "position_item_id": "1",
        "sku": sku,
        "title": sku,
        "vat_rate": "19",
        "currency": "EUR",
        "gross_cents": cents,
        "item_discount_cents": 0,
        "order_discount_share_cents": 0,
        "buyer_price_cents": cents,
        "fulfilment_status": "PROCESSABLE",
        "processable_at": at - timedelta(hours=2),
        "ship_by_at": at + timedelta(days=30),
        "recorded_at": at,
    }


def _sent(at: datetime, carrier: str) -> dict[str, Any]:
    return {
        "fulfilment_status": "SENT",
        "sent_at": at,
        "otto_carrier": carrier,
        "otto_tracking_number": _TRACKING,
    }


def _wms_order(ref: str, at: datetime) -> dict[str, Any]:
    return {
        "order_ref": ref,
        "wms_order_id": f"W-{ref}",
        "submitted_at": at - timedelta(hours=1),
        "last_event_at": at,
        "audited_at": at,
        "recorded_at": at,
    }


def _line(ref: str, sku: str, sent_cents: int, seen_cents: int, at: datetime) -> dict[str, Any]:
    return {
        "order_ref": ref,
        "line_id": "1",
        "state": "SHIPPED",
        "sku_sent": sku,
        "price_sent_cents": sent_cents,
        "sku_seen": sku,
        "price_seen_cents": seen_cents,
        "currency_seen": "EUR",
        "quantity_shipped": 1,
        "recorded_at": at,
    }


def _parcel(ref: str, at: datetime, parked: str | None) -> dict[str, Any]:
    return {
        "parcel_id": f"P-{ref}",
        "order_ref": ref,
        "carrier_raw": "DHL-PAKET",
        "carrier": "DHL",
        "tracking_number": "5775465650" if parked else _TRACKING,
        "shipped_at": at,
        "state": "parked" if parked else "released",
        "parked_rules": json.dumps([{"rule": parked}]) if parked else None,
        "recorded_at": at,
    }


def _confirmation(ref: str, at: datetime, *, sent: bool) -> dict[str, Any]:
    return {
        "kind": "otto_shipment",
        "business_key": f"P-{ref}",
        "order_ref": ref,
        "payload": "{}",
        "payload_hash": "-",
        "priority": 0,
        "state": "confirmed" if sent else "failed",
        "attempts": 1,
        "next_attempt_at": at,
        "result": json.dumps({"shipment_id": f"O-{ref}"}) if sent else None,
        "created_at": at,
        "recorded_at": at,
    }


def main() -> None:
    """Write every result of the guide."""
    with tempfile.TemporaryDirectory() as folder, build(Path(folder)).read() as con:
        text = GUIDE.read_text(encoding="utf-8")
        GUIDE.write_text(filled(text, con), encoding="utf-8")


if __name__ == "__main__":
    main()
