"""Asset `retention`: personal data erased after the days that the operating model sets.

Belongs here: the Dagster shell. Runs and ticks of Dagster itself are another matter
(`deploy/dagster.yaml`).
"""

from datetime import UTC, datetime, timedelta

import dagster as dg

from assets.reporting import numbers
from resources.clock import Clock
from resources.operating_model import OperatingModel
from resources.operations.database import OperationsDatabase
from resources.operations.retention import erase_addresses
from resources.otto.client import OttoClient


@dg.asset(
    group_name="housekeeping",
    kinds={"python"},
    owners=["team:operations"],
    description=(
        "Personal data erased in time: raw pages of OTTO kept as evidence, and the addresses of "
        "orders that are over. How long each is kept stands in the operating model."
    ),
)
def retention(
    otto: dg.ResourceParam[OttoClient],
    operations: dg.ResourceParam[OperationsDatabase],
    model: dg.ResourceParam[OperatingModel],
    clock: dg.ResourceParam[Clock],
) -> dg.MaterializeResult:
    """Erase what is due."""
    kept = model.retention
    # Pages are filed by the day on which they were read, which is real time.
    pages = otto.evidence.purge(datetime.now(UTC) - timedelta(days=kept.evidence_days))
    with operations.write() as conn:
        addresses = erase_addresses(conn, clock.now() - timedelta(days=kept.address_days))
    return dg.MaterializeResult(
        metadata=numbers({"pages_erased": pages, "addresses_erased": addresses})
    )
