"""OTTO's receipts as we hold them.

Belongs here: storing a receipt with its lines as one document, and what receipts charge for orders
whose discounts are open. Reading a receipt does not belong here (`assets.receipt_rows`), nor what
they settle (`settled_prices`).
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from resources.operations.bulk import Row, among, upsert
from resources.operations.database import hold
from resources.operations.held import Kept
from resources.operations.money_schema import receipt_lines, receipt_modifications, receipts
from resources.operations.schema import orders


@dataclass(frozen=True)
class ReceiptRows:
    """One receipt with its lines and their modifications, without `recorded_at`."""

    receipt: Row
    lines: Sequence[Row]
    modifications: Sequence[Row]

    @property
    def number(self) -> str:
        """The receipt's number."""
        return str(self.receipt["receipt_number"])


@dataclass(frozen=True)
class ChargedOrder:
    """An order whose discounts can be read in two ways, and what its receipts charge by item."""

    sales_order_id: str
    charged_cents: Mapping[str, int]


def store_receipts(conn: Connection, documents: Sequence[ReceiptRows], now: datetime) -> Kept:
    """Store receipts as whole documents; one that differs from ours replaces it with all lines.

    So `recorded_at` of a receipt moves whenever anything of it changes.
    """
    hold(conn, receipts.name)
    told = {document.number: document for document in documents}
    held = _held(conn, sorted(told))
    new = [number for number in told if number not in held]
    changed = [n for n in told if n in held and _content(told[n]) != held[n]]
    for table in (receipt_lines, receipt_modifications):
        conn.execute(sa.delete(table).where(among(conn, table.c.receipt_number, changed)))
    taken = [told[number] for number in (*new, *changed)]
    stamp = {"recorded_at": now}
    upsert(conn, receipts, [{**d.receipt, **stamp} for d in taken], ["receipt_number"])
    lines = [{**line, **stamp} for document in taken for line in document.lines]
    upsert(conn, receipt_lines, lines, ["receipt_number", "line_no"])
    modifications = [{**m, **stamp} for document in taken for m in document.modifications]
    keys = ["receipt_number", "line_no", "sequence"]
    upsert(conn, receipt_modifications, modifications, keys)
    return Kept(len(new), len(changed), len(told) - len(taken))


def ambiguous_orders(conn: Connection) -> list[ChargedOrder]:
    """Orders whose reading is open and that have a PURCHASE receipt, with what it charges."""
    query = (
        sa.select(
            receipt_lines.c.sales_order_id,
            receipt_lines.c.position_item_id,
            receipt_lines.c.amount_cents,
        )
        .join(receipts, receipts.c.receipt_number == receipt_lines.c.receipt_number)
        .join(orders, orders.c.sales_order_id == receipt_lines.c.sales_order_id)
        .where(
            orders.c.discount_reading == "ambiguous",
            receipts.c.receipt_type == "PURCHASE",
            receipt_lines.c.kind == "item",
            receipt_lines.c.position_item_id.is_not(None),
        )
        .order_by(receipt_lines.c.sales_order_id, receipts.c.created_at)
    )
    charged: dict[str, dict[str, int]] = {}
    for order, item, cents in conn.execute(query):
        charged.setdefault(order, {})[item] = cents
    return [ChargedOrder(order, items) for order, items in charged.items()]


_Content = tuple[dict[str, Any], list[dict[str, Any]], list[dict[str, Any]]]
# The page changes with each reading, the receipt does not.
_NOT_CONTENT = {"recorded_at", "page_ref"}


def _held(conn: Connection, numbers: Sequence[str]) -> dict[str, _Content]:
    found: dict[str, _Content] = {}
    parts = (receipts, receipt_lines, receipt_modifications)
    for place, table in enumerate(parts):
        wanted = among(conn, table.c.receipt_number, numbers)
        query = sa.select(table).where(wanted).order_by(*table.primary_key)
        for row in conn.execute(query).mappings():
            content = {name: value for name, value in row.items() if name not in _NOT_CONTENT}
            if place == 0:
                found[row["receipt_number"]] = content, [], []
            else:
                found[row["receipt_number"]][place].append(content)  # type: ignore[union-attr]
    return found


def _content(document: ReceiptRows) -> _Content:
    receipt = {n: v for n, v in document.receipt.items() if n not in _NOT_CONTENT}
    return receipt, list(map(dict, document.lines)), list(map(dict, document.modifications))
