"""Adapter `tryton`: the port over the REST interface of Tryton 8.2 (`docs/wms.md`).

Belongs here: the port's operations, put together from the other modules of this package. Tryton is
a program of its own; nothing of it is imported.
"""

import time
from collections.abc import Callable
from datetime import timedelta
from functools import cached_property

from resources.operating_model import Http
from resources.wms.capabilities import Capabilities, Feature
from resources.wms.errors import (
    WmsAuthError,
    WmsContractError,
    WmsRejected,
    WmsRetryable,
    WmsUnknownOutcome,
)
from resources.wms.port import (
    CancelResult,
    FulfilmentPage,
    Health,
    OrderSnapshot,
    OutboundOrder,
    ReturnPage,
    StockChanges,
    StockPage,
    SubmitOutcome,
    SubmitResult,
)
from resources.wms.tryton.books import SHIPMENT, Books
from resources.wms.tryton.cancellation import cancel
from resources.wms.tryton.feed import Row, Window, row
from resources.wms.tryton.lines import snapshot
from resources.wms.tryton.policy import TrytonPolicy
from resources.wms.tryton.progress import events
from resources.wms.tryton.rest import Domain, TrytonRest, understood
from resources.wms.tryton.returns import return_page
from resources.wms.tryton.site import Site, articles, codes_to_ids, load_site
from resources.wms.tryton.stock import stock_changes, stock_page
from resources.wms.tryton.submission import Catalogue, Submission

CAPABILITIES = Capabilities(name="tryton", supports=frozenset(Feature) - {Feature.ACKNOWLEDGE})
_SKUS_AT_ONCE = 100


