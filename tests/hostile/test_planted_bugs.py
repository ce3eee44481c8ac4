"""The campaign finds bugs: each one planted here ends it, and it names the mutation."""

from collections.abc import Iterator
from decimal import ROUND_HALF_UP, Decimal
from typing import Any

import msgspec
import pytest

from assets import money_judge, order_values
from resources.otto.rows import Listing, UnreadableRow
from tests.hostile import campaign
from tests.hostile.campaign import Bench, Kind
from tests.hostile.otto_lists import OTTO_LISTS

SEED = 7
ENOUGH = 300


@pytest.fixture
def uncached() -> Iterator[None]:
    order_values._cents.cache_clear()
    yield
    order_values._cents.cache_clear()


def _kind(name: str) -> Kind:
    return next(kind for kind in OTTO_LISTS if kind.name == name)


def _must_fail(name: str, bench: Bench, says: str) -> None:
    with pytest.raises(AssertionError, match=f"(?s)HOSTILE_SEED={SEED}, mutation .*{says}"):
        campaign.run(_kind(name), ENOUGH, SEED, bench)


@pytest.mark.usefixtures("uncached")
def test_a_price_that_is_rounded_is_found(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    def rounded(amount: Decimal) -> int:
        if not amount.is_finite() or amount.copy_abs() > Decimal(10) ** 12:
            raise order_values.InexactAmountError
        return int((amount * 100).quantize(Decimal(1), ROUND_HALF_UP))

    monkeypatch.setattr(order_values, "to_cents", rounded)
    _must_fail("prices", bench, "price: stored")


def test_a_row_that_nobody_judges_is_found(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(money_judge.Judge, "flaw", lambda *_: None)
    _must_fail("prices", bench, "stored")


def test_a_row_that_is_swallowed_is_found(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    sound = Listing.rows

    def swallowing(self: Listing[Any], array: msgspec.Raw) -> tuple[list[Any], list[UnreadableRow]]:
        return sound(self, array)[0], []

    monkeypatch.setattr(Listing, "rows", swallowing)
    _must_fail("returns", bench, "rows of the page")


def test_a_neighbour_that_is_lost_is_found(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    """A whole page is parked where one row of it cannot be read."""
    sound = Listing.rows

    def parking(self: Listing[Any], array: msgspec.Raw) -> tuple[list[Any], list[UnreadableRow]]:
        rows, unreadable = sound(self, array)
        lost = [UnreadableRow(None, f"lost {number}") for number in range(len(rows))]
        return ([], [*unreadable, *lost]) if unreadable else (rows, unreadable)

    monkeypatch.setattr(Listing, "rows", parking)
    _must_fail("active", bench, "neighbour of a mutated row")
