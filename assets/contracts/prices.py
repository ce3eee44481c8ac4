"""The contracts of stored prices: rows of `resources.operations.price_books`, in cents.

Belongs here: the frames' columns and the condition of each rule of `price_rules`; a check's name is
the rule's name. Rules of single rows before they are stored stand beside this module.
"""

from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Any, TypeAlias

import pandas as pd
import pandera.pandas as pa
from pandera.errors import SchemaErrors
from pandera.typing import Series

from assets.contracts.order_lines import holds_or_unknown
from assets.contracts.price_rules import PRICE_RULES
from assets.contracts.violations import FrameShapeError

Row = Mapping[str, Any]
Broken = dict[str, list[dict[str, Any]]]
"""Rule to the rows that break it; every rule of the contract is there."""

Bools: TypeAlias = "pd.Series[bool]"


class _Prices(pa.DataFrameModel):
    """What all contracts of prices share."""

    class Config:
        """A column too many is as wrong as one too few."""

        strict = True


class PurchasedUnits(_Prices):
    """Units on PURCHASE receipts."""

    receipt_number: Series[str]
    sales_order_id: Series[str]
    position_item_id: Series[str]
    tax_rate: Series[str]
    charged_cents: Series[pd.Int64Dtype]
    buyer_price_cents: Series[pd.Int64Dtype] = pa.Field(nullable=True)
    purchases: Series[pd.Int64Dtype]

    @pa.dataframe_check(name="receipt_charges_buyer_price")
    def _charged(cls, frame: pd.DataFrame) -> Bools:
        return holds_or_unknown(frame["charged_cents"] == frame["buyer_price_cents"])

    @pa.check("purchases", name="unit_charged_once")
    def _once(cls, purchases: "pd.Series[int]") -> Bools:
        return purchases == 1


class ReceiptTotals(_Prices):
    """PURCHASE receipts as a whole."""

    receipt_number: Series[str]
    sales_order_id: Series[str]
    gross_cents: Series[pd.Int64Dtype]
    voucher_cents: Series[pd.Int64Dtype]
    lines_cents: Series[pd.Int64Dtype]

    @pa.dataframe_check(name="receipt_lines_make_total")
    def _total(cls, frame: pd.DataFrame) -> Bools:
        before = frame["lines_cents"] == frame["gross_cents"]
        return before | (frame["lines_cents"] == frame["gross_cents"] + frame["voucher_cents"])


class DeliveryFees(_Prices):
    """Orders of which a receipt was written."""

    sales_order_id: Series[str]
    fee_cents: Series[pd.Int64Dtype]
    charged_cents: Series[pd.Int64Dtype]

    @pa.dataframe_check(name="receipt_delivery_fee_once")
    def _fee(cls, frame: pd.DataFrame) -> Bools:
        return frame["charged_cents"] == frame["fee_cents"]


class ReducedUnits(_Prices):
    """Units with price reductions."""

    sales_order_id: Series[str]
    position_item_id: Series[str]
    reduced_cents: Series[pd.Int64Dtype]
    buyer_price_cents: Series[pd.Int64Dtype] = pa.Field(nullable=True)

    @pa.dataframe_check(name="reductions_below_price")
    def _below(cls, frame: pd.DataFrame) -> Bools:
        return holds_or_unknown(frame["reduced_cents"] < frame["buyer_price_cents"])


class OfferedPrices(_Prices):
    """SKUs with their prices; bounds of a sale are seconds since 1970."""

    sku: Series[str]
    standard_price_cents: Series[pd.Int64Dtype] = pa.Field(nullable=True)
    sale_price_cents: Series[pd.Int64Dtype] = pa.Field(nullable=True)
    sale_from: Series[pd.Int64Dtype] = pa.Field(nullable=True)
    sale_to: Series[pd.Int64Dtype] = pa.Field(nullable=True)

    @pa.dataframe_check(name="product_price_positive")
    def _positive(cls, frame: pd.DataFrame) -> Bools:
        standard = holds_or_unknown(frame["standard_price_cents"] > 0)
        return standard & holds_or_unknown(frame["sale_price_cents"] > 0)

    @pa.dataframe_check(name="sale_below_standard_price")
    def _lower(cls, frame: pd.DataFrame) -> Bools:
        return holds_or_unknown(frame["sale_price_cents"] < frame["standard_price_cents"])

    @pa.dataframe_check(name="sale_has_its_period")
    def _period(cls, frame: pd.DataFrame) -> Bools:
        in_order = (frame["sale_from"] <= frame["sale_to"]).fillna(value=False).astype(bool)
        return frame["sale_price_cents"].isna() | in_order


