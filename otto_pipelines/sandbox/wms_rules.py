"""What the simulated WMS demands of a submitted order. Pure; messages hold no personal data."""

from datetime import datetime
from typing import Any

_ADDRESS = ("name", "street", "house_number", "postal_code", "city", "country_code")


def order_fault(order: Any) -> str | None:
    """What is wrong with the order, or None."""
    if not isinstance(order, dict):
        return "the order is not an object"
    for name in ("order_ref", "channel_order_number", "payload_hash"):
        if not _text(order.get(name)):
            return f"{name} is missing"
    return (
        _time_fault(order.get("ordered_at"))
        or _address_fault(order.get("ship_to"))
        or _lines_fault(order.get("lines"))
    )


def _text(value: Any) -> bool:
    return isinstance(value, str) and bool(value.strip())


def _time_fault(value: Any) -> str | None:
    try:
        if isinstance(value, str) and datetime.fromisoformat(value).tzinfo is not None:
            return None
    except ValueError:
        pass  # said below, together with a missing offset
    return "ordered_at is no ISO 8601 time with an offset"


def _address_fault(address: Any) -> str | None:
    if not isinstance(address, dict):
        return "ship_to is missing"
    for name in _ADDRESS:
        if not _text(address.get(name)):
            return f"ship_to.{name} is missing"
    if len(address["country_code"]) != 2:
        return "ship_to.country_code is no ISO 3166-1 alpha-2 code"
    return None


def _lines_fault(lines: Any) -> str | None:
    if not isinstance(lines, list) or not lines:
        return "lines are missing"
    seen: set[str] = set()
    for place, line in enumerate(lines):
        fault = _line_fault(line)
        if fault:
            return f"lines[{place}].{fault}"
        if line["line_id"] in seen:
            return f"lines[{place}].line_id occurs twice"
        seen.add(line["line_id"])
    return None


def _line_fault(line: Any) -> str | None:
    if not isinstance(line, dict):
        return "line is not an object"
    for name in ("line_id", "sku"):
        if not _text(line.get(name)):
            return f"{name} is missing"
    quantity, price = line.get("quantity"), line.get("unit_price_cents")
    if type(quantity) is not int or quantity < 1:
        return "quantity is no whole number above zero"
    if type(price) is not int or price < 0:
        return "unit_price_cents is no whole number of cents"
    currency = line.get("currency")
    if not isinstance(currency, str) or len(currency) != 3 or not currency.isupper():
        return "currency is no ISO 4217 code"
    return None
