"""Receipts V3 of the simulated OTTO: the list, one receipt as JSON, one as PDF.

Belongs here: parameters and paging. Receipts belong to `receipts`, their form to `receipts_wire`.
Unknown parameters are ignored without a word, as OTTO does.
"""

from datetime import date
from urllib.parse import quote

from otto_pipelines.sandbox.http_server import Answer, Request, json_answer
from otto_pipelines.sandbox.otto_reading import (
    Handler,
    bad_request,
    moment,
    not_found,
    number,
    read_cursor,
    write_cursor,
)
from otto_pipelines.sandbox.receipts import Receipt, ReceiptBook, ReceiptQuery, ReceiptType
from otto_pipelines.sandbox.receipts_wire import receipt_json, receipt_pdf

SCOPE = "receipts"
PATH = "/v3/receipts"
_MOST = 128


def routes(book: ReceiptBook) -> dict[str, tuple[str, Handler]]:
    """Routes with their scope, for the table of `otto_server`."""
    receipts = _Receipts(book)
    return {
        f"GET {PATH}": (SCOPE, receipts.page),
        f"GET {PATH}/*": (SCOPE, receipts.one),
    }


class _Receipts:
    """Handlers; they hold the world's lock."""

    def __init__(self, book: ReceiptBook) -> None:
        self._book = book

    def page(self, request: Request) -> Answer:
        """Newest first. A cursor carries the filters; then only the limit counts."""
        limit = number(request, "limit", default=_MOST, most=_MOST)
        cursor = request.first("next")
        query = _query(request) if cursor is None else _from_cursor(cursor)
        found: list[Receipt] = []
        links = [{"rel": "self", "href": PATH}]
        for receipt in self._book.newest_first(query):
            if len(found) == limit:
                following = quote(_cursor(query, found[-1].serial), safe="")
                links.append({"rel": "next", "href": f"{PATH}?next={following}&limit={limit}"})
                break
            found.append(receipt)
        resources = [receipt_json(receipt) for receipt in found]
        return json_answer(200, {"resources": resources, "links": links})

    def one(self, request: Request) -> Answer:
        """By its number; with `.pdf` behind it as a document."""
        wanted = request.segments[2]
        receipt = self._book.find(wanted.removesuffix(".pdf"))
        if receipt is None:
            raise not_found(f"Receipt [{wanted}] not found.")
        if wanted.endswith(".pdf"):
            return Answer(200, receipt_pdf(receipt), "application/pdf")
        return json_answer(200, receipt_json(receipt))


def _query(request: Request) -> ReceiptQuery:
    given = [value for name, value in request.query if name == "receiptTypes"]
    types = tuple(part.strip() for value in given for part in value.split(",") if part.strip())
    for name in types:
        if name not in ReceiptType.__members__:
            raise bad_request(f"receiptTypes [{name}] is unknown.")
    first, last = moment(request, "from"), moment(request, "to")
    return ReceiptQuery(
        types=types,
        first_day=first.date() if first else None,
        last_day=last.date() if last else None,
        order_id=request.first("salesOrderId"),
    )


def _cursor(query: ReceiptQuery, before: int) -> str:
    return write_cursor(
        ",".join(query.types), query.first_day, query.last_day, query.order_id, before
    )


def _from_cursor(text: str) -> ReceiptQuery:
    types, first, last, order_id, before = read_cursor(text, 5)
    try:
        return ReceiptQuery(
            types=tuple(types.split(",")) if types else (),
            first_day=date.fromisoformat(first) if first else None,
            last_day=date.fromisoformat(last) if last else None,
            order_id=order_id or None,
            before=int(before),
        )
    except ValueError as error:
        raise bad_request("next is invalid.") from error
