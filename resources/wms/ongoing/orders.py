"""Orders to Ongoing and what it holds of them: one of ours is one there, plus its back orders.

Belongs here: how an order is written, read back and cancelled. What happens to it later stands in
`news`. The payload hash travels in `freeText3`, so that a repeat is known as one.
"""

from collections.abc import Iterable, Sequence
from decimal import Decimal
from typing import Any

from resources.wms.errors import WmsRejected, WmsRetryable
from resources.wms.journal import Journal
from resources.wms.ongoing.news import record_sent, sent_lines
from resources.wms.ongoing.policy import OngoingPolicy, Transporter
from resources.wms.ongoing.rest import NUMBERS_AT_ONCE, OngoingRest
from resources.wms.ongoing.wire import Article, Order, OrderLine
from resources.wms.port import (
    CancelOutcome,
    CancelResult,
    LineSnapshot,
    LineState,
    OrderSnapshot,
    OutboundOrder,
    SubmitOutcome,
    SubmitResult,
)

_SHORTEST_SECRET = 3


class Orders:
    """Orders of one goods owner."""

    def __init__(self, rest: OngoingRest, policy: OngoingPolicy, journal: Journal) -> None:
        self._rest = rest
        self._policy = policy
        self._journal = journal

    def submit(self, orders: Sequence[OutboundOrder]) -> list[SubmitResult]:
        """Create or repeat; Ongoing keeps one order per number, also under parallel callers."""
        known = {
            order.order_info.order_number: order
            for order in self._by_number([order.order_ref for order in orders])
        }
        return [self._submit(order, known.get(order.order_ref)) for order in orders]

    def cancel(self, order_ref: str, line_ids: tuple[str, ...] | None) -> CancelResult:
        """Take lines out of the order, or of the back order that has them now.

        Ongoing refuses this when work has begun; then it is TOO_LATE.
        """
        found = self._by_number([order_ref])
        if not found:
            return CancelResult(order_ref=order_ref, outcome=CancelOutcome.NOT_FOUND)
        with self._journal.read() as conn:
            sent = [line.row_number for line in sent_lines(conn, order_ref)]
        holders = self._holders(found[0])
        wanted = tuple(line_ids if line_ids is not None else dict.fromkeys([*sent, *holders]))
        gone = {line_id for line_id in wanted if line_id not in holders}
        by_order = {order.order_info.order_id: order for order, _ in holders.values()}
        for order_id, order in by_order.items():
            here = {row for row, (one, _) in holders.items() if one.order_info.order_id == order_id}
            if asked := here & set(wanted):
                gone |= self._take_out(order, asked)
        cancelled = tuple(line_id for line_id in wanted if line_id in gone)
        if len(cancelled) == len(wanted):
            outcome = CancelOutcome.CANCELLED
        else:
            outcome = CancelOutcome.PARTIAL if cancelled else CancelOutcome.TOO_LATE
        return CancelResult(order_ref=order_ref, outcome=outcome, cancelled_line_ids=cancelled)

    def snapshots(self, order_refs: Sequence[str]) -> list[OrderSnapshot]:
        """What Ongoing holds of those orders that it knows, with their back orders."""
        return [self._snapshot(order) for order in self._by_number(list(dict.fromkeys(order_refs)))]

    def line_state(self, order: Order, line: OrderLine) -> LineState:
        """How far a line is, by its own order alone."""
        status, steps = order.order_info.order_status.number, self._policy.statuses
        if status in steps.cancelled:
            return LineState.CANCELLED
        if status >= steps.picked_from and line.picked < line.ordered:
            return LineState.SHORT
        if status >= steps.shipped_from:
            return LineState.SHIPPED
        if status >= steps.picked_from:
            return LineState.PICKED
        if status >= steps.allocated_from:
            return LineState.ALLOCATED
        return LineState.ACCEPTED if status >= steps.accepted_from else LineState.NEW

    def _by_number(self, numbers: Sequence[str]) -> list[Order]:
        found: list[Order] = []
        for start in range(0, len(numbers), NUMBERS_AT_ONCE):
            found += self._rest.orders_by_number(numbers[start : start + NUMBERS_AT_ONCE])
        return found

    def _submit(self, order: OutboundOrder, known: Order | None) -> SubmitResult:
        if known is not None:
            info = known.order_info
            if info.free_text3 == order.payload_hash:
                return _result(order, SubmitOutcome.UNCHANGED, info.order_id)
            if info.order_status.number not in self._policy.statuses.changeable:
                return _refused(
                    order, f"Ongoing works on it already (status {info.order_status.number})"
                )
        # Before it leaves: Ongoing forgets rows, and after a crash nobody else would know them.
        with self._journal.write() as conn:
            before = sent_lines(conn, order.order_ref)
            record_sent(conn, order.order_ref, (*before, *_rows(order)))
        try:
            order_id = self._rest.put_order(self._body(order))
        except WmsRetryable as error:
            # The upsert may have had its effect; sending it again is harmless.
            return SubmitResult(
                order_ref=order.order_ref, outcome=SubmitOutcome.RETRY, error=str(error)
            )
        except WmsRejected as error:
            with self._journal.write() as conn:
                record_sent(conn, order.order_ref, before)
            return self._rejected(order, error)
        outcome = SubmitOutcome.CREATED if known is None else SubmitOutcome.UPDATED
        return _result(order, outcome, order_id)

    def _rejected(self, order: OutboundOrder, error: WmsRejected) -> SubmitResult:
        """A repeat of what arrived before may be refused, since work on it began meanwhile."""
        for known in self._by_number([order.order_ref]):
            if known.order_info.free_text3 == order.payload_hash:
                return _result(order, SubmitOutcome.UNCHANGED, known.order_info.order_id)
        to = order.ship_to
        personal = (to.name, to.street, to.city, to.postal_code, to.addition, to.phone, to.email)
        return _refused(order, _without(str(error), personal))

    def _take_out(self, order: Order, line_ids: set[str]) -> set[str]:
        """Cancel lines of one order; those that are certain not to ship now."""
        status, steps = order.order_info.order_status.number, self._policy.statuses
        if status in steps.cancelled:
            return line_ids
        if status not in steps.changeable:
            return set()
        rest = [line for line in order.lines if line.row_number not in line_ids]
        try:
            if rest:
                self._rest.put_order(self._body_without(order, rest))
            else:
                self._rest.cancel_order(order.order_info.order_id)
        except WmsRejected:
            # Work began between our look and our request: what holds now is the answer.
            now = self._rest.order(order.order_info.order_id)
            if now.order_info.order_status.number in steps.cancelled:
                return line_ids
            return line_ids - {line.row_number for line in now.lines}
        return line_ids

    def _body(self, order: OutboundOrder) -> dict[str, Any]:
        to = order.ship_to
        body: dict[str, Any] = {
            "orderNumber": order.order_ref,
            "goodsOwnerOrderId": order.channel_order_number,
            "deliveryDate": (order.latest_ship_at or order.ordered_at).date().isoformat(),
            "freeText3": order.payload_hash,
            "consignee": {
                "name": to.name,
                "address1": f"{to.street} {to.house_number}".strip(),
                "address2": to.addition,
                "postCode": to.postal_code,
                "city": to.city,
                "countryCode": to.country_code,
            },
            "orderLines": [
                {
                    "rowNumber": line.line_id,
                    "articleNumber": line.sku,
                    "numberOfItems": line.quantity,
                    "prices": {
                        "linePrice": Decimal(line.unit_price_cents) / 100,
                        "currencyCode": line.currency,
                    },
                }
                for line in order.lines
            ],
        }
        if to.email:
            body["emailNotification"] = {"toBeNotified": False, "value": to.email}
        if to.phone:
            body["telephoneNotification"] = {"toBeNotified": False, "value": to.phone}
        return body | self._carriers()

    def _body_without(self, order: Order, rest: Iterable[OrderLine]) -> dict[str, Any]:
        """The order as Ongoing showed it, with these lines only."""
        info = order.order_info
        return {
            "orderNumber": info.order_number,
            "goodsOwnerOrderId": info.goods_owner_order_id,
            "deliveryDate": info.delivery_date,
            "freeText3": info.free_text3,
            "consignee": order.consignee or {},
            "orderLines": [
                {
                    "rowNumber": line.row_number,
                    "articleNumber": line.article.article_number,
                    "numberOfItems": line.ordered,
                    "prices": {
                        "linePrice": line.prices.line_price if line.prices else None,
                        "currencyCode": line.prices.currency_code if line.prices else None,
                    },
                }
                for line in rest
            ],
        } | self._carriers()

    def _carriers(self) -> dict[str, Any]:
        wanted = {
            "transporter": self._policy.transporter,
            "returnTransporter": self._policy.return_transporter,
        }
        return {name: _carrier(carrier) for name, carrier in wanted.items() if carrier is not None}

    def _holders(self, order: Order) -> dict[str, tuple[Order, OrderLine]]:
        """Each row with the order that has it now: the newest, unless an older one picked it."""
        order_id = str(order.order_info.order_id)
        later = self._rest.orders({"backOrderForOrderId": order_id}, 0).good
        held = {line.row_number: (order, line) for line in order.lines}
        for one in sorted(later, key=lambda one: one.order_info.order_id):
            for line in one.lines:
                before = held.get(line.row_number)
                if before is None or before[1].picked == 0:
                    held[line.row_number] = (one, line)
        return held

    def _snapshot(self, order: Order) -> OrderSnapshot:
        info = order.order_info
        with self._journal.read() as conn:
            sent = {line.row_number: line for line in sent_lines(conn, info.order_number)}
        lines = {row: self._line(*holder) for row, holder in self._holders(order).items()}
        # Ongoing forgets a row that is taken out.
        lines |= {
            row: LineSnapshot(
                line_id=row,
                sku=line.article.article_number,
                quantity=line.ordered,
                quantity_shipped=0,
                state=LineState.CANCELLED,
            )
            for row, line in sent.items()
            if row not in lines
        }
        return OrderSnapshot(
            order_ref=info.order_number,
            wms_order_id=str(info.order_id),
            status=str(info.order_status.number),
            lines=tuple(lines[line_id] for line_id in sorted(lines)),
        )

    def _line(self, order: Order, line: OrderLine) -> LineSnapshot:
        state = self.line_state(order, line)
        price = line.prices.line_price if line.prices else None
        is_out = order.order_info.order_status.number >= self._policy.statuses.shipped_from
        cancelled = state is LineState.CANCELLED
        return LineSnapshot(
            line_id=line.row_number,
            sku=line.article.article_number,
            quantity=line.ordered,
            quantity_shipped=line.picked if is_out and not cancelled else 0,
            state=state,
            unit_price_cents=_cents(price),
            currency=line.prices.currency_code if line.prices else None,
        )


