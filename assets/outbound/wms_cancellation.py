"""Cancellations at the warehouse: outbox kind `wms_cancellation`, business key = order and line.

Belongs here: lines that the warehouse still works on although OTTO cancelled their item, and how
lines are cancelled at all. Units that are to follow and are awaited no more stand in
`assets.outbound.wms_backorder`, the other direction in `assets.outbound.otto_cancellation`.
"""

from collections import defaultdict
from collections.abc import Sequence
from datetime import datetime

from assets.outbound.delivery import Confirmed, Outcome, Refused, Retry, Unknown
from resources.operations import pending
from resources.operations.database import OperationsDatabase
from resources.operations.outbox import Message, enqueue
from resources.wms.errors import WmsContractError, WmsRejected, WmsRetryable, WmsUnknownOutcome
from resources.wms.port import CancelOutcome, CancelResult, WmsPort

KIND = "wms_cancellation"
# Smaller leaves first: a cancellation must overtake the pick.
_PRIORITY = 10

Answer = CancelResult | Retry | Unknown | Refused


def enqueue_cancellations(db: OperationsDatabase, now: datetime) -> int:
    """Queue lines that OTTO cancelled and the WMS still works on; returns how many."""
    created = 0
    with db.write() as conn:
        for order_ref, line_id in pending.open_lines_of_cancelled_items(conn, KIND):
            created += enqueue(
                conn,
                kind=KIND,
                business_key=f"{order_ref}:{line_id}",
                order_ref=order_ref,
                payload={"line_id": line_id},
                priority=_PRIORITY,
                now=now,
            )
    return created


class WmsCancellationHandler:
    """Cancels lines, one call per order. Repeating a cancellation is harmless by the port."""

    kind = KIND
    batch_size = 100

    def __init__(self, wms: WmsPort) -> None:
        self._wms = wms

    def settle(self, message: Message) -> Outcome | None:
        """Nothing to ask: sending it again gives the answer."""
        return None

    def send(self, messages: Sequence[Message]) -> list[Outcome]:
        """One call per order with all its lines."""
        answers = cancel_lines(self._wms, messages, "cancelled at OTTO")
        return [
            _outcome(message, answer) if isinstance(answer, CancelResult) else answer
            for message, answer in zip(messages, answers, strict=True)
        ]


def cancel_lines(wms: WmsPort, messages: Sequence[Message], reason: str) -> list[Answer]:
    """Cancel the line of each message, one call per order; its order's answer for each message."""
    lines: dict[str, list[str]] = defaultdict(list)
    for message in messages:
        lines[message.order_ref].append(message.payload["line_id"])
    answers = {ref: _cancel(wms, ref, tuple(ids), reason) for ref, ids in lines.items()}
    return [answers[message.order_ref] for message in messages]


def _cancel(wms: WmsPort, order_ref: str, line_ids: tuple[str, ...], reason: str) -> Answer:
    try:
        return wms.cancel_order(order_ref, line_ids, reason)
    except WmsRetryable as error:
        return Retry(str(error), error.retry_after_s)
    except (WmsUnknownOutcome, WmsContractError) as error:
        return Unknown(str(error))
    except WmsRejected as error:
        return Refused(str(error))


def _outcome(message: Message, answer: CancelResult) -> Outcome:
    if message.payload["line_id"] in answer.cancelled_line_ids:
        return Confirmed({"outcome": answer.outcome})
    if answer.outcome is CancelOutcome.NOT_FOUND:
        return Confirmed({"outcome": answer.outcome})
    return Refused(
        "too late: the warehouse has packed or dispatched this line although OTTO cancelled it; "
        "stop the parcel or book it as a return"
    )
