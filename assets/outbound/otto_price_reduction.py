"""Price reductions at OTTO: outbox kind `otto_price_reduction`, business key = request id.

Belongs here: writing a request down together with its message, sending it, and finding out what
became of it. OTTO answers 202, acts later (PROCESSED or REJECTED), and gives a reduction no id. So
that two equal reductions are told apart,

* only one request per unit is under way until OTTO shows its reduction, and
* a reduction that OTTO shows belongs to one request: that which claimed it first stays with it.

What OTTO shows of reductions is stored by `assets.money_import`.
"""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec
import sqlalchemy as sa

from assets.money_judge import Judge
from assets.money_rows import reduction_rows
from assets.outbound.delivery import Accepted, Confirmed, Outcome, Refused, Retry, Unknown
from resources.operations.database import OperationsDatabase
from resources.operations.outbox import Message, enqueue
from resources.operations.price_reductions import (
    ReductionRequest,
    record_request,
    reducible_item,
)
from resources.operations.schema import outbox, outbox_attempts
from resources.otto.errors import OttoPermanent, OttoTransient, OttoUnknownOutcome
from resources.otto.price_reductions import ItemReductions, PriceReductions

KIND = "otto_price_reduction"
_PRIORITY = 20
# OTTO's clock and ours may differ by so much.
_SKEW = timedelta(minutes=10)
# OTTO works at most 10 s on a request; what it does not show so long after will not come.
_CERTAIN_AFTER = timedelta(seconds=60)
# A downstream system of OTTO failed: nobody says whether before or after the effect.
_FAILED_DEPENDENCY = 424


class ReductionNotPossible(Exception):
    """A reduction that OTTO would refuse; the message says why.

    What to do: correct unit or amount and ask again; OTTO was asked for nothing.
    """


def request_reduction(conn: sa.Connection, request: ReductionRequest, now: datetime) -> bool:
    """Write a request down and put it into the outbox; False: it was there already.

    Raises:
        ReductionNotPossible: the unit is unknown, not SENT, or has less than that left.
        ValueError: the request's id stands for another reduction.
    """
    _check(conn, request)
    if not record_request(conn, request, now):
        return False
    return enqueue(
        conn,
        kind=KIND,
        business_key=request.request_id,
        order_ref=request.sales_order_id,
        payload={
            "position_item_id": request.position_item_id,
            "amount_cents": request.amount_cents,
            "requested_at": request.requested_at.isoformat(),
        },
        priority=_PRIORITY,
        # The worker's time is the machine's; `now` is business time.
        now=datetime.now(UTC),
    )


class OttoPriceReductionHandler:
    """Asks for one reduction per call; confirmed is only what OTTO shows as PROCESSED."""

    kind = KIND
    # One call each, with its retries, has to end within the lease.
    batch_size = 1

    def __init__(
        self,
        db: OperationsDatabase,
        reductions: PriceReductions,
        certain_after: timedelta = _CERTAIN_AFTER,
    ) -> None:
        self._db = db
        self._reductions = reductions
        self._certain_after = certain_after

    def settle(self, message: Message) -> Outcome | None:
        """Find our reduction among those that OTTO shows of the unit, by amount and time."""
        try:
            shown = self._shown(message)
        except (OttoTransient, OttoUnknownOutcome) as error:
            return Unknown(str(error))
        except OttoPermanent as error:
            return Refused(f"{error}; whether OTTO has the reduction is unknown, look there")
        with self._db.read() as conn:
            results = _results(conn, message)
            started = _last_attempt(conn, message)
        answer = results.pop(message.id)
        ours, claimed = _claim(answer), set(map(_claim, results.values()))
        free = [row for row in shown if _place(row) not in claimed]
        found = next((row for row in free if _place(row) == ours), free[0] if free else None)
        if found is not None:
            return _as_shown(found, claimed_before=_place(found) == ours)
        if answer:
            return Accepted(answer)
        if datetime.now(UTC) - started < self._certain_after:
            return Unknown("OTTO does not show the reduction yet, which may still come")
        return None

    def send(self, messages: Sequence[Message]) -> list[Outcome]:
        """Ask for each reduction."""
        return [self._ask(message) for message in messages]

    def _ask(self, message: Message) -> Outcome:
        with self._db.read() as conn:
            if _another_under_way(conn, message):
                return Retry("another reduction of this unit is under way, and OTTO shows no ids")
        wanted = message.payload
        try:
            self._reductions.request(
                message.order_ref, wanted["position_item_id"], wanted["amount_cents"]
            )
        except OttoTransient as error:
            return Retry(str(error), error.retry_after_s)
        except OttoUnknownOutcome as error:
            return Unknown(str(error))
        except OttoPermanent as error:
            if error.status == _FAILED_DEPENDENCY:
                return Unknown(str(error))
            return Refused(str(error))
        return Accepted({"accepted": True})

    def _shown(self, message: Message) -> list[dict[str, Any]]:
        """Reductions that could be ours, oldest first, as rows of `price_reductions`."""
        wanted = message.payload
        since = datetime.fromisoformat(wanted["requested_at"]) - _SKEW
        unit = message.order_ref, wanted["position_item_id"]
        listed = ItemReductions(
            sales_order_id=unit[0],
            position_item_id=unit[1],
            price_reductions=self._reductions.of_item(*unit),
        )
        judge = Judge()
        rows = reduction_rows(listed, judge)
        if judge.flaws:
            flaw = judge.flaws[0]
            raise OttoPermanent(
                f"a reduction of unit {unit[1]} cannot be read ({flaw.field} {flaw.shown})",
                status=200,
            )
        return [
            row
            for row in rows
            if row["amount_cents"] == wanted["amount_cents"] and row["created_at"] >= since
        ]


