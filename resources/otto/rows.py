"""Lists of OTTO whose rows are read one by one: a row that cannot be read costs only itself.

Belongs here: splitting a page of any list into typed rows and unreadable ones. Orders have a reader
of their own (`orders.py`), which is made for their number. What a row means does not belong here.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Generic, TypeVar

import msgspec

from resources.json_parts import UNREADABLE, elements, reason_of, text_member
from resources.keys import is_key
from resources.otto.exchange import Call
from resources.otto.paging import RawPage, read_page
from resources.otto.transport import Transport

T = TypeVar("T")

Walk = Callable[[Callable[[str | None], RawPage]], Iterator[RawPage]]
"""Follows a chain of pages (`resources.otto.paging.walk`)."""


@dataclass(frozen=True, slots=True)
class UnreadableRow:
    """A row that does not have OTTO's documented form; `key` names it where its id can be read.

    `reason` shows no value of the row.
    """

    key: str | None
    reason: str


@dataclass(frozen=True, slots=True)
class RowsPage(Generic[T]):
    """One page, numbered from 1; `evidence_ref` leads to it as OTTO sent it, if it was kept."""

    number: int
    rows: list[T]
    unreadable: list[UnreadableRow]
    evidence_ref: str | None = None


@dataclass(frozen=True)
class Listing(Generic[T]):
    """How one list of OTTO is written: where it is, what its array and its cursor are called."""

    path: str
    array: str
    cursor: str
    row: type[T]
    keys: tuple[str, ...]
    """Fields that together name a row."""

    def pages(
        self,
        transport: Transport,
        walk: Walk,
        params: tuple[tuple[str, str], ...],
        cursor_params: tuple[tuple[str, str], ...] | None = None,
        keep: Callable[[int, bytes], str] | None = None,
    ) -> Iterator[RowsPage[T]]:
        """Yield all pages; each may raise an `OttoError`.

        Args:
            transport: how calls are sent.
            walk: how pages follow each other.
            params: the query.
            cursor_params: the query beside a cursor; None: the same.
            keep: gets number and body of a page, returns the reference of the evidence.
        """
        later = params if cursor_params is None else cursor_params

        def fetch(cursor: str | None) -> RawPage:
            query = params if cursor is None else (*later, (self.cursor, cursor))
            call = Call("GET", self.path, repeatable=True, params=query, bulk=True)
            return transport.request(call, self.read)

        for number, page in enumerate(walk(fetch), start=1):
            reference = None if keep is None else keep(number, page.body)
            rows, unreadable = self.rows(page.resources)
            yield RowsPage(number, rows, unreadable, reference)

    def read(self, body: bytes) -> RawPage:
        """Split a page into its array and its next cursor."""
        return read_page(body, self.cursor, self.array)

    def rows(self, array: msgspec.Raw) -> tuple[list[T], list[UnreadableRow]]:
        """Read a page's array row by row."""
        decoder = msgspec.json.Decoder(self.row, strict=False)
        rows: list[T] = []
        unreadable: list[UnreadableRow] = []
        for position, raw in enumerate(elements(array), start=1):
            try:
                rows.append(decoder.decode(raw))
            except UNREADABLE as error:
                reason = f"row {position} of the page: {reason_of(error)}"
                unreadable.append(UnreadableRow(_key_of(raw, self.keys), reason))
        return rows, unreadable


def _key_of(raw: msgspec.Raw, names: Sequence[str]) -> str | None:
    parts = [text_member(raw, name) for name in names]
    return "/".join(map(str, parts)) if all(map(is_key, parts)) else None
