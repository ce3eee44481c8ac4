"""Adapter `http`: the documented reference contract of the warehouse port (`docs/wms_http.md`).

Belongs here: this contract's paths and its error answers, mapped to the port's errors. What a
record means for OTTO does not belong here.
"""

import random
import time
from collections import Counter
from collections.abc import Callable
from datetime import datetime
from typing import Annotated, Any, TypeVar
from urllib.parse import quote

import httpx
import msgspec

from resources.operating_model import Http
from resources.wms.port import (
    CancelResult,
    FulfilmentEvent,
    FulfilmentPage,
    Health,
    OrderSnapshot,
    OutboundOrder,
    StockChanges,
    StockLevel,
    StockPage,
    SubmitResult,
    WmsAuthError,
    WmsContractError,
    WmsRejected,
    WmsRetryable,
    WmsUnknownOutcome,
)

T = TypeVar("T")
_BATCH = 100


class _Results(msgspec.Struct, frozen=True):
    results: list[SubmitResult]


class _Orders(msgspec.Struct, frozen=True):
    orders: list[msgspec.Raw]


class _OrderKey(msgspec.Struct, frozen=True):
    order_ref: str


class _EventsPage(msgspec.Struct, frozen=True):
    events: list[msgspec.Raw]
    next_cursor: str
    has_more: bool


class _Levels(msgspec.Struct, frozen=True):
    levels: list[msgspec.Raw]
    next_page: str | None
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
        self._client = httpx.Client(
            base_url=base_url,
            headers={"Authorization": f"Bearer {api_key}"},
            timeout=http.timeout_seconds,
        )
        self._http = http
        self._sleep = sleep
        self.faults: Counter[str] = Counter()
        """Transport faults met, kind to count."""

    def close(self) -> None:
        """Close the connections."""
        self._client.close()

    def health(self) -> Health:
        """Ask the WMS for its health; an unreachable one is an answer, not an exception."""
        try:
            answer = self._call("GET", "/v1/health", repeatable=True)
        except (WmsRetryable, WmsAuthError) as error:
            return Health(ok=False, detail=str(error))
        return Health(ok=True, detail=f"version {_object(answer).get('version', 'unknown')}")

    def submit_orders(self, orders: list[OutboundOrder]) -> list[SubmitResult]:
        """Send up to 100 orders a call; the contract makes repeats harmless."""
        results: list[SubmitResult] = []
        for start in range(0, len(orders), _BATCH):
            chunk = orders[start : start + _BATCH]
            body = msgspec.json.encode({"orders": chunk})
            answer = self._call("POST", "/v1/orders/batch", content=body)
            results.extend(_decoded(answer, _Results).results)
        return results

    def cancel_order(
        self, order_ref: str, line_ids: tuple[str, ...] | None, reason: str
    ) -> CancelResult:
        """Cancel an order or some of its lines."""
        body = msgspec.json.encode({"line_ids": line_ids, "reason": reason})
        path = f"/v1/orders/{quote(order_ref, safe='')}/cancellation"
        return _decoded(self._call("POST", path, content=body), CancelResult)

    def get_orders(self, order_refs: list[str]) -> list[OrderSnapshot]:
        """Snapshots of the known ones among `order_refs`."""
        found: list[OrderSnapshot] = []
        for start in range(0, len(order_refs), _BATCH):
            params = httpx.QueryParams({"ref": order_refs[start : start + _BATCH]})
            answer = self._call("GET", "/v1/orders", params=params, repeatable=True)
            found.extend(_snapshot(raw) for raw in _decoded(answer, _Orders).orders)
        return found

    def poll_fulfilment(self, cursor: str | None, limit: int = 200) -> FulfilmentPage:
        """One page of the event feed; an event that breaks the contract costs only itself."""
        params = httpx.QueryParams({"limit": limit} | ({"cursor": cursor} if cursor else {}))
        answer = self._call("GET", "/v1/fulfilment-events", params=params, repeatable=True)
        page = _decoded(answer, _EventsPage)
        events: list[FulfilmentEvent] = []
        unreadable: list[str] = []
        for raw in page.events:
            try:
                events.append(msgspec.json.decode(raw, type=FulfilmentEvent))
            except (msgspec.MsgspecError, UnicodeDecodeError) as error:
                unreadable.append(f"fulfilment event after cursor {cursor or 'start'}: {error}")
        return FulfilmentPage(
            events=tuple(events),
            next_cursor=page.next_cursor,
            has_more=page.has_more,
            unreadable=tuple(unreadable),
        )

    def acknowledge(self, event_ids: list[str]) -> None:
        """Tell the WMS that these events are recorded."""
        if event_ids:
            body = msgspec.json.encode({"event_ids": event_ids})
            self._call("POST", "/v1/acknowledgements", content=body, repeatable=True)

    def stock_snapshot(self, skus: list[str] | None, page: str | None = None) -> StockPage:
        """One page of levels; a level that breaks the contract costs only itself."""
        if skus is not None and not 1 <= len(skus) <= _BATCH:
            raise ValueError(f"{len(skus)} SKUs: ask for 1 to {_BATCH} at once, or None for all")
        wanted: dict[str, str | list[str]] = {} if skus is None else {"sku": skus}
        params = httpx.QueryParams(wanted | ({} if page is None else {"page": page}))
        answer = self._call("GET", "/v1/stock", params=params, repeatable=True)
        found = _decoded(answer, _Levels)
        levels: list[StockLevel] = []
        unreadable: list[str] = []
        for number, raw in enumerate(found.levels, start=1):
            try:
                levels.append(msgspec.json.decode(raw, type=StockLevel))
            except (msgspec.MsgspecError, UnicodeDecodeError) as error:
                unreadable.append(f"stock level {number} of page {page or 'first'}: {error}")
        return StockPage(
            levels=tuple(levels),
            next_page=found.next_page,
            snapshot_at=found.snapshot_at,
            complete=found.complete and skus is None and not unreadable,
            unreadable=tuple(unreadable),
        )

    def poll_stock_changes(self, cursor: str | None) -> StockChanges:
        """One page of the list of changed SKUs."""
        params = httpx.QueryParams({} if cursor is None else {"cursor": cursor})
        answer = self._call("GET", "/v1/stock-changes", params=params, repeatable=True)
        return _decoded(answer, StockChanges)

    def _call(
        self,
        method: str,
        path: str,
        *,
        params: httpx.QueryParams | None = None,
        content: bytes | None = None,
        repeatable: bool = False,
    ) -> httpx.Response:
        """Send; try again while that is certainly harmless, up to the configured attempts.

        `repeatable` marks requests that change nothing, or for which a repeat changes nothing.
        """
        attempt = 1
        while True:
            try:
                return self._send(method, path, params, content)
            except WmsRetryable as error:
                failure: WmsRetryable | WmsUnknownOutcome = error
            except WmsUnknownOutcome as error:
                if not repeatable:
                    raise
                failure = error
            if attempt >= self._http.attempts:
                raise WmsRetryable(f"{failure} (given up after {attempt} attempts)") from failure
            told = failure.retry_after_s if isinstance(failure, WmsRetryable) else None
            ceiling = min(
                self._http.longest_backoff_seconds,
                self._http.first_backoff_seconds * 2 ** (attempt - 1),
            )
            self._sleep(told if told is not None else random.uniform(0, ceiling))
            attempt += 1

    def _send(
        self,
        method: str,
        path: str,
        params: httpx.QueryParams | None,
        content: bytes | None,
    ) -> httpx.Response:
        where = f"WMS {method} {path}"
        headers = {"Content-Type": "application/json"} if content is not None else None
        try:
            answer = self._client.request(
                method,
                path,
                params=params,
                content=content,
                headers=headers,
            )
        except httpx.ConnectError as error:
            self.faults["connection_broken"] += 1
            raise WmsRetryable(f"{where}: cannot connect; check WMS_BASE_URL") from error
        except httpx.TimeoutException as error:
            self.faults["timeout"] += 1
            raise WmsUnknownOutcome(f"{where}: no answer in time") from error
        except httpx.TransportError as error:
            # A body that ends early breaks off inside httpx; the peer tells us which it was.
            kind = "truncated" if "message body" in str(error) else "connection_broken"
            self.faults[kind] += 1
            raise WmsUnknownOutcome(f"{where}: connection broke ({kind})") from error
        self._raise_for(answer, where)
        return answer

    def _raise_for(self, answer: httpx.Response, where: str) -> None:
        status = answer.status_code
        if status < 300:
            return
        code, message = _error_of(answer)
        text = f"{where}: HTTP {status} {code}: {message}"
        if status == 429:
            self.faults["rate_limited"] += 1
            raise WmsRetryable(text, retry_after_s=_retry_after(answer, self._http))
        if status >= 500:
            self.faults["server_error"] += 1
            raise WmsUnknownOutcome(text)
        if status in {401, 403}:
            raise WmsAuthError(f"{text}; check WMS_API_KEY")
        raise WmsRejected(text)


