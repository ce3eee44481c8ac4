"""Runs the contracts and names what breaks them, one row per rule and item or order.

Belongs here: turning Pandera's report into violations, and counting them. What happens to a bad
order does not belong here (`assets.order_import`).
"""

from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache

import pandas as pd
import pandera.pandas as pa
from pandera.errors import SchemaErrors

from assets.contracts.order_lines import order_lines_contract
from assets.contracts.orders import Orders
from assets.contracts.rules import ORDER_RULES, RULES

COLUMNS = ("sales_order_id", "position_item_id", "rule", "field", "shown")
_LONGEST_SHOWN = 40
_ROWS_IN_SUMMARY = 20


class FrameShapeError(Exception):
    """A frame lacks columns or has wrong types, so that its rows cannot be judged.

    What to do: report it; a change of code is incomplete. Nothing was judged, so nothing was
    passed.
    """


@dataclass(frozen=True, slots=True)
class RuleSummary:
    """How often a rule was broken, and the first rows as `COLUMNS`."""

    count: int
    rows: tuple[tuple[str, ...], ...]


def violations(lines: pd.DataFrame, orders: pd.DataFrame, vat_rates: Iterable[str]) -> pd.DataFrame:
    """What both frames break, as a frame of `COLUMNS`; `shown` holds no personal data.

    A violation of the order as a whole has an empty `position_item_id`.

    Raises:
        FrameShapeError: a column is missing, unknown or of another type.
    """
    return pd.concat([line_violations(lines, vat_rates), order_violations(orders)])


def line_violations(frame: pd.DataFrame, vat_rates: Iterable[str]) -> pd.DataFrame:
    """What position items break; see `violations`."""
    return _found(order_lines_contract(frozenset(vat_rates)), frame)


def order_violations(frame: pd.DataFrame) -> pd.DataFrame:
    """What orders break as a whole; see `violations`."""
    return _found(_orders_contract(), frame)


def summarise(found: pd.DataFrame) -> dict[str, RuleSummary]:
    """Violations by rule, for every rule of `ORDER_RULES`, also those that nothing breaks."""
    groups = {
        rule: list(rows[list(COLUMNS)].itertuples(index=False, name=None))
        for rule, rows in found.groupby("rule")
    }
    return {
        rule: RuleSummary(len(rows), tuple(rows[:_ROWS_IN_SUMMARY]))
        for rule in ORDER_RULES
        for rows in [groups.get(rule, [])]
    }


@cache
def _orders_contract() -> pa.DataFrameSchema:
    return Orders.to_schema()


def _found(contract: pa.DataFrameSchema, frame: pd.DataFrame) -> pd.DataFrame:
    if frame.empty:
        return pd.DataFrame(columns=list(COLUMNS), dtype=str)
    frame = frame.reset_index(drop=True)
    try:
        contract.validate(frame, lazy=True)
    except SchemaErrors as error:
        cases = error.failure_cases
        return _rows(frame, cases)
    return pd.DataFrame(columns=list(COLUMNS), dtype=str)


def _rows(frame: pd.DataFrame, cases: pd.DataFrame) -> pd.DataFrame:
    # A broken shape can hide row checks, so then no row of this frame counts as judged.
    shape = cases[cases["index"].isna() | ~cases["check"].isin(list(RULES))]
    if not shape.empty:
        what = sorted(
            {f"{case.column}: {case.check} {case.failure_case}" for case in shape.itertuples()}
        )
        raise FrameShapeError(
            f"the frame cannot be judged ({'; '.join(what)}): build it with assets.order_rows"
        )
    # A check on the whole frame is reported once per column, hence the distinct pairs.
    broken = cases[["check", "index"]].drop_duplicates().sort_values(["index", "check"])
    by_row = frame.to_dict("index") if len(broken) > len(frame) else {}
    found = []
    for name, index in broken.itertuples(index=False):
        row = by_row.get(index) or frame.loc[index].to_dict()
        rule = RULES[name]
        found.append(
            (
                row["sales_order_id"],
                row.get("position_item_id", ""),
                name,
                rule.field,
                ", ".join(f"{column}={_shown(row[column])}" for column in rule.shows),
            )
        )
    return pd.DataFrame(found, columns=list(COLUMNS))


def _shown(value: object) -> str:
    """A value as a person reads it: bounded, text in quotes, null as "none"."""
    if value is None or value is pd.NA:
        return "none"
    return repr(value[:_LONGEST_SHOWN]) if isinstance(value, str) else str(value)
