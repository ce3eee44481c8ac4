"""Returns V3 and ReturnShipments V1 of the simulated OTTO.

Belongs here: shapes, paging and texts of both interfaces. State belongs to `returns_desk`.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta
from functools import partial
from typing import Any
from urllib.parse import quote

from otto_pipelines.sandbox.http_server import Answer, Request, json_answer
from otto_pipelines.sandbox.marketplace import Marketplace
from otto_pipelines.sandbox.otto_reading import (
    Handler,
    bad_request,
    body,
    moment,
    number,
    read_cursor,
    write_cursor,
)
from otto_pipelines.sandbox.otto_rules import RETURN_CARRIERS, Problem, Refusal
from otto_pipelines.sandbox.otto_wire import zulu_time
from otto_pipelines.sandbox.returns_desk import (
    ACCEPTANCE_REASONS,
    ALREADY_ACCEPTED,
    CONDITIONS,
    REJECTION_REASONS,
    RETURN_STATUSES,
    Decision,
    ReturnCase,
    ReturnsDesk,
    ReturnShipment,
)

SCOPE = "returns"
SHIPMENT_SCOPE = "shipments"
PATH = "/v3/returns"
SHIPMENT_PATH = "/v1/return-shipments"
_MOST_ITEMS = 200
_FINDABLE = timedelta(days=42)


@dataclass(frozen=True, slots=True)
class _Verb:
    """Acceptance or rejection."""

    name: str
    reasons: frozenset[str]
    unreadable: int
    reason_needed: bool


_ACCEPTANCE = _Verb("acceptance", ACCEPTANCE_REASONS, 422, reason_needed=False)
_REJECTION = _Verb("rejection", REJECTION_REASONS, 400, reason_needed=True)


def routes(market: Marketplace, desk: ReturnsDesk) -> dict[str, tuple[str, Handler]]:
    """Routes with their scope, for the table of `otto_server`."""
    returns, shipments = _Returns(market, desk), _Shipments(market, desk)
    return {
        f"GET {PATH}": (SCOPE, returns.page),
        f"POST {PATH}/acceptance": (SCOPE, partial(returns.decide, _ACCEPTANCE)),
        f"POST {PATH}/rejection": (SCOPE, partial(returns.decide, _REJECTION)),
        f"GET {SHIPMENT_PATH}": (SHIPMENT_SCOPE, shipments.page),
        f"GET {SHIPMENT_PATH}/*": (SHIPMENT_SCOPE, shipments.one),
        f"GET {SHIPMENT_PATH}/carriers/*/trackingnumbers/*": (
            SHIPMENT_SCOPE,
            shipments.by_tracking,
        ),
    }


class _Returns:
    """Handlers; they hold the world's lock."""

    def __init__(self, market: Marketplace, desk: ReturnsDesk) -> None:
        self._market = market
        self._desk = desk

    def page(self, request: Request) -> Answer:
        """Newest change first; pages count from 1."""
        status = request.first("status")
        if status is not None and status.upper() not in RETURN_STATUSES:
            raise bad_request(f"status [{status}] must be one of {', '.join(RETURN_STATUSES)}.")
        limit = number(request, "limit", default=10, most=50)
        page = number(request, "page", default=1)
        cases = self._desk.newest_first(status.upper() if status else None)
        begin = (page - 1) * limit
        links = [{"rel": "self", "href": f"{PATH}?page={page}&limit={limit}"}]
        if begin + limit < len(cases):
            chosen = f"&status={status}" if status else ""
            links.append({"rel": "next", "href": f"{PATH}?page={page + 1}&limit={limit}{chosen}"})
        shown = [_case(case) for case in cases[begin : begin + limit]]
        return json_answer(200, {"positionItems": shown, "links": links})

    def decide(self, verb: _Verb, request: Request) -> Answer:
        """Take each good item, name each bad one."""
        wanted = body(request)
        items = wanted.get("positionItems") if isinstance(wanted, dict) else None
        if not isinstance(items, list) or not items:
            detail = "positionItems must be a list of position items."
            raise Refusal(Problem(verb.unreadable, "Invalid Request", detail))
        if len(items) > _MOST_ITEMS:
            detail = f"At most {_MOST_ITEMS} position items are allowed."
            raise Refusal(Problem(413, "Payload Too Large", detail))
        decisions: list[Decision] = []
        good: list[dict[str, Any]] = []
        errors: list[dict[str, Any]] = []
        for item in items:
            decision = self._read(verb, item, decisions)
            if isinstance(decision, Decision):
                decisions.append(decision)
                good.append(item)
            else:
                errors.append(_error(verb, item, decision))
        if verb is _ACCEPTANCE:
            self._desk.accept(decisions)
        else:
            self._desk.reject(decisions)
        if not errors:
            return json_answer(200, {})
        if not good:
            return json_answer(422, {"errors": errors})
        return json_answer(207, {"results": good, "errors": errors})

    def _read(self, verb: _Verb, wanted: Any, before: list[Decision]) -> Decision | str:
        """The decision, or why it cannot be taken."""
        if not isinstance(wanted, dict):
            return "Invalid position item"
        condition, reason = wanted.get("condition"), wanted.get("reason")
        order = self._market.orders.get(str(wanted.get("salesOrderId")))
        found = (i for i in (order.items if order else ()) if i.item_id == _id_of(wanted))
        item = next(found, None)
        if order is None or item is None or self._desk.objection(order, item) is not None:
            return str(self._desk.objection(order, item))
        if any(decision.item is item for decision in before):
            return ALREADY_ACCEPTED
        if condition is not None and condition not in CONDITIONS:
            return "Invalid Condition"
        if reason not in verb.reasons and (reason is not None or verb.reason_needed):
            return "Invalid Reason"
        return Decision(order, item, condition, reason)


