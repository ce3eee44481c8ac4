"""The one list of everything that waits for a person, sorted by what costs most soonest.

Belongs here: asking all sources, looking up what their findings are worth and until when, one row
per cause, and counting rows. What counts as an exception stands in `assets.exceptions.sources`, the
rule of rank in `assets.exceptions.model`.
"""

import hashlib
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from sqlalchemy.engine import Connection

from assets.exceptions import sources
from assets.exceptions.findings import Finding
from assets.exceptions.kinds import EXCEPTION_KINDS, MESSAGE_KINDS
from assets.exceptions.model import OpenException, Urgency, urgency_of
from resources.operating_model import OperatingModel
from resources.operations import exception_rows
from resources.operations.database import OperationsDatabase
from resources.operations.exception_rows import SkuAtStake, Unit

_SOURCES = (
    sources.messages,
    sources.parcels,
    sources.quarantined,
    sources.skus,
    sources.drifts,
    sources.shorts,
    sources.returned,
)
_WHOLE_ORDER = ("wms_order", "order_not_imported")
_BY_MESSAGE = ("wms_backorder", "wms_cancellation", "otto_cancellation")
_OF_UNITS = ("short_pick", "short_pick_awaited", "status_drift")
_WAITS_FOR = ("ANNOUNCED", "PROCESSABLE")


@dataclass(frozen=True)
class Summary:
    """Numbers of a list; `at_risk_cents` leaves out what nobody knows."""

    total: int
    by_kind: dict[str, int]
    by_owner: dict[str, int]
    by_urgency: dict[str, int]
    at_risk_cents: int


def open_exceptions(
    db: OperationsDatabase,
    model: OperatingModel,
    now: datetime,
    *,
    owner: str | None = None,
    kinds: Sequence[str] = (),
) -> list[OpenException]:
    """Everything that waits for a person, what costs most soonest first.

    Args:
        db: the operations database.
        model: times of grace and policies.
        now: business time, aware UTC.
        owner: only what is this owner's; None = all.
        kinds: only these kinds; empty = all.
    """
    with db.read() as conn:
        look = sources.Look(db, conn, model, now, datetime.now(UTC))
        found = [finding for source in _SOURCES for finding in source(look)]
        found = [*_one_per_unit(found), *_unexplained(found, sources.late_shipments(look))]
        if kinds:
            found = [finding for finding in found if finding.kind in kinds]
        known = _Known.of(conn, found)
    rows = [_completed(finding, known, now) for finding in found]
    return sorted((r for r in rows if owner in {None, r.owner}), key=lambda row: row.rank)


def summary(rows: Sequence[OpenException]) -> Summary:
    """Count a list."""
    urgencies = Counter(row.urgency for row in rows)
    return Summary(
        total=len(rows),
        by_kind=dict(sorted(Counter(row.kind for row in rows).items())),
        by_owner=dict(sorted(Counter(row.owner for row in rows).items())),
        by_urgency={urgency.value: urgencies[urgency] for urgency in Urgency},
        at_risk_cents=sum(row.at_risk_cents or 0 for row in rows),
    )


def _one_per_unit(found: Sequence[Finding]) -> list[Finding]:
    """A unit whose message is stuck is shown as that message, not as what follows from it."""
    told = {finding.key for finding in found if finding.kind in _BY_MESSAGE}
    return [f for f in found if not (f.kind in _OF_UNITS and f.key in told)]


def _unexplained(found: Sequence[Finding], late: Iterable[Finding]) -> list[Finding]:
    """Late orders that no other exception explains."""
    explained = {finding.order for finding in found if finding.kind in _WHOLE_ORDER}
    return [finding for finding in late if finding.order not in explained]


