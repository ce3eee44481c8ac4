"""Reading about money: what is asked of OTTO and of the warehouse, and up to where it was read.

Belongs here: the choice of pages and the watermarks, without Dagster. Judging and storing a page
stands in `money_import`, the Dagster shells in `receipts`, `returns` and `prices`.
"""

from collections import Counter
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from assets.money_import import (
    MoneyImport,
    import_active_status,
    import_marketplace_status,
    import_prices,
    import_receipts,
    import_reductions,
    import_return_shipments,
    import_returns,
    store_wms_return_page,
)
from resources.operating_model import OperatingModel
from resources.operations import watermarks
from resources.operations.database import OperationsDatabase
from resources.operations.wms_returns import match_units
from resources.otto.client import OttoClient
from resources.otto.receipts import ReceiptsQuery
from resources.wms.port import WmsPort

FEWEST_BAD_FOR_BREAK = 20
_OPEN_AT_OTTO = "ANNOUNCED"


@dataclass(frozen=True)
class Books:
    """With what is read, and into what; `now` is business time, aware UTC."""

    operations: OperationsDatabase
    model: OperatingModel
    now: datetime


class TooManyBadRows(Exception):
    """So many rows of a list broke their rules that the list itself must have changed.

    What to do: as for `SystemicBreak`; the watermark stays, so nothing is left out.
    """


def read_receipts_of(books: Books, otto: OttoClient, start: datetime, end: datetime) -> MoneyImport:
    """Read receipts created from `start` up to `end`, both aware.

    OTTO filters by whole days of UTC, so neighbouring hours come along.
    """
    last = end - timedelta(microseconds=1)
    query = ReceiptsQuery(from_day=start.astimezone(UTC).date(), to_day=last.astimezone(UTC).date())
    return _read_receipts(books, otto, query)


def read_new_receipts(books: Books, otto: OttoClient) -> MoneyImport:
    """Read receipts since the last time, less an overlap of days."""
    overlap = timedelta(days=books.model.money.receipts_overlap_days)
    since = _since(books, "otto_receipts", overlap)
    done = _read_receipts(books, otto, ReceiptsQuery(from_day=since.date()))
    _read_up_to(books, "otto_receipts", books.now)
    return done


def read_returns(books: Books, otto: OttoClient, *, everything: bool = False) -> MoneyImport:
    """Read changes of returns, the newest first, and all that are still announced.

    OTTO knows no range of dates here: reading ends where everything is known from the last time.
    """
    overlap = timedelta(minutes=books.model.money.returns_overlap)
    with books.operations.read() as conn:
        position = watermarks.get(conn, "otto_returns")
    known = None if position is None or everything else datetime.fromisoformat(position) - overlap
    done = import_returns(otto.returns.pages(), books.operations, books.now, known)
    _stop_if_systemic(books, done)
    if known is not None:
        still_open = otto.returns.pages(_OPEN_AT_OTTO)
        done.add(import_returns(still_open, books.operations, books.now))
    if done.newest is not None:
        _read_up_to(books, "otto_returns", done.newest)
    return done


def read_return_shipments(
    books: Books, otto: OttoClient, *, everything: bool = False
) -> MoneyImport:
    """Read return parcels that were announced or moved since the last time."""
    source = "otto_return_shipments"
    overlap = timedelta(minutes=books.model.money.returns_overlap)
    since = _first(books) if everything else _since(books, source, overlap)
    done = import_return_shipments(otto.returns.shipments(since), books.operations, books.now)
    _stop_if_systemic(books, done)
    _read_up_to(books, source, books.now)
    return done


def read_reductions(books: Books, otto: OttoClient) -> MoneyImport:
    """Read all price reductions: the list has no dates, and an open one may change at any time."""
    done = import_reductions(otto.price_reductions.pages(), books.operations, books.now)
    _stop_if_systemic(books, done)
    return done


def read_products(books: Books, otto: OttoClient) -> list[MoneyImport]:
    """Read prices, whether SKUs are offered, and what the shop says of them."""
    db, now = books.operations, books.now
    done = [
        import_prices(otto.products.prices(), db, now),
        import_active_status(otto.products.active_status(), db, now),
        import_marketplace_status(otto.products.marketplace_status(), db, now),
    ]
    for each in done:
        _stop_if_systemic(books, each)
    return done


def read_wms_returns(books: Books, wms: WmsPort) -> tuple[MoneyImport, Counter[str]]:
    """Read the warehouse's feed of returns, then look whose the units are.

    Returns what was read, and how many units were `matched` now and stay `blind`.
    """
    done = MoneyImport("wms_returns")
    while _read_return_page(books, wms, done):
        pass
    otto_sku_of = {article: sku for sku, article in books.model.sku_map.items()}
    with books.operations.write() as conn:
        found = match_units(conn, lambda sku: otto_sku_of.get(sku, sku), books.now)
    return done, Counter(matched=found.matched, blind=found.blind)


def _read_return_page(books: Books, wms: WmsPort, done: MoneyImport) -> bool:
    """Store one page with its position in one transaction; returns whether more is there."""
    with books.operations.read() as conn:
        cursor = watermarks.get(conn, "wms_returns")
    page = wms.poll_returns(cursor)
    with books.operations.write() as conn:
        done.add(store_wms_return_page(conn, page, books.now))
        watermarks.set(conn, "wms_returns", page.next_cursor, books.now)
    # A feed that stands still although it promises more is looked at again in the next run.
    return page.has_more and page.next_cursor != cursor


def _read_receipts(books: Books, otto: OttoClient, query: ReceiptsQuery) -> MoneyImport:
    done = import_receipts(otto.receipts.pages(query), books.operations, books.now)
    _stop_if_systemic(books, done)
    return done


def _stop_if_systemic(books: Books, done: MoneyImport) -> None:
    """Fail the run before its watermark moves; good rows are stored, bad ones in quarantine."""
    limit = books.model.orders.bad_row_limit
    if done.quarantined < FEWEST_BAD_FOR_BREAK or done.quarantined <= limit * done.rows_read:
        return
    rules = ", ".join(f"{rule} {count}" for rule, count in done.flaws.most_common())
    raise TooManyBadRows(
        f"{done.source}: {done.quarantined} of {done.rows_read} rows break their rules, more than "
        f"orders.bad_row_limit allows ({limit:.1%}); by rule: {rules}. The bad rows are in "
        "quarantine with their remedies. Check whether OTTO changed its interface, then run again"
    )


def _first(books: Books) -> datetime:
    return books.now - timedelta(days=books.model.money.first_import_days)


def _since(books: Books, source: str, overlap: timedelta) -> datetime:
    with books.operations.read() as conn:
        position = watermarks.get(conn, source)
    return _first(books) if position is None else datetime.fromisoformat(position) - overlap


def _read_up_to(books: Books, source: str, position: datetime) -> None:
    with books.operations.write() as conn:
        watermarks.set(conn, source, position.isoformat(), books.now)
