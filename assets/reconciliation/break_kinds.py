"""The kinds of break: what each means, who owns it, what to do, and which one is the root cause.

Belongs here: the registry only; reports and docs read it. How a kind is recognised stands in
`candidates.sql`, and for receipts, refunds, price reductions and stock in `*_differences.sql`.

An item (in area stock: a SKU) may differ in several ways at once. In each area only its root cause
becomes a break: among what applies, the first kind of the area in the order below, where a
difference that outlived its time of grace goes before one that has not. A `residual` kind is a
consequence of almost anything, so it is reported only where no break of areas orders or shipments
explains the item.
"""

from dataclasses import dataclass
from typing import Literal

Area = Literal["orders", "shipments", "prices", "refunds", "stock"]
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
    # Whether what ends it carries its own time on both sides; else it ends when we see it.
    dated: bool = False


_IN_ORDER = (
    BreakKind(
        "unknown_to_otto",
        "orders",
        "operations",
        "The WMS works on an order or line that OTTO does not know.",
        "Look the order up in OTTO Partner Connect; cancel it in the WMS if it is not there, "
        "or release it from the quarantine if its import was refused.",
        dated=True,
    ),
    BreakKind(
        "cancelled_in_otto_open_in_wms",
        "orders",
        "warehouse",
        "OTTO cancelled the item, the WMS still works on it or has dispatched it.",
        "Cancel the line in the WMS; if it has left, stop the parcel or book it as a return.",
        dated=True,
    ),
    BreakKind(
        "cancelled_in_wms_open_in_otto",
        "orders",
        "operations",
        "The WMS will not ship the item (cancelled or short), OTTO still waits for it.",
        "Cancel the item at OTTO (see `otto-pipelines errors list` for a refused cancellation), "
        "or have the WMS ship it after all.",
        dated=True,
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
        dated=True,
    ),
    BreakKind(
        "confirmed_not_dispatched",
        "shipments",
        "warehouse",
        "OTTO takes the item as sent and charges the buyer, the WMS dispatched nothing.",
        "Have the warehouse ship it or find the parcel; if it cannot ship, refund the buyer.",
        dated=True,
    ),
    BreakKind(
        "late_shipment",
        "shipments",
        "warehouse",
        "The latest time of dispatch has passed and the item is still in the warehouse.",
        "Dispatch it first, or cancel it at OTTO if it cannot be shipped.",
        residual=True,
        dated=True,
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
    BreakKind(
        "receipt_missing",
        "prices",
        "finance",
        "OTTO takes the item as sent and wrote no purchase receipt, so the buyer was not charged.",
        "Ask OTTO for the receipt in Partner Connect; without it the item is not paid out.",
    ),
    BreakKind(
        "receipt_amount_mismatch",
        "prices",
        "finance",
        "The purchase receipts charge another amount than the order says, for an item or for "
        "delivery.",
        "Compare receipt and order in OTTO Partner Connect and have OTTO correct the receipt; if "
        "it holds another reading of discounts, set `orders.discount_reading`.",
    ),
    BreakKind(
        "discount_mismatch",
        "prices",
        "finance",
        "The purchase receipt states another part of the order's discounts than the item's share.",
        "Ask OTTO who bears the discount: the price is right, its division between you is not.",
    ),
    BreakKind(
        "rejected_but_refunded",
        "refunds",
        "finance",
        "The return was rejected, and OTTO refunded the item all the same.",
        "Object to the refund at OTTO with the reason of the rejection, or accept the return.",
    ),
    BreakKind(
        "refund_without_return",
        "refunds",
        "finance",
        "OTTO refunded the item, nobody accepted a return, and the warehouse received nothing.",
        "Have the warehouse look for the unit; if it is not there, object to the refund at OTTO.",
    ),
    BreakKind(
        "return_not_decided",
        "refunds",
        "customer care",
        "The warehouse received the unit, OTTO still waits for acceptance or rejection.",
        "See `otto-pipelines returns list` and decide; if a decision is made, see "
        "`otto-pipelines errors list`. For a unit without an owner, find its order and enter it in "
        "the WMS.",
    ),
    BreakKind(
        "refund_missing",
        "refunds",
        "finance",
        "The item was returned, or cancelled after it was charged; OTTO wrote no refund receipt.",
        "Ask OTTO for the refund: the buyer waits for the money.",
    ),
    BreakKind(
        "refund_amount_mismatch",
        "refunds",
        "finance",
        "The refund is not what the buyer paid less what went back before.",
        "Compare the refund with the purchase receipt in OTTO Partner Connect and have OTTO "
        "correct it.",
    ),
    BreakKind(
        "price_reduction_mismatch",
        "refunds",
        "finance",
        "A price reduction and its partial refund do not agree, or one is without the other.",
        "Compare both in OTTO Partner Connect. Where OTTO refused a request, see "
        "`otto-pipelines errors list`; where it refunded by itself, object or accept it.",
    ),
    BreakKind(
        "oversold",
        "stock",
        "warehouse",
        "OTTO sold more units that are not shipped yet than the warehouse can supply.",
        "Count the SKU and look for the units; if no goods come in before the ship-by time, "
        "cancel at OTTO the orders that cannot be supplied.",
    ),
    BreakKind(
        "stock_drift",
        "stock",
        "operations",
        "OTTO shows another quantity than our figure, or refuses it.",
        "Run `otto-pipelines sync stock` for the SKU. If OTTO refuses it, correct or list the "
        "article at OTTO; if the figure changes there again, end what else writes quantities.",
    ),
    BreakKind(
        "stale_stock",
        "stock",
        "operations",
        "The WMS's level of the SKU or OTTO's last accepted figure is older than allowed, "
        "or the WMS never told of the SKU.",
        "Check that the WMS and OTTO answer, then run `otto-pipelines sync stock`. If the WMS does "
        "not know the SKU, correct the SKU map of the operating model, or the article in the WMS.",
    ),
)

BREAK_KINDS: dict[str, BreakKind] = {kind.kind: kind for kind in _IN_ORDER}
