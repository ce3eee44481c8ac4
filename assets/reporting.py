"""How results look in the Dagster UI: tables of failing rows, counts, cents.

Belongs here: turning plain results into metadata and check results, the same way for every asset.
No personal data passes through here: callers give keys, rule names and numbers.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import dagster as dg

from resources.finance_table import Table

TABLE_ROWS = 50
Cell = str | int | float | bool | None


def table(rows: Sequence[Mapping[str, Cell]]) -> dg.TableMetadataValue:
    """Show the first rows as a table; the whole stands in the database."""
    columns = list(rows[0]) if rows else ["row"]
    return dg.MetadataValue.table(
        records=[
            dg.TableRecord({name: "" if row[name] is None else row[name] for name in columns})
            for row in rows[:TABLE_ROWS]
        ],
        schema=dg.TableSchema(columns=[dg.TableColumn(name) for name in columns]),
    )


def named_check(
    name: str,
    asset: str | dg.AssetKey,
    meaning: str,
    remedy: str,
    *,
    owner: str | None = None,
    **more: Any,
) -> dg.AssetCheckSpec:
    """One named rule; its description says what it means and what to do when it fails.

    `owner` is who is told of it; None: the owner of the asset.
    """
    return dg.AssetCheckSpec(
        name,
        asset=asset,
        description=f"{meaning} What to do: {remedy}",
        metadata={"meaning": meaning, "remedy": remedy, **({"owner": owner} if owner else {})},
        **more,
    )


def check_result(
    spec: dg.AssetCheckSpec,
    *,
    failing: Sequence[Mapping[str, Cell]],
    warned: Sequence[Mapping[str, Cell]] = (),
    measures: Mapping[str, int] | None = None,
) -> dg.AssetCheckResult:
    """Build the result of a rule that `named_check` made.

    Without failing rows, those of which a person should know make it a warning. `measures` are
    further numbers that the UI plots.
    """
    meaning, remedy = str(spec.metadata["meaning"]), str(spec.metadata["remedy"])
    metadata: dict[str, dg.MetadataValue] = {
        **numbers(measures or {}),
        "failing_rows": dg.MetadataValue.int(len(failing)),
        "warned_rows": dg.MetadataValue.int(len(warned)),
        "remedy": dg.MetadataValue.text(remedy),
    }
    description = meaning
    if rows := failing or warned:
        metadata["rows"] = table(rows)
        verdict = "fail" if failing else "are a warning"
        description = f"{len(rows)} row(s) {verdict}: {meaning} What to do: {remedy}"
    return dg.AssetCheckResult(
        check_name=spec.name,
        asset_key=spec.asset_key,
        passed=not rows,
        severity=dg.AssetCheckSeverity.ERROR if failing else dg.AssetCheckSeverity.WARN,
        description=description,
        metadata=metadata,
    )


def numbers(counts: Mapping[str, int]) -> dict[str, dg.MetadataValue]:
    """Numbers as metadata; the UI plots them over time."""
    return {name: dg.MetadataValue.int(value) for name, value in counts.items()}


def table_metadata(table: Table) -> dict[str, Any]:
    """Name and columns of a finance table, as the UI shows them."""
    columns = [
        dg.TableColumn(column.name, column.type, description=column.meaning)
        for column in table.columns
    ]
    return {
        "dagster/column_schema": dg.TableSchema(columns=columns),
        "dagster/table_name": table.full_name,
    }
