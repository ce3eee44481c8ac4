"""Adapter `files`: a warehouse that exchanges CSV files through folders, on a disk or over SFTP.

Belongs here: the port's methods. How a partner's files look stands in `policy`, how they come in
in `intake`, how they go out in `outgoing`.

Files give no answer at once. So an order counts as handed over when its file has its final name,
what the adapter knows of an order is what it sent and what the partner's files told since, and a
cancellation is answered by a later file.
"""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import TypeVar

from filelock import FileLock, Timeout

from resources.wms.capabilities import Capabilities, Feature
from resources.wms.errors import WmsError, WmsRetryable
from resources.wms.files import books
from resources.wms.files.erasing import erase
from resources.wms.files.folder import Folder
from resources.wms.files.intake import Intake
from resources.wms.files.outgoing import cancellation_file, order_file
from resources.wms.files.policy import FilesPolicy
from resources.wms.files.table import BadValue
from resources.wms.journal import Journal, Page, records
from resources.wms.keeping import FilesErased
from resources.wms.port import (
    CancelOutcome,
    CancelResult,
    FulfilmentEvent,
    FulfilmentPage,
    Health,
    LineSnapshot,
    LineState,
    OrderSnapshot,
    OutboundOrder,
    ReturnPage,
    ReturnReceipt,
    StockChanges,
    StockPage,
    SubmitOutcome,
    SubmitResult,
)

T = TypeVar("T")
CAPABILITIES = Capabilities(
    name="files",
    supports=frozenset(Feature) - {Feature.CANCEL_ANSWERED, Feature.ACKNOWLEDGE},
)
_CHANGES_AT_ONCE = 200
_NAMED_AT_ONCE = 100
_NEVER = datetime(1970, 1, 1, tzinfo=UTC)
_TOO_FAR = frozenset({LineState.PICKED, LineState.SHORT, LineState.SHIPPED})


def _utc_now() -> datetime:
    return datetime.now(UTC)


