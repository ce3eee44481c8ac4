"""Asset `kpis`: the key figures, plotted by the UI, kept for charts, and written as a page.

Belongs here: the Dagster shell. Figures stand in `assets.kpi.figures`, the page in
`assets.kpi.page`.
"""

import dagster as dg

from assets.kpi.figures import KPIS, measure
from assets.reporting import numbers
from resources.clock import Clock
from resources.finance import FinanceDatabase
from resources.operating_model import OperatingModel
from resources.operations import kpi_rows
from resources.operations.database import OperationsDatabase


@dg.asset(
    deps=[
        *("otto_orders", "wms_orders", "wms_fulfilment_events", "parcels", "otto_shipments"),
        *("wms_stock", "otto_products", "otto_returns", "otto_price_reductions", "exceptions"),
    ],
    group_name="operations",
    kinds={"python"},
    owners=["team:operations"],
    description=(
        "Key figures of operations, plotted over time: open work, what is stuck, how long "
        "confirmations take, exceptions by owner and the money at risk. `otto-pipelines status` "
        "shows them now, the page of the metadata shows how they went."
    ),
)
def kpis(
    operations: dg.ResourceParam[OperationsDatabase],
    finance: dg.ResourceParam[FinanceDatabase],
    model: dg.ResourceParam[OperatingModel],
    clock: dg.ResourceParam[Clock],
) -> dg.MaterializeResult:
    """Measure, keep, and write the page beside the finance file."""
    # Charts load only where they are drawn.
    from assets.kpi.page import PAGE, SHOWN, write_page  # noqa: PLC0415

    now = clock.now()
    figures = measure(operations, model, now)
    with operations.write() as conn:
        kpi_rows.record(conn, now, figures)
    with operations.read() as conn:
        history = kpi_rows.history(conn, now - SHOWN)
    page = finance.path.with_name(PAGE).absolute()
    write_page(page, figures, history, now)
    found = {name: value for name, value in figures.items() if value is not None}
    return dg.MaterializeResult(
        metadata={
            **numbers({name: found[name] for name in KPIS if name in found}),
            "page": dg.MetadataValue.path(page),
            "page_url": dg.MetadataValue.url(page.as_uri()),
        }
    )
