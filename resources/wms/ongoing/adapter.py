"""Adapter `ongoing`: Ongoing WMS over its REST interface for goods owners.

Belongs here: the port's methods and when Ongoing is asked. Orders stand in `orders`, what became of
them in `news`, stock and returns in `goods`, requests in `rest`.

Ongoing shows states and no feed. So a look reads what changed since the last one (with an overlap)
and every order of which something picked is not reported yet, and puts what is new into a journal.
"""

import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TypeVar

from filelock import FileLock, Timeout

from resources.operating_model import Http
from resources.wms.capabilities import Capabilities, Feature
from resources.wms.errors import WmsAuthError, WmsContractError, WmsRetryable
from resources.wms.journal import Journal, note, noted, records
from resources.wms.ongoing.goods import (
    RETURNS,
    STOCK_CHANGES,
    stock_level,
    tell_faults,
    tell_returns,
    tell_stock,
)
from resources.wms.ongoing.news import EVENTS, acknowledgement, tell_orders
from resources.wms.ongoing.orders import Orders
from resources.wms.ongoing.policy import OngoingPolicy
from resources.wms.ongoing.rest import OngoingRest, Query, moment_text
from resources.wms.ongoing.wire import Order
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
    StockPage,
    SubmitResult,
)

T = TypeVar("T")
CAPABILITIES = Capabilities(
    name="ongoing",
    supports=frozenset(Feature) - {Feature.BLIND_RETURNS, Feature.CANCEL_PICKED},
)
_CHANGES_AT_ONCE = 200
_NAMED_AT_ONCE = 100
_WAIT_SECONDS = 120.0
# Ongoing refuses to look further back for changes of stock than a day.
_STOCK_REACH = timedelta(hours=23)
_RETURNS_OVERLAP = timedelta(days=1)


def _utc_now() -> datetime:
    return datetime.now(UTC)


