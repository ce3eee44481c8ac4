"""The desk at which a person decides on returned units: what waits there, and their decisions.

Belongs here: the list of waiting units, and the checks that a person's decision must pass before it
is written down. The rules stand in `assets.rules.returns`, the way to OTTO in
`assets.outbound.otto_return`.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Literal, get_args

import sqlalchemy as sa

from assets.outbound.otto_return import enqueue_decision, proposals
from assets.rules.returns import ForPerson
from resources.operating_model import OperatingModel
from resources.operations.database import OperationsDatabase
from resources.operations.returns import PERSON, DecisionIsFinal, ReturnDecision, standing_of
from resources.operations.wms_returns import blind_units
from resources.returns_policy import AcceptReason, RejectReason

Verdict = Literal["ACCEPT", "REJECT"]
CONDITIONS = ("A", "B", "C", "D", "E")
REASONS: dict[Verdict, tuple[str, ...]] = {
    "ACCEPT": get_args(AcceptReason),
    "REJECT": get_args(RejectReason),
}


@dataclass(frozen=True, kw_only=True)
class PersonDecision:
    """What a person wants; condition A (original packaging) to E, reason as OTTO names it."""

    sales_order_id: str
    position_item_id: str
    decision: Verdict
    condition: str
    reason: str
    decided_by: str
    note: str | None = None


@dataclass(frozen=True, kw_only=True)
class WaitingUnit:
    """A unit in the warehouse that no rule decides; without an order nobody knows whose it is."""

    sales_order_id: str | None
    position_item_id: str | None
    sku: str
    receipt_id: str
    received_at: datetime
    condition: str
    disposition: str
    reason: str | None
    why: str

    @property
    def is_owned(self) -> bool:
        """Whether it is known whose it is."""
        return self.position_item_id is not None


class DecisionRefused(Exception):
    """A person's decision that cannot be carried out; the message says why and what to do.

    What to do: correct what the message names and decide again. Decisions that were given beside it
    were recorded unless it says that nothing was.
    """


def waiting_units(db: OperationsDatabase, model: OperatingModel) -> list[WaitingUnit]:
    """Units that wait for a person, oldest first; then those of which nobody knows the owner."""
    with db.read() as conn:
        judged = proposals(conn, model)
        blind = blind_units(conn)
    waiting = [
        WaitingUnit(
            sales_order_id=unit.sales_order_id,
            position_item_id=unit.position_item_id,
            sku=unit.otto_sku,
            receipt_id=unit.receipt_id,
            received_at=unit.received_at,
            condition=unit.condition.value,
            disposition=unit.disposition.value,
            reason=unit.reason,
            why=found.explanation,
        )
        for unit, found in judged
        if isinstance(found, ForPerson)
    ]
    waiting += [
        WaitingUnit(
            sales_order_id=None,
            position_item_id=None,
            why="nobody knows whose it is: no line, order or parcel number fits one item alone",
            **unit,
        )
        for unit in blind
    ]
    return waiting


def decide_all(db: OperationsDatabase, wanted: Sequence[PersonDecision], now: datetime) -> int:
    """Write persons' decisions down, all or none; returns how many were not there before.

    Raises:
        DecisionRefused: some cannot be carried out; the message has the reason of each.
    """
    refused: list[str] = []
    new = 0
    with db.write() as conn:
        for each in wanted:
            try:
                new += decide_by_person(conn, each, now)
            except (DecisionRefused, DecisionIsFinal) as error:
                refused.append(str(error))
        if refused:
            raise DecisionRefused(f"nothing was decided: {'; '.join(refused)}")
    return new


def decide_by_person(conn: sa.Connection, wanted: PersonDecision, now: datetime) -> bool:
    """Write a person's decision down with its message to OTTO; False: it was decided so already.

    Raises:
        DecisionRefused: the unit is not ours to decide, or a value is none of OTTO's.
        DecisionIsFinal: the unit was accepted, and this decision rejects it.
    """
    _check(conn, wanted)
    decision = ReturnDecision(
        sales_order_id=wanted.sales_order_id,
        position_item_id=wanted.position_item_id,
        decision=wanted.decision,
        condition=wanted.condition,
        reason=wanted.reason,
        basis=PERSON,
        decided_by=wanted.decided_by,
        decided_at=now,
        note=wanted.note,
    )
    return enqueue_decision(conn, decision, now)


def _check(conn: sa.Connection, wanted: PersonDecision) -> None:
    unit = f"unit {wanted.position_item_id} of order {wanted.sales_order_id}"
    if wanted.decision not in REASONS:
        raise DecisionRefused(f"{unit}: decision {wanted.decision!r} is neither ACCEPT nor REJECT")
    if wanted.condition not in CONDITIONS:
        raise DecisionRefused(
            f"{unit}: condition {wanted.condition!r} is none of OTTO's; take one of A (original "
            "packaging), B (mint), C (slightly used), D (heavily used), E (incomplete, missing)"
        )
    allowed = REASONS[wanted.decision]
    if wanted.reason not in allowed:
        raise DecisionRefused(
            f"{unit}: reason {wanted.reason!r} is none of OTTO's to {wanted.decision}; take one of "
            + ", ".join(allowed)
        )
    if not wanted.decided_by.strip():
        raise DecisionRefused(f"{unit}: say who decides")
    held = standing_of(conn, wanted.sales_order_id, wanted.position_item_id)
    if held is None:
        raise DecisionRefused(
            f"{unit} is not in the operations database: check both ids, or import the order first "
            "(otto-pipelines sync orders)"
        )
    if held.return_status == "ACCEPTED" or held.fulfilment_status == "RETURNED":
        raise DecisionRefused(
            f"{unit} is accepted at OTTO already, which is final: the buyer has the money back"
        )
    if held.fulfilment_status != "SENT":
        raise DecisionRefused(
            f"{unit} is {held.fulfilment_status} at OTTO: only a SENT unit can come back"
        )
