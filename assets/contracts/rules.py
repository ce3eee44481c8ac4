"""The registry of contract rules for orders: what each means, who owns it, what to do.

Belongs here: names and wording, the one source for quarantine rows, asset checks and docs. The
conditions themselves stand in `order_lines` and `orders`.
"""

from dataclasses import dataclass
from typing import Literal

Level = Literal["item", "order", "both"]


@dataclass(frozen=True, slots=True)
class Rule:
    """One rule of the contract.

    `field` is OTTO's name of what is wrong; `shows` are the columns whose values a person sees, so
    no column with personal data may stand there. A blocking rule sends the whole order to
    quarantine.
    """

    name: str
    level: Level
    field: str
    description: str
    owner: str
    remedy: str
    shows: tuple[str, ...]
    blocking: bool = True


_ALL = (
    Rule(
        "order_readable",
        "order",
        "(order)",
        "The order has the shape that OTTO documents.",
        "engineering",
        "Compare the raw page with OTTO's documentation; extend the wire model if OTTO changed it.",
        (),
    ),
    Rule(
        "order_has_items",
        "order",
        "positionItems",
        "An order has at least one position item.",
        "operations",
        "Look the order up at OTTO and open a ticket with its order number.",
        ("item_count",),
    ),
    Rule(
        "position_item_unique",
        "item",
        "positionItems.positionItemId",
        "A position item id stands once in its order and in no other order of the batch.",
        "engineering",
        "Open a ticket at OTTO with both order numbers; nothing of them is sent to the warehouse.",
        (),
    ),
    Rule(
        "sku_present",
        "item",
        "positionItems.product.sku",
        "Every unit names its SKU.",
        "operations",
        "Correct the product at OTTO, then import the order's day again.",
        ("sku",),
    ),
    Rule(
        "status_known",
        "item",
        "positionItems.fulfillmentStatus",
        "The fulfilment status is one that OTTO documents.",
        "engineering",
        "Check OTTO's release notes for a new status, and decide what it means for the warehouse.",
        ("fulfilment_status",),
    ),
    Rule(
        "dates_readable",
        "both",
        "(dates)",
        "Every date is in one of OTTO's formats and lies between 2000 and 2100.",
        "engineering",
        "Compare the raw page with OTTO's documentation; a new date format needs a new parser.",
        ("unreadable_date",),
    ),
    Rule(
        "currency_eur",
        "both",
        "(amounts).currency",
        "All amounts are in euro.",
        "finance",
        "Ask OTTO why the order is not in EUR; settle it by hand, no rate is assumed here.",
        ("currency",),
    ),
    Rule(
        "two_decimals",
        "both",
        "(amounts).amount",
        "Every amount is a whole number of cents.",
        "finance",
        "Open a ticket at OTTO with the order number; the amount is not rounded here.",
        ("inexact_amount",),
    ),
    Rule(
        "price_positive",
        "item",
        "positionItems.itemValueGrossPrice",
        "The gross price is above zero and the reduced price is not below zero.",
        "finance",
        "Check the price of the SKU at OTTO; an order at a wrong price can be cancelled there.",
        ("gross_cents", "reduced_cents"),
    ),
    Rule(
        "reduced_is_gross_minus_discount",
        "item",
        "positionItems.itemValueReducedGrossPrice",
        "The reduced price is the gross price less the item's discount, which is not negative.",
        "finance",
        "Compare with the PURCHASE receipt and open a ticket at OTTO with the order number.",
        ("gross_cents", "reduced_cents", "item_discount_cents"),
    ),
    Rule(
        "vat_rate_known",
        "item",
        "positionItems.product.vatRate",
        "The VAT rate is one the seller uses.",
        "finance",
        "Correct the product's VAT at OTTO, or add the rate to vat_rates in the operating model.",
        ("vat_rate",),
    ),
    Rule(
        "discount_items_known",
        "order",
        "initialDiscounts.positionItemIds",
        "An order-level discount names items of its own order, and at least one.",
        "finance",
        "Open a ticket at OTTO with the order number; the discount cannot be spread.",
        ("unknown_discount_item",),
    ),
    Rule(
        "discount_within_value",
        "order",
        "initialDiscounts.discountAmount",
        "An order-level discount is not negative and not more than its items are worth.",
        "finance",
        "Check orders.discount_reading in the operating model, else open a ticket at OTTO.",
        ("excessive_discount",),
    ),
    Rule(
        "discount_shares_exact",
        "order",
        "initialDiscounts",
        "The items' shares add up to the order-level discounts to the cent.",
        "engineering",
        "Report it with the order number: the spreading of discounts is at fault.",
        ("order_discount_cents", "shares_cents"),
    ),
    Rule(
        "delivery_fee_once",
        "order",
        "initialDeliveryFees",
        "A delivery fee stands once for an item of the order and is not negative.",
        "finance",
        "Compare with the PURCHASE receipt and open a ticket at OTTO with the order number.",
        ("delivery_fee_cents", "fee_entries", "distinct_fee_entries"),
    ),
    Rule(
        "address_present_when_processable",
        "order",
        "deliveryAddress",
        "An order that may leave has a name, street, zip code, city and country to go to.",
        "customer care",
        "Ask OTTO for the address; once it is there, the next import takes the order.",
        ("missing_address_part", "processable_items"),
    ),
)

RULES: dict[str, Rule] = {rule.name: rule for rule in _ALL}

ORDER_RULES: tuple[str, ...] = tuple(RULES)
"""All rules of an order import, in the order in which a person reads them."""
