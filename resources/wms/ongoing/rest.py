"""Ongoing's REST interface: its paths, queries and pages.

Belongs here: requests, and how answers are read, each record by itself. What records mean stands in
the modules beside this one.
"""

import base64
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any, Generic, TypeVar

import httpx
import msgspec

from resources.json_parts import UNREADABLE, elements, members, reason_of
from resources.operating_model import Http
from resources.wms.errors import WmsContractError
from resources.wms.ongoing.wire import ArticleStock, Id, Order, ReturnOrder, Status
from resources.wms.transport import Transport

T = TypeVar("T")
Query = dict[str, str | list[str]]
NUMBERS_AT_ONCE = 50
# Money leaves as a JSON number with exact digits, never through a float.
_ENCODER = msgspec.json.Encoder(decimal_format="number")


class _Statuses(msgspec.Struct, frozen=True, rename="camel"):
    order_statuses: tuple[Status, ...]


class _Written(msgspec.Struct, frozen=True, rename="camel"):
    order_id: int | None = None


@dataclass(frozen=True)
class Records(Generic[T]):
    """Records that could be read, one reason per other one, and the server's time of the answer.

    `last_id` is the highest id of the answer, `is_full` says that more may follow.
    """

    good: tuple[T, ...]
    unreadable: tuple[str, ...]
    as_of: datetime
    last_id: int
    is_full: bool


class OngoingRest:
    """One goods owner. `base_url` ends with `/api/v1`; `key` is `user:password`."""

    def __init__(
        self,
        base_url: str,
        key: str,
        http: Http,
        *,
        goods_owner_id: int,
        page_size: int,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        token = base64.b64encode(key.encode()).decode()
        self._transport = Transport(
            base_url,
            {"Authorization": f"Basic {token}", "Accept": "application/json"},
            http,
            complaint=_complaint,
            sleep=sleep,
        )
        self.goods_owner_id = goods_owner_id
        self.page_size = page_size
        self.faults = self._transport.faults

    def close(self) -> None:
        """Close the connections."""
        self._transport.close()

    def statuses(self) -> tuple[Status, ...]:
        """The order statuses of this installation."""
        answer = self._get("/orders/statuses", {})
        return _decoded(answer, _Statuses).order_statuses

    def orders_by_number(self, numbers: Sequence[str]) -> list[Order]:
        """Those orders that are known; at most 50 numbers.

        Raises:
            WmsContractError: one of them cannot be read.
        """
        found = self.orders({"orderNumbers": list(numbers)}, 0)
        if found.unreadable:
            raise WmsContractError("; ".join(found.unreadable))
        return list(found.good)

    def order(self, order_id: int) -> Order:
        """One order by Ongoing's id."""
        return _decoded(self._get(f"/orders/{order_id}", {}), Order)

    def orders(self, query: Query, id_from: int) -> Records[Order]:
        """One page of orders by rising id."""
        page: Query = {"orderIdFrom": str(id_from), "maxOrdersToGet": str(self.page_size)}
        answer = self._get("/orders", query | page)
        return self._records(answer, Order, ("orderInfo", "orderId"))

    def articles(self, query: Query, id_from: int) -> Records[ArticleStock]:
        """One page of articles with their inventory by rising id."""
        page: Query = {
            "articleSystemIdFrom": str(id_from),
            "maxArticlesToGet": str(self.page_size),
        }
        answer = self._get("/articles", query | page)
        return self._records(answer, ArticleStock, ("articleSystemId",))

    def return_orders(self, returned_from: datetime) -> Records[ReturnOrder]:
        """All return orders of which goods came back since."""
        answer = self._get("/returnOrders", {"goodsReturnedFromDate": moment_text(returned_from)})
        return self._records(answer, ReturnOrder, ("returnOrderInfo", "returnOrderId"))

    def put_order(self, body: dict[str, Any]) -> int | None:
        """Create or replace an order by its number; a repeat changes nothing. Returns its id."""
        content = _ENCODER.encode({"goodsOwnerId": self.goods_owner_id} | body)
        answer = self._transport.call("PUT", "/orders", content=content, repeatable=True)
        return _decoded(answer, _Written).order_id

    def cancel_order(self, order_id: int) -> None:
        """Cancel a whole order; only possible before work on it starts."""
        self._transport.call("DELETE", f"/orders/{order_id}", repeatable=True)

    def report_picked(self, order_id: int, line_id: int, units: int) -> None:
        """Set how many units of a line we know to be picked."""
        self._transport.call(
            "PATCH",
            f"/orders/{order_id}/lines/{line_id}/reportedNumberOfItems",
            content=_ENCODER.encode({"reportedNumberOfItems": units}),
            repeatable=True,
        )

    def _get(self, path: str, query: Query) -> httpx.Response:
        owner: Query = {"goodsOwnerId": str(self.goods_owner_id)}
        params = httpx.QueryParams(owner | query)
        return self._transport.call("GET", path, params=params, repeatable=True)

    def _records(
        self, answer: httpx.Response, kind: type[T], id_path: tuple[str, ...]
    ) -> Records[T]:
        try:
            raws = elements(answer.content)
        except UNREADABLE as error:
            raise _breach(answer, error) from error
        good: list[T] = []
        unreadable: list[str] = []
        ids = [0]
        for raw in raws:
            number = _id_of(raw, id_path)
            ids.append(number)
            try:
                good.append(msgspec.json.decode(raw, type=kind))
            except UNREADABLE as error:
                unreadable.append(f"Ongoing {id_path[-1]} {number}: {reason_of(error)}")
        return Records(
            good=tuple(good),
            unreadable=tuple(unreadable),
            as_of=_server_time(answer),
            last_id=max(ids),
            is_full=len(raws) >= self.page_size,
        )


def moment_text(moment: datetime) -> str:
    """A time as Ongoing reads it in a query."""
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def _id_of(raw: msgspec.Raw, path: tuple[str, ...]) -> int:
    """The id of a record that may be unreadable otherwise; 0 if it has none."""
    try:
        for name in path:
            raw = members(raw)[name]
        return msgspec.json.decode(raw, type=Id)
    except (KeyError, *UNREADABLE):
        return 0


def _server_time(answer: httpx.Response) -> datetime:
    """The server's clock, whole seconds rounded down."""
    try:
        return parsedate_to_datetime(answer.headers["Date"]).astimezone(UTC)
    except (KeyError, ValueError, OverflowError) as error:
        raise WmsContractError(
            f"Ongoing {answer.request.url.path}: the answer has no readable header Date, so nobody "
            "knows from when it is; ask the vendor"
        ) from error


def _complaint(answer: httpx.Response) -> str:
    try:
        body = msgspec.json.decode(answer.content)
    except UNREADABLE:
        return "unreadable: the answer is no JSON"
    message = body.get("message") or body.get("title") if isinstance(body, dict) else None
    return str(message)[:300] if message else "no reason given"


def _decoded(answer: httpx.Response, kind: type[T]) -> T:
    try:
        return msgspec.json.decode(answer.content, type=kind)
    except UNREADABLE as error:
        raise _breach(answer, error) from error


def _breach(answer: httpx.Response, error: Exception) -> WmsContractError:
    return WmsContractError(
        f"Ongoing {answer.request.method} {answer.request.url.path}: the answer does not "
        f"follow the vendor's documents: {reason_of(error)}; ask the vendor"
    )
