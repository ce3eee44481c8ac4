"""Asset `exceptions`: the list of all that waits for a person, kept fresh for the Dagster UI.

Belongs here: the Dagster shell. The list is made in `assets.exceptions`; what a person does about
it stands in `assets.exception_jobs`.
"""

from datetime import timedelta

import dagster as dg

from assets import exception_checks
from assets.exceptions.listing import open_exceptions, summary
from assets.exceptions.model import OpenException
from assets.reporting import numbers, table
from assets.source_freshness import old_sources
from resources.clock import Clock
from resources.operating_model import OperatingModel
from resources.operations import exception_rows
from resources.operations.database import OperationsDatabase


@dg.asset(
    name=exception_checks.ASSET,
    check_specs=exception_checks.SPECS,
    deps=[
        *("otto_orders", "wms_orders", "wms_order_audit", "wms_fulfilment_events", "parcels"),
        *("otto_shipments", "otto_cancellations", "available_to_sell"),
        *("return_decisions", "otto_return_decisions", "otto_price_reduction_requests"),
    ],
    group_name="operations",
    kinds={"python"},
    owners=["team:operations"],
    description=(
        "Everything that waits for a person, one row per cause: owner, deadline, money at risk, "
        "cause, remedy, and what may be done here. What costs most soonest stands first. "
        "`otto-pipelines errors list` shows the same without a limit."
    ),
)
def exceptions(
    operations: dg.ResourceParam[OperationsDatabase],
    model: dg.ResourceParam[OperatingModel],
    clock: dg.ResourceParam[Clock],
) -> dg.MaterializeResult:
    """List what waits now, and judge deadlines and states by it."""
    now = clock.now()
    rows = open_exceptions(operations, model, now)
    with operations.read() as conn:
        old = old_sources(conn, model.freshness, now)
        due = exception_rows.units_due(conn, now + timedelta(hours=24))
    return dg.MaterializeResult(
        metadata=shown(rows), check_results=list(exception_checks.results(rows, old, due))
    )


def shown(rows: list[OpenException]) -> dict[str, dg.MetadataValue]:
    """The first rows as a table, and counts that the UI plots over time."""
    found = summary(rows)
    counts = {
        "exceptions": found.total,
        "at_risk_cents": found.at_risk_cents,
        **{_name("when", urgency): count for urgency, count in found.by_urgency.items()},
        **{_name("owner", owner): count for owner, count in found.by_owner.items()},
        **{_name("kind", kind): count for kind, count in found.by_kind.items()},
    }
    return {**numbers(counts), "first_rows": table([row.shown() for row in rows])}


def _name(what: str, value: str) -> str:
    return f"{what}_{value.replace(' ', '_')}"
