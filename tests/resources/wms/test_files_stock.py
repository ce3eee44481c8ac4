"""Adapter `files`: stock files are whole lists, and a list that shrank is not believed."""

from resources.wms.files.adapter import FilesWms
from tests.resources.wms.conftest import AdapterMaker
from tests.resources.wms.files_partner import Partner


def _stock(*figures: tuple[str, int], **more: object) -> list[dict[str, object]]:
    return [{"sku": sku, "on_hand": units, **more} for sku, units in figures]


def _held(wms: FilesWms) -> dict[str, int]:
    return {level.sku: level.on_hand for level in wms.stock_snapshot(None).levels}


def test_without_any_file_nothing_is_said(wms: FilesWms) -> None:
    page = wms.stock_snapshot(None)
    assert (page.levels, page.complete) == ((), False)


def test_a_stock_file_is_the_whole_list_with_quarantine_kept_out(
    wms: FilesWms, partner: Partner
) -> None:
    rows = _stock(("A", 10), ("B", 5), reserved="2", blocked="3", as_of="2026-06-01T06:00:00Z")
    partner.put("stock", "s.csv", rows)
    page = wms.stock_snapshot(None)
    assert page.complete
    assert page.snapshot_at.isoformat() == "2026-06-01T06:00:00+00:00"
    assert [(level.sku, level.free, level.location) for level in page.levels] == [
        ("A", 5, "WMS"),
        ("B", 0, "WMS"),
    ]
    (named,) = wms.stock_snapshot(["B"]).levels
    assert (named.on_hand, named.blocked) == (5, 3)


def test_changes_name_the_articles_whose_figures_differ(wms: FilesWms, partner: Partner) -> None:
    partner.put("stock", "1.csv", _stock(("A", 1), ("B", 1), ("C", 1)))
    first = wms.poll_stock_changes(None)
    partner.put("stock", "2.csv", _stock(("A", 1), ("B", 2)))
    second = wms.poll_stock_changes(first.next_cursor)
    assert first.skus == ("A", "B", "C")
    assert second.skus == ("B", "C")
    assert _held(wms) == {"A": 1, "B": 2}


def test_the_same_stock_an_hour_later_is_a_newer_stock(wms: FilesWms, partner: Partner) -> None:
    partner.put("stock", "1.csv", _stock(("A", 1)))
    before = wms.stock_snapshot(None).snapshot_at
    partner.put("stock", "1.csv", _stock(("A", 1)))
    assert wms.stock_snapshot(None).snapshot_at > before
    assert wms.poll_stock_changes(None).skus == ("A",)


def test_a_shrunken_file_is_refused_until_a_person_confirms_it(
    wms: FilesWms, partner: Partner
) -> None:
    partner.put("stock", "1.csv", _stock(*((f"A{n}", 9) for n in range(10))))
    assert wms.stock_snapshot(None).complete
    partner.put("stock", "2.csv", _stock(("A1", 9), ("A2", 9)))
    page = wms.stock_snapshot(None)
    assert (len(page.levels), page.complete) == (10, False)
    assert "lacks 8 of 10 articles" in page.unreadable[0]
    assert partner.files("stock/error") == ["2.csv", "2.csv.reason.txt"]
    (partner.root / "stock/error/2.csv").rename(partner.root / "stock/2.confirmed.csv")
    page = wms.stock_snapshot(None)
    assert (len(page.levels), page.complete, page.unreadable) == (2, True, ())


def test_a_file_that_shrank_within_the_limit_is_taken(
    make_adapter: AdapterMaker, partner: Partner
) -> None:
    wms = make_adapter(stock={"shrink_limit": 0.5})
    partner.put("stock", "1.csv", _stock(("A", 1), ("B", 1)))
    wms.stock_snapshot(None)
    partner.put("stock", "2.csv", _stock(("A", 1)))
    assert _held(wms) == {"A": 1}


def test_a_bad_row_keeps_the_list_from_being_complete_and_its_article_as_it_was(
    wms: FilesWms, partner: Partner
) -> None:
    partner.put("stock", "1.csv", _stock(("A", 1), ("B", 1)))
    wms.stock_snapshot(None)
    partner.put("stock", "2.csv", [*_stock(("A", 7)), {"sku": "B", "on_hand": "many"}])
    page = wms.stock_snapshot(None)
    assert {level.sku: level.on_hand for level in page.levels} == {"A": 7, "B": 1}
    assert not page.complete
    assert "2.csv: row 3: column 'on_hand' must be a number" in page.unreadable[0]


def test_an_older_file_that_comes_late_changes_nothing(wms: FilesWms, partner: Partner) -> None:
    partner.put("stock", "1.csv", _stock(("A", 2), as_of="2026-06-01T08:00:00Z"))
    wms.stock_snapshot(None)
    partner.put("stock", "2.csv", _stock(("A", 1), as_of="2026-06-01T07:00:00Z"))
    page = wms.stock_snapshot(None)
    assert _held(wms) == {"A": 2}
    assert page.complete
    note = partner.root / "stock/processed/2.csv.reason.txt"
    assert "older than 1.csv" in note.read_text()


def test_an_article_twice_at_one_place_makes_the_file_worthless(
    wms: FilesWms, partner: Partner
) -> None:
    partner.put("stock", "1.csv", _stock(("A", 2), ("A", 3)))
    page = wms.stock_snapshot(None)
    assert (page.levels, page.complete) == ((), False)
    assert "twice at the same location" in page.unreadable[0]


def test_locations_of_an_article_are_kept_apart(wms: FilesWms, partner: Partner) -> None:
    rows = [*_stock(("A", 2), location="HH"), *_stock(("A", 3), location="B")]
    partner.put("stock", "1.csv", rows)
    levels = wms.stock_snapshot(["A"]).levels
    assert [(level.location, level.on_hand) for level in levels] == [("B", 3), ("HH", 2)]
