"""Units to follow that are awaited no more: outbox kind `wms_backorder`, key = order and line.

Belongs here: asking the warehouse to stop such a line. Both answers settle the question: a stopped
line may be cancelled at OTTO, and one that it is too late for ships after all. When a unit is given
up is decided in `assets.rules.short_picks`.
"""

from collections.abc import Iterable, Sequence
from datetime import datetime

import sqlalchemy as sa

from assets.outbound.delivery import Confirmed, Outcome, Refused
from assets.outbound.wms_cancellation import cancel_lines
from resources.clock import Clock
from resources.operations.database import OperationsDatabase
from resources.operations.fulfilment import record_cancellations
from resources.operations.outbox import Message, enqueue
from resources.operations.short_picks import OpenShort
from resources.wms.port import CancelOutcome, CancelResult, WmsPort

KIND = "wms_backorder"
_PRIORITY = 10


def enqueue_stops(conn: sa.Connection, shorts: Iterable[OpenShort], now: datetime) -> int:
    """Put units that are awaited no more into the outbox; returns how many were new."""
    return sum(
        enqueue(
            conn,
            kind=KIND,
            business_key=short.key,
            order_ref=short.sales_order_id,
            payload={"line_id": short.position_item_id},
            priority=_PRIORITY,
            now=now,
        )
        for short in shorts
    )


class WmsBackorderHandler:
    """Stops lines at the warehouse. Repeating it is harmless by the port."""

    kind = KIND
    batch_size = 100

    def __init__(self, db: OperationsDatabase, wms: WmsPort, clock: Clock) -> None:
        self._db = db
        self._wms = wms
        self._clock = clock

    def settle(self, message: Message) -> Outcome | None:
        """Nothing to ask: sending it again gives the answer."""
        return None

    def send(self, messages: Sequence[Message]) -> list[Outcome]:
        """Ask for each line, and note in our books which ones will not ship."""
        answers = cancel_lines(self._wms, messages, "it did not follow in time for OTTO's buyer")
        stopped = {
            (answer.order_ref, line_id)
            for answer in answers
            if isinstance(answer, CancelResult)
            for line_id in answer.cancelled_line_ids
        }
        if stopped:
            with self._db.write() as conn:
                record_cancellations(conn, stopped, self._clock.now())
        return [
            _outcome(message, answer) if isinstance(answer, CancelResult) else answer
            for message, answer in zip(messages, answers, strict=True)
        ]


def _outcome(message: Message, answer: CancelResult) -> Outcome:
    if answer.outcome is CancelOutcome.NOT_FOUND:
        return Refused(
            "the warehouse says that it has no such line, although it told that it is short: ask "
            "it what became of the unit; if it is lost, cancel it in OTTO Partner Connect"
        )
    stopped = message.payload["line_id"] in answer.cancelled_line_ids
    return Confirmed({"outcome": "stopped" if stopped else "ships after all"})