def _rows(order: OutboundOrder) -> tuple[OrderLine, ...]:
    return tuple(
        OrderLine(
            id=0,
            row_number=line.line_id,
            article=Article(article_number=line.sku),
            ordered_number_of_items=Decimal(line.quantity),
        )
        for line in order.lines
    )


def _cents(price: Decimal | None) -> int | None:
    """Whole cents; a finer price is shown as unknown, for it is not the one that we sent."""
    if price is None or (price * 100) % 1:
        return None
    return int(price * 100)


def _carrier(carrier: Transporter) -> dict[str, str]:
    return {
        "transporterCode": carrier.code,
        "transporterServiceCode": carrier.service_code,
    }


def _without(message: str, personal: Iterable[str | None]) -> str:
    """A vendor's message without what we sent of the buyer."""
    for value in sorted((text for text in personal if text), key=len, reverse=True):
        if len(value) >= _SHORTEST_SECRET:
            message = message.replace(value, "…")
    return message


def _result(order: OutboundOrder, outcome: SubmitOutcome, order_id: int | None) -> SubmitResult:
    wms_order_id = str(order_id) if order_id is not None else None
    return SubmitResult(order_ref=order.order_ref, outcome=outcome, wms_order_id=wms_order_id)


def _refused(order: OutboundOrder, reason: str) -> SubmitResult:
    return SubmitResult(order_ref=order.order_ref, outcome=SubmitOutcome.REJECTED, error=reason)
