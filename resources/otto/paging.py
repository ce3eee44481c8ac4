"""Cursor chains: from one page to the next, without loops, and reading ahead.

Belongs here: where the next cursor stands, when a chain ends or runs in circles, and the thread
that fetches while the caller works. What is on a page does not belong here (`orders.py`).
"""

import hashlib
from collections import deque
from collections.abc import Callable, Generator, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import TypeVar
from urllib.parse import unquote, urlsplit

import msgspec

from resources.json_parts import check_size, members
from resources.otto.errors import OttoPermanent, OttoTransient

T = TypeVar("T")

# A link that points back is asked for this often before the chain counts as broken.
_TRIES = 3
# A cursor travels in an address, which no server takes at any length.
_LONGEST_CURSOR = 4_096


@dataclass(frozen=True, slots=True)
class RawPage:
    """A page as it came. `resources` is its JSON array, `next_cursor` None on the last page."""

    body: bytes = field(repr=False)
    resources: msgspec.Raw = field(repr=False)
    next_cursor: str | None


def read_page(body: bytes, cursor_name: str, array_name: str = "resources") -> RawPage:
    """Split a page; `cursor_name` is the query parameter of the next link that holds the cursor.

    Rows that are no JSON stay as they are: whoever reads the rows finds them.

    Raises:
        msgspec.DecodeError: the body is cut, or is no object with an array of rows.
        OttoPermanent: there are links of an unknown form, so the end of the chain is uncertain.
    """
    content = members(body)
    array = content.get(array_name)
    if array is None or memoryview(array)[0] != ord("["):
        raise msgspec.ValidationError(f"Expected `array` - at `$.{array_name}`")
    check_size(array)
    links = content.get("links")
    known = None if links is None else msgspec.json.decode(links)
    return RawPage(body, array, next_cursor(known, cursor_name))


def next_cursor(links: object, cursor_name: str) -> str | None:
    """Find the cursor in a page's links; None where no link leads on.

    Raises:
        OttoPermanent: the links have an unknown form.
    """
    href = _next_href(links)
    return None if href is None else _cursor_in(href, cursor_name)


def walk(
    fetch: Callable[[str | None], RawPage], *, max_pages: int, on_repeat: Callable[[], None]
) -> Iterator[RawPage]:
    """Yield the pages of a chain; `fetch` gets a cursor, None for the first page.

    A page that leads back, or that repeats an earlier one, is asked for again. Where it stays so,
    the chain ends by an exception, never silently: the pages behind it are not read.

    Raises:
        OttoTransient: OTTO's pages run in circles.
        OttoPermanent: more than `max_pages`.
    """
    cursors: set[str | None] = set()
    contents: set[bytes] = set()
    cursor: str | None = None
    for _ in range(max_pages):
        cursors.add(cursor)
        for _ in range(_TRIES):
            page = fetch(cursor)
            content = hashlib.blake2b(page.resources, digest_size=16).digest()
            repeated = content in contents or (
                page.next_cursor is not None and page.next_cursor in cursors
            )
            if not repeated:
                break
            on_repeat()
        yield page
        if repeated:
            raise OttoTransient(
                f"OTTO's page {len(cursors)} leads back to an earlier page, {_TRIES} times in a "
                "row; the pages behind it were not read, and the next run reads the range again"
            )
        if page.next_cursor is None:
            return
        if len(page.resources) > len(b"[]"):
            contents.add(content)
        cursor = page.next_cursor
    raise OttoPermanent(
        f"OTTO gives more than {max_pages} pages: ask for a shorter range of dates", status=200
    )


class _End:
    """Stands where `source` has no more to yield."""


def read_ahead(source: Iterator[T], depth: int) -> Generator[T]:
    """Yield what `source` yields while a thread prepares up to `depth` further ones.

    An exception of `source` is raised here, in its place. Closing this generator ends the thread
    after the step it is in.
    """
    end = _End()
    pool = ThreadPoolExecutor(1, thread_name_prefix="otto-read-ahead")
    try:
        ahead: deque[Future[T | _End]] = deque()
        ahead.extend(pool.submit(next, source, end) for _ in range(depth))
        while not isinstance(item := ahead.popleft().result(), _End):
            ahead.append(pool.submit(next, source, end))
            yield item
    finally:
        pool.shutdown(cancel_futures=True)


def _next_href(links: object) -> str | None:
    """Find the link named next: links are a list, one link, a map by name, or absent."""
    if not links:
        return None
    if isinstance(links, dict):
        links = [links] if "rel" in links else [_named(name, link) for name, link in links.items()]
    if not isinstance(links, list):
        raise _unknown_links()
    for link in links:
        if isinstance(link, dict) and link.get("rel") == "next":
            href = link.get("href")
            if not isinstance(href, str):
                raise _unknown_links()
            return href
    return None


def _named(name: object, link: object) -> dict[str, object]:
    return {"rel": name, "href": link.get("href") if isinstance(link, dict) else link}


def _cursor_in(href: str, name: str) -> str:
    try:
        query = urlsplit(href).query
    except ValueError:
        raise _unknown_links() from None
    for pair in query.split("&"):
        key, _, value = pair.partition("=")
        if key.lower() == name and 0 < len(value) <= _LONGEST_CURSOR:
            # Not parse_qs: a cursor is base64, and a plus sign in it stands for itself.
            return unquote(value)
    raise _unknown_links()


def _unknown_links() -> OttoPermanent:
    return OttoPermanent(
        "OTTO's page names its next page in a form this client does not know, so the rest of the "
        "pages cannot be read: compare with OTTO's current interface description",
        status=200,
    )
