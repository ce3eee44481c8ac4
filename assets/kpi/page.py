"""The page of key figures: one HTML file with charts, which needs nothing from anywhere else.

Belongs here: what the page shows, and writing it in one moment. Its looks stand in `page.html`, the
charts in `assets.closing.charts`. It holds numbers only: no order, no address, no name.
"""

import os
import secrets
from collections.abc import Sequence
from datetime import datetime, timedelta
from pathlib import Path

from assets.closing.charts import over_time
from assets.closing.report import templates
from assets.kpi.figures import KPIS, OWNERS, Figures, owner_figure, spoken

PAGE = "kpis.html"
SHOWN = timedelta(days=14)
History = Sequence[tuple[datetime, Figures]]

# Title, divisor of the values, and the name of each line's figure.
_CHARTS: tuple[tuple[str, int, dict[str, str]], ...] = (
    (
        "Units on their way",
        1,
        {
            "in the warehouse": "pending_shipments",
            "gone, OTTO has no number": "waiting_for_tracking",
        },
    ),
    (
        "Order to confirmation, hours",
        60,
        {
            "median": "confirmation_median_minutes",
            "95 %": "confirmation_p95_minutes",
        },
    ),
    ("Exceptions by owner", 1, {owner: owner_figure(owner) for owner in OWNERS}),
    ("Money at risk, EUR", 100, {"at risk": "at_risk_cents"}),
    (
        "Held or refused",
        1,
        {
            "parcels parked": "parcels_parked",
            "messages refused": "sync_errors",
            "short-picks": "short_picks_open",
        },
    ),
    (
        "Returns and price reductions",
        1,
        {
            "returns without decision": "open_returns",
            "reductions pending": "pending_price_reductions",
        },
    ),
)
_TILES = (
    "open_orders",
    "pending_shipments",
    "oldest_unshipped_minutes",
    "waiting_for_tracking",
    "exceptions",
    "at_risk_cents",
)


def write_page(path: Path, figures: Figures, history: History, now: datetime) -> None:
    """Write the page to `path`; whoever reads it meanwhile sees the old or the new one.

    Args:
        path: where; its folder is made.
        figures: those of now.
        history: those of former moments, the oldest first, `now` among them.
        now: aware UTC.
    """
    page = (
        templates(Path(__file__).parent)
        .get_template("page.html")
        .render(
            now=f"{now:%Y-%m-%d %H:%M} UTC",
            days=SHOWN.days,
            tiles=[_shown(name, figures) for name in _TILES],
            charts=[
                {"title": title, "picture": _chart(history, divisor, lines)}
                for title, divisor, lines in _CHARTS
            ],
            rows=[_shown(name, figures) for name in KPIS],
        )
    )
    path.parent.mkdir(parents=True, exist_ok=True)
    copy = path.with_name(f".{path.name}.{secrets.token_hex(4)}")
    try:
        with copy.open("w", encoding="utf-8") as file:
            file.write(page)
            file.flush()
            os.fsync(file.fileno())
        copy.replace(path)
    finally:
        copy.unlink(missing_ok=True)


def _shown(name: str, figures: Figures) -> dict[str, str]:
    kpi = KPIS[name]
    return {
        "name": name.removesuffix("_cents").removesuffix("_minutes").replace("_", " "),
        "value": spoken(kpi, figures[name]) or "–",
        "meaning": kpi.meaning,
    }


def _chart(history: History, divisor: int, lines: dict[str, str]) -> str:
    series: dict[str, list[float | None]] = {}
    for label, name in lines.items():
        values = [figures.get(name) for _, figures in history]
        series[label] = [None if value is None else value / divisor for value in values]
    return over_time([moment for moment, _ in history], series)