class FilesWms:
    """A warehouse behind folders. One instance may be used by several threads.

    Args:
        folder: the partner's folders.
        policy: how its files look.
        state: the adapter's own file; all processes of this machine share it.
        now: real time, for waiting; business time does not matter here.
    """

    def __init__(
        self,
        folder: Folder,
        policy: FilesPolicy,
        state: Path,
        *,
        wait_seconds: float = 30.0,
        now: Callable[[], datetime] = _utc_now,
    ) -> None:
        self._folder = folder
        self._policy = policy
        self._now = now
        self.faults = folder.faults
        """Faults of the connection met, kind to count."""
        self._journal = Journal(state, books.SCHEMA)
        self._intake = Intake(folder, self._journal, policy, now)
        self._writing = FileLock(f"{state}.outgoing.lock", timeout=wait_seconds, mode=0o600)

    def close(self) -> None:
        """Close the connection to the partner."""
        self._folder.close()

    def capabilities(self) -> Capabilities:
        """What files can do; a cancellation is answered later, and nothing is acknowledged."""
        if self._policy.orders.replaceable:
            return CAPABILITIES
        return Capabilities(
            name=CAPABILITIES.name, supports=CAPABILITIES.supports - {Feature.UPDATE}
        )

    def health(self) -> Health:
        """Whether all folders are there and can be listed."""
        try:
            self._intake.prepare()
            waiting = len(self._folder.entries(self._policy.orders.folder))
        except (WmsError, FileNotFoundError) as error:
            return Health(ok=False, detail=str(error))
        return Health(ok=True, detail=f"{waiting} order files wait for the partner")

    def submit_orders(self, orders: list[OutboundOrder]) -> list[SubmitResult]:
        """Write one file per order; one that was written before is not written again."""
        # What the partner picked meanwhile decides whether an order may still be replaced.
        self._intake.look()
        return [self._alone(partial(self._submit, order)) for order in orders]

    def cancel_order(
        self, order_ref: str, line_ids: tuple[str, ...] | None, reason: str
    ) -> CancelResult:
        """Ask the partner by file, once per line; the answer comes by file, too.

        Raises:
            WmsRetryable: the partner was asked and has not answered yet; ask again later.
        """
        self._intake.look()
        return self._alone(lambda: self._cancel(order_ref, line_ids, reason))

    def get_orders(self, order_refs: list[str]) -> list[OrderSnapshot]:
        """What we sent and what came back of it; prices where the partner tells them."""
        self._intake.look()
        with self._journal.read() as conn:
            found = []
            for order_ref in dict.fromkeys(order_refs):
                order = books.sent_order(conn, order_ref)
                if order is not None and order.is_out and not self._is_silent(order):
                    found.append(_shown(order, books.known_lines_of(conn, order_ref)))
        return found

    def poll_fulfilment(self, cursor: str | None, limit: int = 200) -> FulfilmentPage:
        """News of the dispatch files, in the order in which they were taken in."""
        page = self._page(books.EVENTS, cursor, limit)
        told, faults = records(page, FulfilmentEvent)
        return FulfilmentPage(
            events=told,
            next_cursor=page.next_cursor,
            has_more=page.has_more,
            unreadable=faults,
        )

    def acknowledge(self, event_ids: list[str]) -> None:
        """Nothing to tell: a file that was read lies in its folder `processed`."""

    def stock_snapshot(self, skus: list[str] | None, page: str | None = None) -> StockPage:
        """Levels of the stock file that was taken last; all in one page."""
        if skus is not None and not 1 <= len(skus) <= _NAMED_AT_ONCE:
            raise ValueError(f"{len(skus)} SKUs: ask for 1 to {_NAMED_AT_ONCE} at once, or None")
        self._intake.look()
        with self._journal.read() as conn:
            levels = books.stock_levels(conn, skus)
            current = books.snapshot(conn)
            refusal = books.stock_refusal(conn)
        # No file yet says nothing of any article, above all not that there is none.
        complete = current is not None and current.complete and not refusal
        faults = (*(current.faults if current else ()), *((refusal,) if refusal else ()))
        return StockPage(
            levels=tuple(levels),
            next_page=None,
            snapshot_at=current.taken_at if current else _NEVER,
            complete=complete and skus is None,
            unreadable=faults if skus is None else (),
        )

    def poll_stock_changes(self, cursor: str | None) -> StockChanges:
        """Articles whose figures differ between two stock files."""
        page = self._page(books.STOCK_CHANGES, cursor, _CHANGES_AT_ONCE)
        return StockChanges(
            skus=tuple(dict.fromkeys(entry.body for entry in page.entries)),
            next_cursor=page.next_cursor,
            has_more=page.has_more,
        )

    def poll_returns(self, cursor: str | None, limit: int = 200) -> ReturnPage:
        """Receipts of the return files, in the order in which they were taken in."""
        page = self._page(books.RETURNS, cursor, limit)
        told, faults = records(page, ReturnReceipt)
        return ReturnPage(
            receipts=told,
            next_cursor=page.next_cursor,
            has_more=page.has_more,
            unreadable=faults,
        )

    def erase_files(
        self, taken_in_before: datetime, over: Callable[[list[str]], set[str]]
    ) -> FilesErased:
        """Remove order files of orders that are over, and old files that were taken in."""
        self._intake.prepare()
        with self._journal.read() as conn:
            unfinished = books.unfinished_orders(conn)
        put_away = self._intake.put_away_folders()
        work = partial(erase, self._folder, self._policy, put_away, unfinished)
        return self._alone(partial(work, taken_in_before, over))

    def _page(self, feed: str, cursor: str | None, limit: int) -> Page:
        self._intake.look()
        return self._journal.page(feed, cursor, limit)

    def _alone(self, work: Callable[[], T]) -> T:
        """Write while no other process does, so that nothing is written twice."""
        try:
            with self._writing:
                return work()
        except Timeout:
            raise WmsRetryable(
                f"another process has been writing files for {self._writing.timeout:g} s"
            ) from None

    def _submit(self, order: OutboundOrder) -> SubmitResult:
        with self._journal.read() as conn:
            before = books.sent_order(conn, order.order_ref)
            lines = books.known_lines_of(conn, order.order_ref)
        if before is not None and before.is_out and before.payload_hash == order.payload_hash:
            return _result(order, SubmitOutcome.UNCHANGED, before)
        replaces = before is not None and before.is_out
        if replaces and not self._policy.orders.replaceable:
            return _refused(order, "the partner has this order with other content already")
        if replaces and any(line.state in _TOO_FAR for line in lines):
            return _refused(order, "the partner has picked this order with other content already")
        try:
            name, content = order_file(order, self._policy)
        except BadValue as error:
            return _refused(order, str(error))
        self._intake.prepare()
        with self._journal.write() as conn:
            books.record_order(conn, order, name, self._now())
        self._folder.publish(f"{self._policy.orders.folder}/{name}", content)
        with self._journal.write() as conn:
            books.record_out(conn, order.order_ref)
        outcome = SubmitOutcome.UPDATED if replaces else SubmitOutcome.CREATED
        return _result(order, outcome, before)

    def _cancel(
        self, order_ref: str, line_ids: tuple[str, ...] | None, reason: str
    ) -> CancelResult:
        with self._journal.read() as conn:
            lines = books.known_lines_of(conn, order_ref)
            asked = books.asked_lines(conn, order_ref)
        wanted = [line for line in lines if line_ids is None or line.line_id in line_ids]
        if not wanted:
            return CancelResult(order_ref=order_ref, outcome=CancelOutcome.NOT_FOUND)
        waiting = [line for line in wanted if line.is_open]
        new = [(line.line_id, line.sku) for line in waiting if line.line_id not in asked]
        if new:
            name, content = cancellation_file(order_ref, new, reason, self._now(), self._policy)
            self._intake.prepare()
            self._folder.publish(f"{self._policy.cancellations.folder}/{name}", content)
            with self._journal.write() as conn:
                books.record_asked(conn, order_ref, (line_id for line_id, _ in new))
        if waiting:
            raise WmsRetryable(
                f"order {order_ref}: the partner was asked to cancel {len(waiting)} lines and has "
                "not answered yet",
                retry_after_s=self._policy.cancellations.ask_again_seconds,
            )
        gone = tuple(line.line_id for line in wanted if line.is_given_up)
        if len(gone) == len(wanted):
            outcome = CancelOutcome.CANCELLED
        else:
            outcome = CancelOutcome.PARTIAL if gone else CancelOutcome.TOO_LATE
        return CancelResult(order_ref=order_ref, outcome=outcome, cancelled_line_ids=gone)

    def _is_silent(self, order: books.SentOrder) -> bool:
        minutes = self._policy.silent_after_minutes
        if minutes is None or order.has_sign:
            return False
        return self._now() - order.sent_at > timedelta(minutes=minutes)


def _shown(order: books.SentOrder, lines: list[books.KnownLine]) -> OrderSnapshot:
    return OrderSnapshot(
        order_ref=order.order_ref,
        wms_order_id=order.wms_order_id or order.name,
        status="known to the partner" if order.has_sign else "sent",
        lines=tuple(
            LineSnapshot(
                line_id=line.line_id,
                sku=line.sku,
                quantity=line.quantity,
                quantity_shipped=line.shipped,
                state=line.state,
                unit_price_cents=line.price_cents,
                currency=line.currency,
            )
            for line in lines
        ),
    )


def _result(
    order: OutboundOrder, outcome: SubmitOutcome, before: books.SentOrder | None
) -> SubmitResult:
    known = before.wms_order_id if before else None
    return SubmitResult(order_ref=order.order_ref, outcome=outcome, wms_order_id=known)


def _refused(order: OutboundOrder, reason: str) -> SubmitResult:
    return SubmitResult(order_ref=order.order_ref, outcome=SubmitOutcome.REJECTED, error=reason)
