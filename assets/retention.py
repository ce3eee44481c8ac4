"""Asset `retention`: personal data erased after the days that the operating model sets.

Belongs here: the Dagster shell and its check. Runs and ticks of Dagster itself are another matter
(`deploy/dagster.yaml`).
"""

from datetime import UTC, datetime, timedelta

import dagster as dg

from assets.reporting import check_result, named_check, numbers
from resources.clock import Clock
from resources.operating_model import OperatingModel
from resources.operations.database import OperationsDatabase
from resources.operations.retention import addresses_left, erase_addresses, without_address
from resources.otto.client import OttoClient
from resources.wms.keeping import KeepsFiles
from resources.wms.port import WmsPort

_IN_TIME = named_check(
    "personal_data_erased_in_time",
    "retention",
    "No raw page and no address of an order that is over is held beyond its days.",
    "Start the job erase_personal_data and read why it fails; "
    "an open order that is old: look it up at OTTO and in the warehouse, and end it.",
)


@dg.asset(
    group_name="housekeeping",
    kinds={"python"},
    owners=["team:operations"],
    description=(
        "Personal data erased in time: raw pages of OTTO kept as evidence, the addresses of orders "
        "that are over, and files exchanged with the warehouse. How long each is kept stands in "
        "the operating model."
    ),
)
def retention(
    otto: dg.ResourceParam[OttoClient],
    wms: dg.ResourceParam[WmsPort],
    operations: dg.ResourceParam[OperationsDatabase],
    model: dg.ResourceParam[OperatingModel],
    clock: dg.ResourceParam[Clock],
) -> dg.MaterializeResult:
    """Erase what is due; what cannot be reached makes the run fail, after all else is erased."""
    # Pages and files are kept by the time at which they were read, which is real time.
    evidence_before = datetime.now(UTC) - timedelta(days=model.retention.evidence_days)
    address_before = clock.now() - timedelta(days=model.retention.address_days)
    erased = {"pages_erased": otto.evidence.purge(evidence_before)}
    with operations.write() as conn:
        erased["addresses_erased"] = erase_addresses(conn, address_before)
    operations.wipe_free_space()
    with operations.read() as conn:
        left = addresses_left(conn, address_before)
    kept = {"addresses_left": left.count}
    if isinstance(wms, KeepsFiles):
        files = wms.erase_files(evidence_before, lambda refs: _over(operations, refs))
        erased["files_erased"], kept["files_left"] = files.removed, files.left
    oldest = {"oldest_page_left": otto.evidence.oldest_end(), "oldest_address_left": left.oldest}
    times = {
        name: dg.MetadataValue.timestamp(moment)
        for name, moment in oldest.items()
        if moment is not None
    }
    return dg.MaterializeResult(metadata={**numbers(erased | kept), **times})


def _over(operations: OperationsDatabase, order_refs: list[str]) -> set[str]:
    with operations.read() as conn:
        return without_address(conn, order_refs)


@dg.multi_asset_check(name="retention_checks", specs=[_IN_TIME])
def retention_checks(
    otto: dg.ResourceParam[OttoClient],
    operations: dg.ResourceParam[OperationsDatabase],
    model: dg.ResourceParam[OperatingModel],
    clock: dg.ResourceParam[Clock],
) -> dg.AssetCheckResult:
    """Look for what should be gone. An order with an open item keeps its address: a warning."""
    kept = model.retention
    pages_before = datetime.now(UTC) - timedelta(days=kept.evidence_days)
    with operations.read() as conn:
        left = addresses_left(conn, clock.now() - timedelta(days=kept.address_days))
    oldest_page = otto.evidence.oldest_end()
    failing = [
        {"what": "address of an order that is over", "sales_order_id": order_id}
        for order_id in left.overdue
    ]
    if oldest_page is not None and oldest_page <= pages_before:
        failing.append({"what": f"raw pages of {oldest_page:%Y-%m-%d} and before"})
    return check_result(
        _IN_TIME,
        failing=[{"sales_order_id": "", **row} for row in failing],
        warned=[
            {"sales_order_id": order_id, "what": "address of an order that is open for so long"}
            for order_id in left.open_too_long
        ],
        measures={"addresses_left": left.count},
    )