class WmsPrices(_Prices):
    """Open lines of the warehouse."""

    sales_order_id: Series[str]
    position_item_id: Series[str]
    sku: Series[str]
    buyer_price_cents: Series[pd.Int64Dtype]
    wms_price_cents: Series[pd.Int64Dtype]


def judge_purchases(rows: Sequence[Row], vat_rates: Collection[str]) -> Broken:
    """Judge `purchased_units`; `vat_rates` are per cent as text, like "19"."""
    rule = "receipt_vat_rate_known"
    known = pa.Check.isin(sorted(vat_rates), name=rule, error=rule)
    contract = PurchasedUnits.to_schema().update_column("tax_rate", checks=[known])
    rules = ("receipt_charges_buyer_price", "unit_charged_once", rule)
    return _broken(contract, rows, rules)


def judge_totals(rows: Sequence[Row]) -> Broken:
    """Judge `receipt_totals`."""
    return _broken(ReceiptTotals.to_schema(), rows, ("receipt_lines_make_total",))


def judge_fees(rows: Sequence[Row]) -> Broken:
    """Judge `delivery_fees`."""
    return _broken(DeliveryFees.to_schema(), rows, ("receipt_delivery_fee_once",))


def judge_reductions(rows: Sequence[Row]) -> Broken:
    """Judge `reduced_units`."""
    return _broken(ReducedUnits.to_schema(), rows, ("reductions_below_price",))


def judge_products(rows: Sequence[Row]) -> Broken:
    """Judge `offered_prices`."""
    rules = ("product_price_positive", "sale_below_standard_price", "sale_has_its_period")
    return _broken(OfferedPrices.to_schema(), rows, rules)


def judge_wms_prices(rows: Sequence[Row], tolerance_cents: int) -> Broken:
    """Judge `wms_prices`."""
    rule = "wms_price_within_tolerance"

    def within(frame: pd.DataFrame) -> Bools:
        apart = (frame["wms_price_cents"] - frame["buyer_price_cents"]).abs()
        return apart <= tolerance_cents

    contract = WmsPrices.to_schema()
    contract.checks = [pa.Check(within, name=rule)]
    return _broken(contract, rows, (rule,))


def _broken(contract: pa.DataFrameSchema, rows: Sequence[Row], rules: Iterable[str]) -> Broken:
    """What breaks each rule.

    Raises:
        FrameShapeError: a column is missing, unknown or of another type.
    """
    found: Broken = {rule: [] for rule in rules}
    if not rows:
        return found
    try:
        contract.validate(_frame(contract, rows), lazy=True)
    except SchemaErrors as error:
        cases = error.failure_cases
        # A broken shape can hide row checks, so then no row counts as judged.
        shape = cases[cases["index"].isna() | ~cases["check"].isin(list(PRICE_RULES))]
        if not shape.empty:
            seen = {f"{c.column}: {c.check} {c.failure_case}" for c in shape.itertuples()}
            what = "; ".join(sorted(seen))
            raise FrameShapeError(
                f"prices cannot be judged ({what}): read them by price_books"
            ) from error
        # A check on the whole frame is reported once per column, hence the distinct pairs.
        pairs = cases[["check", "index"]].drop_duplicates().sort_values(["index", "check"])
        for rule, index in pairs.itertuples(index=False):
            found[rule].append(dict(rows[index]))
    return found


def _frame(contract: pa.DataFrameSchema, rows: Sequence[Row]) -> pd.DataFrame:
    """Columns in the contract's types; whole numbers never pass through floats."""
    kinds = {name: str(column.dtype) for name, column in contract.columns.items()}
    return pd.DataFrame(
        {
            name: pd.array(
                [row[name] for row in rows],
                dtype="Int64" if kinds.get(name) == "Int64" else "str",
            )
            for name in rows[0]
        }
    )
