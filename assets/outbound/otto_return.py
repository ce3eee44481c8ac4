"""Decisions on returns to OTTO: outbox kind `otto_return`, business key = order/item/decision.

Belongs here: writing a decision down together with its message, sending decisions in batches, and
what OTTO's answers mean. An acceptance is final and refunds the buyer at once, so nothing leaves
whose decision is not on our books with a basis. The rules stand in `assets.rules.returns`.
"""

import time
from collections import Counter, defaultdict
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

import sqlalchemy as sa

from assets.outbound.delivery import (
    Blocked,
    Confirmed,
    Dropped,
    Outcome,
    Refused,
    Retry,
    Unknown,
)
from assets.rules.returns import Decided, ForPerson, ReturnedUnit, decide
from resources.operating_model import OperatingModel
from resources.operations.database import OperationsDatabase
from resources.operations.outbox import Message, enqueue
from resources.operations.returns import (
    ReturnDecision,
    UndecidedUnit,
    decision_on,
    has_basis,
    record_decision,
    undecided_units,
)
from resources.otto.errors import (
    OttoAuthError,
    OttoPermanent,
    OttoScopeMissing,
    OttoTransient,
    OttoUnknownOutcome,
)
from resources.otto.returns import DecidedItem, Decision, DecisionResults, Returns

KIND = "otto_return"
RULE = "operating model"
"""Who decides where no person does."""
_PRIORITY = 20
# OTTO's clock and ours may differ, and somebody may have decided in Partner Connect before us.
_LOOK_BACK = timedelta(days=1)
_STATUS = {"ACCEPT": "ACCEPTED", "REJECT": "REJECTED"}
_PATHS: dict[str, Decision] = {"ACCEPT": "acceptance", "REJECT": "rejection"}


def enqueue_decision(conn: sa.Connection, decision: ReturnDecision, now: datetime) -> bool:
    """Write a decision down and put it into the outbox; False: it was there already.

    Raises:
        DecisionIsFinal: the unit was accepted, and this decision rejects it.
        ValueError: it has no basis.
    """
    if not has_basis(conn, decision):
        raise ValueError(
            f"unit {decision.position_item_id} of order {decision.sales_order_id}: the warehouse's "
            f"receipt {decision.basis!r} does not name this unit; decide in a person's name instead"
        )
    if not record_decision(conn, decision, now):
        return False
    return enqueue(
        conn,
        kind=KIND,
        business_key=_key(decision),
        order_ref=decision.sales_order_id,
        payload={
            "position_item_id": decision.position_item_id,
            "decision": decision.decision,
            "condition": decision.condition,
            "reason": decision.reason,
            "decided_at": decision.decided_at.isoformat(),
        },
        priority=_PRIORITY,
        # The worker's time is the machine's; `now` is business time.
        now=datetime.now(UTC),
    )


def proposals(
    conn: sa.Connection, model: OperatingModel
) -> list[tuple[UndecidedUnit, Decided | ForPerson]]:
    """What the rules say of each item that came back and that nobody decided on; oldest first."""
    by_item: dict[tuple[str, str], list[UndecidedUnit]] = defaultdict(list)
    for unit in undecided_units(conn):
        by_item[unit.sales_order_id, unit.position_item_id].append(unit)
    found: list[tuple[UndecidedUnit, Decided | ForPerson]] = []
    for units in by_item.values():
        proposed = decide(_known(units[0], model), model.returns)
        if len(units) > 1:
            # A contradiction that no rule can solve.
            proposed = ForPerson(proposed.condition, f"the unit came back {len(units)} times")
        found.append((units[0], proposed))
    return found


def enqueue_decisions(db: OperationsDatabase, model: OperatingModel, now: datetime) -> Counter[str]:
    """Decide all units that the rules may decide; returns how many `accept`, `reject`, `person`."""
    counts: Counter[str] = Counter()
    with db.write() as conn:
        for unit, found in proposals(conn, model):
            if isinstance(found, ForPerson):
                counts["person"] += 1
            elif enqueue_decision(conn, _decision(unit, found, now), now):
                counts[found.decision.lower()] += 1
    return counts


