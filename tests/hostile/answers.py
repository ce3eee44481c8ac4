"""Answers that are no lists: tokens, refusals, outcomes of what we sent, records of Ongoing.

Belongs here: which call gets which answer, and what its result may say at most.
"""

import random
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from resources.operations import fulfilment
from resources.operations.database import OperationsDatabase
from resources.otto.errors import OttoError
from resources.otto.returns import DecidedItem
from resources.otto.wire import ShipFromAddress, ShipmentItem, ShipmentRequest, TrackingKey
from resources.wms.errors import WmsError
from resources.wms.port import OutboundOrder
from tests.hostile.corpus import corpus
from tests.hostile.judging import Case, demand, demand_equal
from tests.hostile.mutator import DATES, NUMBERS_AS_TEXT, TEXTS, Mutator, dump
from tests.hostile.wire import Clients
from tests.resources.wms.files_partner import an_order

NOW = datetime(2026, 6, 20, 12, 0, tzinfo=UTC)
WANTED = {"A": 1, "B": 2, "C": 3}
ITEMS = [
    DecidedItem(position_item_id=item, sales_order_id="o", condition="A", reason="RETURN_RECEIVED")
    for item in WANTED
]
ORDER: OutboundOrder = an_order()
SHIPMENT = ShipmentRequest(
    tracking_key=TrackingKey(carrier="DHL", tracking_number="1"),
    ship_date="2026-06-20T12:00:00.000Z",
    ship_from_address=ShipFromAddress(city="x", country_code="DEU", zip_code="1"),
    position_items=[ShipmentItem(position_item_id="i", sales_order_id="o")],
)
_WMS_RESULT = {"order_ref": "order-1", "outcome": "CREATED", "wms_order_id": "W1", "error": None}
_PROBLEM = {
    "title": "BAD_REQUEST",
    "detail": "something is wrong for SKU: B",
    "path": "/v1/x",
    "jsonPath": "$[0]",
    "code": "4711",
    "logref": "B",
}


@dataclass(frozen=True)
class AnswerKind:
    """A call and its answer. `look` fails where the result says what was never meant."""

    name: str
    tree: Callable[[], Any]
    call: Callable[[Clients], Any]
    look: Callable[[Any, OperationsDatabase], None] = lambda result, db: None
    statuses: tuple[int, ...] = (200,)
    is_token: bool = False

    def sound(self) -> Case:
        """The answer as it is documented."""
        case = Case("", dump(self.tree()), {}, [], None)
        case.status = 200
        return case

    def case(self, rng: random.Random, number: int) -> Case:
        """The answer with a mutation, and now and then with odd headers."""
        mutator, tree = Mutator(rng), self.tree()
        if rng.random() < 0.15:
            body, headers = mutator.page(dump(tree))
            row = None
        else:
            row = body = mutator.row(tree)
            headers = {}
        if rng.random() < 0.1:
            value = rng.choice((*NUMBERS_AS_TEXT, *DATES, *TEXTS))
            plain = "".join(sign for sign in value if sign.isascii() and sign.isprintable())
            headers = {**headers, "Retry-After": plain[:5_000]}
        case = Case(f"~{number}", body, headers, [], row)
        case.status = rng.choice(self.statuses)
        return case

    def run(self, cases: Sequence[Case], db: OperationsDatabase, clients: Clients) -> None:
        """Call for each case, and look at what comes of it."""
        for case in cases:
            if self.is_token:
                clients.wire.token = case.body
                clients.wire.show(dump(corpus()["orders"][0]))
                tokens = clients.otto._transport._tokens
                tokens._token = None
                tokens._file.unlink(missing_ok=True)
            else:
                clients.wire.show(case.body, case.headers, case.status)
            try:
                result = self.call(clients)
            except (OttoError, WmsError) as error:
                text = str(error)
                where = text.startswith(("OTTO", "WMS ", "Ongoing "))
                demand(where and len(text) < 8_000, f"unclear or endless: {text[:300]}")
                case.verdict = "refused"
            else:
                self.look(result, db)
                case.verdict = "accepted"
            finally:
                clients.wire.token = None


def _look_at_quantities(results: Any, db: OperationsDatabase) -> None:
    for sku, shown in results.accepted.items():
        demand_equal(shown, WANTED[sku], "quantity that OTTO is said to show")
    told = [*results.accepted, *results.refused, *results.unsettled]
    demand_equal(sorted(told), sorted(WANTED), "SKUs with an outcome, each once")


