"""The contract of position items: one row is one physical unit, money is integer cents.

Belongs here: the frame's columns and the condition of each item rule; a check's name is the rule's
name in `rules`. Rules about the order as a whole stand in `orders`.
"""

from functools import lru_cache

import pandas as pd
import pandera.pandas as pa
from pandera.typing import Series

STATUSES = (
    "ANNOUNCED",
    "PROCESSABLE",
    "SENT",
    "RETURNED",
    "CANCELLED_BY_PARTNER",
    "CANCELLED_BY_MARKETPLACE",
)


class OrderLines(pa.DataFrameModel):
    """Position items of a batch; empty text stands for "nothing to object to" or "not given".

    Cents are null where OTTO gave no amount, or one that is listed in `inexact_amount`.
    """

    sales_order_id: Series[str]
    position_item_id: Series[str]
    sku: Series[str]
    fulfilment_status: Series[str]
    vat_rate: Series[str]
    currency: Series[str]
    gross_cents: Series[pd.Int64Dtype] = pa.Field(nullable=True)
    reduced_cents: Series[pd.Int64Dtype] = pa.Field(nullable=True)
    item_discount_cents: Series[pd.Int64Dtype] = pa.Field(nullable=True)
    inexact_amount: Series[str]
    unreadable_date: Series[str]

    class Config:
        """A column too many is as wrong as one too few."""

        strict = True

    @pa.dataframe_check(name="position_item_unique")
    def _position_item_unique(cls, frame: pd.DataFrame) -> "pd.Series[bool]":
        return ~frame["position_item_id"].duplicated(keep=False)

    @pa.check("sku", name="sku_present")
    def _sku_present(cls, sku: "pd.Series[str]") -> "pd.Series[bool]":
        return sku.str.strip() != ""

    @pa.check("fulfilment_status", name="status_known")
    def _status_known(cls, status: "pd.Series[str]") -> "pd.Series[bool]":
        return status.isin(STATUSES)

    @pa.check("unreadable_date", name="dates_readable")
    def _dates_readable(cls, found: "pd.Series[str]") -> "pd.Series[bool]":
        return found == ""

    @pa.check("currency", name="currency_eur")
    def _currency_eur(cls, currency: "pd.Series[str]") -> "pd.Series[bool]":
        return currency == "EUR"

    @pa.check("inexact_amount", name="two_decimals")
    def _two_decimals(cls, found: "pd.Series[str]") -> "pd.Series[bool]":
        return found == ""

    @pa.dataframe_check(name="price_positive")
    def _price_positive(cls, frame: pd.DataFrame) -> "pd.Series[bool]":
        return holds_or_unknown((frame["gross_cents"] > 0) & ~(frame["reduced_cents"] < 0))

    @pa.dataframe_check(name="reduced_is_gross_minus_discount")
    def _reduced(cls, frame: pd.DataFrame) -> "pd.Series[bool]":
        gross = frame["gross_cents"]
        # Not given means not reduced, or the discount that the two prices imply.
        reduced = frame["reduced_cents"].fillna(gross)
        discount = frame["item_discount_cents"].fillna(gross - reduced)
        return holds_or_unknown((reduced == gross - discount) & (discount >= 0))


def holds_or_unknown(condition: "pd.Series[bool]") -> "pd.Series[bool]":
    """A condition on cents as plain booleans; an unknown amount is another rule's concern."""
    return condition.fillna(value=True).astype(bool)


@lru_cache(maxsize=8)
def order_lines_contract(vat_rates: frozenset[str]) -> pa.DataFrameSchema:
    """`OrderLines` for a seller that uses `vat_rates` (percent as text, like "19")."""
    known = pa.Check.isin(sorted(vat_rates), name="vat_rate_known", error="vat_rate_known")
    return OrderLines.to_schema().update_column("vat_rate", checks=[known])