class TrytonWms:
    """A warehouse in Tryton. One instance may be used by several threads.

    `base_url` is the server's address and the database's name: `http://host:8000/wms`.
    """

    def __init__(
        self,
        base_url: str,
        api_key: str,
        http: Http,
        policy: TrytonPolicy,
        *,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self._rest = TrytonRest(base_url, api_key, http, sleep=sleep)
        self._books = Books(self._rest, policy.customer)
        self._policy = policy
        self._overlap = timedelta(minutes=policy.overlap_minutes)
        self.faults = self._rest.faults
        """Transport faults met, kind to count."""

    def close(self) -> None:
        """Close the connections."""
        self._rest.close()

    def capabilities(self) -> Capabilities:
        """What this adapter can do."""
        return CAPABILITIES

    def health(self) -> Health:
        """Whether Tryton answers and holds what the adapter needs."""
        try:
            site = understood(load_site)(self._rest, self._policy)
        except (WmsRetryable, WmsAuthError, WmsRejected, WmsContractError) as error:
            return Health(ok=False, detail=str(error))
        return Health(ok=True, detail=f"picks from {site.storage_code} of {self._policy.warehouse}")

    @understood
    def submit_orders(self, orders: list[OutboundOrder]) -> list[SubmitResult]:
        """Submit one by one. One that Tryton refuses, or is too busy for, costs only itself.

        Raises:
            WmsUnknownOutcome: after all were tried, where one may or may not have arrived.
        """
        catalogue = Catalogue(
            articles(self._rest, {line.sku for order in orders for line in order.lines}),
            codes_to_ids(
                self._rest, "country.country", {order.ship_to.country_code for order in orders}
            ),
            codes_to_ids(
                self._rest,
                "currency.currency",
                {line.currency for order in orders for line in order.lines},
            ),
        )
        submission = Submission(self._rest, self._books, self._site, catalogue)
        results: list[SubmitResult] = []
        unknown: list[WmsUnknownOutcome] = []
        for order in orders:
            try:
                results.append(submission.submit(order))
            except WmsRejected as error:
                results.append(_failed(order, SubmitOutcome.REJECTED, error))
            except WmsRetryable as error:
                results.append(_failed(order, SubmitOutcome.RETRY, error))
            except WmsUnknownOutcome as error:
                unknown.append(error)
        if unknown:
            raise unknown[0]
        return results

    @understood
    def cancel_order(
        self, order_ref: str, line_ids: tuple[str, ...] | None, reason: str
    ) -> CancelResult:
        """Cancel what is not packed yet."""
        return cancel(self._rest, self._books, order_ref, line_ids, reason)

    @understood
    def get_orders(self, order_refs: list[str]) -> list[OrderSnapshot]:
        """Snapshots of the known ones among `order_refs`."""
        orders = self._books.orders(order_refs)
        return [snapshot(orders[ref]) for ref in dict.fromkeys(order_refs) if ref in orders]

    @understood
    def poll_fulfilment(self, cursor: str | None, limit: int = 200) -> FulfilmentPage:
        """Events of at most `limit` shipments that changed, the oldest change first.

        The events of one order stay on one page, so a page may hold more than `limit`.
        """
        window = Window(cursor, self._overlap)
        news = window.news(self._changed_shipments(window), limit)
        refs = list(dict.fromkeys(ref for ref in news.items if ref))
        orders = self._books.orders(refs) if refs else {}
        history = self._books.history(held for order in orders.values() for held in order.shipments)
        told = [
            event
            for ref in refs
            if ref in orders and not orders[ref].fault
            for event in events(orders[ref], history, self._policy)
        ]
        unreadable = [
            orders[ref].fault or "" for ref in refs if ref in orders and orders[ref].fault
        ]
        nameless = f"shipment of {self._policy.customer} without a reference: which order is it?"
        unreadable += [nameless for ref in news.items if not ref]
        return FulfilmentPage(
            events=tuple(told),
            next_cursor=news.cursor,
            has_more=news.more,
            unreadable=tuple(unreadable),
        )

    def acknowledge(self, event_ids: list[str]) -> None:
        """Do nothing: Tryton keeps no list of what was read."""

    def stock_snapshot(self, skus: list[str] | None, page: str | None = None) -> StockPage:
        """One page of levels: one of the units to be sold, one for each blocked location."""
        if skus is not None and not 1 <= len(skus) <= _SKUS_AT_ONCE:
            raise ValueError(
                f"{len(skus)} SKUs: ask for 1 to {_SKUS_AT_ONCE} at once, or None for all"
            )
        return understood(stock_page)(self._rest, self._site, skus, page)

    @understood
    def poll_stock_changes(self, cursor: str | None) -> StockChanges:
        """Articles that changed; from the beginning means the last day."""
        return stock_changes(self._rest, self._books, self._site, cursor, self._overlap)

    @understood
    def poll_returns(self, cursor: str | None, limit: int = 200) -> ReturnPage:
        """Return receipts, one per customer return in Tryton."""
        window = Window(cursor, self._overlap)
        return return_page(self._rest, self._books, self._policy, window, limit)

    @cached_property
    def _site(self) -> Site:
        return understood(load_site)(self._rest, self._policy)

    def _changed_shipments(self, window: Window) -> list[Row[str]]:
        domain: Domain = [["customer.code", "=", self._policy.customer], ["number", "!=", None]]
        if window.since is not None:
            # A partial reservation and a corrected number do not touch the shipment itself.
            since = window.since
            domain.append(
                [
                    "OR",
                    ["last_modified_at", ">=", since],
                    ["moves.last_modified_at", ">=", since],
                    ["packages.last_modified_at", ">=", since],
                ]
            )
        fields = (
            "reference",
            "last_modified_at",
            "moves.last_modified_at",
            "packages.last_modified_at",
        )
        return [
            row(
                held["reference"] or "",
                held["id"],
                [
                    held["last_modified_at"],
                    *(part["last_modified_at"] for part in held["moves"]),
                    *(part["last_modified_at"] for part in held["packages"]),
                ],
            )
            for held in self._rest.read(SHIPMENT, domain, fields)
        ]


def _failed(order: OutboundOrder, outcome: SubmitOutcome, error: Exception) -> SubmitResult:
    return SubmitResult(order_ref=order.order_ref, outcome=outcome, error=str(error))
