"""The demo's month end: the busiest order day is closed, as finance would close it.

Belongs here: accepting the day's material breaks in a person's name, since the demo's injected
faults are never repaired, and closing the day. How a close is made stands in `assets.closing`.
"""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from assets.closing.close import close_period
from assets.closing.periods import period_named
from assets.closing.rows import closed_tables
from assets.reconciliation.decisions import accept_break
from resources.finance import FinanceDatabase

BY = "demo finance"
REASON = "a fault that the demo injects; nobody will repair it"


@dataclass(frozen=True)
class ClosedDay:
    """A closed day: how many material breaks were accepted for it, and the close's files."""

    day: str
    accepted: int
    workbook: Path
    report: Path


def close_busiest_day(
    finance_file: Path, now: datetime, reconcile: Callable[[], object]
) -> ClosedDay:
    """Close the order day with the most items that is over.

    Args:
        finance_file: the published file; the working file lies beside it.
        now: aware business time, after the last reconciliation.
        reconcile: run it again, so that the report's other tables follow the acceptances.

    Raises:
        ClosingError: the day cannot be closed; the message lists every reason.
    """
    finance = FinanceDatabase(finance_file)
    with finance.read() as con:
        day = con.execute(
            "SELECT order_day::VARCHAR FROM reconciliation.daily_summary "
            "ORDER BY items DESC, order_day LIMIT 1"
        ).fetchall()[0][0]
        breaks = next(table for table in closed_tables(con) if table.name == "breaks")
        material = con.execute(
            f"SELECT break_id FROM ({breaks.rows(period_named(day))}) "
            "WHERE status = 'open' AND severity = 'high' ORDER BY break_id"
        ).fetchall()
    for (break_id,) in material:
        accept_break(finance, break_id, REASON, now, by=BY)
    reconcile()
    done = close_period(finance, day, by=BY, now=now)
    return ClosedDay(day, len(material), done.workbook, done.report)
