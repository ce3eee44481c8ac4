"""One order read anew from OTTO, judged and stored, whatever the watermark says.

Belongs here: the pull of orders by id, and what came of each. The import itself stands in
`assets.order_import`.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Literal

from assets.outbound import wms_order
from resources.operating_model import OperatingModel
from resources.operations import quarantine
from resources.operations.database import OperationsDatabase
from resources.otto.client import OttoClient
from resources.otto.errors import OttoPermanent
from resources.otto.orders import OrdersPage

SOURCE = "otto_orders"


@dataclass(frozen=True)
class Pulled:
    """What became of one order; `why` names what is wrong with it."""

    sales_order_id: str
    result: Literal["new", "changed", "unchanged", "quarantined", "unread"]
    why: str = ""

    @property
    def is_stored(self) -> bool:
        """Whether we now hold the order as OTTO does."""
        return self.result in {"new", "changed", "unchanged"}


def pull_orders(
    db: OperationsDatabase,
    otto: OttoClient,
    model: OperatingModel,
    orders: Sequence[str],
    now: datetime,
) -> list[Pulled]:
    """Read these orders anew; what is ready for the warehouse is put into the outbox.

    An order that OTTO does not know, or that cannot be read, does not hold back the others. `now`
    is business time.

    Raises:
        OttoError: OTTO cannot be reached or refuses our key.
    """
    pulled = [_pull(db, otto, model, order, now) for order in dict.fromkeys(orders)]
    wms_order.enqueue_orders(db, datetime.now(UTC))
    return pulled


def _pull(
    db: OperationsDatabase, otto: OttoClient, model: OperatingModel, order: str, now: datetime
) -> Pulled:
    # Pandas and Pandera cost a second of start-up that other commands should not wait for.
    from assets.order_import import import_orders  # noqa: PLC0415

    try:
        read = otto.order(order)
    except OttoPermanent as error:
        return Pulled(order, "unread", str(error))
    outcome = import_orders([OrdersPage(1, [read], [], f"order {order}")], db, model, now)
    if outcome.quarantined_orders:
        with db.read() as conn:
            held = [h for h in quarantine.waiting(conn, SOURCE) if h.key == order]
        rules = [f"{row['rule']} ({row['shown']})" for each in held for row in each.rows]
        return Pulled(order, "quarantined", "; ".join(rules))
    if outcome.new:
        return Pulled(order, "new")
    return Pulled(order, "changed" if outcome.changed else "unchanged")