def _look_at_decisions(results: Any, db: OperationsDatabase) -> None:
    told = [*results.done, *results.refused, *results.unsettled]
    demand_equal(sorted(told), sorted(WANTED), "units with an outcome, each once")


def _look_at_snapshots(snapshots: Any, db: OperationsDatabase) -> None:
    with db.write() as conn:
        fulfilment.record_snapshots(conn, snapshots, ["order-1"], NOW)


def _look_at_shown(rows: Any, db: OperationsDatabase) -> None:
    for row in rows:
        demand(row.quantity is None or isinstance(row.quantity, int), "no quantity")


def _tree_of(name: str, **around: Any) -> Callable[[], Any]:
    [array] = [key for key, value in around.items() if value is ...]
    return lambda: {**around, array: corpus()[name][:3]}


_RESULTS = [{"sku": sku, "quantity": n} for sku, n in WANTED.items()]
_ITEM_RESULTS = [{"positionItemId": item.position_item_id} for item in ITEMS]
_ERRORS: Mapping[str, Any] = {"errors": [_PROBLEM, {**_PROBLEM, "logref": "A"}]}

OTTO_ANSWERS = (
    AnswerKind(
        "token",
        lambda: {"access_token": "abc", "expires_in": 1800, "token_type": "Bearer", "scope": "x"},
        lambda clients: clients.otto.order("o"),
        is_token=True,
    ),
    AnswerKind(
        "refusal",
        lambda: _ERRORS,
        lambda clients: clients.otto.order("o"),
        statuses=(400, 401, 403, 404, 409, 413, 422, 429, 500, 503, 302),
    ),
    AnswerKind("order", lambda: corpus()["orders"][0], lambda clients: clients.otto.order("o")),
    AnswerKind(
        "new_shipment",
        lambda: {"shipmentId": 4711},
        lambda clients: clients.otto.create_shipment(SHIPMENT),
        statuses=(200, 201, 400, 500),
    ),
    AnswerKind(
        "sent_quantities",
        lambda: {"results": _RESULTS[:1], **_ERRORS},
        lambda clients: clients.otto.availability.send_quantities(list(WANTED.items())),
        _look_at_quantities,
        (200, 207, 207, 400, 422),
    ),
    AnswerKind(
        "decided_returns",
        lambda: {"results": _ITEM_RESULTS[:1], **_ERRORS},
        lambda clients: clients.otto.returns.decide("acceptance", ITEMS),
        _look_at_decisions,
        (200, 207, 207, 400, 422),
    ),
    AnswerKind(
        "quantities",
        lambda: {"resources": {"variations": corpus()["quantities"] * 2}, "links": []},
        lambda clients: list(clients.otto.availability.quantities()),
        _look_at_shown,
    ),
)
WMS_ANSWERS = (
    AnswerKind(
        "wms_submit",
        lambda: {"results": [_WMS_RESULT]},
        lambda clients: clients.wms.submit_orders([ORDER]),
        statuses=(200, 200, 400, 401, 422, 429, 500),
    ),
    AnswerKind(
        "wms_refusal",
        lambda: {"error": {"code": "invalid", "message": "the order is invalid"}},
        lambda clients: clients.wms.cancel_order("order-1", ("l1",), "x"),
        statuses=(400, 401, 404, 409, 422, 429, 500, 503),
    ),
    AnswerKind(
        "wms_orders",
        _tree_of("wms_orders", orders=...),
        lambda clients: clients.wms.get_orders(["order-1"]),
        _look_at_snapshots,
    ),
    AnswerKind(
        "wms_changes",
        lambda: {"skus": ["A", "B"], "next_cursor": "7", "has_more": False},
        lambda clients: clients.wms.poll_stock_changes("6"),
    ),
    AnswerKind(
        "ongoing_orders",
        lambda: corpus()["ongoing_orders"],
        lambda clients: (clients.ongoing.poll_fulfilment(None), clients.ongoing.get_orders(["a"])),
    ),
    AnswerKind(
        "ongoing_articles",
        lambda: corpus()["ongoing_articles"],
        lambda clients: clients.ongoing.stock_snapshot(None),
    ),
    AnswerKind(
        "ongoing_returns",
        lambda: corpus()["ongoing_returns"],
        lambda clients: clients.ongoing.poll_returns(None),
    ),
)
