"""The desk at which a person asks for price reductions.

Belongs here: the checks that a wish must pass before it is written down with its message. The way
to OTTO stands in `assets.outbound.otto_price_reduction`.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal

from assets.outbound.otto_price_reduction import ReductionNotPossible, request_reduction
from assets.rules.money import to_cents
from resources.operations.database import OperationsDatabase
from resources.operations.price_reductions import ReductionRequest

_AMOUNT = re.compile(r"\d{1,7}(\.\d{1,2})?")


@dataclass(frozen=True, kw_only=True)
class WantedReduction:
    """A reduction of one unit's price; `amount` in euro as typed, such as 5.00."""

    request_id: str
    sales_order_id: str
    position_item_id: str
    amount: str
    reason: str
    requested_by: str


class ReductionRefused(Exception):
    """A reduction that cannot be asked for; the message says why and what to do.

    What to do: correct what it names and repeat the command; OTTO was asked for nothing.
    """


def request_all(db: OperationsDatabase, wanted: Sequence[WantedReduction], now: datetime) -> int:
    """Write reductions down with their messages, all or none; returns how many are new.

    Raises:
        ReductionRefused: some are not possible; the message has the reason of each.
    """
    refused: list[str] = []
    new = 0
    with db.write() as conn:
        for each in wanted:
            try:
                new += request_reduction(conn, _request(each, now), now)
            except (ReductionNotPossible, ReductionRefused, ValueError) as error:
                refused.append(str(error))
        if refused:
            raise ReductionRefused(f"no reduction was asked for: {'; '.join(refused)}")
    return new


def _request(wanted: WantedReduction, now: datetime) -> ReductionRequest:
    unit = f"unit {wanted.position_item_id} of order {wanted.sales_order_id}"
    if not _AMOUNT.fullmatch(wanted.amount):
        raise ReductionRefused(
            f"{unit}: amount {wanted.amount!r} is not in euro and cents; write it like 5.00"
        )
    if not wanted.reason.strip() or not wanted.requested_by.strip():
        raise ReductionRefused(f"{unit}: say why the price is reduced, and who wants it")
    return ReductionRequest(
        request_id=wanted.request_id,
        sales_order_id=wanted.sales_order_id,
        position_item_id=wanted.position_item_id,
        amount_cents=to_cents(Decimal(wanted.amount)),
        currency="EUR",
        reason=wanted.reason,
        requested_by=wanted.requested_by,
        requested_at=now,
    )
