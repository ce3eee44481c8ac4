"""Orders of OTTO into the operations database: translate, judge, store the good, park the bad.

Belongs here: one import from pages to committed rows, without Dagster. How an order becomes rows
stands in `order_rows`, the rules in `contracts`, the tables and their guards in
`resources.operations`; what is fetched, and the watermark, belong to the caller.
"""

import gc
import hashlib
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime

import pandas as pd

from assets.contracts.rules import RULES
from assets.contracts.violations import COLUMNS, RuleSummary, summarise, violations
from assets.order_rows import OrderColumns, OrderTranslator, ReceivedOrder
from assets.order_values import moment_of
from resources.operating_model import OperatingModel
from resources.operations import quarantine
from resources.operations.bulk import Row
from resources.operations.database import OperationsDatabase
from resources.operations.orders import (
    HeldValue,
    StoreCounts,
    held_hashes,
    held_value,
    store_orders,
)
from resources.otto.orders import OrdersPage, UnreadableOrder

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

    def add(self, counts: StoreCounts, good: OrderColumns, held: int, value: HeldValue) -> None:
        """Count what passed: orders judged just now, and orders that we hold as they came."""
        self.new += counts.new
        self.changed += counts.changed
        self.unchanged += counts.unchanged + held
        self.buyer_cents += sum(good.items["buyer_price_cents"]) + value.buyer_cents
        ambiguous = good.orders["discount_reading"].count("ambiguous")
        self.ambiguous_discounts += ambiguous + value.ambiguous_discounts


class SystemicBreak(Exception):
    """Too many orders of one chunk break their contract; nothing of it was stored as good.

    `violations` has the counts and first rows by rule.

    What to do: look at the check's rows, compare with OTTO's release notes and the operating model,
    then run again.
    """

    def __init__(self, message: str, summary: dict[str, RuleSummary]) -> None:
        super().__init__(message)
        self.violations = summary


def import_orders(
    pages: Iterable[OrdersPage], db: OperationsDatabase, model: OperatingModel, now: datetime
) -> ImportOutcome:
    """Store all good orders of `pages` and quarantine the others, one transaction per chunk.

    Repeating it changes nothing: what we hold already is not even translated, unless something of
    it waits in quarantine. An order that passes resolves what the quarantine held of it.
    `now` is business time in aware UTC. Errors of `pages` come through; chunks before them stay.

    Raises:
        SystemicBreak: more bad orders in a chunk than `orders.bad_row_limit` allows.
        OperationsDatabaseError: the database refuses.
    """
    running = _Import(db, model, now, OrderTranslator(model), _waiting(db))
    found = [pd.DataFrame(columns=list(COLUMNS), dtype=str)]
    with _collector_paused():
        for page in pages:
            running.read(page)
            if running.chunk.orders >= ORDERS_PER_CHUNK:
                found.append(running.settle())
                gc.collect(0)
        if running.chunk.pages:
            found.append(running.settle())
    running.outcome.violations = summarise(pd.concat(found))
    return running.outcome


@contextmanager
def _collector_paused() -> Iterator[None]:
    """Python's collector would look through the whole process many times for each chunk.

    Orders and rows hold no cycles; what else a chunk leaves is collected once, after it.
    """
    was_enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_enabled:
            gc.enable()


@dataclass(slots=True)
class _Chunk:
    """Whole pages. Orders are translated as they come, and then let go: that keeps memory small.

    `held` are orders that we hold just as they came, by their id.
    """

    translated: list[OrderColumns] = field(default_factory=list)
    held: dict[str, ReceivedOrder] = field(default_factory=dict)
    unreadable: list[UnreadableOrder] = field(default_factory=list)
    pages: int = 0
    orders: int = 0


