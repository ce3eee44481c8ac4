"""The asset `period_close`: a day or month closed by a person, from the Dagster UI.

Belongs here: the Dagster shell. Closing stands in `assets.closing`.
"""

import os

import dagster as dg

from assets.reporting import numbers, table_metadata
from resources.clock import Clock
from resources.finance import FinanceDatabase
from resources.finance_close import PERIOD_CLOSE
from resources.finance_schema import RECONCILIATION
from resources.settings import finance_signing_key

GROUP = "closing"


class ClosePeriod(dg.Config):
    """What to close."""

    period: str
    """A day (2026-11-20) or a month (2026-11)."""
    closed_by: str
    """Who closes it; kept with the period."""


@dg.asset(
    key=[PERIOD_CLOSE.schema, PERIOD_CLOSE.name],
    deps=[dg.AssetKey([table.schema, table.name]) for table in RECONCILIATION],
    group_name=GROUP,
    kinds={"duckdb"},
    owners=["team:finance"],
    description=(
        "A day or month closed: refused while material breaks are open, else an immutable snapshot "
        "with manifest, workbook and report. A period that is closed stays as it is."
    ),
    metadata=table_metadata(PERIOD_CLOSE),
    # A DuckDB file takes one writing process; the pool keeps a second run waiting.
    pool="duckdb_writer",
)
def period_close(
    config: ClosePeriod,
    finance: dg.ResourceParam[FinanceDatabase],
    clock: dg.ResourceParam[Clock],
) -> dg.MaterializeResult:
    """Close the period that the run's configuration names."""
    # DuckDB, Excel and charts load only where they are used.
    from assets.closing.close import close_period  # noqa: PLC0415
    from assets.closing.periods import ClosingError  # noqa: PLC0415

    try:
        close = close_period(
            finance,
            config.period,
            by=config.closed_by,
            now=clock.now(),
            key=finance_signing_key(os.environ),
        )
    except ClosingError as error:
        raise dg.Failure(description=str(error), allow_retries=False) from error
    cents = {
        f"{total['area']}_{total['status']}_{total['currency']}_cents": total["cents"]
        for total in close.manifest["areas"]
    }
    return dg.MaterializeResult(
        metadata={
            "period": close.manifest["period"],
            "sequence": close.manifest["sequence"],
            "was_closed_already": not close.is_new,
            "signature": close.manifest["signature"]["method"],
            "report": dg.MetadataValue.url(close.report.as_uri()),
            "report_file": dg.MetadataValue.path(close.report),
            "workbook": dg.MetadataValue.path(close.workbook),
            "folder": dg.MetadataValue.path(close.folder),
            **numbers(cents),
        }
    )
