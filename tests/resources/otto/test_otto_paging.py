import json
import threading
from collections.abc import Iterator

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from resources.otto.errors import OttoPermanent, OttoTransient
from resources.otto.paging import RawPage, read_ahead, read_page, walk


def body(links: object) -> bytes:
    return json.dumps({"resources": [1], "links": links}).encode()


def link(cursor: str, rel: str = "next") -> dict[str, str]:
    return {"rel": rel, "href": f"/v4/orders?limit=128&nextcursor={cursor}"}


@pytest.mark.parametrize(
    "links",
    [
        [link("QlVD")],
        [link("no", "self"), link("no", "prev"), link("QlVD")],
        [None, "text", link("QlVD")],
        link("QlVD"),
        {"self": {"href": "/x"}, "next": {"href": "/v4/orders?nextcursor=QlVD"}},
        {"next": "https://api.otto.market/v4/orders?nextCursor=QlVD&limit=1"},
    ],
)
def test_the_next_link_is_chosen_by_its_name(links: object) -> None:
    assert read_page(body(links), "nextcursor").next_cursor == "QlVD"


@pytest.mark.parametrize(("written", "meant"), [("a+b/c=", "a+b/c="), ("a%2Bb%2Fc%3D", "a+b/c=")])
def test_a_cursor_is_taken_as_base64_writes_it(written: str, meant: str) -> None:
    assert read_page(body([link(written)]), "nextcursor").next_cursor == meant


@pytest.mark.parametrize("links", [None, [], {}, [link("x", "self")], {"self": {"href": "/x"}}])
def test_no_next_link_ends_the_chain(links: object) -> None:
    assert read_page(body(links), "nextcursor").next_cursor is None


def test_missing_links_end_the_chain() -> None:
    assert read_page(b'{"resources": []}', "nextcursor").next_cursor is None


@pytest.mark.parametrize(
    "links", ["next", 7, [{"rel": "next"}], [{"rel": "next", "href": "/v4/orders?page=2"}]]
)
def test_links_of_an_unknown_form_are_an_error_and_no_end(links: object) -> None:
    with pytest.raises(OttoPermanent, match="rest of the pages cannot be read"):
        read_page(body(links), "nextcursor")


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"[]",
        b'"text"',
        b"null",
        b"<html>",
        b"{}",
        b'{"resources": null}',
        b'{"resources": {}}',
        b'{"resources": [{"orderNumber": 1}, {"a": "b',
        b'{"resources": [1], "links": [',
    ],
)
def test_what_is_no_page_is_a_decoding_error(content: bytes) -> None:
    with pytest.raises(msgspec.DecodeError):
        read_page(content, "nextcursor")


class Chain:
    """Pages 0 to n-1; page k has cursor ck. `faults`: page number to wrong answers left."""

    def __init__(self, length: int, faults: dict[int, list[str]] | None = None) -> None:
        self.length = length
        self.faults = {number: list(wrong) for number, wrong in (faults or {}).items()}
        self.asked: list[str | None] = []
        self.repeats = 0

    def fetch(self, cursor: str | None) -> RawPage:
        self.asked.append(cursor)
        number = int(cursor[1:]) if cursor else 0
        wrong = self.faults.get(number)
        fault = wrong.pop() if wrong else None
        following = f"c{number + 1}" if number + 1 < self.length else None
        if fault == "points at itself":
            following = cursor
        if fault == "points back":
            following = "c1"
        if fault == "earlier content":
            number = 0
        content = msgspec.Raw(json.dumps([number]).encode())
        return RawPage(b"", content, following)

    def read(self, max_pages: int = 100) -> Iterator[RawPage]:
        return walk(self.fetch, max_pages=max_pages, on_repeat=self.count)

    def count(self) -> None:
        self.repeats += 1


def numbers(pages: Iterator[RawPage]) -> Iterator[int]:
    return (json.loads(bytes(page.resources))[0] for page in pages)


WRONG = st.sampled_from(["points at itself", "points back", "earlier content"])


@given(
    st.integers(1, 8),
    st.dictionaries(st.integers(2, 7), st.lists(WRONG, min_size=1, max_size=2), max_size=4),
)
def test_pages_that_repeat_now_and_then_lose_nothing(
    length: int, faults: dict[int, list[str]]
) -> None:
    chain = Chain(length, faults)
    assert list(numbers(chain.read())) == list(range(length))
    met = {number: wrong for number, wrong in faults.items() if number < length}
    assert chain.repeats == sum(len(wrong) for wrong in met.values())


@pytest.mark.parametrize("wrong", ["points at itself", "points back", "earlier content"])
def test_pages_in_circles_end_in_an_error(wrong: str) -> None:
    chain = Chain(6, {3: [wrong] * 99})
    found = []
    with pytest.raises(OttoTransient, match="page 4 leads back"):
        found.extend(numbers(chain.read()))
    assert chain.asked.count("c3") == 3
    assert chain.repeats == 3


def test_too_many_pages_end_in_an_error_with_a_remedy() -> None:
    chain = Chain(6)
    found: list[int] = []
    with pytest.raises(OttoPermanent, match="more than 5 pages: ask for a shorter range"):
        found.extend(numbers(chain.read(max_pages=5)))
    assert len(chain.asked) == 5


def test_empty_pages_may_follow_each_other() -> None:
    pages = iter([RawPage(b"", msgspec.Raw(b"[]"), cursor) for cursor in ("c1", "c2", "c3", None)])
    chain = walk(lambda cursor: next(pages), max_pages=9, on_repeat=lambda: pytest.fail("repeat"))
    assert len(list(chain)) == 4


def worker_threads() -> list[str]:
    return [t.name for t in threading.enumerate() if t.name.startswith("otto-read-ahead")]


def test_reading_ahead_keeps_order_and_stays_within_its_depth() -> None:
    produced: list[int] = []

    def source() -> Iterator[int]:
        for number in range(20):
            produced.append(number)
            yield number

    for taken, number in enumerate(read_ahead(source(), 2)):
        assert number == taken
        assert len(produced) <= taken + 4
    assert produced == list(range(20))
    assert worker_threads() == []


def test_work_goes_on_while_the_caller_holds_an_item() -> None:
    ahead = threading.Event()

    def source() -> Iterator[int]:
        yield 1
        ahead.set()
        yield 2

    items = read_ahead(source(), 1)
    assert next(items) == 1
    assert ahead.wait(5)
    items.close()


def test_an_error_in_the_thread_is_raised_at_its_place() -> None:
    def source() -> Iterator[int]:
        yield 1
        raise OttoTransient("page 2")

    items = read_ahead(source(), 3)
    assert next(items) == 1
    with pytest.raises(OttoTransient, match="page 2"):
        next(items)
    assert worker_threads() == []


def test_closing_early_stops_the_thread() -> None:
    produced: list[int] = []

    def source() -> Iterator[int]:
        for number in range(1_000_000):
            produced.append(number)
            yield number

    items = read_ahead(source(), 2)
    next(items)
    items.close()
    assert worker_threads() == []
    count = len(produced)
    assert count <= 5
