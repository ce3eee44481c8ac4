"""News by time stamps: rows may come late, pages are small, and nothing is lost or told in vain."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from resources.wms.errors import WmsRejected
from resources.wms.tryton.feed import Row, Window, row

NOON = datetime(2026, 6, 8, 12, tzinfo=UTC)
OVERLAP = timedelta(minutes=5)


def at(second: int) -> datetime:
    return NOON + timedelta(seconds=second)


def visible(rows: dict[int, datetime], window: Window) -> list[Row[int]]:
    """What the server answers: everything that changed since the window's begin."""
    since = window.since
    return [row(key, key, [at]) for key, at in rows.items() if since is None or at >= since]


def follow(rows: dict[int, datetime], cursor: str | None, limit: int) -> tuple[list[int], str]:
    told: list[int] = []
    while True:
        window = Window(cursor, OVERLAP)
        news = window.news(visible(rows, window), limit)
        told += news.items
        cursor = news.cursor
        if not news.more:
            return told, cursor


def test_rows_come_once_and_oldest_first() -> None:
    rows = {1: at(30), 2: at(10), 3: at(20)}
    told, cursor = follow(rows, None, limit=1)
    assert told == [2, 3, 1]
    assert follow(rows, cursor, limit=1) == ([], cursor)


def test_a_row_that_appears_late_is_told() -> None:
    rows = {1: at(600)}
    _, cursor = follow(rows, None, limit=10)
    rows[2] = at(600 - 299)
    assert follow(rows, cursor, limit=10)[0] == [2]


def test_a_row_that_changes_again_is_told_again() -> None:
    rows = {1: at(0), 2: at(1)}
    _, cursor = follow(rows, None, limit=10)
    rows[1] = at(2)
    assert follow(rows, cursor, limit=10)[0] == [1]


def test_a_part_of_a_row_that_appears_late_is_told_with_the_row() -> None:
    first = Window(None, OVERLAP).news([row("a", 1, [at(10)])], 10)
    late = Window(first.cursor, OVERLAP).news([row("a", 1, [at(5), at(10)])], 10)
    assert late.items == ["a"]


def test_a_cursor_forgets_what_lies_before_the_overlap() -> None:
    rows = {key: at(key) for key in range(2000)}
    _, cursor = follow(rows, None, limit=100)
    short = {key: at(key) for key in range(1700, 2000)}
    assert len(cursor) <= 1.2 * len(follow(short, None, limit=100)[1])


def test_a_cursor_of_another_feed_says_what_to_do() -> None:
    with pytest.raises(WmsRejected, match="watermarks"):
        Window("events:17", OVERLAP)


@given(
    batches=st.lists(
        st.lists(
            st.tuples(st.integers(1, 8), st.integers(0, 299)),
            max_size=5,
        ),
        min_size=1,
        max_size=8,
    ),
    limit=st.integers(1, 4),
)
def test_every_change_is_told_whatever_comes_late(
    batches: list[list[tuple[int, int]]], limit: int
) -> None:
    """A batch is committed at its minute; each row's stamp lies up to five minutes before."""
    rows: dict[int, datetime] = {}
    cursor: str | None = None
    for minute, batch in enumerate(batches, start=1):
        changed = set()
        for key, lateness in batch:
            stamp = at(60 * minute - lateness)
            if stamp > rows.get(key, at(-10_000)):
                rows[key] = stamp
                changed.add(key)
        told, cursor = follow(rows, cursor, limit)
        assert changed <= set(told)
        assert follow(rows, cursor, limit)[0] == []
