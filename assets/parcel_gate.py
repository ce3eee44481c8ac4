"""Judge parcels by the tracking gate: release them to OTTO's outbox, or park them with reasons.

Belongs here: looking up the facts of each waiting parcel, a return number from the pool where the
warehouse gave none, and recording the verdict. The rules stand in `assets.rules.shipment_gate`.
"""

from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from itertools import groupby
from typing import Any

import msgspec
import sqlalchemy as sa

from assets.outbound.otto_shipment import KIND, enqueue_shipment
from assets.rules.shipment_gate import (
    GateResult,
    ParcelFacts,
    ParcelItem,
    gate,
    return_key_of,
)
from resources.operating_model import OperatingModel
from resources.operations import return_numbers
from resources.operations.database import OperationsDatabase
from resources.operations.exception_decisions import content_hash, let_be
from resources.operations.schema import outbox, parcel_lines, parcels, position_items

WAITING = ("received", "parked")


@dataclass(frozen=True)
class ParkedParcel:
    """A parked parcel that waits for a person: its broken rules as {rule, reason, remedy}."""

    parcel_id: str
    order_ref: str
    shipped_at: datetime
    deadline_at: datetime | None
    refusals: tuple[dict[str, str], ...]
    content: str

    @property
    def subject(self) -> str:
        """By what a person's decision on it is found again."""
        return _subject(self.parcel_id)


@dataclass(frozen=True)
class GateOutcome:
    """How many waiting parcels were judged, and how."""

    judged: int = 0
    released: int = 0
    parked: int = 0
    warned: int = 0


def judge_parcels(
    db: OperationsDatabase, model: OperatingModel, now: datetime, outbox_now: datetime
) -> GateOutcome:
    """Judge every waiting parcel; a parked one is judged again each time.

    Args:
        db: the operations database.
        model: carriers, ship-from, return numbers.
        now: business time.
        outbox_now: real time, from which an outbox row is due.
    """
    judged = released = warned = 0
    with db.write() as conn:
        return_numbers.fill(
            conn, model.return_shipping.carrier, list(model.return_shipping.number_pool)
        )
        _take_back(conn, outbox_now)
        for rows in _waiting(conn):
            parcel = rows[0]
            facts = _facts(conn, rows, model, now)
            result = gate(facts, model.carriers, model.ship_from)
            judged += 1
            warned += bool(result.warnings)
            if result.ready is not None:
                released += 1
                enqueue_shipment(
                    conn, parcel["parcel_id"], parcel["order_ref"], result.ready, outbox_now
                )
            _record(conn, parcel, facts, result, now)
    return GateOutcome(judged, released, judged - released, warned)


def parked_parcels(conn: sa.Connection) -> list[ParkedParcel]:
    """Parked parcels that no person lets be as they are, the nearest deadline first."""
    query = (
        sa.select(parcels)
        .where(parcels.c.state == "parked", parcels.c.parked_rules.is_not(None))
        .order_by(parcels.c.deadline_at.is_(None), parcels.c.deadline_at, parcels.c.parcel_id)
    )
    return [
        ParkedParcel(
            parcel_id=row["parcel_id"],
            order_ref=row["order_ref"],
            shipped_at=row["shipped_at"],
            deadline_at=row["deadline_at"],
            refusals=tuple(msgspec.json.decode(row["parked_rules"])),
            content=_content(row),
        )
        for row in _not_let_be(conn, conn.execute(query).mappings().all())
    ]


def refused_rows(db: OperationsDatabase, shipped_since: datetime) -> list[dict[str, Any]]:
    """One row per parcel and broken rule: all parked ones, and those let go in part since then.

    What a person lets be as it is does not count.
    """
    query = (
        sa.select(parcels)
        .where(
            parcels.c.parked_rules.is_not(None),
            (parcels.c.state != "released") | (parcels.c.shipped_at >= shipped_since),
        )
        .order_by(parcels.c.deadline_at.is_(None), parcels.c.deadline_at, parcels.c.parcel_id)
    )
    with db.read() as conn:
        found = _not_let_be(conn, conn.execute(query).mappings().all())
    return [
        {
            "parcel_id": row["parcel_id"],
            "sales_order_id": row["order_ref"],
            "rule": refusal["rule"],
            "reason": refusal["reason"],
            "remedy": refusal["remedy"],
            "state": row["state"],
            "ship_by": row["deadline_at"].isoformat() if row["deadline_at"] else None,
        }
        for row in found
        for refusal in msgspec.json.decode(row["parked_rules"])
    ]


def warned_rows(db: OperationsDatabase, shipped_since: datetime) -> list[dict[str, Any]]:
    """One row per parcel that left since then and warning of the gate; no personal data."""
    query = (
        sa.select(parcels.c.parcel_id, parcels.c.order_ref, parcels.c.warnings)
        .where(parcels.c.warnings.is_not(None), parcels.c.shipped_at >= shipped_since)
        .order_by(parcels.c.shipped_at, parcels.c.parcel_id)
    )
    with db.read() as conn:
        found = conn.execute(query).all()
    return [
        {
            "parcel_id": row.parcel_id,
            "sales_order_id": row.order_ref,
            "rule": warning["rule"],
            "reason": warning["reason"],
        }
        for row in found
        for warning in msgspec.json.decode(row.warnings)
    ]