@dataclass(frozen=True)
class _Known:
    """What the database says of all that findings are about."""

    units: dict[str, list[Unit]]
    parcels: dict[str, list[str]]
    skus: dict[str, SkuAtStake]
    reductions: dict[str, tuple[str, int]]

    @classmethod
    def of(cls, conn: Connection, found: Sequence[Finding]) -> "_Known":
        priced = [finding for finding in found if finding.cents is None]
        asked = exception_rows.reductions_asked(conn, _all(f.request_id for f in priced))
        return cls(
            units=exception_rows.units_of(conn, _all(f.order for f in priced)),
            parcels=exception_rows.lines_of_parcels(conn, _all(f.parcel_id for f in priced)),
            skus=exception_rows.at_stake_by_sku(conn, _all(f.sku for f in priced)),
            reductions={
                key: (request.position_item_id, request.amount_cents)
                for key, request in asked.items()
            },
        )

    def units_of(self, finding: Finding) -> list[Unit]:
        """The units that a finding is about, as far as we hold them."""
        units = self.units.get(finding.order or "", [])
        items: Iterable[str] | None = finding.items
        if finding.parcel_id is not None:
            items = self.parcels.get(finding.parcel_id, [])
        elif finding.request_id in self.reductions:
            items = [self.reductions[finding.request_id][0]]
        if items is None:
            return [unit for unit in units if unit.fulfilment_status in _WAITS_FOR]
        wanted = set(items)
        return [unit for unit in units if unit.position_item_id in wanted]

    def stake_of(self, finding: Finding) -> tuple[int | None, datetime | None]:
        """Cents at risk, None where nobody knows; and the nearest ship-by time."""
        if finding.request_id in self.reductions:
            return self.reductions[finding.request_id][1], None
        if finding.order is not None:
            units = self.units_of(finding)
            due = [unit.ship_by_at for unit in units if unit.ship_by_at is not None]
            cents = sum(unit.buyer_price_cents for unit in units) if units else None
            return cents, min(due, default=None)
        if finding.sku is not None:
            stake = self.skus.get(finding.sku)
            if stake is None:
                return 0, None
            counted = stake.units if finding.units is None else min(finding.units, stake.units)
            return stake.cents * counted // stake.units, stake.ship_by_at
        return None, None


def _completed(finding: Finding, known: _Known, now: datetime) -> OpenException:
    kind = EXCEPTION_KINDS[finding.kind]
    units = known.units_of(finding) if finding.cents is None else []
    cents, due = (finding.cents, None) if finding.cents is not None else known.stake_of(finding)
    deadline = finding.deadline_at or due
    items = {unit.position_item_id for unit in units} or set(finding.items or ())
    skus = {unit.sku for unit in units}
    # Only what has a message can be sent again.
    actions = tuple(a for a in kind.actions if a != "retry" or finding.message_id is not None)
    # What is still under way comes to its end by itself.
    if finding.kind in MESSAGE_KINDS and finding.state not in {"failed", "blocked"}:
        actions = tuple(action for action in actions if action != "ignore")
    return OpenException(
        id=_id(finding),
        kind=finding.kind,
        state=finding.state,
        key=finding.key,
        sales_order_id=finding.order,
        position_item_id=next(iter(items)) if len(items) == 1 else None,
        sku=finding.sku or (next(iter(skus)) if len(skus) == 1 else None),
        parcel_id=finding.parcel_id,
        owner=finding.owner or kind.owner,
        urgency=urgency_of(deadline, now),
        deadline_at=deadline,
        at_risk_cents=cents,
        cause=finding.cause,
        remedy=finding.remedy or kind.remedy,
        actions=actions,
        first_seen_at=finding.first_seen_at,
        subject=finding.subject,
        content=finding.content,
    )


def _id(finding: Finding) -> str:
    """The number of the outbox row, else a short code that stays the same."""
    if finding.message_id is not None:
        return str(finding.message_id)
    digest = hashlib.blake2b(f"{finding.kind} {finding.subject}".encode(), digest_size=5)
    return f"x{digest.hexdigest()}"


def _all(values: Iterable[str | None]) -> list[str]:
    return sorted({value for value in values if value is not None})
