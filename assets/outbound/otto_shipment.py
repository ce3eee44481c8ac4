"""Shipment confirmations to OTTO: outbox kind `otto_shipment`, business key = parcel id.

Belongs here: the last look before a parcel is reported, the request, and what OTTO's answers mean.
OTTO knows no idempotency key, so an uncertain outcome is settled by the tracking number. Which
parcels may be reported at all is decided by the tracking gate (`assets.parcel_gate`).
"""

from collections.abc import Callable, Sequence
from datetime import datetime

import msgspec
import sqlalchemy as sa

from assets.outbound.delivery import Blocked, Confirmed, Outcome, Refused, Retry, Unknown
from assets.rules.shipment_gate import ShipmentDraft
from resources.operations.database import OperationsDatabase
from resources.operations.outbox import Message, enqueue
from resources.operations.schema import parcels, position_items
from resources.otto.client import OttoClient
from resources.otto.errors import OttoPermanent, OttoTransient, OttoUnknownOutcome
from resources.otto.wire import (
    ShipFromAddress,
    ShipmentItem,
    ShipmentRequest,
    TrackingKey,
    format_time,
)

KIND = "otto_shipment"
_PRIORITY = 0

# Titles by which OTTO says that this parcel, or an item of it, is already on a shipment.
_ALREADY_THERE = {"DUPLICATE_TRACKING_KEY", "POSITION_ITEM_INCLUDED_IN_OTHER_SHIPMENT"}
_NOT_PROCESSABLE = "POSITION_ITEM_CAN_NOT_BE_SENT"


def enqueue_shipment(
    conn: sa.Connection, parcel_id: str, order_ref: str, draft: ShipmentDraft, now: datetime
) -> bool:
    """Put a parcel that passed the gate into the outbox; returns whether it was new."""
    return enqueue(
        conn,
        kind=KIND,
        business_key=parcel_id,
        order_ref=order_ref,
        payload=msgspec.to_builtins(_request(draft)),
        priority=_PRIORITY,
        now=now,
    )


class OttoShipmentHandler:
    """Reports parcels as shipped, each exactly once in effect."""

    kind = KIND
    # One call each, with its retries, has to end within the lease.
    batch_size = 1

    def __init__(
        self, db: OperationsDatabase, otto: OttoClient, refresh_order: Callable[[str], None]
    ) -> None:
        self._db = db
        self._otto = otto
        self._refresh_order = refresh_order

    def settle(self, message: Message) -> Outcome | None:
        """Look the tracking number up at OTTO; a half-made shipment gets its missing items."""
        request = _sent_request(message)
        key = request.tracking_key
        try:
            found = self._otto.find_shipment(key.carrier, key.tracking_number)
            if found is None:
                return None
            there = {item.position_item_id for item in found.position_items}
            missing = [i for i in request.position_items if i.position_item_id not in there]
            if len(missing) == len(request.position_items):
                return Refused(
                    f"tracking number {key.tracking_number} of {key.carrier} already belongs to "
                    f"OTTO shipment {found.shipment_id} with other items: "
                    "ask the warehouse for the right number"
                )
            if missing:
                self._otto.add_position_items(found.shipment_id, missing)
        except (OttoTransient, OttoUnknownOutcome) as error:
            return Unknown(str(error))
        except OttoPermanent as error:
            return Refused(str(error))
        return Confirmed({"shipment_id": found.shipment_id})

    def send(self, messages: Sequence[Message]) -> list[Outcome]:
        """Report each parcel by its own call."""
        return [self._report(message) for message in messages]

    def _report(self, message: Message) -> Outcome:
        request = _sent_request(message)
        if stopped := self._stopped(message, request):
            return stopped
        try:
            shipment_id = self._otto.create_shipment(request)
        except OttoTransient as error:
            return Retry(str(error), error.retry_after_s)
        except OttoUnknownOutcome as error:
            return Unknown(str(error))
        except OttoPermanent as error:
            return self._refused(message, error)
        return Confirmed({"shipment_id": shipment_id})

    def _refused(self, message: Message, error: OttoPermanent) -> Outcome:
        if error.titles & _ALREADY_THERE:
            return self.settle(message) or Refused(str(error))
        if _NOT_PROCESSABLE in error.titles:
            # OTTO knows more than our copy: read the order again before the gate judges again.
            try:
                self._refresh_order(message.order_ref)
            except OttoTransient as unread:
                return Retry(f"{error}; then {unread}", unread.retry_after_s)
            except OttoPermanent as unread:
                return Refused(f"{error}; then {unread}")
            if stopped := self._stopped(message, _sent_request(message)):
                return stopped
        return Refused(str(error))

    def _stopped(self, message: Message, request: ShipmentRequest) -> Blocked | None:
        """The last look: only what the gate released, and only items still PROCESSABLE, leaves."""
        items = request.position_items
        wanted = [item.position_item_id for item in items]
        query = sa.select(position_items.c.position_item_id).where(
            position_items.c.sales_order_id.in_({item.sales_order_id for item in items}),
            position_items.c.position_item_id.in_(wanted),
            position_items.c.fulfilment_status == "PROCESSABLE",
        )
        parcel = sa.select(parcels.c.state).where(parcels.c.parcel_id == message.business_key)
        with self._db.read() as conn:
            state = conn.scalar(parcel)
            processable = set(conn.scalars(query))
        if state != "released":
            return Blocked(f"the tracking gate holds the parcel ({state}) and judges it again")
        stopped = [item_id for item_id in wanted if item_id not in processable]
        if not stopped:
            return None
        return Blocked(
            f"{len(stopped)} item(s) of the parcel are no longer PROCESSABLE at OTTO "
            f"({', '.join(stopped)}); the gate judges the parcel again"
        )


def _sent_request(message: Message) -> ShipmentRequest:
    return msgspec.convert(message.payload, ShipmentRequest)


def _request(draft: ShipmentDraft) -> ShipmentRequest:
    key = draft.return_key
    return_key = (
        None
        if key is None
        else TrackingKey(carrier=key.carrier, tracking_number=key.tracking_number)
    )
    return ShipmentRequest(
        tracking_key=TrackingKey(carrier=draft.carrier, tracking_number=draft.tracking_number),
        ship_date=format_time(draft.shipped_at),
        ship_from_address=ShipFromAddress(
            city=draft.ship_from.city,
            country_code=draft.ship_from.country_code,
            zip_code=draft.ship_from.zip_code,
        ),
        position_items=[
            ShipmentItem(
                position_item_id=item.position_item_id,
                sales_order_id=item.sales_order_id,
                return_tracking_key=return_key,
            )
            for item in draft.items
        ],
    )
