"""The contract of orders as a whole: address, delivery fees, order-level discounts.

Belongs here: the frame's columns and the condition of each order rule; a check's name is the rule's
name in `rules`. Rules about single units stand in `order_lines`.
"""

import pandas as pd
import pandera.pandas as pa
from pandera.typing import Series

from assets.contracts.order_lines import holds_or_unknown


class Orders(pa.DataFrameModel):
    """Orders of a batch; empty text stands for "nothing to object to".

    Cents are null where they cannot be known, for which another column then says why. A fee entry
    is one item named by one delivery fee.
    """

    sales_order_id: Series[str]
    item_count: Series[int]
    processable_items: Series[int]
    missing_address_part: Series[str]
    currency: Series[str]
    delivery_fee_cents: Series[pd.Int64Dtype] = pa.Field(nullable=True)
    fee_entries: Series[int]
    distinct_fee_entries: Series[int]
    order_discount_cents: Series[pd.Int64Dtype] = pa.Field(nullable=True)
    shares_cents: Series[pd.Int64Dtype] = pa.Field(nullable=True)
    unknown_discount_item: Series[str]
    excessive_discount: Series[str]
    inexact_amount: Series[str]
    unreadable_date: Series[str]

    class Config:
        """A column too many is as wrong as one too few."""

        strict = True

    @pa.check("item_count", name="order_has_items")
    def _order_has_items(cls, count: "pd.Series[int]") -> "pd.Series[bool]":
        return count > 0

    @pa.check("unreadable_date", name="dates_readable")
    def _dates_readable(cls, found: "pd.Series[str]") -> "pd.Series[bool]":
        return found == ""

    @pa.check("currency", name="currency_eur")
    def _currency_eur(cls, currency: "pd.Series[str]") -> "pd.Series[bool]":
        return currency == "EUR"

    @pa.check("inexact_amount", name="two_decimals")
    def _two_decimals(cls, found: "pd.Series[str]") -> "pd.Series[bool]":
        return found == ""

    @pa.check("unknown_discount_item", name="discount_items_known")
    def _discount_items_known(cls, found: "pd.Series[str]") -> "pd.Series[bool]":
        return found == ""

    @pa.check("excessive_discount", name="discount_within_value")
    def _discount_within_value(cls, found: "pd.Series[str]") -> "pd.Series[bool]":
        return found == ""

    @pa.dataframe_check(name="discount_shares_exact")
    def _discount_shares_exact(cls, frame: pd.DataFrame) -> "pd.Series[bool]":
        return holds_or_unknown(frame["order_discount_cents"] == frame["shares_cents"])

    @pa.dataframe_check(name="delivery_fee_once")
    def _delivery_fee_once(cls, frame: pd.DataFrame) -> "pd.Series[bool]":
        once = frame["fee_entries"] == frame["distinct_fee_entries"]
        return holds_or_unknown(once & (frame["delivery_fee_cents"] >= 0))

    @pa.dataframe_check(name="address_present_when_processable")
    def _address_present(cls, frame: pd.DataFrame) -> "pd.Series[bool]":
        return (frame["missing_address_part"] == "") | (frame["processable_items"] == 0)
