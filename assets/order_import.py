"""Orders of OTTO into the operations database: translate, judge, store the good, park the bad.

Belongs here: one import from pages to committed rows, without Dagster. How an order becomes rows
stands in `order_rows`, the rules in `contracts`, the tables and their guards in
`resources.operations`; what is fetched, and the watermark, belong to the caller.
"""

import hashlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime

import pandas as pd

from assets.contracts.rules import RULES
from assets.contracts.violations import COLUMNS, RuleSummary, summarise, violations
from assets.order_rows import OrderTranslator, Row, moment_of
from resources.operating_model import OperatingModel
from resources.operations import quarantine
from resources.operations.database import OperationsDatabase
from resources.operations.orders import StoreCounts, store_orders
from resources.otto.orders import OrdersPage, UnreadableOrder
from resources.otto.wire import PartnerOrder

SOURCE = "otto_orders"
"""Source of these rows in the quarantine."""

# Judging a batch costs the same 90 ms for 500 orders as for 5,000; memory grows with it.
ORDERS_PER_CHUNK = 6_000
FEWEST_BAD_FOR_BREAK = 20
_LONG_AGO = datetime.min.replace(tzinfo=UTC)


@dataclass(slots=True)
class ImportOutcome:
    """What an import did. `orders_read` is the sum of the five counts of orders that follow it.

    `superseded` counts orders that the same chunk held again in a newer version. `buyer_cents` is
    what the buyers pay for all units that passed. `newest_change` is the latest change that was
    read, and so what a watermark may be set to once the import has returned.
    """

    pages: int = 0
    orders_read: int = 0
    new: int = 0
    changed: int = 0
    unchanged: int = 0
    quarantined_orders: int = 0
    superseded: int = 0
    items_read: int = 0
    buyer_cents: int = 0
    ambiguous_discounts: int = 0
    newest_change: datetime | None = None
    violations: dict[str, RuleSummary] = field(default_factory=dict)

    def add_good(self, counts: StoreCounts, orders: list[Row], items: list[Row]) -> None:
        """Count orders and items that passed."""
        self.new += counts.new
        self.changed += counts.changed
        self.unchanged += counts.unchanged
        self.buyer_cents += sum(row["buyer_price_cents"] for row in items)
        self.ambiguous_discounts += sum(row["discount_reading"] == "ambiguous" for row in orders)


class SystemicBreak(Exception):
    """Too many orders of one chunk break their contract; nothing of it was stored as good.

    `violations` has the counts and first rows by rule.
    """

    def __init__(self, message: str, summary: dict[str, RuleSummary]) -> None:
        super().__init__(message)
        self.violations = summary


@dataclass(slots=True)
class _Chunk:
    """Orders of some pages, each with the page that holds it."""

    orders: list[tuple[PartnerOrder, str]] = field(default_factory=list)
    unreadable: list[UnreadableOrder] = field(default_factory=list)
    pages: int = 0


def import_orders(
    pages: Iterable[OrdersPage], db: OperationsDatabase, model: OperatingModel, now: datetime
) -> ImportOutcome:
    """Store all good orders of `pages` and quarantine the others, one transaction per chunk.

    Repeating it changes nothing. An order that passes resolves what the quarantine held of it.
    `now` is business time in aware UTC. Errors of `pages` come through; chunks before them stay.

    Raises:
        SystemicBreak: more bad orders in a chunk than `orders.bad_row_limit` allows.
        OperationsDatabaseError: the database refuses.
    """
    running = _Import(db, model, now, OrderTranslator(model), _open_keys(db))
    found = [pd.DataFrame(columns=list(COLUMNS), dtype=str)]
    found += [running.take(chunk) for chunk in _chunks(pages)]
    running.outcome.violations = summarise(pd.concat(found))
    return running.outcome


@dataclass(slots=True)
class _Import:
    """One import under way; `open_keys` are the quarantine's open business keys."""

    db: OperationsDatabase
    model: OperatingModel
    now: datetime
    translator: OrderTranslator
    open_keys: set[str]
    outcome: ImportOutcome = field(default_factory=ImportOutcome)

    def take(self, chunk: _Chunk) -> pd.DataFrame:
        """Store and quarantine one chunk, count it, and return its violations."""
        latest = _latest_versions(chunk.orders)
        rows = self.translator.rows(latest)
        judged = violations(rows.lines_frame(), rows.orders_frame(), self.model.vat_rates)
        found = pd.concat([_unreadable(chunk.unreadable), judged])
        parked = _quarantine_rows(found, dict(_evidence(chunk)))
        blocking = {name for name, rule in RULES.items() if rule.blocking}
        bad = set(judged["sales_order_id"][judged["rule"].isin(blocking)])
        bad_orders = len(bad) + len(chunk.unreadable)
        read = len(latest) + len(chunk.unreadable)
        if self._is_systemic(bad_orders, read):
            with self.db.write() as conn:
                quarantine.put(conn, parked, self.now)
            limit = self.model.orders.bad_row_limit
            raise _systemic_break(bad_orders, read, limit, summarise(found))

        orders = [row for row in rows.orders if row["sales_order_id"] not in bad]
        items = [row for row in rows.items if row["sales_order_id"] not in bad]
        seen = {row["sales_order_id"] for row in rows.orders}
        judged_keys = [key for key in self.open_keys if _belongs_to(key, seen)]
        with self.db.write() as conn:
            counts = store_orders(conn, orders, items, self.now)
            # What is still wrong with these orders is put back at once, in the same transaction.
            quarantine.resolve(conn, SOURCE, judged_keys, self.now)
            quarantine.put(conn, parked, self.now)
        self.open_keys.update(row["business_key"] for row in parked)

        outcome = self.outcome
        outcome.pages += chunk.pages
        outcome.orders_read += len(chunk.orders) + len(chunk.unreadable)
        outcome.superseded += len(chunk.orders) - len(latest)
        outcome.quarantined_orders += bad_orders
        outcome.items_read += len(rows.items)
        outcome.newest_change = _newest(rows.orders, outcome.newest_change)
        outcome.add_good(counts, orders, items)
        return found

    def _is_systemic(self, bad: int, read: int) -> bool:
        return bad >= FEWEST_BAD_FOR_BREAK and bad > self.model.orders.bad_row_limit * read