@dataclass(slots=True)
class _Import:
    """One import under way; `waiting` has the quarantine's open business keys by order."""

    db: OperationsDatabase
    model: OperatingModel
    now: datetime
    translator: OrderTranslator
    waiting: dict[str, set[str]]
    outcome: ImportOutcome = field(default_factory=ImportOutcome)
    chunk: _Chunk = field(default_factory=_Chunk)

    def read(self, page: OrdersPage) -> None:
        """Add a page to the chunk.

        An order that we hold has passed, and its hash covers all that it was judged by. So it is
        translated and judged again only where it differs, or where it waits in quarantine.
        """
        received = [
            ReceivedOrder(order, page.evidence_ref, self.translator.payload_hash(order))
            for order in page.orders
        ]
        differing = []
        with self.db.read() as conn:
            held = held_hashes(conn, [entry.order.sales_order_id for entry in received])
        for entry in received:
            key = entry.order.sales_order_id
            if held.get(key) == entry.payload_hash and key not in self.waiting:
                self.chunk.held[key] = entry
            else:
                differing.append(entry)
        self.chunk.translated.append(self.translator.columns(differing))
        self.chunk.unreadable += page.unreadable
        self.chunk.orders += len(received)
        self.chunk.pages += 1

    def settle(self) -> pd.DataFrame:
        """Store and quarantine the chunk, count it, and return its violations."""
        chunk, self.chunk = self.chunk, _Chunk()
        rows = self._to_judge(chunk)
        judged = violations(rows.lines_frame(), rows.orders_frame(), self.model.vat_rates)
        found = pd.concat([_unreadable(chunk.unreadable), judged])
        parked = _quarantine_rows(found, _evidence(rows, chunk.unreadable))
        blocking = {name for name, rule in RULES.items() if rule.blocking}
        bad = set(judged["sales_order_id"][judged["rule"].isin(blocking)])
        bad_orders = len(bad) + len(chunk.unreadable)
        ids = rows.orders["sales_order_id"]
        read = len(ids) + len(chunk.held) + len(chunk.unreadable)
        if self._is_systemic(bad_orders, read):
            with self.db.write() as conn:
                quarantine.put(conn, parked, self.now)
            limit = self.model.orders.bad_row_limit
            raise _systemic_break(bad_orders, read, limit, summarise(found))

        good = rows.keep([row for row, order in enumerate(ids) if order not in bad])
        judged_keys = set().union(*(self.waiting.get(order, ()) for order in ids))
        with self.db.write() as conn:
            counts = store_orders(conn, good.orders, good.items, self.now)
            # What is still wrong with these orders is put back at once, in the same transaction.
            quarantine.resolve(conn, SOURCE, judged_keys, self.now)
            quarantine.put(conn, parked, self.now)
            value = held_value(conn, list(chunk.held))
        _by_order(self.waiting, (row["business_key"] for row in parked))

        outcome = self.outcome
        outcome.pages += chunk.pages
        outcome.orders_read += chunk.orders + len(chunk.unreadable)
        outcome.superseded += chunk.orders - len(ids) - len(chunk.held)
        outcome.quarantined_orders += bad_orders
        outcome.items_read += len(rows.items["sales_order_id"])
        outcome.items_read += sum(len(held.order.position_items) for held in chunk.held.values())
        outcome.newest_change = _newest(rows, chunk.held, outcome.newest_change)
        outcome.add(counts, good, len(chunk.held), value)
        return found

    def _to_judge(self, chunk: _Chunk) -> OrderColumns:
        """The newest version of each order; takes from `held` what must be judged together with it.

        That is an order that comes in another version, too, or that shares an item with another.
        """
        rows = OrderColumns.joined(chunk.translated)
        ids, units = set(rows.orders["sales_order_id"]), set(rows.items["position_item_id"])
        together = [
            entry
            for key, entry in chunk.held.items()
            if key in ids
            or not units.isdisjoint([i.position_item_id for i in entry.order.position_items])
        ]
        if together:
            for entry in together:
                del chunk.held[entry.order.sales_order_id]
            # Before the others: of two versions of one age, what differs from ours counts.
            rows = OrderColumns.joined([self.translator.columns(together), rows])
        return rows.keep(_newest_versions(rows))

    def _is_systemic(self, bad: int, read: int) -> bool:
        return bad >= FEWEST_BAD_FOR_BREAK and bad > self.model.orders.bad_row_limit * read


def _newest_versions(rows: OrderColumns) -> list[int]:
    """Each order once: an order that changes while it is paged comes again on a later page."""
    orders = rows.orders
    newest: dict[str, tuple[tuple[datetime, datetime], int]] = {}
    times = zip(orders["lifecycle_changed_at"], orders["last_modified_at"], strict=True)
    for row, (key, (changed, modified)) in enumerate(
        zip(orders["sales_order_id"], times, strict=True)
    ):
        version = changed or _LONG_AGO, modified or _LONG_AGO
        if key not in newest or version >= newest[key][0]:
            newest[key] = version, row
    return [row for _, row in newest.values()]


def _unreadable(orders: list[UnreadableOrder]) -> pd.DataFrame:
    rule = RULES["order_readable"]
    rows = [(_key(order), "", rule.name, rule.field, order.reason) for order in orders]
    return pd.DataFrame(rows, columns=list(COLUMNS), dtype=str)


def _key(order: UnreadableOrder) -> str:
    """The order's id, else a key that is the same whenever the same thing comes again."""
    if order.sales_order_id:
        return order.sales_order_id
    return f"unknown-{hashlib.blake2b(order.reason.encode(), digest_size=8).hexdigest()}"


def _evidence(rows: OrderColumns, unreadable: list[UnreadableOrder]) -> dict[str, str]:
    orders = zip(rows.orders["sales_order_id"], rows.orders["page_ref"], strict=True)
    return dict(orders) | {_key(order): order.evidence_ref for order in unreadable}


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


def _waiting(db: OperationsDatabase) -> dict[str, set[str]]:
    waiting: dict[str, set[str]] = {}
    with db.read() as conn:
        _by_order(waiting, (row["business_key"] for row in quarantine.open_rows(conn, SOURCE)))
    return waiting


def _by_order(waiting: dict[str, set[str]], business_keys: Iterable[str]) -> None:
    """Put each key to the order that it stands for, itself or by one of its items."""
    for key in business_keys:
        for order in {key, key.rpartition("/")[0]}:
            waiting.setdefault(order, set()).add(key)


def _newest(
    rows: OrderColumns, held: dict[str, ReceivedOrder], known: datetime | None
) -> datetime | None:
    lifecycles = [entry.order.order_lifecycle_information for entry in held.values()]
    moments = [moment_of(lifecycle.lifecycle_change_date) for lifecycle in lifecycles]
    found = [known, *moments, *rows.orders["lifecycle_changed_at"]]
    return max((moment for moment in found if moment), default=None)


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
