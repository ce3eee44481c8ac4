"""Routes of the simulated OTTO Market API: token, orders, cancellations, shipments.

Belongs here: which request goes where, its scope, and the handlers of orders and shipments. State
belongs to `marketplace`, rules to `otto_rules`, paging of orders to `otto_orders`, error bodies to
`otto_errors`; each further interface has a module of its own.
"""

import base64
import binascii
from collections.abc import Callable
from typing import Any
from urllib.parse import quote

import msgspec

from otto_pipelines.sandbox import (
    otto_availability,
    otto_errors,
    otto_orders,
    otto_products,
    otto_receipts,
    otto_reductions,
    otto_returns,
    otto_rules,
)
from otto_pipelines.sandbox.http_server import Answer, Request, json_answer
from otto_pipelines.sandbox.model import Shipment
from otto_pipelines.sandbox.otto_auth import TokenDesk
from otto_pipelines.sandbox.otto_rules import PARCEL_CARRIERS, Problem, Refusal
from otto_pipelines.sandbox.otto_wire import order_json, shipment_json
from otto_pipelines.sandbox.routing import Routes
from otto_pipelines.sandbox.world import World

TOKEN_PATHS = frozenset({"/v1/token", "/oauth2/token"})
_NO_ROUTE = {"message": "no Route matched with those values"}
_SHIPMENT_PAGE = (25, 100)
_REPEATING = {"/v4/orders": "nextcursor", "/v3/receipts": "next"}
"""Lists whose next link may lead to itself, and the parameter of their cursor."""

Handler = Callable[[Request], Answer]


def is_token_request(request: Request) -> bool:
    """Whether the request asks for a token."""
    return request.method == "POST" and request.path in TOKEN_PATHS


