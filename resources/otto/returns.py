"""Returns at OTTO: what buyers sent back, decisions on it, and the parcels it travels in.

Belongs here: reading returns and return shipments, and sending decisions in batches. An acceptance
is final and pays the buyer at once; who may decide it does not belong here
(`assets.outbound.otto_return`).
"""

import time
from collections import deque
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Literal

import msgspec

from resources.otto.errors import ApiProblem, OttoError, OttoPermanent
from resources.otto.exchange import Call
from resources.otto.problems import problems_of
from resources.otto.rows import Listing, RowsPage, Walk
from resources.otto.transport import Transport
from resources.otto.wire import TrackingKey, format_time, parse_time

LARGEST_BATCH = 200
_PAGE = 50
_SHIPMENTS_PAGE = 100
_JSON = (("Content-Type", "application/json"),)
# Statuses that speak of what is in the request, so that a part of it may still be good.
_ABOUT_CONTENT = frozenset({400, 413, 422})

Decision = Literal["acceptance", "rejection"]


class _Received(msgspec.Struct, frozen=True, rename="camel", kw_only=True):
    """What all received records share."""


class ReturnTracking(_Received, frozen=True, kw_only=True):
    """Numbers under which an announced return travels."""

    carrier: str | None = None
    tracking_numbers: list[str] = []


class ReturnDetails(_Received, frozen=True, kw_only=True):
    """What belongs to a status; which fields are there depends on it."""

    condition: str | None = None
    reason: str | None = None
    return_tracking_key: ReturnTracking | None = None
    otto_warehouse_id: str | None = msgspec.field(default=None, name="ottoWarehouseID")


class ReturnedItem(_Received, frozen=True, kw_only=True):
    """A returned unit and its latest status."""

    position_item_id: str
    sales_order_id: str
    status: str
    occurred_time: str
    details: ReturnDetails | None = None


class DecidedItem(msgspec.Struct, frozen=True, rename="camel", kw_only=True):
    """A unit that is accepted or rejected; `condition` is A to E."""

    position_item_id: str
    sales_order_id: str
    condition: str
    reason: str


class ReturnShipmentState(_Received, frozen=True, kw_only=True):
    """A step of a return parcel."""

    state: str
    occurred_on: str


class ReturnShipmentItem(_Received, frozen=True, kw_only=True):
    """A unit in a return parcel."""

    sales_order_id: str
    sales_order_position_item_id: str


class ReturnShipment(_Received, frozen=True, kw_only=True):
    """A return parcel as OTTO sees it."""

    return_shipment_id: str
    created_at: str
    tracking_key: TrackingKey
    return_position_items: list[ReturnShipmentItem]
    states: list[ReturnShipmentState] | None = None


@dataclass
class DecisionResults:
    """What became of the items of one call, by position item id.

    `refused` maps to OTTO's reason. `unsettled` items were not sent, or their outcome is not known:
    `sent` tells the two apart. `stopped_by` is why no more was sent.
    """

    done: set[str] = field(default_factory=set)
    refused: dict[str, str] = field(default_factory=dict)
    sent: set[str] = field(default_factory=set)
    unsettled: list[str] = field(default_factory=list)
    stopped_by: OttoError | None = None


class _Success(msgspec.Struct):
    results: list[dict[str, object]] | None = None
    errors: object = None


@dataclass(frozen=True, slots=True)
class _Answer:
    """Of a success. Where `results` is None it is about all items of the request."""

    results: frozenset[str] | None
    problems: tuple[ApiProblem, ...] = ()


_RETURNS = Listing(
    "/v3/returns", "positionItems", "page", ReturnedItem, ("salesOrderId", "positionItemId")
)
_SHIPMENTS = Listing(
    "/v1/return-shipments", "resources", "next", ReturnShipment, ("returnShipmentId",)
)


