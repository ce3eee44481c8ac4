"""The kinds of exception: what each means, whose it is, what to do, and what may be done here.

Belongs here: the registry only; the list, the commands, the jobs and the documents read it. How an
exception is found stands in `assets.exceptions.sources`.
"""

from dataclasses import dataclass
from typing import Literal

Owner = Literal["operations", "warehouse", "finance", "customer care", "engineering"]
Action = Literal["retry", "ignore", "pull"]


@dataclass(frozen=True)
class ExceptionKind:
    """One kind. `owner` and `remedy` hold where a row does not name its own."""

    kind: str
    owner: Owner
    meaning: str
    remedy: str
    actions: tuple[Action, ...] = ()


_RETRY = "Correct what the reason names, then retry."

_ALL = (
    ExceptionKind(
        "wms_order",
        "operations",
        "The warehouse does not have an order that OTTO released.",
        f"{_RETRY} If nothing is named, look at the runs of sync_orders and at check-connection.",
        ("retry", "ignore", "pull"),
    ),
    ExceptionKind(
        "wms_cancellation",
        "warehouse",
        "OTTO cancelled a unit, and the warehouse did not stop it.",
        "Stop the parcel, or await it as a return: OTTO pays nothing for it. Then ignore it.",
        ("retry", "ignore"),
    ),
    ExceptionKind(
        "wms_backorder",
        "warehouse",
        "A unit is given up, and the warehouse did not stop it.",
        "Stop it in the warehouse, then retry.",
        ("retry", "ignore", "pull"),
    ),
    ExceptionKind(
        "otto_shipment",
        "operations",
        "A parcel left the warehouse, and OTTO did not take its confirmation.",
        f"{_RETRY} A number that the warehouse corrects goes by itself.",
        ("retry", "ignore", "pull"),
    ),
    ExceptionKind(
        "otto_cancellation",
        "operations",
        "The warehouse will not ship a unit, and OTTO did not cancel it.",
        "Cancel it in OTTO Partner Connect, then retry.",
        ("retry", "ignore", "pull"),
    ),
    ExceptionKind(
        "otto_return",
        "customer care",
        "OTTO did not take a decision on a return.",
        _RETRY,
        ("retry", "ignore"),
    ),
    ExceptionKind(
        "otto_price_reduction",
        "customer care",
        "OTTO did not take a price reduction.",
        "Read the reason, ask for another amount, then ignore this one.",
        ("retry", "ignore"),
    ),
    ExceptionKind(
        "parcel_parked",
        "warehouse",
        "A parcel left the warehouse and breaks a rule of the tracking gate: OTTO is not told.",
        "Correct what the reason names; the parcel then goes by itself.",
        ("ignore", "pull"),
    ),
    ExceptionKind(
        "order_not_imported",
        "operations",
        "An order of OTTO breaks its contract and waits in quarantine; it is not at the warehouse.",
        "Correct what the reason names, then pull the order again.",
        ("pull", "ignore"),
    ),
    ExceptionKind(
        "wms_event_unreadable",
        "warehouse",
        "An event of the warehouse could not be read; it may have been a dispatch.",
        "Ask the WMS's vendor to send it again, corrected. When its effect is there, ignore it.",
        ("ignore",),
    ),
    ExceptionKind(
        "sku_collision",
        "operations",
        "A SKU of OTTO matches more than one article of the warehouse and is not offered.",
        "Say in sku_map of the operating model which article is meant.",
    ),
    ExceptionKind(
        "sku_not_at_wms",
        "operations",
        "OTTO sells a SKU of which the warehouse has no article.",
        "Correct sku_map in the operating model, or the article in the WMS.",
    ),
    ExceptionKind(
        "unit_oversold",
        "warehouse",
        "OTTO sold more units of a SKU than the warehouse has.",
        "Find or buy the units, or cancel items at OTTO before their ship-by time.",
    ),
    ExceptionKind(
        "stock_list_refused",
        "warehouse",
        "The mass-drop guard refused the warehouse's whole stock list.",
        "Repair the list in the WMS; if the stock is gone, confirm the drop.",
    ),
    ExceptionKind(
        "row_refused",
        "finance",
        "A row of a list about stock or money breaks its rules and waits in quarantine.",
        "Correct what the reason names; the row leaves when it comes again in order.",
        ("ignore",),
    ),
    ExceptionKind(
        "short_pick",
        "warehouse",
        "A unit came up short, and a person has to say what becomes of it.",
        "Let the warehouse ship it, or cancel it in OTTO Partner Connect.",
        ("pull",),
    ),
    ExceptionKind(
        "short_pick_awaited",
        "warehouse",
        "A unit came up short; what follows happens by itself.",
        "Nothing yet.",
    ),
    ExceptionKind(
        "status_drift",
        "warehouse",
        "OTTO and the warehouse say different things of a unit, beyond the time of grace.",
        "Find out which one is right, and correct the other.",
        ("pull", "ignore"),
    ),
    ExceptionKind(
        "return_undecided",
        "customer care",
        "A unit came back, and no rule decides on it.",
        "Look at the unit, then: otto-pipelines returns accept|reject ORDER ITEM.",
    ),
    ExceptionKind(
        "return_without_owner",
        "warehouse",
        "A unit came back, and nobody knows whose it is.",
        "Enter the order in the warehouse; the next reading matches the unit.",
    ),
    ExceptionKind(
        "late_shipment",
        "warehouse",
        "Units are near or past their ship-by time and have not left; nothing else explains it.",
        "Have them picked and shipped first, or cancel them at OTTO before the ship-by time.",
        ("pull",),
    ),
)

EXCEPTION_KINDS: dict[str, ExceptionKind] = {kind.kind: kind for kind in _ALL}
MESSAGE_KINDS = tuple(kind.kind for kind in _ALL if "retry" in kind.actions)
"""Kinds that are outbox rows, and so can be retried."""
