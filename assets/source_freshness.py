"""How old each source is, and how old it may be.

Belongs here: which asset is a source, what logs its reading, and the rows of those that were not
read in time. Dagster's own freshness policies are made of the same list (`sensors.freshness`); a
check says it as well, because a failed check reaches people and a policy does not.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy.engine import Connection

from resources.freshness_policy import FreshnessPolicy
from resources.operations import sync_log, watermarks


@dataclass(frozen=True)
class Source:
    """A source asset, its setting, the flow that reads it.

    `watermark` is set where that flow also reads old days again, which makes nothing fresh.
    """

    asset: str
    setting: str
    flow: str
    watermark: str | None = None

    def may_be(self, policy: FreshnessPolicy) -> timedelta:
        """How old it may be."""
        return timedelta(minutes=getattr(policy, self.setting))


SOURCES = (
    Source("otto_orders", "orders", "orders", "otto_orders"),
    Source("wms_fulfilment_events", "fulfilment", "fulfilment"),
    Source("wms_stock", "stock", "wms_stock"),
    Source("wms_order_audit", "wms_audit", "wms_audit"),
    Source("otto_returns", "returns", "returns"),
    Source("otto_return_shipments", "returns", "return_shipments"),
    Source("wms_returns", "returns", "wms_returns"),
    Source("otto_receipts", "receipts", "receipts", "otto_receipts"),
    Source("otto_price_reductions", "receipts", "price_reductions"),
    Source("otto_products", "products", "products"),
)


def old_sources(conn: Connection, policy: FreshnessPolicy, now: datetime) -> list[dict[str, Any]]:
    """Sources that were not read in time; one that nobody ever tried to read is not judged.

    Args:
        conn: a read transaction.
        policy: how old each may be.
        now: business time, aware UTC.
    """
    reads = sync_log.reads(conn)
    found: list[dict[str, Any]] = []
    for source in SOURCES:
        tried = reads.get(source.flow)
        if tried is None:
            continue
        read_at = _position(conn, source) or tried.last_success_at
        if (read_at or tried.first_at) < now - source.may_be(policy):
            found.append(
                {
                    "source": source.asset,
                    "last read": None if read_at is None else read_at.isoformat(timespec="minutes"),
                    "allowed minutes": source.may_be(policy) // timedelta(minutes=1),
                    "setting": f"freshness.{source.setting}",
                    "last error": tried.last_error,
                }
            )
    return found


def _position(conn: Connection, source: Source) -> datetime | None:
    position = None if source.watermark is None else watermarks.get(conn, source.watermark)
    return None if position is None else datetime.fromisoformat(position)
