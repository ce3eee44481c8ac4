"""Returns at OTTO as we hold them, and our decisions on returned units.

Belongs here: storing returns, return parcels and decisions; which units wait for a decision. What
the warehouse booked in stands in `wms_returns`, the rules of a decision in `assets.rules.returns`.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Literal

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from resources.operations.bulk import Row, upsert
from resources.operations.database import hold
from resources.operations.held import Kept, keep
from resources.operations.money_schema import (
    otto_returns,
    return_decisions,
    return_shipment_items,
    return_shipments,
    wms_return_units,
    wms_returns,
)
from resources.operations.schema import position_items
from resources.wms.port import Condition, Disposition

_DECISIONS = "return decisions"
PERSON = "person"
"""Basis of a decision that does not rest on a receipt of the warehouse."""


@dataclass(frozen=True, kw_only=True)
class ReturnDecision:
    """A decision on a unit. `basis` is the warehouse's receipt id, or `PERSON`."""

    sales_order_id: str
    position_item_id: str
    decision: Literal["ACCEPT", "REJECT"]
    condition: str
    reason: str
    basis: str
    decided_by: str
    decided_at: datetime
    note: str | None = None


@dataclass(frozen=True, kw_only=True)
class UndecidedUnit:
    """A unit that the warehouse received and nobody decided on; SKUs are each side's own."""

    receipt_id: str
    unit_no: int
    sales_order_id: str
    position_item_id: str
    condition: Condition
    disposition: Disposition
    reason: str | None
    received_at: datetime
    wms_sku: str
    otto_sku: str
    sent_at: datetime | None
    announced_at: datetime | None


@dataclass(frozen=True)
class Standing:
    """Where a unit stands at OTTO; `return_status` is None where OTTO tells of no return."""

    fulfilment_status: str
    return_status: str | None


class DecisionIsFinal(Exception):
    """The unit was accepted before, which cannot be taken back; the message names the unit.

    What to do: nothing can be taken back at OTTO; settle the difference with the buyer.
    """


def store_returns(conn: Connection, rows: Sequence[Row], now: datetime) -> Kept:
    """Keep the latest status of each unit.

    Args:
        conn: a write transaction.
        rows: columns of `otto_returns` without `recorded_at`; announcement and tracking numbers are
            kept when a later status does not repeat them.
        now: aware UTC.
    """
    lasting = ("announced_at", "tracking_carrier", "tracking_numbers")
    return keep(conn, otto_returns, rows, now, newer_by="occurred_at", keep_when_null=lasting)


def store_return_shipments(
    conn: Connection, shipments: Sequence[Row], items: Sequence[Row], now: datetime
) -> Kept:
    """Keep the latest state of return parcels, and which units travel in them."""
    kept = keep(conn, return_shipments, shipments, now, newer_by="state_at")
    keep(conn, return_shipment_items, items, now)
    return kept


def record_decision(conn: Connection, decision: ReturnDecision, now: datetime) -> bool:
    """Write a decision down; False: it is there already, with the same outcome.

    A rejected unit may be accepted later, an accepted one stays accepted.

    Raises:
        DecisionIsFinal: the unit was accepted, and this decision rejects it.
    """
    hold(conn, _DECISIONS)
    held = decision_on(conn, decision.sales_order_id, decision.position_item_id)
    if held is not None and held.decision == decision.decision:
        return False
    if held is not None and held.decision == "ACCEPT":
        raise DecisionIsFinal(
            f"unit {decision.position_item_id} of order {decision.sales_order_id} was accepted on "
            f"{held.decided_at:%Y-%m-%d} by {held.decided_by}: OTTO refunds at once, so an "
            "acceptance cannot become a rejection; settle the difference with the buyer"
        )
    row = {name: getattr(decision, name) for name in _DECISION_COLUMNS}
    keys = ["sales_order_id", "position_item_id"]
    upsert(conn, return_decisions, [{**row, "recorded_at": now}], keys)
    return True


