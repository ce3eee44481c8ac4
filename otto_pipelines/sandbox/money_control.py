"""The part of the control API that is about money: what is true of it, and what happens to it.

Each returns a JSON value. Wrong values are ValueErrors and KeyErrors, as everywhere in `control`.
"""

from collections.abc import Callable
from typing import Any

from otto_pipelines.sandbox.config import SandboxError
from otto_pipelines.sandbox.model import Item, SalesOrder
from otto_pipelines.sandbox.money_faults import MoneyFault, fits
from otto_pipelines.sandbox.money_truth import money_truth
from otto_pipelines.sandbox.returns_desk import MARKETPLACE_REASONS, Decision
from otto_pipelines.sandbox.returns_life import Finding, Known
from otto_pipelines.sandbox.world import World

Control = Callable[[dict[str, Any]], Any]

_CONDITIONS = ("NEW", "MINT", "USED_LIGHT", "USED_HEAVY", "DEFECT", "MISSING", "UNKNOWN")
_DISPOSITIONS = ("RESTOCK", "QUARANTINE", "SCRAP")


class MoneyControl:
    """Reads and moves the money of one world."""

    def __init__(self, world: World) -> None:
        self._world = world

    def routes(self) -> dict[str, Control]:
        """What answers under `/_sandbox`."""
        return {
            "GET /_sandbox/money": lambda _: money_truth(self._world),
            "POST /_sandbox/money/faults": self._fault,
            "POST /_sandbox/price-reductions": self._reduce,
            "POST /_sandbox/returns/announce": self._announce,
            "POST /_sandbox/returns/receive": self._receive,
            "POST /_sandbox/returns/regrade": self._regrade,
            "POST /_sandbox/returns/accept": self._accept,
        }

    def _fault(self, body: dict[str, Any]) -> Any:
        """Plant `fault` in an order that was not billed yet."""
        order = self._order(body)
        fault = MoneyFault(body["fault"])
        if not fits(fault, order, order.items):
            raise SandboxError(f"order {order.order_id} cannot meet {fault}: take another one")
        self._world.money.faults.want(order.order_id, fault)
        return {"sales_order_id": order.order_id, "fault": fault}

    def _reduce(self, body: dict[str, Any]) -> Any:
        """The seller asks in OTTO's portal for a reduction by `amount_cents`."""
        order, items = self._items(body)
        cents = body["amount_cents"]
        if type(cents) is not int or cents <= 0:
            raise ValueError(f"amount_cents={cents!r}: a whole number above zero")
        reductions = self._world.money.reductions
        for item in items:
            if not reductions.possible(item):
                raise SandboxError(f"item {item.item_id} is {item.status}, not SENT")
            reductions.ask(order, item, cents)
        return {"position_item_ids": [item.item_id for item in items]}

    def _announce(self, body: dict[str, Any]) -> Any:
        """The buyer announces that these items come back; `tracking_number` is the parcel's."""
        order, items = self._undecided(body)
        number = body.get("tracking_number") or self._world.warehouse.spare_number()[1]
        shipment = self._world.money.desk.announce(order, items, "DHL", number)
        return {"return_shipment_id": shipment.shipment_id, "tracking_number": number}

    def _receive(self, body: dict[str, Any]) -> Any:
        """These items are at the dock, in `condition`, with `disposition` and `reason`.

        `known` says what the dock knows of them: UNIT, ORDER, or PARCEL (`tracking_number`).
        """
        order, items = self._items(body)
        findings = [_finding(body)] * len(items)
        known = Known[body.get("known", "UNIT")]
        number = body.get("tracking_number")
        receipt = self._world.money.life.receive(order, items, findings, number, known)
        if receipt is None:
            raise SandboxError(f"none of these items of order {order.order_id} left the warehouse")
        return {"receipt_id": receipt.receipt_id}

    def _regrade(self, body: dict[str, Any]) -> Any:
        """The dock finds another `condition` for the units of `receipt_id`."""
        dock = self._world.money.dock
        receipt = dock.receipts.get(body["receipt_id"])
        if receipt is None:
            raise ValueError(f"the warehouse has no return receipt {body['receipt_id']!r}")
        condition, disposition, reason = _finding(body)
        lines = [
            type(line)(line.sku, line.quantity, condition, disposition, line.line_id, reason)
            for line in receipt.lines
        ]
        dock.grade(receipt, lines)
        return {"receipt_id": receipt.receipt_id}

    def _accept(self, body: dict[str, Any]) -> Any:
        """OTTO accepts by itself, for `reason`."""
        order, items = self._undecided(body)
        reason = body.get("reason", "OVERDUE_CREDIT")
        if reason not in MARKETPLACE_REASONS:
            raise ValueError(f"reason {reason!r}: one of {sorted(MARKETPLACE_REASONS)}")
        decisions = [Decision(order, item, None, reason) for item in items]
        self._world.money.desk.accept(decisions, by_marketplace=True)
        return {"position_item_ids": [item.item_id for item in items]}

    def _order(self, body: dict[str, Any]) -> SalesOrder:
        order = self._world.market.orders.get(body["sales_order_id"])
        if order is None:
            raise ValueError(f"OTTO has no order {body['sales_order_id']!r}")
        return order

    def _items(self, body: dict[str, Any]) -> tuple[SalesOrder, list[Item]]:
        order = self._order(body)
        wanted = body.get("position_item_ids")
        items = [item for item in order.items if wanted is None or item.item_id in wanted]
        if not items or len(items) != len(wanted or items):
            raise ValueError(f"order {order.order_id} has not all of these position items")
        return order, items

    def _undecided(self, body: dict[str, Any]) -> tuple[SalesOrder, list[Item]]:
        order, items = self._items(body)
        for item in items:
            if not self._world.money.desk.undecided(item):
                raise SandboxError(f"item {item.item_id} was not sent, or is decided already")
        return order, items


def _finding(body: dict[str, Any]) -> Finding:
    condition = body.get("condition", "NEW")
    disposition = body.get("disposition", "RESTOCK" if condition == "NEW" else "QUARANTINE")
    if condition not in _CONDITIONS or disposition not in _DISPOSITIONS:
        raise ValueError(f"{condition=}, {disposition=}: {_CONDITIONS}, {_DISPOSITIONS}")
    return condition, disposition, body.get("reason")