def _chunks(pages: Iterable[OrdersPage]) -> Iterator[_Chunk]:
    """Whole pages together until a chunk is full; what came before an error of `pages` counts."""
    chunk = _Chunk()
    for page in pages:
        chunk.pages += 1
        chunk.orders += [(order, page.evidence_ref) for order in page.orders]
        chunk.unreadable += page.unreadable
        if len(chunk.orders) >= ORDERS_PER_CHUNK:
            yield chunk
            chunk = _Chunk()
    if chunk.pages:
        yield chunk


def _latest_versions(orders: list[tuple[PartnerOrder, str]]) -> list[tuple[PartnerOrder, str]]:
    """Each order once: an order that changes while it is paged comes again on a later page."""
    latest: dict[str, tuple[PartnerOrder, str]] = {}
    for entry in orders:
        known = latest.get(entry[0].sales_order_id)
        if known is None or _version(entry[0]) >= _version(known[0]):
            latest[entry[0].sales_order_id] = entry
    return list(latest.values())


def _version(order: PartnerOrder) -> tuple[datetime, datetime]:
    changed = moment_of(order.order_lifecycle_information.lifecycle_change_date)
    modified = moment_of(order.last_modified_date) if order.last_modified_date else None
    return changed or _LONG_AGO, modified or _LONG_AGO


def _unreadable(orders: list[UnreadableOrder]) -> pd.DataFrame:
    rule = RULES["order_readable"]
    rows = [(_key(order), "", rule.name, rule.field, order.reason) for order in orders]
    return pd.DataFrame(rows, columns=list(COLUMNS), dtype=str)


def _key(order: UnreadableOrder) -> str:
    """The order's id, else a key that is the same whenever the same thing comes again."""
    if order.sales_order_id:
        return order.sales_order_id
    return f"unknown-{hashlib.blake2b(order.reason.encode(), digest_size=8).hexdigest()}"


def _evidence(chunk: _Chunk) -> Iterator[tuple[str, str]]:
    for order, page_ref in chunk.orders:
        yield order.sales_order_id, page_ref
    for unreadable in chunk.unreadable:
        yield _key(unreadable), unreadable.evidence_ref


def _quarantine_rows(found: pd.DataFrame, evidence: dict[str, str]) -> list[Row]:
    return [
        {
            "source": SOURCE,
            "business_key": f"{order}/{item}" if item else order,
            "rule": rule,
            "field": name,
            "shown": shown,
            "owner": RULES[rule].owner,
            "remedy": RULES[rule].remedy,
            "evidence_ref": evidence[order],
        }
        for order, item, rule, name, shown in found[list(COLUMNS)].itertuples(index=False)
    ]


def _open_keys(db: OperationsDatabase) -> set[str]:
    with db.read() as conn:
        return {row["business_key"] for row in quarantine.open_rows(conn, SOURCE)}


def _belongs_to(business_key: str, orders: set[str]) -> bool:
    """Whether the key stands for one of `orders`, or for an item of it."""
    return business_key in orders or business_key.rpartition("/")[0] in orders


def _newest(orders: list[Row], known: datetime | None) -> datetime | None:
    changes = [row["lifecycle_changed_at"] for row in orders]
    return max((moment for moment in [*changes, known] if moment), default=None)


def _systemic_break(
    bad: int, read: int, limit: float, summary: dict[str, RuleSummary]
) -> SystemicBreak:
    rules = ", ".join(f"{rule} {found.count}" for rule, found in summary.items() if found.count)
    return SystemicBreak(
        f"order import stopped: {bad} of {read} orders of one batch ({bad / read:.1%}) break their "
        f"contract, more than orders.bad_row_limit allows ({limit:.1%}); by rule: {rules}. Nothing "
        "of this batch was stored, its bad orders are in quarantine with their remedies. Check "
        "whether OTTO changed its interface or the operating model is wrong, then import again",
        summary,
    )
