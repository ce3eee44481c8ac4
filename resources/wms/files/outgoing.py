"""Files for the partner: orders and cancellations.

Belongs here: names, columns and values. A name is made from the content, so that a repeat writes
the same file again and never a second one.
"""

import hashlib
import re
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from zoneinfo import ZoneInfo

from resources.wms.files.policy import CancellationFiles, FilesPolicy, OrderFiles
from resources.wms.files.table import BadValue, looks_like_formula, money, written
from resources.wms.port import OutboundOrder

_ORDER_NAME = re.compile(r"ORD_(.+)_[0-9a-f]{12}\.csv")


def order_file(order: OutboundOrder, policy: FilesPolicy) -> tuple[str, bytes]:
    """Name and content of the file of one order.

    Raises:
        BadValue: it has no line, or a line without an article, a key that begins like a formula,
            or the partner's encoding lacks a letter of it.
    """
    if not order.lines:
        raise BadValue("the order has no line")
    for line in order.lines:
        if not line.sku.strip():
            raise BadValue(f"line {line.line_id} names no article: correct the SKU map")
        for key in (order.order_ref, line.line_id, line.sku):
            # A key must not be altered, and the partner may open the file in a spreadsheet.
            if looks_like_formula(key):
                raise BadValue(
                    f"line {line.line_id}: an id or article begins like a formula of a "
                    "spreadsheet: correct the SKU map, or the product at OTTO"
                )
    name = f"ORD_{_plain(order.order_ref)}_{_mark(order.order_ref, order.payload_hash)}.csv"
    kind = policy.orders
    fields = kind.fields or OrderFiles.order
    values = _order_values(order, policy)
    rows = (
        values
        | {
            "line_id": line.line_id,
            "sku": line.sku,
            "quantity": str(line.quantity),
            "unit_price": money(line.unit_price_cents, policy),
            "currency": line.currency,
            "gtin": line.gtin or "",
            "title": line.title or "",
        }
        for line in order.lines
    )
    return name, _content(kind, fields, rows, policy)


def order_ref_of(name: str) -> str | None:
    """The order whose file has this name; None for other files.

    A reference with letters that no name may have is not found again; OTTO's have none.
    """
    found = _ORDER_NAME.fullmatch(name)
    return found[1] if found else None


def cancellation_file(
    order_ref: str,
    lines: Sequence[tuple[str, str]],
    reason: str,
    asked_at: datetime,
    policy: FilesPolicy,
) -> tuple[str, bytes]:
    """Name and content of a request to cancel `lines` (line id and article).

    Raises:
        BadValue: the partner's encoding lacks a letter of it.
    """
    name = f"CAN_{_plain(order_ref)}_{_mark(order_ref, *(line for line, _ in lines))}.csv"
    kind = policy.cancellations
    fields = kind.fields or CancellationFiles.order
    common = {"order_ref": order_ref, "reason": reason, "asked_at": _moment(asked_at, policy)}
    rows = (common | {"line_id": line_id, "sku": sku} for line_id, sku in lines)
    return name, _content(kind, fields, rows, policy)


def _order_values(order: OutboundOrder, policy: FilesPolicy) -> dict[str, str]:
    to = order.ship_to
    return {
        "order_ref": order.order_ref,
        "channel": order.channel,
        "channel_order_number": order.channel_order_number,
        "ordered_at": _moment(order.ordered_at, policy),
        "latest_ship_at": _moment(order.latest_ship_at, policy) if order.latest_ship_at else "",
        "allow_partial": "true" if order.allow_partial else "false",
        "name": to.name,
        "street": to.street,
        "house_number": to.house_number,
        "addition": to.addition or "",
        "postal_code": to.postal_code,
        "city": to.city,
        "country_code": to.country_code,
        "phone": to.phone or "",
        "email": to.email or "",
    }


def _content(
    kind: OrderFiles | CancellationFiles,
    fields: Sequence[str],
    rows: Iterable[dict[str, str]],
    policy: FilesPolicy,
) -> bytes:
    columns = [kind.column(field) for field in fields]
    by_column = ({kind.column(field): row[field] for field in fields} for row in rows)
    return written(columns, by_column, policy)


def _moment(moment: datetime, policy: FilesPolicy) -> str:
    if policy.date_format is None:
        return moment.astimezone(UTC).isoformat()
    return moment.astimezone(ZoneInfo(policy.timezone)).strftime(policy.date_format)


def _plain(text: str) -> str:
    """Letters that may stand in a name on every system."""
    return re.sub(r"[^A-Za-z0-9-]", "-", text)[:80]


def _mark(*parts: str) -> str:
    return hashlib.sha256("\x1f".join(parts).encode()).hexdigest()[:12]
