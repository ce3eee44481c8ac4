"""Receipts that the simulated OTTO wrote: their records and the book that holds them.

Belongs here: state and search. Which amounts a receipt gets belongs to `billing`, how it looks on
the wire to `receipts_wire`. Amounts are gross cents and positive; the type tells the direction.
"""

import itertools
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, datetime
from enum import StrEnum

from otto_pipelines.sandbox.model import Item, SalesOrder, Shipment


class ReceiptType(StrEnum):
    """Kinds of receipt."""

    PURCHASE = "PURCHASE"
    REFUND = "REFUND"
    PARTIAL_REFUND = "PARTIAL_REFUND"


@dataclass(frozen=True, slots=True)
class Modification:
    """A reduction of one unit's price; `linked` is the number of an earlier partial refund."""

    kind: str
    cents: int
    description: str
    discount_type: str | None = None
    discount_id: str | None = None
    linked: str | None = None


@dataclass(frozen=True, slots=True)
class Unit:
    """One position item on a receipt; `amount_cents` is what is charged or given back for it."""

    item: Item
    unit_cents: int
    amount_cents: int
    modifications: tuple[Modification, ...] = ()


@dataclass(frozen=True, slots=True)
class Service:
    """A service sold with an item, such as taking the old one away."""

    item_id: str
    name: str
    cents: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Receipt:
    """One receipt. `fees` are delivery costs, one entry per line."""

    serial: int
    number: str
    type: ReceiptType
    created_at: datetime
    order: SalesOrder
    units: tuple[Unit, ...]
    shipment: Shipment | None = None
    fees: tuple[int, ...] = ()
    services: tuple[Service, ...] = ()
    voucher_cents: int = 0
    linked: "Receipt | None" = None

    @property
    def gross_cents(self) -> int:
        """All lines together, before a voucher."""
        units = sum(unit.amount_cents for unit in self.units)
        return units + sum(self.fees) + sum(service.cents for service in self.services)


@dataclass(frozen=True, slots=True, kw_only=True)
class ReceiptQuery:
    """Filters of a list; None or empty means all. `before` is the serial of the last one seen."""

    types: tuple[str, ...] = ()
    first_day: date | None = None
    last_day: date | None = None
    order_id: str | None = None
    before: int | None = None

    def takes(self, receipt: Receipt) -> bool:
        """Whether the receipt is asked for; days are UTC and inclusive."""
        day = receipt.created_at.date()
        return (
            (not self.types or receipt.type in self.types)
            and (self.first_day is None or day >= self.first_day)
            and (self.last_day is None or day <= self.last_day)
            and (self.order_id is None or receipt.order.order_id == self.order_id)
        )


class ReceiptBook:
    """All receipts, oldest first."""

    def __init__(self) -> None:
        self._receipts: list[Receipt] = []
        self._by_number: dict[str, Receipt] = {}
        self._skipped = itertools.count(1)

    def __iter__(self) -> Iterator[Receipt]:
        return iter(self._receipts)

    def next_serial(self) -> int:
        """The serial of the receipt that comes next."""
        return len(self._receipts)

    def put(self, receipt: Receipt) -> Receipt:
        """Add the receipt that bears the next serial."""
        self._receipts.append(receipt)
        self._by_number[receipt.number] = receipt
        return receipt

    def find(self, number: str) -> Receipt | None:
        """The receipt with that number."""
        return self._by_number.get(number)

    def newest_first(self, query: ReceiptQuery) -> Iterator[Receipt]:
        """The receipts asked for."""
        end = len(self._receipts) if query.before is None else query.before
        return (
            receipt for receipt in reversed(self._receipts[: max(0, end)]) if query.takes(receipt)
        )

    def lost_number(self) -> str:
        """The number of a receipt that was never written."""
        return f"E-DE-9{next(self._skipped):09d}"
