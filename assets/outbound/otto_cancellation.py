"""Cancellations at OTTO: outbox kind `otto_cancellation`, business key = order and position item.

Belongs here: units that the warehouse will certainly not ship (cancelled there, or short with no
backorder) while OTTO still waits for them. OTTO answers 202 and acts later, so a row is confirmed
only when an order read shows the cancellation.
"""

from collections.abc import Sequence
from datetime import datetime

from assets.outbound.delivery import Accepted, Confirmed, Outcome, Refused, Retry, Unknown
from resources.operations import pending
from resources.operations.database import OperationsDatabase
from resources.operations.outbox import Message, enqueue
from resources.otto.client import OttoClient
from resources.otto.errors import OttoPermanent, OttoTransient, OttoUnknownOutcome

KIND = "otto_cancellation"
_PRIORITY = 10


def enqueue_cancellations(db: OperationsDatabase, now: datetime) -> int:
    """Put items that the warehouse gave up and OTTO still expects into the outbox."""
    created = 0
    with db.write() as conn:
        for sales_order_id, item_id in pending.items_given_up_by_wms(conn, KIND):
            created += enqueue(
                conn,
                kind=KIND,
                business_key=f"{sales_order_id}:{item_id}",
                order_ref=sales_order_id,
                payload={"position_item_id": item_id},
                priority=_PRIORITY,
                now=now,
            )
    return created


class OttoCancellationHandler:
    """Cancels one item per call: OTTO's item cancellation is all-or-nothing for its list."""

    kind = KIND
    # One call each, with its retries, has to end within the lease.
    batch_size = 1

    def __init__(self, otto: OttoClient) -> None:
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
        if status != "PROCESSABLE":
            return Refused(f"OTTO says {status}: only a PROCESSABLE item can be cancelled")
        return None

    def send(self, messages: Sequence[Message]) -> list[Outcome]:
        """Ask for each cancellation."""
        return [self._cancel(message) for message in messages]

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