class OttoApi:
    """The app of the OTTO server, without faults and limits."""

    def __init__(self, world: World, desk: TokenDesk) -> None:
        self._world = world
        self._desk = desk
        self._repeated: set[str] = set()
        by_tracking = "/v1/shipments/carriers/*/trackingnumbers/*"
        self._routes = Routes[tuple[str, Handler]](
            {
                "GET /v4/orders": ("orders", self._list_orders),
                "GET /v4/orders/*": ("orders", self._one_order),
                "POST /v4/orders/*/cancellation": ("orders", self._cancel),
                "POST /v4/orders/*/positionItems/*/cancellation": ("orders", self._cancel),
                "POST /v1/multiparcel-shipments": ("shipments", self._create_multiparcel),
                "POST /v1/shipments": ("shipments", self._create_shipment),
                "GET /v1/shipments": ("shipments", self._list_shipments),
                "GET /v1/shipments/*": ("shipments", self._one_shipment),
                "POST /v1/shipments/*/positionitems": ("shipments", self._append),
                f"GET {by_tracking}": ("shipments", self._one_shipment),
                f"POST {by_tracking}/positionitems": ("shipments", self._append),
                **otto_availability.routes(world),
                **otto_products.routes(world.goods, world.sim.clock.start),
                **otto_receipts.routes(world.money.billing.book),
                **otto_returns.routes(world.market, world.money.desk),
                **otto_reductions.routes(world.market, world.money.reductions),
            }
        )

    def __call__(self, request: Request) -> Answer:
        """Answer one request."""
        if is_token_request(request):
            return self._desk.issue(request)
        route = self._routes.find(request)
        if route is None:
            return json_answer(404, _NO_ROUTE)
        scope, handler = route
        scopes = self._desk.scopes(request)
        if scopes is None:
            return otto_errors.unauthorized(request, scope)
        if scope not in scopes:
            return otto_errors.forbidden(request, scope)
        try:
            with self._world.turn():
                return handler(request)
        except Refusal as refusal:
            return otto_errors.refused(request, scope, *refusal.problems)

    # Orders

    def _list_orders(self, request: Request) -> Answer:
        query, limit = otto_orders.read_query(request.query)
        return json_answer(200, otto_orders.page(self._world.market, query, limit))

    def _one_order(self, request: Request) -> Answer:
        order = self._world.market.find(request.segments[2])
        if order is None:
            raise Refusal(Problem(404, "Not Found", f"Order [{request.segments[2]}] not found."))
        return json_answer(200, order_json(order))

    def _cancel(self, request: Request) -> Answer:
        segments = request.segments
        items = segments[4].split(",") if len(segments) == 6 else None
        self._world.market.request_cancellation(segments[2], items)
        return Answer(202)

    def repeat_page(self, request: Request, answer: Answer) -> Answer | None:
        """The page with a next link to itself, at most once per cursor; None if it has none."""
        name = _REPEATING.get(request.path)
        cursor = request.first(name) if name else None
        if answer.status != 200 or cursor is None or cursor in self._repeated:
            return None
        body = msgspec.json.decode(answer.body, type=dict[str, msgspec.Raw])
        links = msgspec.json.decode(body["links"], type=list[dict[str, str]])
        if not any(link["rel"] == "next" for link in links):
            return None
        self._repeated.add(cursor)
        limit = quote(request.first("limit") or "128", safe="")
        href = f"{request.path}?{name}={quote(cursor, safe='')}&limit={limit}"
        return json_answer(200, {**body, "links": [{"rel": "next", "href": href}]})

    # Shipments

    def _create_shipment(self, request: Request) -> Answer:
        body = _read(request)
        _demand(list(otto_rules.shipment_problems(body)))
        shipment = self._world.market.create_shipments([body])[0]
        return json_answer(201, {"shipmentId": shipment.shipment_id})

    def _create_multiparcel(self, request: Request) -> Answer:
        bodies = _read(request)
        if not isinstance(bodies, list) or len(bodies) < 2:
            raise _invalid("$", "a multiparcel shipment has at least two parcels")
        _demand(
            [
                problem
                for place, body in enumerate(bodies)
                for problem in otto_rules.shipment_problems(body, f"[{place}].")
            ]
        )
        named = [_item_ids(body) for body in bodies]
        if any(ids != named[0] for ids in named) or len(named[0]) != 1:
            raise _invalid("$", "all parcels must hold the same position item")
        if any(body["trackingKey"]["carrier"] not in PARCEL_CARRIERS for body in bodies):
            raise _invalid("[0].trackingKey.carrier", "multiparcel is for parcel carriers only")
        shipments = self._world.market.create_shipments(bodies)
        return json_answer(201, {"multiParcelShipmentId": shipments[0].shipment_id})

    def _find_shipment(self, request: Request) -> Shipment:
        market, segments = self._world.market, request.segments
        if segments[2] == "carriers":
            wanted = f"tracking key [{segments[3]}, {segments[5]}]"
            shipment = market.by_tracking.get((segments[3], segments[5]))
        else:
            wanted = f"id {segments[2]}"
            shipment = market.shipments.get(segments[2])
        if shipment is None:
            raise Refusal(Problem(404, "RESOURCE_NOT_FOUND", f"Found no shipment with {wanted}."))
        return shipment

    def _one_shipment(self, request: Request) -> Answer:
        return json_answer(200, shipment_json(self._find_shipment(request), self._world.sim.now))

    def _append(self, request: Request) -> Answer:
        shipment = self._find_shipment(request)
        items = _read(request)
        parcel = shipment.carrier in PARCEL_CARRIERS
        _demand(list(otto_rules.item_problems(items, "positionItems", parcel=parcel)))
        self._world.market.append(shipment, items)
        return Answer(200)

    def _list_shipments(self, request: Request) -> Answer:
        since_text = request.first("datefrom")
        if not since_text:
            raise Refusal(
                Problem(400, "PROPERTY_IS_MANDATORY", "Parameter [datefrom] is mandatory.", None)
            )
        try:
            since = otto_rules.read_time(since_text)
        except ValueError as error:
            raise _invalid("datefrom", "must be a date or an ISO 8601 date-time") from error
        standard, most = _SHIPMENT_PAGE
        limit = _whole(request.first("limit") or str(standard), "limit")
        if not 1 <= limit <= most:
            raise _invalid("limit", f"must be a number from 1 to {most}")
        begin = _read_next(request.first("next"))
        found = [s for s in self._world.market.shipments.values() if s.created_at >= since]
        links = []
        if begin + limit < len(found):
            following = base64.urlsafe_b64encode(str(begin + limit).encode()).decode()
            href = (
                f"/v1/shipments?next={quote(following, safe='')}&limit={limit}"
                f"&datefrom={quote(since_text, safe='')}"
            )
            links = [{"rel": "next", "href": href}]
        now = self._world.sim.now
        resources = [shipment_json(s, now, brief=True) for s in found[begin : begin + limit]]
        return json_answer(200, {"resources": resources, "links": links})


def _read(request: Request) -> Any:
    try:
        return request.json()
    except msgspec.DecodeError as error:
        raise _invalid("$", "the body is no JSON") from error


def _demand(problems: list[Problem]) -> None:
    if problems:
        raise Refusal(*problems)


def _invalid(path: str, why: str) -> Refusal:
    return Refusal(Problem(400, "INVALID_PROPERTY_VALUE", f"Property [{path}]: {why}.", path))


def _item_ids(body: dict[str, Any]) -> list[tuple[str, str]]:
    return [(item["salesOrderId"], item["positionItemId"]) for item in body["positionItems"]]


def _whole(text: str, name: str) -> int:
    if not text.isdecimal():
        raise _invalid(name, "must be a number")
    return int(text)


def _read_next(text: str | None) -> int:
    if text is None:
        return 0
    try:
        return _whole(base64.urlsafe_b64decode(text).decode("ascii"), "next")
    except (binascii.Error, UnicodeDecodeError) as error:
        raise _invalid("next", "is invalid") from error
