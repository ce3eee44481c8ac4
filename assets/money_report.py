"""How reading and judging about money looks in the Dagster UI: counts, and one check per rule.

Belongs here: what the assets `receipts`, `returns` and `prices` share as Dagster shells. Reading
itself stands in `money_reading`, the rules in `assets.contracts`.
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import dagster as dg

from assets.contracts.money_rules import MONEY_RULES
from assets.contracts.price_rules import PRICE_RULES
from assets.reporting import check_result, named_check
from resources.operations import quarantine
from resources.operations.database import OperationsDatabase

KEYED = ("row_readable", "key_present", "known_value", "date_readable")
PRICED = (*KEYED, "whole_cents", "in_euro", "not_negative")


def row_specs(asset: str, rules: Sequence[str]) -> list[dg.AssetCheckSpec]:
    """Checks of the rules that each row of the asset must satisfy before it is stored."""
    return [
        named_check(name, asset, rule.description, rule.remedy, owner=rule.owner)
        for name, rule in ((name, MONEY_RULES[name]) for name in rules)
    ]


def price_specs(asset: str, after: Sequence[str] = ()) -> list[dg.AssetCheckSpec]:
    """Checks of the rules about stored prices that belong to the asset.

    `after` are further assets that change what is judged.
    """
    return [
        named_check(
            rule.name,
            asset,
            rule.description,
            rule.remedy,
            owner=rule.owner,
            additional_deps=list(after),
        )
        for rule in PRICE_RULES.values()
        if rule.asset == asset
    ]


def row_checks(asset: str, rules: Sequence[str]) -> dg.AssetChecksDefinition:
    """The checks of an asset that has none but those of its rows."""
    specs = row_specs(asset, rules)

    @dg.multi_asset_check(name=f"{asset}_checks", specs=specs)
    def checks(
        operations: dg.ResourceParam[OperationsDatabase],
    ) -> Iterator[dg.AssetCheckResult]:
        yield from row_results(operations, specs, [asset])

    return checks


def row_results(
    operations: OperationsDatabase, specs: Sequence[dg.AssetCheckSpec], sources: Sequence[str]
) -> list[dg.AssetCheckResult]:
    """Judge by all rows of these sources that wait in quarantine, not only by those of one run."""
    with operations.read() as conn:
        waiting = [row for source in sources for row in quarantine.waiting_rows(conn, source)]
    return [
        check_result(
            spec,
            failing=[
                {
                    "row": row["business_key"],
                    "list": row["source"],
                    "field": row["field"],
                    "value": row["shown"],
                    "since": row["first_seen_at"].isoformat(),
                    "owner": row["owner"],
                }
                for row in waiting
                if row["rule"] == spec.name
            ],
        )
        for spec in specs
    ]


def price_results(
    specs: Sequence[dg.AssetCheckSpec], broken: Mapping[str, Sequence[Mapping[str, Any]]]
) -> list[dg.AssetCheckResult]:
    """Results of the rules about stored prices; `broken` has the rows by rule."""
    return [
        check_result(
            spec,
            failing=[{**row, "owner": PRICE_RULES[spec.name].owner} for row in broken[spec.name]],
        )
        for spec in specs
    ]