class Returns:
    """OTTO's operations for returns. Safe for threads. Each method may raise an `OttoError`."""

    def __init__(self, transport: Transport, walk: Walk) -> None:
        self._transport = transport
        self._walk = walk
        self._batch_size = LARGEST_BATCH

    def pages(self, status: str | None = None) -> Iterator[RowsPage[ReturnedItem]]:
        """Yield pages of returns, the newest change first; stop where everything is known.

        OTTO knows no range of dates here, so the whole history follows.
        """
        wanted = () if status is None else (("status", status),)
        params = (*wanted, ("limit", str(_PAGE)))
        return _RETURNS.pages(self._transport, self._walk, params)

    def find(
        self, sales_order_id: str, position_item_id: str, status: str, not_before: datetime
    ) -> ReturnedItem | None:
        """Look for a unit among the changes to `status` since `not_before`; None: not there."""
        for page in self.pages(status):
            for row in page.rows:
                same = row.position_item_id == position_item_id
                if same and row.sales_order_id == sales_order_id:
                    return row
            if page.rows and _is_before(page.rows[-1].occurred_time, not_before):
                return None
        return None

    def shipments(self, changed_from: datetime) -> Iterator[RowsPage[ReturnShipment]]:
        """Yield return parcels announced or changed since then."""
        params = (("datefrom", format_time(changed_from)), ("limit", str(_SHIPMENTS_PAGE)))
        return _SHIPMENTS.pages(self._transport, self._walk, params)

    def decide(
        self,
        decision: Decision,
        items: Sequence[DecidedItem],
        *,
        within_seconds: float | None = None,
    ) -> DecisionResults:
        """Send decisions, up to 200 in a request. Errors of OTTO are in the results, none raised.

        A request that OTTO finds too large is halved, and so are the later ones; a refusal that
        does not say which unit it means is narrowed down to that unit.

        Args:
            decision: an acceptance is final and pays the buyer the full price at once.
            items: each unit once.
            within_seconds: start no request later than this from now.

        Raises:
            ValueError: a unit is named twice.
        """
        ids = [item.position_item_id for item in items]
        if len(set(ids)) != len(ids):
            raise ValueError("a position item is named twice in one call: decide it once")
        not_after = None if within_seconds is None else time.monotonic() + within_seconds
        results = DecisionResults()
        parts = deque([list(items)] if items else [])
        while parts:
            part = parts.popleft()
            if len(part) > self._batch_size:
                parts.extendleft([part[self._batch_size :], part[: self._batch_size]])
                continue
            try:
                answer = self._transport.request(_post(decision, part, not_after), _read_answer)
            except OttoPermanent as error:
                if error.status not in _ABOUT_CONTENT:
                    results.stopped_by = error
                    break
                parts.extendleft(reversed(self._narrowed(part, error, results)))
            except OttoError as error:
                results.stopped_by = error
                results.sent |= {item.position_item_id for item in part}
                break
            else:
                results.sent |= {item.position_item_id for item in part}
                _sort(part, answer, results)
        settled = results.done | results.refused.keys()
        results.unsettled = [item for item in ids if item not in settled]
        return results

    def _narrowed(
        self, part: list[DecidedItem], error: OttoPermanent, results: DecisionResults
    ) -> list[list[DecidedItem]]:
        """Note whom a refusal names; return what of `part` is to be tried once more, in parts."""
        if error.status == 413 and len(part) > 1:
            self._batch_size = min(self._batch_size, (len(part) + 1) // 2)
            return [part]
        named = _refusals({item.position_item_id for item in part}, error.problems)
        if len(part) == 1 and not named:
            named = {part[0].position_item_id: "; ".join(map(str, error.problems))}
        results.refused |= named
        rest = [item for item in part if item.position_item_id not in named]
        if named or not rest:
            return [rest] if rest else []
        middle = len(rest) // 2
        return [rest[:middle], rest[middle:]]


def _post(decision: Decision, part: list[DecidedItem], not_after: float | None) -> Call:
    content = msgspec.json.encode({"positionItems": part})
    path = f"/v3/returns/{decision}"
    return Call("POST", path, repeatable=False, content=content, headers=_JSON, not_after=not_after)


def _read_answer(body: bytes) -> _Answer:
    if not body.strip():
        return _Answer(None)
    success = msgspec.json.decode(body, type=_Success)
    problems = problems_of(207, body) if success.errors else ()
    if success.results is None:
        return _Answer(frozenset() if problems else None, problems)
    return _Answer(frozenset(str(row.get("positionItemId")) for row in success.results), problems)


def _sort(part: list[DecidedItem], answer: _Answer, results: DecisionResults) -> None:
    """Sort the items of a request that OTTO took by what it says of each."""
    ids = {item.position_item_id for item in part}
    refused = _refusals(ids, answer.problems)
    results.refused |= refused
    done = ids if answer.results is None else ids & answer.results
    results.done |= done - refused.keys()


def _refusals(ids: Collection[str], problems: Sequence[ApiProblem]) -> dict[str, str]:
    """Reasons by position item, of those of `ids` that a problem names."""
    found: dict[str, str] = {}
    for problem in problems:
        for named in (problem.logref, problem.title.rpartition(": ")[2]):
            if named is not None and named in ids:
                found[named] = problem.detail or problem.title
                break
    return found


def _is_before(text: str, moment: datetime) -> bool:
    try:
        return parse_time(text) < moment
    except ValueError:
        return False