class _Shipments:
    """Handlers; they hold the world's lock."""

    def __init__(self, market: Marketplace, desk: ReturnsDesk) -> None:
        self._market = market
        self._desk = desk

    def page(self, request: Request) -> Answer:
        """What was announced or moved since `datefrom`, oldest announcement first."""
        since_text = request.first("datefrom")
        since = moment(request, "datefrom")
        if since is None:
            detail = "Parameter [datefrom] is mandatory."
            raise Refusal(Problem(400, "PROPERTY_IS_MANDATORY", detail))
        limit = number(request, "limit", default=25, most=100)
        cursor = request.first("next")
        begin = _place(read_cursor(cursor, 1)[0]) if cursor else 0
        found = list(self._desk.shipments_since(since))
        links = [{"rel": "self", "href": SHIPMENT_PATH}]
        if begin + limit < len(found):
            following = quote(write_cursor(begin + limit), safe="")
            href = (
                f"{SHIPMENT_PATH}?next={following}&limit={limit}"
                f"&datefrom={quote(since_text or '', safe='')}"
            )
            links.append({"rel": "next", "href": href})
        resources = [_shipment(shipment) for shipment in found[begin : begin + limit]]
        return json_answer(200, {"resources": resources, "links": links})

    def one(self, request: Request) -> Answer:
        """By its id."""
        return _found(self._desk.shipments.get(request.segments[2]), request.segments[2])

    def by_tracking(self, request: Request) -> Answer:
        """By its number; only one that was announced in the last weeks."""
        carrier, wanted = request.segments[3], request.segments[5]
        if carrier not in RETURN_CARRIERS | {"HES"}:
            detail = f"Property [carrier]: {carrier} is no return carrier."
            raise Refusal(Problem(400, "INVALID_PROPERTY_VALUE", detail, "carrier"))
        matching = self._matching(carrier, wanted)
        return _found(next(matching, None), f"[{carrier}, {wanted}]")

    def _matching(self, carrier: str, wanted: str) -> Iterator[ReturnShipment]:
        oldest = self._market.now - _FINDABLE
        return (
            shipment
            for shipment in self._desk.shipments.values()
            if (shipment.carrier, shipment.number) == (carrier, wanted)
            and shipment.created_at >= oldest
        )


def _id_of(wanted: Any) -> str:
    return str(wanted.get("positionItemId")) if isinstance(wanted, dict) else "null"


def _place(text: str) -> int:
    if not text.isdecimal():
        raise bad_request("next is invalid.")
    return int(text)


def _error(verb: _Verb, wanted: Any, detail: str) -> dict[str, Any]:
    return {
        "path": f"{PATH}/{verb.name}",
        "title": f"Error while processing request: {_id_of(wanted)}",
        "detail": detail,
        "logref": _id_of(wanted),
        "code": 422,
    }


def _case(case: ReturnCase) -> dict[str, Any]:
    details: dict[str, Any] = {}
    if case.status == "ANNOUNCED":
        key = {"carrier": case.carrier, "trackingNumbers": [case.number]}
        details = {"returnTrackingKey": key}
    elif case.status == "MISDIRECTED":
        details = {"orderNumber": case.order.number, "ottoWarehouseID": "OTTO-HALDENSLEBEN"}
    else:
        facts = {"condition": case.condition, "reason": case.reason}
        details = {name: value for name, value in facts.items() if value is not None}
    return {
        "positionItemId": case.item.item_id,
        "salesOrderId": case.order.order_id,
        "status": case.status,
        "occurredTime": zulu_time(case.at),
        "details": details,
    }


def _shipment(shipment: ReturnShipment) -> dict[str, Any]:
    return {
        "returnShipmentId": shipment.shipment_id,
        "createdAt": zulu_time(shipment.created_at),
        "trackingKey": {"carrier": shipment.carrier, "trackingNumber": shipment.number},
        "returnPositionItems": [
            {"salesOrderId": order_id, "salesOrderPositionItemId": item_id}
            for order_id, item_id in shipment.items
        ],
        "states": [{"state": state, "occurredOn": zulu_time(at)} for state, at in shipment.states],
    }


def _found(shipment: ReturnShipment | None, wanted: str) -> Answer:
    if shipment is None:
        detail = f"Found no return shipment with {wanted}."
        raise Refusal(Problem(404, "RESOURCE_NOT_FOUND", detail))
    return json_answer(200, _shipment(shipment))
