"""Routes of the simulated WMS: the reference contract that `docs/wms_http.md` describes.

Belongs here: paths, the key, error bodies, batch limits. Orders and their fate belong to
`warehouse`, the checks of an order to `wms_rules`, the stock list to `wms_stock`, goods that come
back to `wms_returns`.
"""

import hmac
from collections.abc import Callable
from typing import Any, TypeGuard

import msgspec

from otto_pipelines.sandbox.cursors import BadCursor
from otto_pipelines.sandbox.http_server import Answer, Request, json_answer
from otto_pipelines.sandbox.routing import Routes
from otto_pipelines.sandbox.wms_model import snapshot
from otto_pipelines.sandbox.wms_rules import order_fault
from otto_pipelines.sandbox.world import World

VERSION = "sandbox-1"
_LARGEST_BATCH = 100
_EVENTS_DEFAULT = 200
_EVENTS_MOST = 1000


def error_body(code: str, message: str, field: str | None = None) -> dict[str, Any]:
    """The error object of the contract."""
    return {"error": {"code": code, "message": message, "field": field}}


class _Rejected(Exception):
    """A request of the wrong shape."""

    def __init__(self, field: str, message: str) -> None:
        super().__init__(message)
        self.field = field


class WmsApi:
    """The app of the WMS server, without faults."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._key = f"Bearer {world.config.wms_api_key}".encode()
        self._routes = Routes[Callable[[Request], Answer]](
            {
                "GET /v1/health": self._health,
                "POST /v1/orders/batch": self._submit,
                "GET /v1/orders": self._snapshots,
                "POST /v1/orders/*/cancellation": self._cancel,
                "GET /v1/fulfilment-events": self._events,
                "GET /v1/returns": self._returns,
                "GET /v1/stock": self._stock,
                "GET /v1/stock-changes": self._stock_changes,
                "POST /v1/acknowledgements": self._acknowledge,
            }
        )

    def __call__(self, request: Request) -> Answer:
        """Answer one request."""
        given = request.headers.get("Authorization", "").encode("utf-8", "replace")
        if not hmac.compare_digest(given, self._key):
            return json_answer(401, error_body("unauthorized", "missing or wrong key"))
        handler = self._routes.find(request)
        if handler is None:
            return json_answer(404, error_body("not_found", f"no such path: {request.path}"))
        try:
            with self._world.turn():
                return handler(request)
        except BadCursor:
            field = "page" if request.path == "/v1/stock" else "cursor"
            message = f"this {field} was never given"
            return json_answer(422, error_body("rejected", message, field))
        except _Rejected as refusal:
            return json_answer(422, error_body("rejected", str(refusal), refusal.field))

    def _health(self, _: Request) -> Answer:
        return json_answer(200, {"status": "ok", "version": VERSION})

    def _submit(self, request: Request) -> Answer:
        orders = _body(request).get("orders")
        if not isinstance(orders, list) or not 1 <= len(orders) <= _LARGEST_BATCH:
            raise _Rejected("orders", f"orders must be a list of 1 to {_LARGEST_BATCH} orders")
        return json_answer(200, {"results": [self._submit_one(order) for order in orders]})

    def _submit_one(self, order: Any) -> dict[str, Any]:
        fault = order_fault(order)
        if fault is None:
            return self._world.warehouse.submit(order)
        ref = order.get("order_ref") if isinstance(order, dict) else None
        return {
            "order_ref": ref if isinstance(ref, str) else "",
            "outcome": "REJECTED",
            "wms_order_id": None,
            "error": fault,
        }

    def _snapshots(self, request: Request) -> Answer:
        refs = [value for key, value in request.query if key == "ref"]
        if not 1 <= len(refs) <= _LARGEST_BATCH:
            raise _Rejected("ref", f"give 1 to {_LARGEST_BATCH} ref parameters")
        orders = self._world.warehouse.orders
        found = [snapshot(orders[ref]) for ref in dict.fromkeys(refs) if ref in orders]
        return json_answer(200, {"orders": found})

    def _cancel(self, request: Request) -> Answer:
        body = _body(request)
        lines = body.get("line_ids")
        if lines is not None and not _texts(lines):
            raise _Rejected("line_ids", "line_ids must be null or a list of line ids")
        reason = str(body.get("reason") or "not given")
        return json_answer(200, self._world.cancel_in_warehouse(request.segments[2], lines, reason))

    def _events(self, request: Request) -> Answer:
        page = self._world.warehouse.feed.page(request.first("cursor"), _limit(request))
        return json_answer(200, page)

    def _returns(self, request: Request) -> Answer:
        page = self._world.money.dock.page(request.first("cursor"), _limit(request))
        return json_answer(200, page)

    def _stock(self, request: Request) -> Answer:
        skus = [value for key, value in request.query if key == "sku"]
        if len(skus) > _LARGEST_BATCH:
            raise _Rejected("sku", f"give at most {_LARGEST_BATCH} sku parameters")
        stock = self._world.stock_list
        return json_answer(200, stock.some(skus) if skus else stock.page(request.first("page")))

    def _stock_changes(self, request: Request) -> Answer:
        stock = self._world.stock_list
        return json_answer(200, stock.changes(request.first("cursor"), _limit(request)))

    def _acknowledge(self, request: Request) -> Answer:
        ids = _body(request).get("event_ids")
        if not _texts(ids):
            raise _Rejected("event_ids", "event_ids must be a list of event ids")
        self._world.warehouse.feed.acknowledged.update(ids)
        return Answer(204)


def _limit(request: Request) -> int:
    text = request.first("limit") or str(_EVENTS_DEFAULT)
    if not text.isdecimal() or not 1 <= int(text) <= _EVENTS_MOST:
        raise _Rejected("limit", f"limit must be a number from 1 to {_EVENTS_MOST}")
    return int(text)


def _texts(value: Any) -> TypeGuard[list[str]]:
    return isinstance(value, list) and all(isinstance(entry, str) for entry in value)


def _body(request: Request) -> dict[str, Any]:
    try:
        value = request.json()
    except msgspec.DecodeError as error:
        raise _Rejected("$", "the body is no JSON") from error
    if not isinstance(value, dict):
        raise _Rejected("$", "the body must be an object")
    return value
