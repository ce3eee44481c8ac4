"""Orders to the warehouse: outbox kind `wms_order`, business key = sales order id.

Belongs here: which orders leave, how they become port records, and what the warehouse's answers
mean. The address is read when an order leaves; no outbox row holds personal data.
"""

import hashlib
from collections.abc import Sequence
from datetime import datetime
from typing import Any

import msgspec

from assets.outbound.delivery import Confirmed, Dropped, Outcome, Refused, Retry, Unknown
from assets.rules.countries import ALPHA_2
from resources.clock import Clock
from resources.operating_model import OperatingModel
from resources.operations import fulfilment, orders
from resources.operations.database import OperationsDatabase
from resources.operations.fulfilment import Submission
from resources.operations.outbox import Message, enqueue
from resources.otto import wire
from resources.wms.errors import (
    WmsAuthError,
    WmsContractError,
    WmsError,
    WmsRejected,
    WmsRetryable,
    WmsUnknownOutcome,
)
from resources.wms.port import (
    OutboundLine,
    OutboundOrder,
    ShipTo,
    SubmitOutcome,
    SubmitResult,
    WmsPort,
)

KIND = "wms_order"
_PRIORITY = 20


def enqueue_orders(db: OperationsDatabase, now: datetime) -> int:
    """Put every PROCESSABLE order that has no outbox row yet into the outbox; returns how many."""
    created = 0
    with db.write() as conn:
        for sales_order_id in orders.processable_without_wms_order(conn):
            created += enqueue(
                conn,
                kind=KIND,
                business_key=sales_order_id,
                order_ref=sales_order_id,
                payload={"sales_order_id": sales_order_id},
                priority=_PRIORITY,
                now=now,
            )
    return created


class WmsOrderHandler:
    """Submits orders in batches; the port promises that a repeat is harmless."""

    kind = KIND
    batch_size = 100

    def __init__(
        self, db: OperationsDatabase, wms: WmsPort, model: OperatingModel, clock: Clock
    ) -> None:
        self._db = db
        self._wms = wms
        self._model = model
        self._clock = clock

    def settle(self, message: Message) -> Outcome | None:
        """Ask the warehouse whether it has the order.

        Every line that it holds counts as sent, also one that OTTO cancelled meanwhile: only a line
        that we know of can be cancelled there.
        """
        try:
            found = self._wms.get_orders([message.order_ref])
        except WmsAuthError:
            raise
        except WmsError as error:
            return Unknown(str(error))
        if not found:
            return None
        held = {line.line_id for line in found[0].lines}
        with self._db.read() as conn:
            items = orders.order_with_items(conn, message.order_ref)["items"]
        lines = self._lines([item for item in items if item["position_item_id"] in held])
        self._record([Submission(message.order_ref, lines, found[0].wms_order_id)])
        return Confirmed({"wms_order_id": found[0].wms_order_id})

    def send(self, messages: Sequence[Message]) -> list[Outcome]:
        """Build each order from what we hold now and submit all that are still wanted."""
        with self._db.read() as conn:
            built = [
                self._outbound(orders.order_with_items(conn, message.order_ref))
                for message in messages
            ]
        wanted = [order for order in built if isinstance(order, OutboundOrder)]
        answers = self._submit(wanted) if wanted else {}
        return [
            answers.get(order.order_ref, Unknown("the WMS gave no result for this order"))
            if isinstance(order, OutboundOrder)
            else order
            for order in built
        ]

    def _submit(self, wanted: list[OutboundOrder]) -> dict[str, Outcome]:
        try:
            results = self._wms.submit_orders(wanted)
        except WmsRetryable as error:
            return {o.order_ref: Retry(str(error), error.retry_after_s) for o in wanted}
        except (WmsUnknownOutcome, WmsContractError) as error:
            return {o.order_ref: Unknown(str(error)) for o in wanted}
        except WmsRejected as error:
            if len(wanted) == 1:
                return {wanted[0].order_ref: Refused(str(error))}
            # One order may have spoilt the batch: each by itself shows which.
            answers = [self._submit([order]) for order in wanted]
            return {ref: outcome for answer in answers for ref, outcome in answer.items()}
        outcomes = {result.order_ref: _outcome(result) for result in results}
        ids = {result.order_ref: result.wms_order_id for result in results}
        self._record(
            [
                Submission(order.order_ref, order.lines, ids[order.order_ref])
                for order in wanted
                if isinstance(outcomes.get(order.order_ref), Confirmed)
            ]
        )
        return outcomes

    def _record(self, taken: list[Submission]) -> None:
        with self._db.write() as conn:
            fulfilment.record_submissions(conn, taken, self._clock.now())

    def _outbound(self, order: dict[str, Any]) -> OutboundOrder | Dropped | Refused:
        items = [i for i in order["items"] if i["fulfilment_status"] == "PROCESSABLE"]
        if not items:
            return Dropped("no item is PROCESSABLE any more: cancelled before it was sent")
        if order["delivery_address"] is None:
            return Refused("the order has no delivery address: import its day again, then retry")
        address = msgspec.json.decode(order["delivery_address"], type=wire.Address)
        country = ALPHA_2.get(address.country_code)
        if country is None:
            return Refused(
                f"OTTO's countryCode {address.country_code[:10]!r} is not in our table "
                "(assets.rules.countries): add the country, then retry"
            )
        lines, ship_to = self._lines(items), _ship_to(address, country)
        ship_by = [item["ship_by_at"] for item in items if item["ship_by_at"] is not None]
        return OutboundOrder(
            order_ref=order["sales_order_id"],
            channel_order_number=order["order_number"],
            ordered_at=order["ordered_at"],
            ship_to=ship_to,
            lines=lines,
            payload_hash=hashlib.sha256(msgspec.json.encode([lines, ship_to])).hexdigest(),
            latest_ship_at=min(ship_by, default=None),
        )

    def _lines(self, items: list[dict[str, Any]]) -> tuple[OutboundLine, ...]:
        return tuple(
            OutboundLine(
                line_id=item["position_item_id"],
                sku=self._model.sku_map.get(item["sku"], item["sku"]),
                quantity=1,
                unit_price_cents=item["buyer_price_cents"],
                currency=item["currency"],
                gtin=item["ean"],
                title=item["title"],
            )
            for item in items
        )


def _outcome(result: SubmitResult) -> Outcome:
    match result.outcome:
        case SubmitOutcome.REJECTED:
            return Refused(result.error or "the warehouse refused the order and gave no reason")
        case SubmitOutcome.RETRY:
            return Retry(result.error or "the warehouse asks to wait")
        case _:
            return Confirmed({"wms_order_id": result.wms_order_id})


def _ship_to(address: wire.Address, country: str) -> ShipTo:
    return ShipTo(
        name=f"{address.first_name} {address.last_name}".strip(),
        street=address.street,
        house_number=address.house_number,
        addition=address.addition,
        postal_code=address.zip_code,
        city=address.city,
        country_code=country,
        phone=address.phone_number,
        email=address.email,
    )
