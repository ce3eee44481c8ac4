"""The key figures: which there are, what each means, and how all are measured at one moment.

Belongs here: the registry, which command line, page, asset and documents read, and the measuring.
Queries stand in `resources.operations.kpi_rows`; what waits for a person comes from
`assets.exceptions`, so that figures and list cannot differ.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Literal, get_args

from assets.exceptions.kinds import Owner
from assets.exceptions.listing import open_exceptions, summary
from resources.operating_model import OperatingModel
from resources.operations import kpi_rows, short_picks
from resources.operations.database import OperationsDatabase

Figures = dict[str, int | None]
"""Name to value; None where there is none, such as a time of what did not happen."""


@dataclass(frozen=True)
class Kpi:
    """One figure; its name stays the same in JSON, metadata and history."""

    name: str
    unit: Literal["", "minutes", "cents"]
    meaning: str


def owner_figure(owner: str) -> str:
    """Name of the figure that counts an owner's exceptions."""
    return f"exceptions_{owner.replace(' ', '_')}"


OWNERS: tuple[str, ...] = get_args(Owner)

_ALL = (
    Kpi("open_orders", "", "orders with a unit that is neither sent nor cancelled at OTTO"),
    Kpi("open_units", "", "such units"),
    Kpi("pending_shipments", "", "of these, released by OTTO and still in the warehouse"),
    Kpi("waiting_for_tracking", "", "of these, gone from the warehouse, and OTTO has no number"),
    Kpi("oldest_unshipped_minutes", "minutes", "since OTTO released the oldest in the warehouse"),
    Kpi("parcels_parked", "", "parcels that the tracking gate holds"),
    Kpi("short_picks_open", "", "units not found, neither sent nor cancelled since"),
    Kpi("open_returns", "", "units announced as returned that OTTO has no decision on"),
    Kpi("pending_price_reductions", "", "price reductions asked for and not processed"),
    Kpi("sync_errors", "", "messages that the other side refused or a rule blocks"),
    Kpi("failed_syncs", "", "synchronisations that failed in the last 24 hours"),
    Kpi("products", "", "products at OTTO"),
    Kpi("products_active", "", "of these, active"),
    Kpi("stale_stock", "", "articles whose stock level is too old to believe"),
    Kpi("confirmation_median_minutes", "minutes", "order to SENT at OTTO, half of 7 days' units"),
    Kpi("confirmation_p95_minutes", "minutes", "order to SENT at OTTO, 95 % of 7 days' units"),
    Kpi("exceptions", "", "all that waits for a person"),
    *(Kpi(owner_figure(owner), "", f"of these, for {owner}") for owner in OWNERS),
    Kpi("at_risk_cents", "cents", "what buyers pay for the units concerned"),
)

KPIS: dict[str, Kpi] = {kpi.name: kpi for kpi in _ALL}


def measure(db: OperationsDatabase, model: OperatingModel, now: datetime) -> Figures:
    """All figures at business time `now`, in the order of the registry."""
    found = summary(open_exceptions(db, model, now))
    stale_before = now - timedelta(minutes=model.availability.stale_after_minutes)
    with db.read() as conn:
        figures: Figures = {
            **kpi_rows.open_work(conn, now),
            **kpi_rows.stuck(conn, now),
            **kpi_rows.assortment(conn, stale_before),
            **kpi_rows.confirmation_times(conn, now),
            "short_picks_open": short_picks.counts(conn).open,
            "exceptions": found.total,
            **{owner_figure(owner): found.by_owner.get(owner, 0) for owner in OWNERS},
            "at_risk_cents": found.at_risk_cents,
        }
    return {name: figures[name] for name in KPIS}


def spoken(kpi: Kpi, value: int | None) -> str:
    """A value as people read it: `17`, `2 d 4 h`, `1,234.50 EUR`; empty where there is none."""
    if value is None:
        return ""
    if kpi.unit == "cents":
        return f"{value // 100:,}.{value % 100:02d} EUR"
    if kpi.unit == "minutes":
        days, minutes = divmod(value, 24 * 60)
        hours, minutes = divmod(minutes, 60)
        if days:
            return f"{days} d {hours} h"
        return f"{hours} h {minutes} min" if hours else f"{minutes} min"
    return f"{value:,}"
