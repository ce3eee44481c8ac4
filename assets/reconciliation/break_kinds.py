"""The kinds of break: what each means, who owns it, what to do, and which one is the root cause.

Belongs here: the registry only; reports and docs read it. How a kind is recognised stands in
`candidates.sql`.

An item may differ in several ways at once. In each area only its root cause becomes a break: among
what applies, the first kind of the area in the order below, where a difference that outlived its
time of grace goes before one that has not. A `residual` kind is a consequence of almost anything,
so it is reported only where no break of areas orders or shipments explains the item.
"""

from dataclasses import dataclass
from typing import Literal

Area = Literal["orders", "shipments", "prices"]
Owner = Literal["operations", "warehouse", "finance", "customer care"]


@dataclass(frozen=True)
class BreakKind:
    """One kind of break."""

    kind: str
    area: Area
    owner: Owner
    meaning: str
    remedy: str
    residual: bool = False


_IN_ORDER = (
    BreakKind(
        "unknown_to_otto",
        "orders",
        "operations",
        "The WMS works on an order or line that OTTO does not know.",
        "Look the order up in OTTO Partner Connect; cancel it in the WMS if it is not there, "
        "or release it from the quarantine if its import was refused.",
    ),
    BreakKind(
        "cancelled_in_otto_open_in_wms",
        "orders",
        "warehouse",
        "OTTO cancelled the item, the WMS still works on it or has dispatched it.",
        "Cancel the line in the WMS; if it has left, stop the parcel or book it as a return.",
    ),
    BreakKind(
        "cancelled_in_wms_open_in_otto",
        "orders",
        "operations",
        "The WMS will not ship the item (cancelled or short), OTTO still waits for it.",
        "Cancel the item at OTTO (see `otto-pipelines errors list` for a refused cancellation), "
        "or have the WMS ship it after all.",
    ),
    BreakKind(
        "missing_in_wms",
        "orders",
        "operations",
        "OTTO released the item for dispatch, the WMS does not have it.",
        "See `otto-pipelines errors list` for why the WMS refused the order, correct it and retry; "
        "if nothing is listed, have the warehouse look for the order reference.",
    ),
    BreakKind(
        "sku_mismatch",
        "orders",
        "warehouse",
        "The WMS holds another SKU than we sent.",
        "Correct the line in the WMS before it is picked, and the SKU map if it is wrong; "
        "if it has left, the buyer got another article.",
    ),
    BreakKind(
        "tracking_missing",
        "shipments",
        "warehouse",
        "The parcel left without a tracking number, so OTTO cannot be told.",
        "Enter the carrier's number in the WMS; the parcel is then reported by itself.",
    ),
    BreakKind(
        "tracking_invalid",
        "shipments",
        "warehouse",
        "The parcel's tracking number or link cannot be right, so OTTO is not told.",
        "Correct the number in the WMS (or the carrier's tracking_url in the operating model); "
        "the parcel is then reported by itself.",
    ),
    BreakKind(
        "carrier_mismatch",
        "shipments",
        "operations",
        "The carrier is unknown to the carrier map, or OTTO holds another one than the WMS.",
        "Add the WMS's code to the carrier map of the operating model; "
        "if OTTO holds the wrong carrier, correct the shipment in OTTO Partner Connect.",
    ),
    BreakKind(
        "tracking_mismatch",
        "shipments",
        "customer care",
        "OTTO holds another tracking number than the WMS, so the buyer follows a wrong parcel.",
        "Correct the shipment in OTTO Partner Connect, or tell the buyer the right number.",
    ),
    BreakKind(
        "dispatched_not_confirmed",
        "shipments",
        "operations",
        "The item left the warehouse, OTTO does not take it as sent.",
        "See `otto-pipelines errors list` for the parcel, correct what is named there and retry.",
    ),
    BreakKind(
        "confirmed_not_dispatched",
        "shipments",
        "warehouse",
        "OTTO takes the item as sent and charges the buyer, the WMS dispatched nothing.",
        "Have the warehouse ship it or find the parcel; if it cannot ship, refund the buyer.",
    ),
    BreakKind(
        "late_shipment",
        "shipments",
        "warehouse",
        "The latest time of dispatch has passed and the item is still in the warehouse.",
        "Dispatch it first, or cancel it at OTTO if it cannot be shipped.",
        residual=True,
    ),
    BreakKind(
        "currency_mismatch",
        "prices",
        "finance",
        "The WMS holds the price in another currency than OTTO.",
        "Correct the currency of the order in the WMS.",
    ),
    BreakKind(
        "price_mismatch",
        "prices",
        "finance",
        "The WMS holds another unit price than the buyer pays, beyond the tolerance.",
        "Correct the price in the WMS: what the buyer pays at OTTO holds.",
    ),
)

BREAK_KINDS: dict[str, BreakKind] = {kind.kind: kind for kind in _IN_ORDER}
