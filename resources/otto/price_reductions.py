"""Price reductions at OTTO: asking for one, and reading what became of them.

Belongs here: the operations and their records. OTTO takes a request, acts on it later, and gives it
no id; what follows from that does not belong here (`assets.outbound.otto_price_reduction`).
"""

from collections.abc import Iterator
from decimal import Decimal

import msgspec

from resources.otto.errors import OttoPermanent
from resources.otto.exchange import Call
from resources.otto.rows import Listing, RowsPage, Walk
from resources.otto.transport import Transport
from resources.otto.wire import Amount

LARGEST_PAGE = 128
_PATH = "/v1/price-reductions"
_JSON = (("Content-Type", "application/json"),)
# Amounts leave as numbers with exactly two decimals.
_ENCODER = msgspec.json.Encoder(decimal_format="number")


class Reduction(msgspec.Struct, frozen=True, rename="camel", kw_only=True):
    """One reduction; `receipt_number` comes with the status PROCESSED."""

    price_reduction: Amount
    creation_date_time: str
    status: str
    receipt_number: str | None = None


class ItemReductions(msgspec.Struct, frozen=True, rename="camel", kw_only=True):
    """All reductions of one unit."""

    sales_order_id: str
    position_item_id: str
    price_reductions: list[Reduction]
    total_price_reduction: Amount | None = None
    invoice_price: Amount | None = None


_LIST = Listing(_PATH, "results", "page", ItemReductions, ("salesOrderId", "positionItemId"))


class PriceReductions:
    """OTTO's operations for price reductions. Each method may raise an `OttoError`."""

    def __init__(self, transport: Transport, walk: Walk) -> None:
        self._transport = transport
        self._walk = walk

    def pages(self) -> Iterator[RowsPage[ItemReductions]]:
        """Yield all units that have a reduction."""
        limit = (("limit", str(LARGEST_PAGE)),)
        return _LIST.pages(self._transport, self._walk, limit)

    def of_item(self, sales_order_id: str, position_item_id: str) -> list[Reduction]:
        """Return the reductions of one unit; none where OTTO says that there is none.

        Raises:
            OttoPermanent: a row of the answer cannot be read, so the list would not be whole.
        """
        params = (("positionItemId", position_item_id), ("limit", str(LARGEST_PAGE)))
        try:
            pages = list(_LIST.pages(self._transport, self._walk, params))
        except OttoPermanent as error:
            if error.status == 404:
                return []
            raise
        unreadable = [row.reason for page in pages for row in page.unreadable]
        if unreadable:
            raise OttoPermanent(f"OTTO GET {_PATH}: {unreadable[0]}", status=200)
        key = sales_order_id, position_item_id
        return [
            reduction
            for page in pages
            for row in page.rows
            if (row.sales_order_id, row.position_item_id) == key
            for reduction in row.price_reductions
        ]

    def request(self, sales_order_id: str, position_item_id: str, cents: int) -> None:
        """Ask for a reduction in euro; OTTO carries it out or rejects it later.

        Raises:
            OttoPermanent: refused at once: 404 no such unit, 409 not sent yet or returned.
            OttoUnknownOutcome: ask `of_item` before asking again.
        """
        if cents <= 0:
            raise ValueError(f"{cents} cents: a reduction is above zero")
        body = {
            "positionItemId": position_item_id,
            "salesOrderId": sales_order_id,
            "priceReduction": {"amount": Decimal(cents).scaleb(-2), "currency": "EUR"},
        }
        content = _ENCODER.encode(body)
        call = Call("POST", _PATH, repeatable=False, content=content, headers=_JSON)
        self._transport.request(call, lambda answer: True)
