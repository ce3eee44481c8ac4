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
from resources.clock import Clock
from resources.operating_model import OperatingModel
from resources.operations import fulfilment, orders
from resources.operations.database import OperationsDatabase
from resources.operations.outbox import Message, enqueue
from resources.otto import wire
from resources.wms.port import (
    OutboundLine,
    OutboundOrder,
    ShipTo,
    SubmitOutcome,
    SubmitResult,
    WmsPort,
    WmsRejected,
    WmsRetryable,
    WmsUnknownOutcome,
)

KIND = "wms_order"
_PRIORITY = 20

# ISO 3166-1 alpha-3 (OTTO) to alpha-2 (warehouse): otto.de delivers to these.
_COUNTRY = {"DEU": "DE", "AUT": "AT", "CHE": "CH", "LUX": "LU", "LIE": "LI"}


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
        """Ask the warehouse whether it has the order."""
        try:
            found = self._wms.get_orders([message.order_ref])
        except (WmsRetryable, WmsUnknownOutcome) as error:
            return Unknown(str(error))
        if not found:
            return None
        with self._db.read() as conn:
            order = self._outbound(orders.order_with_items(conn, message.order_ref))
        if order is not None:
            self._record([(order, found[0].wms_order_id)])
        return Confirmed({"wms_order_id": found[0].wms_order_id})

    def send(self, messages: Sequence[Message]) -> list[Outcome]:
        """Build each order from what we hold now and submit all that are still wanted."""
        with self._db.read() as conn:
            built = [
                self._outbound(orders.order_with_items(conn, message.order_ref))
                for message in messages
            ]
        wanted = [order for order in built if order is not None]
        answers = self._submit(wanted) if wanted else {}
        return [
            Dropped("no item is PROCESSABLE any more: cancelled before it was sent")
            if order is None
            else answers.get(order.order_ref, Unknown("the WMS gave no result for this order"))
            for order in built
        ]

    def _submit(self, wanted: list[OutboundOrder]) -> dict[str, Outcome]:
        try:
            results = self._wms.submit_orders(wanted)
        except WmsRetryable as error:
            return {o.order_ref: Retry(str(error), error.retry_after_s) for o in wanted}
        except WmsUnknownOutcome as error:
            return {o.order_ref: Unknown(str(error)) for o in wanted}
        except WmsRejected as error:
            return {o.order_ref: Refused(str(error)) for o in wanted}
        outcomes = {result.order_ref: _outcome(result) for result in results}
        ids = {result.order_ref: result.wms_order_id for result in results}
        self._record(
            [
                (order, ids[order.order_ref])
                for order in wanted
                if isinstance(outcomes.get(order.order_ref), Confirmed)
            ]
        )
        return outcomes

    def _record(self, taken: list[tuple[OutboundOrder, str | None]]) -> None:
        with self._db.write() as conn:
            fulfilment.record_submissions(conn, taken, self._clock.now())

    def _outbound(self, order: dict[str, Any]) -> OutboundOrder | None:
        items = [i for i in order["items"] if i["fulfilment_status"] == "PROCESSABLE"]
        if not items or order["delivery_address"] is None:
            return None
        lines = tuple(
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
        ship_by = [item["ship_by_at"] for item in items if item["ship_by_at"] is not None]
        return OutboundOrder(
            order_ref=order["sales_order_id"],
            channel_order_number=order["order_number"],
            ordered_at=order["ordered_at"],
            ship_to=_ship_to(order["delivery_address"]),
            lines=lines,
            payload_hash=hashlib.sha256(msgspec.json.encode(lines)).hexdigest(),
            latest_ship_at=min(ship_by, default=None),
        )


def _outcome(result: SubmitResult) -> Outcome:
    match result.outcome:
        case SubmitOutcome.REJECTED:
            return Refused(result.error or "the warehouse refused the order and gave no reason")
        case SubmitOutcome.RETRY:
            return Retry(result.error or "the warehouse asks to wait")
        case _:
            return Confirmed({"wms_order_id": result.wms_order_id})


def _ship_to(address_json: str) -> ShipTo:
    address = msgspec.json.decode(address_json, type=wire.Address)
    return ShipTo(
        name=f"{address.first_name} {address.last_name}".strip(),
        street=address.street,
        house_number=address.house_number,
        addition=address.addition,
        postal_code=address.zip_code,
        city=address.city,
        country_code=_COUNTRY.get(address.country_code, address.country_code[:2]),
        phone=address.phone_number,
        email=address.email,
    )
