"""Receipts, returns and price reductions for the small world of orders, as a test wants them."""

from datetime import datetime
from typing import Any

from resources.operations import money_schema as tables
from resources.operations.schema import sync_runs

# What stands in `test_break_kinds` has no receipts and no returns.
MONEY_KINDS = {
    "receipt_missing",
    "receipt_amount_mismatch",
    "discount_mismatch",
    "return_not_decided",
    "refund_missing",
    "refund_without_return",
    "refund_amount_mismatch",
    "rejected_but_refunded",
    "price_reduction_mismatch",
}
FLOWS = ("receipts", "returns", "price_reductions")

Row = dict[str, Any]


class MoneyWorld:
    """What OTTO and the warehouse told about money; rows go into the books of a `World`."""

    units = tables.wms_return_units
    returns = tables.otto_returns

    def __init__(self, world: Any) -> None:
        self.world = world
        self._numbers = iter(range(1, 1_000_000))

    @property
    def now(self) -> datetime:
        return self.world.now

    def read(self, *flows: str) -> None:
        """These flows (all) came to a good end just now."""
        for flow in flows or FLOWS:
            row = {"flow": flow, "started_at": self.now, "finished_at": self.now}
            done = {"result": "success", "counts": "{}", "transport": "{}"}
            self._insert(sync_runs, row | done)

    def purchase(self, ref: str, *items: str, cents: int = 1999, **more: Any) -> str:
        """A PURCHASE receipt over these items (item 1), each at `cents`."""
        return self.receipt("PURCHASE", ref, *(items or "1"), cents=cents, **more)

    def refund(self, ref: str, *items: str, cents: int = 1999, **more: Any) -> str:
        return self.receipt("REFUND", ref, *(items or "1"), cents=cents, **more)

    def partial_refund(self, ref: str, item: str = "1", *, cents: int, **more: Any) -> str:
        return self.receipt(
            "PARTIAL_REFUND", ref, item, cents=cents, kind="item_partial_refund", **more
        )

    def receipt(
        self,
        kind_of_receipt: str,
        ref: str,
        *items: str,
        cents: int,
        kind: str = "item",
        unit_cents: int | None = None,
        discounts: tuple[int, ...] = (),
        fees: tuple[int, ...] = (),
    ) -> str:
        """A receipt with one line per item; `discounts` are platform discounts by item."""
        letter = "R" if kind_of_receipt == "PURCHASE" else "E"
        number = f"{letter}-DE-{next(self._numbers):010d}"
        lines = [
            self._line(number, ref, place, kind, item, cents, unit_cents)
            for place, item in enumerate(items, start=1)
        ]
        lines += [
            self._line(number, ref, place, "delivery_cost", None, fee, fee)
            for place, fee in enumerate(fees, start=len(lines) + 1)
        ]
        head = {
            "receipt_number": number,
            "receipt_type": kind_of_receipt,
            "created_at": self.now,
            "sales_order_id": ref,
            "order_number": f"N{ref}",
            "currency": "EUR",
            "gross_cents": sum(line["amount_cents"] for line in lines),
            "voucher_cents": 0,
            "is_real": True,
            "recorded_at": self.now,
        }
        self._insert(tables.receipts, head)
        for line in lines:
            self._insert(tables.receipt_lines, line)
        for place, discount in enumerate(discounts, start=1):
            row = {
                "receipt_number": number,
                "line_no": place,
                "sequence": 1,
                "modification_type": "PARTNER_DISCOUNT",
                "details_type": "PLATFORM_DISCOUNT",
                "amount_cents": discount,
                "recorded_at": self.now,
            }
            self._insert(tables.receipt_modifications, row)
        return number

    def announced(self, ref: str, item: str = "1", **changes: Any) -> None:
        """OTTO knows of a return; `changes` are columns of `otto_returns`."""
        row = {
            "sales_order_id": ref,
            "position_item_id": item,
            "status": "ANNOUNCED",
            "occurred_at": self.now,
            "recorded_at": self.now,
        }
        self._insert(tables.otto_returns, row | changes)

    def accepted(self, ref: str, item: str = "1") -> None:
        """OTTO takes the unit as returned."""
        self.announced(ref, item, status="ACCEPTED", reason="RETURN_RECEIVED")
        self.world.change_item(ref, item, fulfilment_status="RETURNED", returned_at=self.now)

    def received(self, ref: str | None, item: str | None = "1", **changes: Any) -> str:
        """The warehouse received a unit; without an order nobody knows whose it is."""
        receipt = f"RR-{next(self._numbers)}"
        head = {"receipt_id": receipt, "received_at": self.now, "recorded_at": self.now}
        self._insert(tables.wms_returns, head)
        unit = {
            "receipt_id": receipt,
            "unit_no": 1,
            "sales_order_id": ref,
            "position_item_id": item if ref else None,
            "sku": "WMS-1",
            "condition": "MINT",
            "disposition": "RESTOCK",
            "recorded_at": self.now,
        }
        self._insert(tables.wms_return_units, unit | changes)
        return receipt

    def decided(self, ref: str, item: str = "1", *, decision: str = "ACCEPT") -> None:
        row = {
            "sales_order_id": ref,
            "position_item_id": item,
            "decision": decision,
            "condition": "B",
            "reason": "RETURN_RECEIVED",
            "basis": "person",
            "decided_by": "Kanarienvogel",
            "decided_at": self.now,
            "note": "Kanarienvogel rief an",
            "recorded_at": self.now,
        }
        self._insert(tables.return_decisions, row)

    def reduction(
        self, ref: str, item: str = "1", *, cents: int, receipt: str | None = None,
        status: str = "PROCESSED", sequence: int = 1,
    ) -> None:  # fmt: skip
        """A price reduction as OTTO shows it."""
        row = {
            "sales_order_id": ref,
            "position_item_id": item,
            "created_at": self.now,
            "sequence": sequence,
            "amount_cents": cents,
            "currency": "EUR",
            "status": status,
            "receipt_number": receipt,
            "recorded_at": self.now,
        }
        self._insert(tables.price_reductions, row)

    def asked(self, ref: str, item: str = "1", *, cents: int, state: str) -> None:
        """A reduction that we asked for, and how far its message is."""
        request = f"Q-{next(self._numbers)}"
        row = {
            "request_id": request,
            "sales_order_id": ref,
            "position_item_id": item,
            "amount_cents": cents,
            "currency": "EUR",
            "reason": "Kanarienvogel hat einen Kratzer",
            "requested_by": "Kanarienvogel",
            "requested_at": self.now,
            "recorded_at": self.now,
        }
        self._insert(tables.price_reduction_requests, row)
        self.world.outbox("otto_price_reduction", request, ref, state=state)

    def _line(
        self, number: str, ref: str, place: int, kind: str, item: str | None, cents: int,
        unit_cents: int | None,
    ) -> Row:  # fmt: skip
        return {
            "receipt_number": number,
            "line_no": place,
            "kind": kind,
            "sales_order_id": ref,
            "position_item_id": item,
            "sku": "OTTO-1" if item else None,
            "unit_price_cents": cents if unit_cents is None else unit_cents,
            "amount_cents": cents,
            "tax_rate": "19.0",
            "currency": "EUR",
            "recorded_at": self.now,
        }

    def _insert(self, table: Any, row: Row) -> None:
        with self.world.db.write() as conn:
            conn.execute(table.insert().values(row))