def _not_let_be(conn: sa.Connection, rows: Sequence[sa.RowMapping]) -> list[sa.RowMapping]:
    ignored = let_be(conn)
    return [row for row in rows if ignored.get(_subject(row["parcel_id"])) != _content(row)]


def _subject(parcel_id: str) -> str:
    return f"parcel:{parcel_id}"


def _content(parcel: sa.RowMapping) -> str:
    return content_hash(parcel["parked_rules"], parcel["tracking_number"], parcel["carrier_raw"])


def _take_back(conn: sa.Connection, outbox_now: datetime) -> None:
    """Released parcels come back to the gate when their confirmation was stopped.

    A number that OTTO refused for good gives way to the warehouse's correction of it.
    """
    confirmation = (outbox.c.kind == KIND) & (outbox.c.business_key == parcels.c.parcel_id)
    released = sa.select(parcels.c.parcel_id, outbox.c.id).join(outbox, confirmation)
    released = released.where(parcels.c.state == "released")
    corrected = conn.execute(
        released.where(
            outbox.c.state == "failed",
            parcels.c.corrected_tracking_number != parcels.c.tracking_number,
        )
    ).all()
    for parcel_id, row_id in corrected:
        new_number = {"tracking_number": parcels.c.corrected_tracking_number}
        conn.execute(parcels.update().where(parcels.c.parcel_id == parcel_id).values(new_number))
        conn.execute(
            outbox.update()
            .where(outbox.c.id == row_id)
            .values(
                state="blocked",
                reason="the warehouse corrected the tracking number; the gate judges it again",
                recorded_at=outbox_now,
            )
        )
    stopped = [row.parcel_id for row in conn.execute(released.where(outbox.c.state == "blocked"))]
    conn.execute(parcels.update().where(parcels.c.parcel_id.in_(stopped)).values(state="received"))


def _waiting(conn: sa.Connection) -> Iterator[Sequence[sa.RowMapping]]:
    query = (
        sa.select(
            parcels,
            parcel_lines.c.line_id,
            position_items.c.fulfilment_status,
            position_items.c.ship_by_at,
        )
        .outerjoin(parcel_lines, parcel_lines.c.parcel_id == parcels.c.parcel_id)
        .outerjoin(
            position_items,
            (position_items.c.sales_order_id == parcels.c.order_ref)
            & (position_items.c.position_item_id == parcel_lines.c.line_id),
        )
        .where(parcels.c.state.in_(WAITING))
        .order_by(parcels.c.shipped_at, parcels.c.parcel_id, parcel_lines.c.line_id)
    )
    rows = conn.execute(query).mappings().all()
    for _, group in groupby(rows, key=lambda row: row["parcel_id"]):
        yield list(group)


def _facts(
    conn: sa.Connection, rows: Sequence[sa.RowMapping], model: OperatingModel, now: datetime
) -> ParcelFacts:
    parcel = rows[0]
    return_carrier = parcel["return_carrier"]
    return_number = parcel["return_tracking_number"]
    key, _, _ = return_key_of(return_carrier, return_number, model.carriers)
    if key is None:
        taken = return_numbers.take(conn, parcel["parcel_id"], model.return_shipping.carrier, now)
        if taken is not None:
            return_carrier, return_number = model.return_shipping.carrier, taken
    return ParcelFacts(
        parcel_id=parcel["parcel_id"],
        carrier_raw=parcel["carrier_raw"],
        tracking_number=parcel["tracking_number"],
        return_carrier=return_carrier,
        return_tracking_number=return_number,
        shipped_at=parcel["shipped_at"],
        items=tuple(
            ParcelItem(row["order_ref"], row["line_id"], row["fulfilment_status"])
            for row in rows
            if row["line_id"] is not None
        ),
    )


def _record(
    conn: sa.Connection,
    parcel: sa.RowMapping,
    facts: ParcelFacts,
    result: GateResult,
    now: datetime,
) -> None:
    draft = result.ready
    verdict = {
        "state": "parked" if draft is None else "released",
        "carrier": parcel["carrier"] if draft is None else draft.carrier,
        "tracking_url": parcel["tracking_url"] if draft is None else draft.tracking_url,
        "return_carrier": facts.return_carrier,
        "return_tracking_number": facts.return_tracking_number,
        "parked_rules": _json(result.refusals),
        "warnings": _json(result.warnings),
        "deadline_at": parcel["ship_by_at"],
    }
    # A parcel that stays parked for the same reasons has not changed: finance need not re-read it.
    if any(parcel[name] != value for name, value in verdict.items()):
        conn.execute(
            parcels.update()
            .where(parcels.c.parcel_id == parcel["parcel_id"])
            .values(**verdict, recorded_at=now)
        )


def _json(items: Sequence[Any]) -> str | None:
    return msgspec.json.encode([asdict(item) for item in items]).decode() if items else None