class OngoingWms:
    """One goods owner in one Ongoing installation. May be used by several threads.

    Args:
        base_url: ends with `/api/v1`.
        key: `user:password` of the REST user.
        state: the adapter's journal; all processes of this machine share it.
        now: real time, for waiting; business time does not matter here.

    Raises:
        ValueError: the policy names no goods owner.
    """

    def __init__(
        self,
        base_url: str,
        key: str,
        http: Http,
        policy: OngoingPolicy,
        state: Path,
        *,
        sleep: Callable[[float], None] = time.sleep,
        now: Callable[[], datetime] = _utc_now,
    ) -> None:
        if not policy.goods_owner_id:
            raise ValueError("set wms.ongoing.goods_owner_id in the operating model")
        self._rest = OngoingRest(
            base_url,
            key,
            http,
            goods_owner_id=policy.goods_owner_id,
            page_size=policy.page_size,
            sleep=sleep,
        )
        self._journal = Journal(state)
        self._orders = Orders(self._rest, policy, self._journal)
        self._policy = policy
        self._now = now
        self._writing = FileLock(f"{state}.outgoing.lock", timeout=_WAIT_SECONDS, mode=0o600)
        self._lock = FileLock(f"{state}.look.lock", timeout=0, mode=0o600)
        self.faults = self._rest.faults
        """Transport faults met, kind to count."""

    def close(self) -> None:
        """Close the connections."""
        self._rest.close()

    def capabilities(self) -> Capabilities:
        """What Ongoing can do through this adapter."""
        return CAPABILITIES

    def health(self) -> Health:
        """Whether Ongoing answers to our user, and knows the statuses of the policy."""
        try:
            known = {status.number for status in self._rest.statuses()}
        except (WmsRetryable, WmsAuthError, WmsContractError) as error:
            return Health(ok=False, detail=str(error))
        steps = self._policy.statuses
        used = {steps.accepted_from, steps.picked_from, steps.shipped_from, *steps.cancelled}
        unknown = ", ".join(str(number) for number in sorted(used - known))
        if unknown:
            return Health(
                ok=False,
                detail=f"Ongoing has no order status {unknown}: correct wms.ongoing.statuses",
            )
        return Health(ok=True, detail=f"{len(known)} order statuses")

    def submit_orders(self, orders: list[OutboundOrder]) -> list[SubmitResult]:
        """One upsert per order, by its number; callers of this machine take turns."""
        return self._alone(lambda: self._orders.submit(orders))

    def cancel_order(
        self, order_ref: str, line_ids: tuple[str, ...] | None, reason: str
    ) -> CancelResult:
        """Cancel as long as Ongoing allows it; the reason has no place there."""
        return self._alone(lambda: self._orders.cancel(order_ref, line_ids))

    def get_orders(self, order_refs: list[str]) -> list[OrderSnapshot]:
        """Snapshots of the known ones among `order_refs`."""
        return self._orders.snapshots(order_refs)

    def poll_fulfilment(self, cursor: str | None, limit: int = 200) -> FulfilmentPage:
        """News of orders, in the order in which they were seen."""
        self._look(EVENTS, self._look_at_orders)
        page = self._journal.page(EVENTS, cursor, limit)
        told, faults = records(page, FulfilmentEvent)
        return FulfilmentPage(
            events=told,
            next_cursor=page.next_cursor,
            has_more=page.has_more,
            unreadable=faults,
        )

    def acknowledge(self, event_ids: list[str]) -> None:
        """Report lines as picked, as far as these events tell of it and no further."""
        for event_id in event_ids:
            with self._journal.read() as conn:
                reported = acknowledgement(conn, event_id)
            for line in reported:
                self._rest.report_picked(line.order_id, line.line_id, line.units)
            if reported:
                with self._journal.write() as conn:
                    note(conn, f"ack:{event_id}", "")

    def stock_snapshot(self, skus: list[str] | None, page: str | None = None) -> StockPage:
        """One page of articles, true when Ongoing answered."""
        if skus is not None and not 1 <= len(skus) <= _NAMED_AT_ONCE:
            raise ValueError(f"{len(skus)} SKUs: ask for 1 to {_NAMED_AT_ONCE} at once, or None")
        query: Query = {} if skus is None else {"articleNumbers": skus}
        found = self._rest.articles(query, int(page or "0"))
        more = found.is_full and found.last_id >= int(page or "0")
        return StockPage(
            levels=tuple(
                stock_level(article, self._policy.location, found.as_of) for article in found.good
            ),
            next_page=str(found.last_id + 1) if more else None,
            snapshot_at=found.as_of,
            complete=skus is None and not found.unreadable,
            unreadable=found.unreadable,
        )

    def poll_stock_changes(self, cursor: str | None) -> StockChanges:
        """Articles whose figures changed; a gap of more than a day is closed by the whole list."""
        self._look(STOCK_CHANGES, self._look_at_stock)
        page = self._journal.page(STOCK_CHANGES, cursor, _CHANGES_AT_ONCE)
        return StockChanges(
            skus=tuple(dict.fromkeys(entry.body for entry in page.entries)),
            next_cursor=page.next_cursor,
            has_more=page.has_more,
        )

    def poll_returns(self, cursor: str | None, limit: int = 200) -> ReturnPage:
        """Return orders of which goods came back, anew when they are graded again."""
        self._look(RETURNS, self._look_at_returns)
        page = self._journal.page(RETURNS, cursor, limit)
        told, faults = records(page, ReturnReceipt)
        return ReturnPage(
            receipts=told,
            next_cursor=page.next_cursor,
            has_more=page.has_more,
            unreadable=faults,
        )

    def _alone(self, work: Callable[[], T]) -> T:
        """Change orders while no other process does: what was read must hold when it is written."""
        try:
            with self._writing:
                return work()
        except Timeout:
            raise WmsRetryable(
                f"another process has been changing orders in Ongoing for {_WAIT_SECONDS:g} s"
            ) from None

    def _look(self, feed: str, look: Callable[[datetime], None]) -> None:
        """Ask Ongoing for news of a feed, if it is time and no other process is asking."""
        try:
            with self._lock:
                now = self._now()
                with self._journal.read() as conn:
                    looked, seen = noted(conn, f"looked:{feed}"), noted(conn, f"seen:{feed}")
                if 0 <= now.timestamp() - float(looked or 0) < self._policy.look_every_seconds:
                    return
                first = now - timedelta(days=self._policy.first_look_days)
                look(datetime.fromisoformat(seen) if seen else first)
                with self._journal.write() as conn:
                    note(conn, f"looked:{feed}", str(now.timestamp()))
        except Timeout:
            return

    def _look_at_orders(self, seen: datetime) -> None:
        since = moment_text(seen - timedelta(minutes=self._policy.overlap_minutes))
        changed = self._all_orders({"orderUpdatedTimeFrom": since})
        unreported = self._all_orders({"onlyOrdersWithOrderLinesToReport": "true"})
        orders = {order.order_info.order_id: order for order in (*unreported[0], *changed[0])}
        with self._journal.read() as conn:
            strangers = {
                info.follows
                for order in orders.values()
                if (info := order.order_info).follows is not None
                and info.follows not in orders
                and not noted(conn, f"order:{info.follows}")
            }
        # A back order needs the number of the order that it follows.
        for order_id in sorted(strangers):
            orders[order_id] = self._rest.order(order_id)
        with self._journal.write() as conn:
            tell_orders(conn, list(orders.values()), self._policy, changed[2])
            tell_faults(conn, EVENTS, sorted({*changed[1], *unreported[1]}), changed[2])
            note(conn, f"seen:{EVENTS}", changed[2].isoformat())

    def _all_orders(self, query: Query) -> tuple[list[Order], list[str], datetime]:
        """All pages: orders, reasons, and the server's time of the first page."""
        orders: list[Order] = []
        reasons: list[str] = []
        page = self._rest.orders(query, 0)
        as_of = page.as_of
        while True:
            orders += page.good
            reasons += page.unreadable
            if not page.is_full or not page.last_id:
                return orders, reasons, as_of
            page = self._rest.orders(query, page.last_id + 1)

    def _look_at_stock(self, seen: datetime) -> None:
        overlap = timedelta(minutes=self._policy.overlap_minutes)
        since = max(seen - overlap, self._now() - _STOCK_REACH)
        query: Query = {"stockInfoChangedFrom": moment_text(since)}
        page = self._rest.articles(query, 0)
        as_of = page.as_of
        while True:
            with self._journal.write() as conn:
                tell_stock(conn, page.good)
            if not page.is_full or not page.last_id:
                break
            page = self._rest.articles(query, page.last_id + 1)
        with self._journal.write() as conn:
            note(conn, f"seen:{STOCK_CHANGES}", as_of.isoformat())

    def _look_at_returns(self, seen: datetime) -> None:
        found = self._rest.return_orders(seen - _RETURNS_OVERLAP)
        with self._journal.write() as conn:
            tell_returns(conn, found.good, self._policy)
            tell_faults(conn, RETURNS, found.unreadable, found.as_of)
            note(conn, f"seen:{RETURNS}", found.as_of.isoformat())
