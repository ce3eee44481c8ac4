"""How long a row may wait: what the other side asks for is heard, within our own limits."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

import pytest
import sqlalchemy as sa

from assets.outbound.delivery import Outcome, Retry, deliver
from resources.operating_model import OutboxPolicy
from resources.operations.database import OperationsDatabase
from resources.operations.outbox import Message, Outbox, enqueue
from resources.operations.schema import outbox

POLICY = OutboxPolicy(first_backoff_seconds=60, longest_backoff_seconds=600)


class AsksToWait:
    kind = "otto_shipment"
    batch_size = 20

    def __init__(self, seconds: float) -> None:
        self.seconds = seconds

    def settle(self, message: Message) -> Outcome | None:
        return None

    def send(self, messages: Sequence[Message]) -> list[Outcome]:
        return [Retry("HTTP 429", self.seconds) for _ in messages]


@pytest.mark.parametrize(
    ("asked", "least", "most"), [(0, 30, 60), (300, 300, 300), (999_999_999, 3600, 3600)]
)
def test_a_wait_that_the_other_side_asks_for_is_kept_within_our_limits(
    sqlite_db: OperationsDatabase, asked: float, least: float, most: float
) -> None:
    began = datetime.now(UTC)
    with sqlite_db.write() as conn:
        enqueue(
            conn,
            kind="otto_shipment",
            business_key="p1",
            order_ref="o1",
            payload={},
            priority=0,
            now=began,
        )
    assert deliver(Outbox(sqlite_db, POLICY), AsksToWait(asked), POLICY) == {"retry": 1}
    ended = datetime.now(UTC)
    with sqlite_db.read() as conn:
        row = conn.execute(sa.select(outbox)).one()
    assert (row.state, row.attempts) == ("retrying", 1)
    assert began + timedelta(seconds=least) <= row.next_attempt_at
    assert row.next_attempt_at <= ended + timedelta(seconds=most)
