"""The report of a close: one HTML page with charts, which needs nothing from anywhere else.

Belongs here: what the page shows. Its looks stand in `report.html`, the charts in
`assets.closing.charts`.
"""

from collections import defaultdict
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from decimal import Decimal
from pathlib import Path

import duckdb
import jinja2

from assets.closing.charts import bars, stacked_days
from assets.closing.figures import Figures
from assets.closing.periods import Period

REPORT = "report.html"
_DAYS_OF_DRIFT = 31
_CAUSES = 8
_LISTED = 10


@dataclass(frozen=True)
class Trend:
    """How things stand beyond the period, at the moment of the close; amounts in cents."""

    currency: str
    drift: list[tuple[str, str, int]]
    """Order day (ISO), area, amount at risk that is open or accepted."""
    aging: list[tuple[str, int]]
    """Age, amount at risk that is open."""
    attribution: list[tuple[str, str, int, Decimal, Decimal | None]]
    """Dimension, value, open breaks, amount at risk, lift."""


def read_trend(con: duckdb.DuckDBPyConnection, period: Period) -> Trend:
    """Read it from the working file; the charts show the currency with the most breaks."""
    found = con.execute(
        "SELECT currency FROM reports.drift_per_day WHERE currency IS NOT NULL GROUP BY currency "
        "ORDER BY sum(open_breaks) DESC, currency LIMIT 1"
    ).fetchone()
    currency = found[0] if found else "EUR"
    drift = con.execute(
        "SELECT day::VARCHAR, area, CAST((open_at_risk + accepted_at_risk) * 100 AS BIGINT) "
        "FROM reports.drift_per_day WHERE currency = ? AND day BETWEEN ? AND ? ORDER BY day, area",
        [currency, period.last_day - timedelta(days=_DAYS_OF_DRIFT - 1), period.last_day],
    ).fetchall()
    aging = con.execute(
        "SELECT age, CAST(sum(amount_at_risk) * 100 AS BIGINT) FROM reports.aging "
        "WHERE currency = ? GROUP BY age ORDER BY min(youngest_days)",
        [currency],
    ).fetchall()
    attribution = con.execute(
        "SELECT dimension, value, breaks, amount_at_risk, lift FROM reconciliation.attribution "
        "WHERE currency = ? ORDER BY amount_at_risk_cents DESC, dimension, value LIMIT ?",
        [currency, _CAUSES],
    ).fetchall()
    return Trend(currency, drift, aging, attribution)


def write_report(
    path: Path,
    figures: Figures,
    trend: Trend,
    *,
    closed_at: datetime,
    closed_by: str,
    sequence: int,
    previous: str | None,
    signed: bool,
) -> None:
    """Write the page of a close to `path`."""
    environment = templates(Path(__file__).parent)
    environment.filters["money"] = money
    breaks = [found for of_area in figures.breaks.values() for found in of_area]
    largest = sorted(breaks, key=lambda b: (-b["amount_at_risk_cents"], b["break_id"]))
    page = environment.get_template(REPORT).render(
        period=figures.period,
        closed_at=f"{closed_at:%Y-%m-%d %H:%M} UTC",
        closed_by=closed_by,
        sequence=sequence,
        previous=previous,
        signed=signed,
        tiles=_tiles(figures),
        areas=figures.areas,
        tables=figures.tables,
        drift=_drift(trend, figures.period.last_day),
        aging=_bars(trend.aging),
        causes=_bars(_causes(figures, trend.currency)),
        currency=trend.currency,
        attribution=trend.attribution,
        largest=largest[:_LISTED],
        late=figures.late[:_LISTED],
        late_count=len(figures.late),
    )
    path.write_text(page, encoding="utf-8")


def templates(folder: Path) -> jinja2.Environment:
    """Templates of a folder: every value is escaped, and a missing one is an error."""
    return jinja2.Environment(
        loader=jinja2.FileSystemLoader(folder),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )


def money(cents: int) -> str:
    """Cents as an amount with two decimals: `-1,234.50`."""
    sign = "-" if cents < 0 else ""
    return f"{sign}{abs(cents) // 100:,}.{abs(cents) % 100:02}"


def _tiles(figures: Figures) -> list[dict[str, str]]:
    rows = {table.name: table.rows for table in figures.tables}
    tiles = [{"name": "order lines", "value": f"{rows.get('order_lines', 0):,}"}]
    for status in ("open", "accepted", "resolved"):
        amounts: dict[str, int] = defaultdict(int)
        for total in figures.areas:
            if total.status == status:
                amounts[total.currency] += total.cents
        texts = [f"{money(cents)} {currency}" for currency, cents in amounts.items()] or ["0.00"]
        name = f"{status} ({figures.breaks_that_are(status)} breaks)"
        tiles.append({"name": name, "value": ", ".join(texts)})
    return tiles


def _causes(figures: Figures, currency: str) -> list[tuple[str, int]]:
    """Kinds of the period by amount at risk, the largest first."""
    cents: dict[str, int] = defaultdict(int)
    for of_area in figures.breaks.values():
        for found in of_area:
            if found["currency"] == currency:
                cents[found["kind"]] += found["amount_at_risk_cents"]
    return sorted(cents.items(), key=lambda cause: (-cause[1], cause[0]))[:_CAUSES]


def _drift(trend: Trend, last_day: date) -> str:
    if not trend.drift:
        return ""
    first = last_day - timedelta(days=_DAYS_OF_DRIFT - 1)
    days = [(first + timedelta(days=number)).isoformat() for number in range(_DAYS_OF_DRIFT)]
    amounts = {(day, area): cents / 100 for day, area, cents in trend.drift}
    return stacked_days(
        days,
        {
            area: [amounts.get((day, area), 0.0) for day in days]
            for area in sorted({area for _, area, _ in trend.drift})
        },
    )


def _bars(named: list[tuple[str, int]]) -> str:
    return bars([name for name, _ in named], [cents / 100 for _, cents in named]) if named else ""
