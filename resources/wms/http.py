"""Adapter `http`: the documented reference contract of the warehouse port (`docs/wms_http.md`).

Belongs here: this contract's paths and its error answers, mapped to the port's errors. What a
record means for OTTO does not belong here.
"""

import time
from collections.abc import Callable
from datetime import datetime
from typing import Annotated, Any, TypeVar
from urllib.parse import quote

import httpx
import msgspec

from resources.json_parts import UNREADABLE, elements, members, reason_of, text_member
from resources.operating_model import Http
from resources.wms.bounds import Cursor
from resources.wms.capabilities import Capabilities, Feature
from resources.wms.errors import WmsAuthError, WmsContractError, WmsRetryable
from resources.wms.port import (
    CancelResult,
    FulfilmentEvent,
    FulfilmentPage,
    Health,
    OrderSnapshot,
    OutboundOrder,
    ReturnPage,
    ReturnReceipt,
    StockChanges,
    StockLevel,
    StockPage,
    SubmitResult,
)
from resources.wms.transport import Transport

CAPABILITIES = Capabilities(name="http", supports=frozenset(Feature))
T = TypeVar("T")
_BATCH = 100


class _Results(msgspec.Struct, frozen=True):
    results: list[SubmitResult]


class _Feed(msgspec.Struct, frozen=True):
    next_cursor: Cursor
    has_more: bool


class _Levels(msgspec.Struct, frozen=True):
    next_page: Cursor | None
    snapshot_at: Annotated[datetime, msgspec.Meta(tz=True)]
    complete: bool


