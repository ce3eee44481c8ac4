"""Return files: goods that came back, with their grades.

Belongs here: what a row means and which rows make one receipt. A receipt is told as a whole, since
what it does not name any more counts as withdrawn: one bad row holds its receipt back.
"""

import sqlite3
from collections import defaultdict
from collections.abc import Sequence
from datetime import datetime

import msgspec

from resources.wms.files.books import RETURNS
from resources.wms.files.table import BadValue, Row
from resources.wms.journal import tell_again
from resources.wms.port import Condition, Disposition, ReturnedLine, ReturnReceipt

_MOST_UNITS = 1000


class ReturnRow(msgspec.Struct, frozen=True, kw_only=True):
    """One row of a return file; `fault` says why it cannot be used."""

    number: int
    receipt_id: str
    received_at: datetime | None = None
    order_ref: str | None = None
    return_tracking_number: str | None = None
    line: ReturnedLine | None = None
    fault: str | None = None


def return_row(row: Row, changed_at: datetime) -> ReturnRow:
    """Check one row; `changed_at` is the time of the file, for rows without one.

    Raises:
        BadValue: the row names no receipt.
    """
    receipt_id = row.needed("receipt_id")
    policy = row.policy.returns
    try:
        return ReturnRow(
            number=row.number,
            receipt_id=receipt_id,
            received_at=row.moment("received_at", changed_at),
            order_ref=row.text("order_ref"),
            return_tracking_number=row.text("return_tracking_number"),
            line=ReturnedLine(
                sku=row.needed("sku"),
                quantity=row.units("quantity", 1, least=1, most=_MOST_UNITS),
                condition=row.word("condition", policy.conditions, Condition.UNKNOWN),
                disposition=row.word("disposition", policy.dispositions, Disposition.QUARANTINE),
                line_id=row.text("line_id"),
                reason=row.text("reason"),
            ),
        )
    except BadValue as error:
        return ReturnRow(number=row.number, receipt_id=receipt_id, fault=str(error))


def tell_receipts(conn: sqlite3.Connection, rows: Sequence[ReturnRow]) -> list[str]:
    """Put what is new into the journal; returns one reason per row that holds a receipt back."""
    faults: list[str] = []
    receipts: dict[str, list[ReturnRow]] = defaultdict(list)
    for row in rows:
        receipts[row.receipt_id].append(row)
    for receipt_id, group in receipts.items():
        bad = [
            f"row {row.number}: {row.fault}; receipt {receipt_id} waits as a whole"
            for row in group
            if row.fault is not None
        ]
        faults += bad
        if not bad:
            body = msgspec.json.encode(_receipt(receipt_id, group)).decode()
            tell_again(conn, RETURNS, receipt_id, told=body, body=body)
    return faults


def _receipt(receipt_id: str, group: Sequence[ReturnRow]) -> ReturnReceipt:
    return ReturnReceipt(
        receipt_id=receipt_id,
        received_at=min(row.received_at for row in group if row.received_at is not None),
        lines=tuple(row.line for row in group if row.line is not None),
        order_ref=next((row.order_ref for row in group if row.order_ref), None),
        return_tracking_number=next(
            (row.return_tracking_number for row in group if row.return_tracking_number), None
        ),
    )