def _check(conn: sa.Connection, request: ReductionRequest) -> None:
    unit = f"unit {request.position_item_id} of order {request.sales_order_id}"
    item = reducible_item(conn, request.sales_order_id, request.position_item_id)
    if item is None:
        raise ReductionNotPossible(f"{unit} is not in the operations database: import its order")
    if item.fulfilment_status != "SENT":
        raise ReductionNotPossible(
            f"{unit} is {item.fulfilment_status} at OTTO: only a SENT unit can be reduced"
        )
    if request.currency != item.currency:
        raise ReductionNotPossible(f"{unit} was sold in {item.currency}, not {request.currency}")
    left = item.buyer_price_cents - item.reduced_cents
    if not 0 < request.amount_cents < left:
        raise ReductionNotPossible(
            f"{unit}: {request.amount_cents} cents asked for, and {left} cents are left of its "
            "price; a reduction is above zero and below what is left (for all of it, accept a "
            "return instead)"
        )


_Place = tuple[str, int]
"""Which reduction of a unit: OTTO's time of it, and the count among equal times."""


def _as_shown(row: dict[str, Any], claimed_before: bool) -> Outcome:
    created_at, sequence = _place(row)
    claim = {"created_at": created_at, "sequence": sequence}
    if row["status"] == "PROCESSED":
        return Confirmed({**claim, "receipt_number": row["receipt_number"]})
    # A refusal keeps no result: the claim is written down first, and refused the next time.
    if row["status"] == "REJECTED" and claimed_before:
        return Refused(
            "OTTO rejected the reduction: it is not below what is left of the unit's invoice, or "
            f"the unit was returned (OTTO's time of it: {created_at})"
        )
    return Accepted(claim)


def _place(row: dict[str, Any]) -> _Place:
    return row["created_at"].isoformat(), row["sequence"]


def _claim(result: dict[str, Any]) -> _Place | None:
    """The reduction that a request claimed, by its result."""
    return (result["created_at"], result["sequence"]) if "created_at" in result else None


def _results(
    conn: sa.Connection, message: Message, states: Sequence[str] | None = None
) -> dict[int, dict[str, Any]]:
    """Results of all requests for the message's unit, by row; empty where OTTO said nothing."""
    query = sa.select(outbox.c.id, outbox.c.payload, outbox.c.result).where(
        outbox.c.kind == KIND, outbox.c.order_ref == message.order_ref
    )
    if states is not None:
        query = query.where(outbox.c.state.in_(states))
    return {
        row.id: msgspec.json.decode(row.result) if row.result else {}
        for row in conn.execute(query)
        if msgspec.json.decode(row.payload)["position_item_id"]
        == message.payload["position_item_id"]
    }


def _another_under_way(conn: sa.Connection, message: Message) -> bool:
    """Whether a request for the same unit may have had an effect that OTTO does not show yet."""
    sent = _results(conn, message, ("sent",))
    return any(row != message.id and _claim(result) is None for row, result in sent.items())


def _last_attempt(conn: sa.Connection, message: Message) -> datetime:
    """When it may have left last; of a row without attempts (a restore) when that was noted."""
    attempt = sa.select(sa.func.max(outbox_attempts.c.started_at)).where(
        outbox_attempts.c.outbox_id == message.id
    )
    noted = sa.select(outbox.c.recorded_at).where(outbox.c.id == message.id)
    started: datetime = conn.scalars(attempt).one() or conn.scalars(noted).one()
    return started
