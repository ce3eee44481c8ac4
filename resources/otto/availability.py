"""Quantities that OTTO shows: sending them in batches, and reading them back.

Belongs here: the batch's size, and which SKU an answer is about. How a quantity is computed does
not belong here (`assets.rules.availability`), nor in which order SKUs are sent
(`resources.operations.availability`).
"""

import re
import time
from collections import deque
from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from urllib.parse import quote

import msgspec

from resources.otto.errors import ApiProblem, OttoError, OttoPermanent
from resources.otto.exchange import Call
from resources.otto.paging import RawPage, next_cursor
from resources.otto.problems import problems_of
from resources.otto.transport import Transport
from resources.otto.wire import parse_time

LARGEST_BATCH = 200
LARGEST_QUANTITY = 999_999_999
_PATH = "/v1/availability/quantities"
_JSON = (("Content-Type", "application/json"),)
# Statuses that speak of what is in the request, so that a part of it may still be good.
_ABOUT_CONTENT = frozenset({400, 413, 422})
# No more digits than any quantity has.
_WHOLE = re.compile(r"[0-9]{1,12}")
_SKU_IN_DETAIL = " for SKU: "

Wanted = tuple[str, int]
"""A SKU and the quantity to show."""


@dataclass
class QuantityResults:
    """What became of the SKUs of one call.

    `accepted` maps to the quantity that OTTO shows now, `refused` to OTTO's reason. `unsettled`
    SKUs were not sent, or their outcome is not known; `stopped_by` is why no more was sent. A
    quantity is absolute, so all of them may be sent again, by their newest figure.
    """

    accepted: dict[str, int] = field(default_factory=dict)
    refused: dict[str, str] = field(default_factory=dict)
    unsettled: list[str] = field(default_factory=list)
    stopped_by: OttoError | None = None


@dataclass(frozen=True, slots=True)
class ShownQuantity:
    """What OTTO shows of a SKU. What could not be read is None, of the SKU an empty text."""

    sku: str
    quantity: int | None
    last_modified: datetime | None


class _Result(msgspec.Struct, rename="camel"):
    sku: object = None
    quantity: object = None
    last_modified: object = None


class _Success(msgspec.Struct):
    results: list[_Result] | None = None
    errors: object = None


@dataclass(frozen=True, slots=True)
class _Answer:
    """Of a success. Where `results` is None it is about all SKUs of the request."""

    results: list[_Result] | None = None
    problems: tuple[ApiProblem, ...] = ()


class _Variations(msgspec.Struct):
    variations: msgspec.Raw


class _Listing(msgspec.Struct):
    resources: _Variations
    links: object = None


_NOTHING_SAID = _Answer()