def decision_on(
    conn: Connection, sales_order_id: str, position_item_id: str
) -> ReturnDecision | None:
    """The decision on a unit, if there is one."""
    columns = [return_decisions.c[name] for name in _DECISION_COLUMNS]
    query = sa.select(*columns).where(
        return_decisions.c.sales_order_id == sales_order_id,
        return_decisions.c.position_item_id == position_item_id,
    )
    row = conn.execute(query).mappings().one_or_none()
    return None if row is None else ReturnDecision(**row)


def standing_of(conn: Connection, sales_order_id: str, position_item_id: str) -> Standing | None:
    """Where a unit stands at OTTO as far as we read; None where we hold no such unit."""
    query = (
        sa.select(position_items.c.fulfilment_status, otto_returns.c.status)
        .join(
            otto_returns,
            sa.and_(
                otto_returns.c.sales_order_id == position_items.c.sales_order_id,
                otto_returns.c.position_item_id == position_items.c.position_item_id,
            ),
            isouter=True,
        )
        .where(
            position_items.c.sales_order_id == sales_order_id,
            position_items.c.position_item_id == position_item_id,
        )
    )
    row = conn.execute(query).one_or_none()
    return None if row is None else Standing(*row)


def has_basis(conn: Connection, decision: ReturnDecision) -> bool:
    """Whether a person stands for the decision, or the warehouse still says it has the unit."""
    if decision.basis == PERSON:
        return bool(decision.decided_by.strip())
    query = sa.select(sa.func.count()).where(
        wms_return_units.c.receipt_id == decision.basis,
        wms_return_units.c.sales_order_id == decision.sales_order_id,
        wms_return_units.c.position_item_id == decision.position_item_id,
        wms_return_units.c.withdrawn_at.is_(None),
    )
    return conn.scalars(query).one() > 0


def undecided_units(conn: Connection) -> list[UndecidedUnit]:
    """Units back in the warehouse, of known owner, on which nobody decided yet; oldest first.

    A unit that OTTO has as accepted or rejected is decided, whoever did it.
    """
    same_unit = sa.and_(
        position_items.c.sales_order_id == wms_return_units.c.sales_order_id,
        position_items.c.position_item_id == wms_return_units.c.position_item_id,
    )
    at_otto = sa.and_(
        otto_returns.c.sales_order_id == wms_return_units.c.sales_order_id,
        otto_returns.c.position_item_id == wms_return_units.c.position_item_id,
    )
    ours = sa.exists().where(
        return_decisions.c.sales_order_id == wms_return_units.c.sales_order_id,
        return_decisions.c.position_item_id == wms_return_units.c.position_item_id,
    )
    query = (
        sa.select(
            wms_return_units.c.receipt_id,
            wms_return_units.c.unit_no,
            wms_return_units.c.sales_order_id,
            wms_return_units.c.position_item_id,
            wms_return_units.c.condition,
            wms_return_units.c.disposition,
            wms_return_units.c.reason,
            wms_returns.c.received_at,
            wms_return_units.c.sku.label("wms_sku"),
            position_items.c.sku.label("otto_sku"),
            position_items.c.sent_at,
            otto_returns.c.announced_at,
        )
        .join(wms_returns, wms_returns.c.receipt_id == wms_return_units.c.receipt_id)
        .join(position_items, same_unit)
        .join(otto_returns, at_otto, isouter=True)
        .where(
            wms_return_units.c.withdrawn_at.is_(None),
            position_items.c.fulfilment_status == "SENT",
            sa.or_(
                otto_returns.c.status.is_(None),
                otto_returns.c.status.not_in(("ACCEPTED", "REJECTED")),
            ),
            ~ours,
        )
        .order_by(
            wms_returns.c.received_at, wms_return_units.c.receipt_id, wms_return_units.c.unit_no
        )
    )
    return [
        UndecidedUnit(
            **{
                **row,
                "condition": Condition(row["condition"]),
                "disposition": Disposition(row["disposition"]),
            }
        )
        for row in conn.execute(query).mappings()
    ]


_DECISION_COLUMNS = tuple(ReturnDecision.__dataclass_fields__)
