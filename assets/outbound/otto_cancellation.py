"""Cancellations at OTTO: outbox kind `otto_cancellation`, business key = order and position item.

Belongs here: units that the warehouse will certainly not ship while OTTO still waits for them.
Which ones those are is decided in `assets.rules.short_picks`. OTTO answers 202 and acts later, so a
row is confirmed only when an order read shows the cancellation.
"""

from collections.abc import Iterable, Sequence
from datetime import datetime

import sqlalchemy as sa

from assets.outbound.delivery import Accepted, Confirmed, Dropped, Outcome, Refused, Retry, Unknown
from resources.operations.database import OperationsDatabase
from resources.operations.outbox import Message, enqueue
from resources.operations.schema import wms_order_lines
from resources.operations.short_picks import OpenShort
from resources.otto.client import OttoClient
from resources.otto.errors import OttoPermanent, OttoTransient, OttoUnknownOutcome

KIND = "otto_cancellation"
_PRIORITY = 10


def enqueue_cancellations(conn: sa.Connection, shorts: Iterable[OpenShort], now: datetime) -> int:
    """Put units that will not ship into the outbox; returns how many were new."""
    return sum(
        enqueue(
            conn,
            kind=KIND,
            business_key=short.key,
            order_ref=short.sales_order_id,
            payload={"position_item_id": short.position_item_id},
            priority=_PRIORITY,
            now=now,
        )
        for short in shorts
    )


class OttoCancellationHandler:
    """Cancels one item per call: OTTO's item cancellation is all-or-nothing for its list."""

    kind = KIND
    # One call each, with its retries, has to end within the lease.
    batch_size = 1

    def __init__(self, db: OperationsDatabase, otto: OttoClient) -> None:
        self._db = db
        self._otto = otto

    def settle(self, message: Message) -> Outcome | None:
        """Read the order; asking OTTO again for the same cancellation is harmless."""
        try:
            order = self._otto.order(message.order_ref)
        except OttoTransient as error:
            return Unknown(str(error))
        except OttoPermanent as error:
            return Refused(str(error))
        item_id = message.payload["position_item_id"]
        status = next(
            (i.fulfillment_status for i in order.position_items if i.position_item_id == item_id),
            "absent from the order",
        )
        if status.startswith("CANCELLED"):
            return Confirmed({"status": status})
        if status == "PROCESSABLE":
            return None
        return self._shipped_after_all(message) or Refused(
            f"OTTO says {status}: only a PROCESSABLE item can be cancelled"
        )

    def send(self, messages: Sequence[Message]) -> list[Outcome]:
        """Ask for each cancellation, unless the unit has left meanwhile."""
        return [self._shipped_after_all(message) or self._cancel(message) for message in messages]

    def _cancel(self, message: Message) -> Outcome:
        try:
            self._otto.cancel_position_items(
                message.order_ref, [message.payload["position_item_id"]]
            )
        except OttoTransient as error:
            return Retry(str(error), error.retry_after_s)
        except OttoUnknownOutcome as error:
            return Unknown(str(error))
        except OttoPermanent as error:
            return self.settle(message) or Refused(str(error))
        return Accepted()

    def _shipped_after_all(self, message: Message) -> Dropped | None:
        line = wms_order_lines.c
        query = sa.select(line.state).where(
            line.order_ref == message.order_ref,
            line.line_id == message.payload["position_item_id"],
        )
        with self._db.read() as conn:
            state = conn.scalar(query)
        if state != "SHIPPED":
            return None
        return Dropped("the warehouse shipped the unit after all")
