"""Price reductions V1 of the simulated OTTO.

Belongs here: shapes, texts and paging. State belongs to `reductions`. OTTO documents no answer to a
body of the wrong shape; here it is 400.
"""

import uuid
from decimal import Decimal, InvalidOperation
from typing import Any

from otto_pipelines.sandbox.http_server import Answer, Request, json_answer
from otto_pipelines.sandbox.marketplace import Marketplace
from otto_pipelines.sandbox.model import Item, SalesOrder
from otto_pipelines.sandbox.otto_reading import Handler, bad_request, body, not_found, number
from otto_pipelines.sandbox.otto_rules import Problem, Refusal
from otto_pipelines.sandbox.otto_wire import amount_json, zulu_time
from otto_pipelines.sandbox.reductions import Reduction, Reductions

SCOPE = "price-reduction"
PATH = "/v1/price-reductions"
_NOT_NOW = (
    "Price reduction cannot be applied as sales order position item is not yet shipped or has "
    "been returned."
)
_INITIATED = "Price reduction has been initiated successfully. Please wait for sometime."
_LARGEST_CENTS = 10**9


def routes(market: Marketplace, reductions: Reductions) -> dict[str, tuple[str, Handler]]:
    """Routes with their scope, for the table of `otto_server`."""
    handlers = _Reductions(market, reductions)
    return {f"POST {PATH}": (SCOPE, handlers.ask), f"GET {PATH}": (SCOPE, handlers.page)}


class _Reductions:
    """Handlers; they hold the world's lock."""

    def __init__(self, market: Marketplace, reductions: Reductions) -> None:
        self._market = market
        self._reductions = reductions

    def ask(self, request: Request) -> Answer:
        """Take a request for one item; what becomes of it shows later."""
        wanted = body(request)
        if not isinstance(wanted, dict):
            raise bad_request("The body must be an object.")
        cents = _cents(wanted.get("priceReduction"))
        for name in ("salesOrderId", "positionItemId"):
            _demand_uuid(name, wanted.get(name))
        order, item = self._find(str(wanted["salesOrderId"]), str(wanted["positionItemId"]))
        if not self._reductions.possible(item):
            raise Refusal(Problem(409, "Conflict", _NOT_NOW))
        self._reductions.ask(order, item, cents)
        result = {"title": "Accepted", "code": 202, "detail": _INITIATED, "path": PATH}
        return json_answer(202, {"results": [result]})

    def page(self, request: Request) -> Answer:
        """One entry per item, those asked for last come first; pages count from 1."""
        limit = number(request, "limit", default=10, most=128)
        page = number(request, "page", default=1)
        wanted = request.first("positionItemId")
        groups = list(reversed(self._reductions.of_item.values()))
        if wanted is not None:
            groups = [group for group in groups if group[0].item.item_id == wanted]
            if not groups:
                raise not_found(f"No PriceReduction applied for item {wanted}")
        begin = (page - 1) * limit
        links = [{"rel": "self", "href": f"{PATH}?page={page}&limit={limit}"}]
        if begin + limit < len(groups):
            links.append({"rel": "next", "href": f"{PATH}?page={page + 1}&limit={limit}"})
        results = [self._entry(group) for group in groups[begin : begin + limit]]
        return json_answer(200, {"results": results, "links": links})

    def _find(self, order_id: str, item_id: str) -> tuple[SalesOrder, Item]:
        order = self._market.orders.get(order_id)
        item = next((i for i in (order.items if order else ()) if i.item_id == item_id), None)
        if order is None or item is None:
            raise not_found("PositionItemId does not exist")
        return order, item

    def _entry(self, group: list[Reduction]) -> dict[str, Any]:
        order, item = group[0].order, group[0].item
        as_text = order.order_id.endswith("0")
        total, invoice = self._reductions.totals(order, item)
        return {
            "salesOrderId": order.order_id,
            "positionItemId": item.item_id,
            "totalPriceReduction": amount_json(total, as_text=as_text),
            "invoicePrice": amount_json(invoice, as_text=as_text),
            "priceReductions": [
                {
                    "receiptNumber": reduction.receipt_number,
                    "priceReduction": amount_json(reduction.cents, as_text=as_text),
                    "creationDateTime": zulu_time(reduction.at),
                    "status": reduction.status,
                }
                for reduction in group
            ],
        }


def _demand_uuid(name: str, value: Any) -> None:
    try:
        uuid.UUID(str(value))
    except ValueError as error:
        raise bad_request(f"{name} must be a UUID.") from error


def _cents(amount: Any) -> int:
    """The cents of an Amount in euros.

    Raises:
        Refusal: 400, it is none above zero, or not in whole cents.
    """
    value = amount.get("amount") if isinstance(amount, dict) else None
    if value is None or isinstance(value, bool) or amount.get("currency") != "EUR":
        raise bad_request("priceReduction must be an amount in EUR.")
    try:
        cents = Decimal(str(value)) * 100
        whole = int(cents)
    except (InvalidOperation, ValueError, OverflowError) as error:
        raise bad_request("priceReduction.amount must be a number.") from error
    if whole != cents or not 0 < whole <= _LARGEST_CENTS:
        raise bad_request("priceReduction.amount must be above zero, with at most two decimals.")
    return whole