class HttpWms:
    """A warehouse behind the reference contract. One instance may be used by several threads."""

    def __init__(
        self,
        base_url: str,
        api_key: str,
        http: Http,
        *,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self._transport = Transport(
            base_url,
            {"Authorization": f"Bearer {api_key}"},
            http,
            complaint=_complaint,
            sleep=sleep,
        )
        self.faults = self._transport.faults
        """Transport faults met, kind to count."""

    def close(self) -> None:
        """Close the connections."""
        self._transport.close()

    def capabilities(self) -> Capabilities:
        """The contract knows everything that the port asks for."""
        return CAPABILITIES

    def health(self) -> Health:
        """Ask the WMS for its health; an unreachable one is an answer, not an exception."""
        try:
            answer = self._transport.call("GET", "/v1/health", repeatable=True)
        except (WmsRetryable, WmsAuthError) as error:
            return Health(ok=False, detail=str(error))
        return Health(ok=True, detail=f"version {_object(answer).get('version', 'unknown')}")

    def submit_orders(self, orders: list[OutboundOrder]) -> list[SubmitResult]:
        """Send up to 100 orders a call; the contract makes repeats harmless."""
        results: list[SubmitResult] = []
        for start in range(0, len(orders), _BATCH):
            chunk = orders[start : start + _BATCH]
            body = msgspec.json.encode({"orders": chunk})
            answer = self._transport.call("POST", "/v1/orders/batch", content=body)
            results.extend(_decoded(answer, _Results).results)
        return results

    def cancel_order(
        self, order_ref: str, line_ids: tuple[str, ...] | None, reason: str
    ) -> CancelResult:
        """Cancel an order or some of its lines."""
        body = msgspec.json.encode({"line_ids": line_ids, "reason": reason})
        path = f"/v1/orders/{quote(order_ref, safe='')}/cancellation"
        return _decoded(self._transport.call("POST", path, content=body), CancelResult)

    def get_orders(self, order_refs: list[str]) -> list[OrderSnapshot]:
        """Snapshots of the known ones among `order_refs`."""
        found: list[OrderSnapshot] = []
        for start in range(0, len(order_refs), _BATCH):
            params = httpx.QueryParams({"ref": order_refs[start : start + _BATCH]})
            answer = self._transport.call("GET", "/v1/orders", params=params, repeatable=True)
            found.extend(_snapshot(raw) for raw in _paged(answer, "orders", dict[str, Any])[1])
        return found

    def poll_fulfilment(self, cursor: str | None, limit: int = 200) -> FulfilmentPage:
        """One page of the event feed; an event that breaks the contract costs only itself."""
        params = httpx.QueryParams({"limit": limit} | ({"cursor": cursor} if cursor else {}))
        answer = self._transport.call(
            "GET", "/v1/fulfilment-events", params=params, repeatable=True
        )
        page, records = _paged(answer, "events", _Feed)
        where = f"after cursor {cursor or 'start'}"
        events, unreadable = _each(records, FulfilmentEvent, "fulfilment event", where)
        return FulfilmentPage(
            events=events,
            next_cursor=page.next_cursor,
            has_more=page.has_more,
            unreadable=unreadable,
        )

    def acknowledge(self, event_ids: list[str]) -> None:
        """Tell the WMS that these events are recorded."""
        if event_ids:
            body = msgspec.json.encode({"event_ids": event_ids})
            self._transport.call("POST", "/v1/acknowledgements", content=body, repeatable=True)

    def stock_snapshot(self, skus: list[str] | None, page: str | None = None) -> StockPage:
        """One page of levels; a level that breaks the contract costs only itself."""
        if skus is not None and not 1 <= len(skus) <= _BATCH:
            raise ValueError(f"{len(skus)} SKUs: ask for 1 to {_BATCH} at once, or None for all")
        wanted: dict[str, str | list[str]] = {} if skus is None else {"sku": skus}
        params = httpx.QueryParams(wanted | ({} if page is None else {"page": page}))
        answer = self._transport.call("GET", "/v1/stock", params=params, repeatable=True)
        found, records = _paged(answer, "levels", _Levels)
        where = f"of page {page or 'first'}"
        levels, unreadable = _each(records, StockLevel, "stock level", where)
        return StockPage(
            levels=levels,
            next_page=found.next_page,
            snapshot_at=found.snapshot_at,
            complete=found.complete and skus is None and not unreadable,
            unreadable=unreadable,
        )

    def poll_stock_changes(self, cursor: str | None) -> StockChanges:
        """One page of the list of changed SKUs."""
        params = httpx.QueryParams({} if cursor is None else {"cursor": cursor})
        answer = self._transport.call("GET", "/v1/stock-changes", params=params, repeatable=True)
        return _decoded(answer, StockChanges)

    def poll_returns(self, cursor: str | None, limit: int = 200) -> ReturnPage:
        """One page of return receipts; one that breaks the contract costs only itself."""
        params = httpx.QueryParams({"limit": limit} | ({"cursor": cursor} if cursor else {}))
        answer = self._transport.call("GET", "/v1/returns", params=params, repeatable=True)
        page, records = _paged(answer, "receipts", _Feed)
        where = f"after cursor {cursor or 'start'}"
        receipts, unreadable = _each(records, ReturnReceipt, "return receipt", where)
        return ReturnPage(
            receipts=receipts,
            next_cursor=page.next_cursor,
            has_more=page.has_more,
            unreadable=unreadable,
        )


def _complaint(answer: httpx.Response) -> str:
    try:
        error = msgspec.json.decode(answer.content)["error"]
        return f"{error['code']}: {error['message']}"
    except (KeyError, TypeError, *UNREADABLE):
        return "unreadable: the answer has no error object"


def _each(
    records: list[msgspec.Raw], kind: type[T], what: str, where: str
) -> tuple[tuple[T, ...], tuple[str, ...]]:
    """Read records one by one; one that cannot be read is named by what, number and where."""
    found: list[T] = []
    unreadable: list[str] = []
    for number, raw in enumerate(records, start=1):
        try:
            found.append(msgspec.json.decode(raw, type=kind))
        except UNREADABLE as error:
            unreadable.append(f"{what} {number} {where}: {reason_of(error)}")
    return tuple(found), tuple(unreadable)


def _snapshot(raw: msgspec.Raw) -> OrderSnapshot:
    """Read one order; one that breaks the contract is there all the same, with unknown lines."""
    try:
        return msgspec.json.decode(raw, type=OrderSnapshot)
    except UNREADABLE as error:
        key = text_member(raw, "order_ref")
        if key is None:
            reason = reason_of(error)
            raise WmsContractError(f"WMS GET /v1/orders: an order without key: {reason}") from error
        return OrderSnapshot(order_ref=key, wms_order_id="", status="unreadable", lines=())


def _object(answer: httpx.Response) -> dict[str, Any]:
    return _decoded(answer, dict[str, Any])


def _decoded(answer: httpx.Response, kind: type[T]) -> T:
    try:
        return msgspec.json.decode(answer.content, type=kind)
    except UNREADABLE as error:
        raise _breach(answer, reason_of(error)) from error


def _paged(answer: httpx.Response, array: str, kind: type[T]) -> tuple[T, list[msgspec.Raw]]:
    """A page without its records, and these still unread: each may be no JSON by itself."""
    try:
        content = members(answer.content)
        if array not in content:
            raise _breach(answer, f"it has no `{array}`")
        records = elements(content.pop(array))
        return msgspec.json.decode(msgspec.json.encode(content), type=kind), records
    except UNREADABLE as error:
        raise _breach(answer, reason_of(error)) from error


def _breach(answer: httpx.Response, reason: str) -> WmsContractError:
    request = answer.request
    return WmsContractError(
        f"WMS {request.method} {request.url.path}: the answer does not follow the contract: "
        f"{reason}; ask the WMS's vendor, nothing of it was taken over"
    )