class OttoReturnHandler:
    """Sends decisions, up to `batch_size` in a request.

    Args:
        db: the operations database.
        returns: OTTO's operations for returns.
        within_seconds: start no request later than this after a batch began; less than the lease.
    """

    kind = KIND
    batch_size = 100

    def __init__(self, db: OperationsDatabase, returns: Returns, within_seconds: float) -> None:
        self._db = db
        self._returns = returns
        self._within = within_seconds

    def settle(self, message: Message) -> Outcome | None:
        """Look for the unit among OTTO's latest changes to the status that we asked for."""
        wanted = message.payload
        since = datetime.fromisoformat(wanted["decided_at"]) - _LOOK_BACK
        status = _STATUS[wanted["decision"]]
        try:
            found = self._returns.find(message.order_ref, wanted["position_item_id"], status, since)
        except (OttoTransient, OttoUnknownOutcome) as error:
            return Unknown(str(error))
        except OttoPermanent as error:
            return Refused(f"{error}; whether OTTO has the decision is unknown, look there")
        return None if found is None else Confirmed({"occurred_at": found.occurred_time})

    def send(self, messages: Sequence[Message]) -> list[Outcome]:
        """Send acceptances, then rejections; each message gets its own outcome."""
        deadline = time.monotonic() + self._within
        outcomes: dict[int, Outcome] = {}
        with self._db.read() as conn:
            for message in messages:
                stopped = _stopped(conn, message)
                if stopped is not None:
                    outcomes[message.id] = stopped
        for decision, path in _PATHS.items():
            due = [
                message
                for message in messages
                if message.id not in outcomes and message.payload["decision"] == decision
            ]
            if due:
                left = deadline - time.monotonic()
                results = self._returns.decide(path, list(map(_item, due)), within_seconds=left)
                outcomes |= {message.id: _outcome(message, results) for message in due}
        return [outcomes[message.id] for message in messages]


def _stopped(conn: sa.Connection, message: Message) -> Outcome | None:
    """The last look: only a decision that is on our books, with its basis, may leave."""
    wanted = message.payload
    held = decision_on(conn, message.order_ref, wanted["position_item_id"])
    if held is None or held.decision != wanted["decision"]:
        return Dropped("the decision was taken back or replaced before it was sent")
    if has_basis(conn, held):
        return None
    return Blocked(
        f"the warehouse's receipt {held.basis} does not name the unit any more: look at it there, "
        "then retry, or ignore this and decide anew"
    )


def _outcome(message: Message, results: DecisionResults) -> Outcome:
    item = message.payload["position_item_id"]
    if item in results.done:
        return Confirmed()
    if item in results.refused:
        return _refused(message, results.refused[item])
    match results.stopped_by:
        case OttoAuthError() | OttoScopeMissing() as error:
            raise error
        case OttoTransient() as error:
            return Retry(str(error), error.retry_after_s)
        case OttoPermanent() as error:
            return Refused(str(error))
        case error if item in results.sent:
            return Unknown(str(error or "OTTO's answer does not name the unit"))
        case error:
            return Retry(f"not sent, because an earlier request had no clear outcome: {error}")


def _refused(message: Message, reason: str) -> Outcome:
    """An acceptance that OTTO has already, ours or its own, is what we wanted."""
    already = "already" in reason.lower() and "accepted" in reason.lower()
    if already and message.payload["decision"] == "ACCEPT":
        return Confirmed({"before": reason})
    return Refused(reason)


def _item(message: Message) -> DecidedItem:
    wanted = message.payload
    return DecidedItem(
        position_item_id=wanted["position_item_id"],
        sales_order_id=message.order_ref,
        condition=wanted["condition"],
        reason=wanted["reason"],
    )


def _known(unit: UndecidedUnit, model: OperatingModel) -> ReturnedUnit:
    expected = model.sku_map.get(unit.otto_sku, unit.otto_sku)
    return ReturnedUnit(
        condition=unit.condition,
        reason=unit.reason,
        right_article=unit.wms_sku == expected,
        received_at=unit.received_at,
        sent_at=unit.sent_at,
        announced_at=unit.announced_at,
    )


def _decision(unit: UndecidedUnit, found: Decided, now: datetime) -> ReturnDecision:
    return ReturnDecision(
        sales_order_id=unit.sales_order_id,
        position_item_id=unit.position_item_id,
        decision=found.decision,
        condition=found.condition,
        reason=found.reason,
        basis=unit.receipt_id,
        decided_by=RULE,
        decided_at=now,
        note=found.explanation,
    )


def _key(decision: ReturnDecision) -> str:
    return f"{decision.sales_order_id}/{decision.position_item_id}/{decision.decision}"
