"""The registry of rules about stored prices: what each means, who owns it, what to do.

Belongs here: names and wording, the one source for asset checks and docs. The conditions stand in
`prices`. What a single row must satisfy before it is stored stands in `rules` and `money_rules`.
"""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class PriceRule:
    """One rule, and the asset whose check it is."""

    name: str
    asset: str
    description: str
    owner: str
    remedy: str


_ALL = (
    PriceRule(
        "receipt_charges_buyer_price",
        "otto_receipts",
        "A PURCHASE receipt charges for each unit what its buyer pays by the order.",
        "finance",
        "Compare order and receipt (otto-pipelines receipt pdf NUMBER --to FILE), then open a "
        "ticket at OTTO with both numbers.",
    ),
    PriceRule(
        "unit_charged_once",
        "otto_receipts",
        "A unit stands on one PURCHASE receipt.",
        "finance",
        "Open a ticket at OTTO with the numbers of the receipts that charge the unit.",
    ),
    PriceRule(
        "receipt_vat_rate_known",
        "otto_receipts",
        "A unit is charged at a VAT rate that the seller uses.",
        "finance",
        "Correct the product's VAT at OTTO, or add the rate to vat_rates in the operating model.",
    ),
    PriceRule(
        "receipt_lines_make_total",
        "otto_receipts",
        "The lines of a PURCHASE receipt add up to its total, before or after vouchers.",
        "finance",
        "Compare with the receipt's PDF and open a ticket at OTTO with its number.",
    ),
    PriceRule(
        "receipt_delivery_fee_once",
        "otto_receipts",
        "All PURCHASE receipts of an order together charge its delivery fee once.",
        "finance",
        "Compare the order's receipts and open a ticket at OTTO with its number.",
    ),
    PriceRule(
        "reductions_below_price",
        "otto_price_reductions",
        "All price reductions of a unit together are below what its buyer paid.",
        "customer care",
        "OTTO will reject the last one; to give all of it back, accept a return instead.",
    ),
    PriceRule(
        "product_price_positive",
        "otto_products",
        "Standard price and sale price are above zero.",
        "finance",
        "Correct the price of the SKU at OTTO at once; it is on sale for it.",
    ),
    PriceRule(
        "sale_below_standard_price",
        "otto_products",
        "A sale price is below the standard price (our own policy).",
        "finance",
        "Correct the sale of the SKU at OTTO, or end it.",
    ),
    PriceRule(
        "sale_has_its_period",
        "otto_products",
        "A sale has a beginning, and an end that is not before it (our own policy).",
        "finance",
        "Give the sale of the SKU a start and an end date at OTTO.",
    ),
    PriceRule(
        "wms_price_within_tolerance",
        "wms_order_audit",
        "The price that the warehouse holds of an open line is the buyer's, within "
        "reconciliation.price_tolerance_cents.",
        "warehouse",
        "Correct the line's price in the WMS before it is dispatched.",
    ),
)

PRICE_RULES: dict[str, PriceRule] = {rule.name: rule for rule in _ALL}
"""All rules by name, in the order in which a person reads them."""