class Availability:
    """OTTO's operations for quantities. Safe for threads. Each method may raise an `OttoError`."""

    def __init__(
        self,
        transport: Transport,
        walk: Callable[[Callable[[str | None], RawPage]], Iterator[RawPage]],
    ) -> None:
        self._transport = transport
        self._walk = walk
        self._batch_size = LARGEST_BATCH

    def send_quantities(
        self,
        wanted: Sequence[Wanted],
        *,
        bulk: bool = False,
        within_seconds: float | None = None,
    ) -> QuantityResults:
        """Send quantities, each SKU once. Errors of OTTO are in the results, none is raised.

        A batch that OTTO finds too large is halved, and so are the later ones. A refusal that does
        not say which SKU it means is narrowed down to that SKU.

        Args:
            wanted: SKUs with their absolute quantities.
            bulk: let urgent requests go first.
            within_seconds: start no request later than this from now; for a caller whose right to
                send these figures ends.

        Raises:
            ValueError: a SKU is named twice; which quantity is the newer one?
        """
        if len({sku for sku, _ in wanted}) != len(wanted):
            raise ValueError("a SKU is named twice in one call: send only its newest quantity")
        not_after = None if within_seconds is None else time.monotonic() + within_seconds
        results = QuantityResults()
        sendable = [(sku, number) for sku, number in wanted if _fits(sku, number, results)]
        parts = deque([sendable] if sendable else [])
        while parts:
            part = parts.popleft()
            if len(part) > self._batch_size:
                parts.extendleft([part[self._batch_size :], part[: self._batch_size]])
                continue
            try:
                answer = self._transport.request(_post(part, bulk, not_after), _read_answer)
            except OttoPermanent as error:
                if error.status not in _ABOUT_CONTENT:
                    results.stopped_by = error
                    break
                parts.extendleft(reversed(self._narrowed(part, error, results)))
            except OttoError as error:
                results.stopped_by = error
                break
            else:
                _sort(part, answer, results)
        settled = results.accepted.keys() | results.refused.keys()
        results.unsettled = [sku for sku, _ in wanted if sku not in settled]
        return results

    def quantities(self) -> Iterator[ShownQuantity]:
        """Yield what OTTO shows of every SKU, by SKU; the reading leaves urgent requests room."""

        def fetch(cursor: str | None) -> RawPage:
            params = () if cursor is None else (("cursor", cursor),)
            call = Call("GET", _PATH, repeatable=True, params=params, bulk=True)
            return self._transport.request(call, _read_listing)

        for page in self._walk(fetch):
            for row in msgspec.json.decode(page.resources, type=list[_Result]):
                yield _shown(row)

    def quantity(self, sku: str) -> ShownQuantity | None:
        """Return what OTTO shows of one SKU; None where it never got a quantity."""
        if not sku.strip("."):
            raise ValueError(f"{sku!r} cannot be part of an address: the SKU is missing")
        call = Call("GET", f"{_PATH}/{quote(sku, safe='')}", repeatable=True)
        try:
            return _shown(self._transport.request(call, _read_result))
        except OttoPermanent as error:
            if error.status == 404:
                return None
            raise

    def _narrowed(
        self, part: list[Wanted], error: OttoPermanent, results: QuantityResults
    ) -> list[list[Wanted]]:
        """Note whom a refusal names; return what of `part` is to be tried once more, in parts."""
        if error.status == 413 and len(part) > 1:
            self._batch_size = min(self._batch_size, (len(part) + 1) // 2)
            return [part]
        named = _refusals({sku for sku, _ in part}, error.problems)
        if len(part) == 1 and not named:
            named = {part[0][0]: "; ".join(str(problem) for problem in error.problems)}
        results.refused |= named
        rest = [(sku, number) for sku, number in part if sku not in named]
        if named or not rest:
            return [rest] if rest else []
        middle = len(rest) // 2
        return [rest[:middle], rest[middle:]]


def _fits(sku: str, number: int, results: QuantityResults) -> bool:
    """Refuse here what would cost the whole batch at OTTO."""
    if not sku.strip():
        results.refused[sku] = "the SKU is empty: correct the SKU map of the operating model"
    elif not 0 <= number <= LARGEST_QUANTITY:
        results.refused[sku] = f"quantity {number} is not between 0 and {LARGEST_QUANTITY}"
    else:
        return True
    return False


def _post(part: list[Wanted], bulk: bool, not_after: float | None) -> Call:
    content = msgspec.json.encode([{"sku": sku, "quantity": number} for sku, number in part])
    # Not repeatable: an outcome that is unknown is settled by the newest figure, not by this one.
    return Call(
        "POST",
        _PATH,
        repeatable=False,
        content=content,
        headers=_JSON,
        bulk=bulk,
        not_after=not_after,
    )


def _read_answer(body: bytes) -> _Answer:
    if not body.strip():
        return _NOTHING_SAID
    success = msgspec.json.decode(body, type=_Success)
    return _Answer(success.results, problems_of(207, body) if success.errors else ())


def _sort(part: list[Wanted], answer: _Answer, results: QuantityResults) -> None:
    """Sort the SKUs of a request that OTTO took by what it says of each."""
    wanted = dict(part)
    refused = _refusals(wanted.keys(), answer.problems)
    results.refused |= refused
    if answer.results is None and not answer.problems:
        results.accepted |= wanted
    for row in answer.results or ():
        sku = row.sku
        if not isinstance(sku, str) or sku not in wanted or sku in refused:
            continue
        shown = wanted[sku] if row.quantity is None else _whole(row.quantity)
        if shown == wanted[sku]:
            results.accepted[sku] = shown
        else:
            results.refused[sku] = (
                f"OTTO answers with the quantity {shown} where {wanted[sku]} was sent: "
                "look at the SKU in OTTO Partner Connect"
            )


def _refusals(skus: Collection[str], problems: Sequence[ApiProblem]) -> dict[str, str]:
    """Reasons by SKU, of those of `skus` that a problem names."""
    found: dict[str, str] = {}
    for problem in problems:
        _, _, in_detail = (problem.detail or "").rpartition(_SKU_IN_DETAIL)
        for sku in (problem.logref, in_detail):
            if sku is not None and sku in skus:
                found[sku] = problem.detail or problem.title
                break
    return found


def _read_listing(body: bytes) -> RawPage:
    listing = msgspec.json.decode(body, type=_Listing)
    msgspec.json.decode(listing.resources.variations, type=list[_Result])
    return RawPage(body, listing.resources.variations, next_cursor(listing.links, "cursor"))


def _read_result(body: bytes) -> _Result:
    return msgspec.json.decode(body, type=_Result)


def _shown(row: _Result) -> ShownQuantity:
    modified = row.last_modified
    try:
        at = parse_time(modified) if isinstance(modified, str) else None
    except ValueError:
        at = None
    return ShownQuantity(row.sku if isinstance(row.sku, str) else "", _whole(row.quantity), at)


def _whole(value: object) -> int | None:
    """Read a count that OTTO writes as a number or as text."""
    if isinstance(value, str) and _WHOLE.fullmatch(value.strip()):
        return int(value)
    return value if isinstance(value, int) and not isinstance(value, bool) else None
