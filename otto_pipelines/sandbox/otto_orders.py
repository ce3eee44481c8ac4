"""The orders list of the simulated OTTO: its parameters, its pages, its cursor.

A cursor carries the position and all filters, so that a client sends nothing else but a limit. The
position is (change time, serial of the change): an order that changes while a client pages moves
behind the cursor and is seen again, never missed.
"""

import base64
import binascii
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

import msgspec

from otto_pipelines.sandbox import otto_rules
from otto_pipelines.sandbox.marketplace import Marketplace
from otto_pipelines.sandbox.model import SalesOrder, Status
from otto_pipelines.sandbox.otto_rules import Problem, Refusal
from otto_pipelines.sandbox.otto_wire import order_json

_DEFAULT_LIMIT = 128
_LONGEST_PAGE = 256


@dataclass(frozen=True, slots=True, kw_only=True)
class OrderQuery:
    """Filters and place of one page; times in milliseconds."""

    mode: str = "BUCKET"
    statuses: tuple[str, ...] = ()
    column: str = "ORDER_LIFECYCLE_DATE"
    direction: str = "ASC"
    changed_from: int | None = None
    ordered_from: int | None = None
    ordered_to: int | None = None
    position: tuple[int, int] | None = None

    def takes(self, order: SalesOrder, wanted: frozenset[str]) -> bool:
        """Whether the order is asked for."""
        ordered = order.date_key[0]
        return (
            (self.changed_from is None or order.change_key[0] >= self.changed_from)
            and (self.ordered_from is None or ordered >= self.ordered_from)
            and (self.ordered_to is None or ordered <= self.ordered_to)
            and otto_rules.in_bucket(order, wanted, self.mode)
        )

    def start(self) -> tuple[int, int] | None:
        """Where to begin reading the index."""
        if self.position is not None or self.direction == "DESC":
            return self.position
        first = self.changed_from if self.column == "ORDER_LIFECYCLE_DATE" else self.ordered_from
        return None if first is None else (first, -1)

    def cursor(self, position: tuple[int, int]) -> str:
        """Opaque text for the page after `position`."""
        parts: Sequence[Any] = (
            self.mode,
            position[0],
            position[1],
            ",".join(self.statuses),
            self.column,
            self.direction,
            "" if self.changed_from is None else self.changed_from,
            "" if self.ordered_from is None else self.ordered_from,
            "" if self.ordered_to is None else self.ordered_to,
        )
        return base64.b64encode(":".join(str(part) for part in parts).encode()).decode()


def read_query(query: list[tuple[str, str]]) -> tuple[OrderQuery, int]:
    """The query and the page's limit; unknown parameters are ignored, as OTTO does.

    Raises:
        Refusal: 400, a known parameter has a value that is not allowed.
    """
    first = dict(reversed(query))
    limit = _limit(first.get("limit"))
    if "nextcursor" in first:
        return _from_cursor(first["nextcursor"]), limit
    statuses = tuple(dict.fromkeys(value for key, value in query if key == "fulfillmentStatus"))
    for status in statuses:
        if status not in Status.__members__:
            raise _bad(f"fulfillmentStatus [{status}] is unknown.")
    return (
        OrderQuery(
            mode=_choice(first, "mode", otto_rules.MODES),
            statuses=statuses,
            column=_choice(first, "orderColumnType", otto_rules.COLUMNS),
            direction=_choice(first, "orderDirection", otto_rules.DIRECTIONS),
            changed_from=_time(first, "fromDate"),
            ordered_from=_time(first, "fromOrderDate"),
            ordered_to=_time(first, "toOrderDate"),
        ),
        limit,
    )


def page(market: Marketplace, query: OrderQuery, limit: int) -> dict[str, Any]:
    """A PartnerOrderList; the next link is not the first one."""
    index = market.by_change if query.column == "ORDER_LIFECYCLE_DATE" else market.by_date
    wanted = frozenset(query.statuses)
    resources: list[msgspec.Raw] = []
    last: tuple[int, int] | None = None
    links: list[dict[str, str]] = []
    for key, order in index.after(query.start(), descending=query.direction == "DESC"):
        if not query.takes(order, wanted):
            continue
        if len(resources) == limit and last is not None:
            cursor = quote(query.cursor(last), safe="")
            href = f"/v4/orders?nextcursor={cursor}&limit={limit}"
            links = [{"rel": "self", "href": "/v4/orders"}, {"rel": "next", "href": href}]
            break
        resources.append(order_json(order))
        last = key
    return {"resources": resources, "links": links}


def _bad(detail: str) -> Refusal:
    return Refusal(Problem(400, "Bad Request", detail))


def _limit(text: str | None) -> int:
    if text is None:
        return _DEFAULT_LIMIT
    if not text.isdecimal() or not 1 <= int(text) <= _LONGEST_PAGE:
        raise _bad(f"limit [{text}] must be a number from 1 to {_LONGEST_PAGE}.")
    return int(text)


def _choice(first: dict[str, str], name: str, allowed: tuple[str, ...]) -> str:
    value = first.get(name, allowed[0])
    if value not in allowed:
        raise _bad(f"{name} [{value}] must be one of {', '.join(allowed)}.")
    return value


def _time(first: dict[str, str], name: str) -> int | None:
    if name not in first:
        return None
    try:
        return int(otto_rules.read_time(first[name]).timestamp() * 1000)
    except (ValueError, OverflowError) as error:
        raise _bad(f"{name} [{first[name]}] is no ISO 8601 date-time.") from error


def _from_cursor(text: str) -> OrderQuery:
    try:
        parts = base64.b64decode(text, validate=True).decode("ascii").split(":")
        mode, at, serial, statuses, column, direction, *times = parts
        changed_from, ordered_from, ordered_to = (int(t) if t else None for t in times)
        position = (int(at), int(serial))
    except (binascii.Error, UnicodeDecodeError, ValueError) as error:
        raise _bad("nextcursor is invalid.") from error
    return OrderQuery(
        mode=mode,
        statuses=tuple(statuses.split(",")) if statuses else (),
        column=column,
        direction=direction,
        changed_from=changed_from,
        ordered_from=ordered_from,
        ordered_to=ordered_to,
        position=position,
    )