def _retry_after(answer: httpx.Response, http: Http) -> float | None:
    value = answer.headers.get("Retry-After", "")
    return min(float(value), http.longest_backoff_seconds) if value.isdecimal() else None


def _error_of(answer: httpx.Response) -> tuple[str, str]:
    try:
        error = msgspec.json.decode(answer.content)["error"]
        return str(error["code"]), str(error["message"])
    except (msgspec.MsgspecError, KeyError, TypeError, UnicodeDecodeError):
        return "unreadable", "the answer has no error object"


def _snapshot(raw: msgspec.Raw) -> OrderSnapshot:
    """Read one order; one that breaks the contract is there all the same, with unknown lines."""
    try:
        return msgspec.json.decode(raw, type=OrderSnapshot)
    except (msgspec.MsgspecError, UnicodeDecodeError):
        try:
            key = msgspec.json.decode(raw, type=_OrderKey)
        except (msgspec.MsgspecError, UnicodeDecodeError) as error:
            raise WmsContractError(f"WMS GET /v1/orders: an order without key: {error}") from error
        return OrderSnapshot(
            order_ref=key.order_ref, wms_order_id="", status="unreadable", lines=()
        )


def _object(answer: httpx.Response) -> dict[str, Any]:
    return _decoded(answer, dict[str, Any])


def _decoded(answer: httpx.Response, kind: type[T]) -> T:
    try:
        return msgspec.json.decode(answer.content, type=kind)
    except (msgspec.MsgspecError, UnicodeDecodeError) as error:
        raise WmsContractError(
            f"WMS {answer.request.method} {answer.request.url.path}: "
            f"the answer does not follow the contract: {error}"
        ) from error
