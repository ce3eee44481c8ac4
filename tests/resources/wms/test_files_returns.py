"""Adapter `files`: return files become receipts, told as a whole and anew when graded again."""

from resources.wms.files.adapter import FilesWms
from resources.wms.port import Condition, Disposition
from tests.resources.wms.conftest import AdapterMaker
from tests.resources.wms.files_partner import Partner

ROW = {
    "receipt_id": "r1",
    "received_at": "2026-06-09T09:00:00Z",
    "order_ref": "order-1",
    "line_id": "l1",
    "sku": "A",
    "condition": "MINT",
    "disposition": "RESTOCK",
    "return_tracking_number": "R1",
    "reason": "R07",
}


def test_rows_of_a_receipt_are_its_lines_with_grades(wms: FilesWms, partner: Partner) -> None:
    partner.put(
        "returns",
        "r.csv",
        [ROW, ROW | {"line_id": "l2", "condition": "defect", "disposition": "SCRAP"}],
    )
    (receipt,) = wms.poll_returns(None).receipts
    assert (receipt.receipt_id, receipt.order_ref) == ("r1", "order-1")
    assert receipt.return_tracking_number == "R1"
    assert [(line.line_id, line.condition, line.disposition) for line in receipt.lines] == [
        ("l1", Condition.MINT, Disposition.RESTOCK),
        ("l2", Condition.DEFECT, Disposition.SCRAP),
    ]
    assert receipt.lines[0].reason == "R07"


def test_a_new_grade_tells_the_receipt_anew_and_the_same_one_does_not(
    wms: FilesWms, partner: Partner
) -> None:
    partner.put("returns", "1.csv", [ROW | {"condition": ""}])
    first = wms.poll_returns(None)
    partner.put("returns", "2.csv", [ROW])
    partner.put("returns", "3.csv", [ROW, ROW | {"receipt_id": "r2", "order_ref": ""}])
    second = wms.poll_returns(first.next_cursor)
    assert [line.condition for line in first.receipts[0].lines] == [Condition.UNKNOWN]
    assert [(r.receipt_id, r.lines[0].condition) for r in second.receipts] == [
        ("r1", Condition.MINT),
        ("r2", Condition.MINT),
    ]
    assert second.receipts[1].order_ref is None


def test_a_bad_row_holds_its_receipt_back_and_no_other(wms: FilesWms, partner: Partner) -> None:
    partner.put(
        "returns",
        "r.csv",
        [ROW, ROW | {"sku": ""}, ROW | {"receipt_id": "r2"}, ROW | {"receipt_id": ""}],
    )
    page = wms.poll_returns(None)
    assert [receipt.receipt_id for receipt in page.receipts] == ["r2"]
    assert sorted(reason.split(": ", 1)[1] for reason in page.unreadable) == [
        "row 3: column 'sku' must not be empty; receipt r1 waits as a whole",
        "row 5: column 'receipt_id' must not be empty",
    ]


def test_grades_are_words_of_the_partner(make_adapter: AdapterMaker, partner: Partner) -> None:
    wms = make_adapter(
        returns={"conditions": {"A-Ware": "NEW"}, "dispositions": {"Lager": "RESTOCK"}}
    )
    partner.put("returns", "r.csv", [ROW | {"condition": "a-ware", "disposition": "LAGER"}])
    (receipt,) = wms.poll_returns(None).receipts
    (line,) = receipt.lines
    assert (line.condition, line.disposition) == (Condition.NEW, Disposition.RESTOCK)


def test_more_units_than_any_parcel_holds_are_refused(wms: FilesWms, partner: Partner) -> None:
    partner.put("returns", "r.csv", [ROW | {"quantity": "1001"}])
    page = wms.poll_returns(None)
    assert page.receipts == ()
    assert "whole units from 1 to 1000" in page.unreadable[0]
