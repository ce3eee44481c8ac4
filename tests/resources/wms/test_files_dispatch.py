"""Adapter `files`, the way back: dispatch files become events, each once."""

import pytest

from resources.wms.files.adapter import FilesWms
from resources.wms.port import Discrepancy, EventKind, LineState
from tests.resources.wms.conftest import AdapterMaker
from tests.resources.wms.files_partner import Partner, an_order

SHIPPED = {
    "order_ref": "order-1",
    "event": "DISPATCHED",
    "occurred_at": "2026-06-02T10:00:00+02:00",
    "line_id": "l1",
    "parcel_id": "p1",
    "carrier_code": "DHL",
    "tracking_number": "T1",
    "return_carrier_code": "DHL",
    "return_tracking_number": "R1",
    "weight_g": "1200",
}


@pytest.fixture
def sent(wms: FilesWms) -> FilesWms:
    wms.submit_orders([an_order()])
    return wms


def test_rows_of_one_parcel_are_one_dispatch_with_all_numbers(
    sent: FilesWms, partner: Partner
) -> None:
    partner.put("dispatch", "d.csv", [SHIPPED, SHIPPED | {"line_id": "l2"}])
    (event,) = sent.poll_fulfilment(None).events
    (parcel,) = event.parcels
    assert event.kind is EventKind.DISPATCHED
    assert event.occurred_at.isoformat() == "2026-06-02T08:00:00+00:00"
    assert [(line.line_id, line.quantity_shipped, line.sku) for line in event.lines] == [
        ("l1", 1, "A"),
        ("l2", 1, "B"),
    ]
    assert [line.line_id for line in parcel.lines] == ["l1", "l2"]
    assert (parcel.carrier_code, parcel.tracking_number) == ("DHL", "T1")
    assert (parcel.return_carrier_code, parcel.return_tracking_number) == ("DHL", "R1")
    assert parcel.weight_g == 1200
    assert {line.state for line in sent.get_orders(["order-1"])[0].lines} == {LineState.SHIPPED}


def test_one_order_may_leave_in_several_parcels_and_files(sent: FilesWms, partner: Partner) -> None:
    partner.put("dispatch", "1.csv", [SHIPPED])
    first = sent.poll_fulfilment(None)
    partner.put("dispatch", "2.csv", [SHIPPED | {"line_id": "l2", "parcel_id": "p2"}])
    second = sent.poll_fulfilment(first.next_cursor)
    ids = [event.parcels[0].parcel_id for event in (*first.events, *second.events)]
    assert ids == ["order-1/p1", "order-1/p2"]


def test_a_correction_after_the_dispatch_shows_the_parcel_in_full(
    sent: FilesWms, partner: Partner
) -> None:
    partner.put("dispatch", "1.csv", [SHIPPED])
    first = sent.poll_fulfilment(None)
    partner.put(
        "dispatch",
        "2.csv",
        [
            {
                "order_ref": "order-1",
                "event": "TRACKING_CHANGED",
                "occurred_at": "2026-06-03",
                "parcel_id": "p1",
                "tracking_number": "T2",
            }
        ],
    )
    (event,) = sent.poll_fulfilment(first.next_cursor).events
    (parcel,) = event.parcels
    assert event.kind is EventKind.TRACKING_CHANGED
    assert (parcel.tracking_number, parcel.return_tracking_number) == ("T2", "R1")
    assert [line.line_id for line in parcel.lines] == ["l1"]
    assert parcel.shipped_at == first.events[0].parcels[0].shipped_at


def test_numbers_that_go_to_and_fro_are_told_each_time(sent: FilesWms, partner: Partner) -> None:
    for day, number in enumerate(("T1", "T2", "T1", "T2"), start=3):
        row = SHIPPED | {"tracking_number": number, "occurred_at": f"2026-06-0{day}"}
        partner.put("dispatch", f"{day}.csv", [row])
    events = sent.poll_fulfilment(None).events
    assert [event.parcels[0].tracking_number for event in events] == ["T1", "T2", "T1", "T2"]
    assert len({event.event_id for event in events}) == 4


def test_an_old_row_that_comes_again_does_not_undo_a_correction(
    sent: FilesWms, partner: Partner
) -> None:
    corrected = SHIPPED | {"tracking_number": "T2", "occurred_at": "2026-06-03"}
    partner.put("dispatch", "1.csv", [SHIPPED])
    partner.put("dispatch", "2.csv", [corrected])
    partner.put("dispatch", "3.csv", [SHIPPED, SHIPPED | {"line_id": "l2", "parcel_id": "p2"}])
    events = sent.poll_fulfilment(None).events
    numbers = [(event.parcels[0].parcel_id, event.parcels[0].tracking_number) for event in events]
    assert numbers == [("order-1/p1", "T1"), ("order-1/p1", "T2"), ("order-1/p2", "T1")]


@pytest.mark.parametrize(
    ("word", "meaning"),
    [
        ("CP", Discrepancy.COMPLETE),
        ("BP", Discrepancy.BACKORDER),
        ("", Discrepancy.BACKORDER),
    ],
)
def test_a_short_says_whether_more_follows_and_waits_if_it_does_not_say(
    sent: FilesWms, partner: Partner, word: str, meaning: Discrepancy
) -> None:
    partner.put(
        "dispatch",
        "s.csv",
        [
            {
                "order_ref": "order-1",
                "event": "SHORT_PICKED",
                "line_id": "l2",
                "discrepancy": word,
                "reason": "NOT_FOUND",
            }
        ],
    )
    (event,) = sent.poll_fulfilment(None).events
    (line,) = event.lines
    assert (line.quantity_ordered, line.quantity_picked, line.quantity_short) == (1, 0, 1)
    assert (line.discrepancy, line.reason) == (meaning, "NOT_FOUND")


def test_a_backorder_may_leave_later(sent: FilesWms, partner: Partner) -> None:
    short = {"order_ref": "order-1", "event": "SHORT_PICKED", "line_id": "l1", "discrepancy": "BP"}
    partner.put("dispatch", "1.csv", [short])
    partner.put("dispatch", "2.csv", [SHIPPED])
    kinds = [event.kind for event in sent.poll_fulfilment(None).events]
    assert kinds == [EventKind.SHORT_PICKED, EventKind.DISPATCHED]
    assert sent.get_orders(["order-1"])[0].lines[0].state is LineState.SHIPPED


def test_a_bad_row_costs_itself_and_its_reason_lies_beside_the_file(
    sent: FilesWms, partner: Partner
) -> None:
    partner.put(
        "dispatch",
        "d.csv",
        [
            SHIPPED,
            SHIPPED | {"order_ref": "", "line_id": "l2"},
            SHIPPED | {"event": "Erika Mustermann"},
            SHIPPED | {"weight_g": "heavy"},
            SHIPPED | {"occurred_at": "yesterday"},
            {"order_ref": "unknown", "event": "ACCEPTED"},
        ],
    )
    page = sent.poll_fulfilment(None)
    assert len(page.events) == 1
    assert [reason.split(":")[1].strip() for reason in page.unreadable] == [
        f"row {number}" for number in (3, 4, 5, 6, 7)
    ]
    assert "Mustermann" not in "".join(page.unreadable)
    assert partner.files("dispatch") == []
    assert partner.files("dispatch/processed") == ["d.csv", "d.csv.reason.txt"]
    reasons = (partner.root / "dispatch/processed/d.csv.reason.txt").read_text()
    assert "column 'order_ref' must not be empty" in reasons
    again = sent.poll_fulfilment(page.next_cursor)
    assert (again.events, again.unreadable) == ((), ())


@pytest.mark.parametrize(
    ("text", "encoding", "reason"),
    [
        ("order;line\r\n1;2\r\n", "utf-8", "the header lacks order_ref"),
        ("", "utf-8", "the header lacks order_ref"),
        ("order_ref;reason\r\n1;Größe\r\n", "cp1252", "is not utf-8"),
        ('order_ref;reason\r\n1;"open\r\n', "utf-8", "row"),
        ("order_ref;order_ref\r\n1;2\r\n", "utf-8", "twice"),
    ],
)
def test_a_file_that_is_not_as_agreed_is_refused_with_its_reason(
    sent: FilesWms, partner: Partner, text: str, encoding: str, reason: str
) -> None:
    partner.put_text("dispatch", "bad.csv", text, encoding)
    (told,) = sent.poll_fulfilment(None).unreadable
    assert reason in told
    assert partner.files("dispatch/error") == ["bad.csv", "bad.csv.reason.txt"]
    assert reason in (partner.root / "dispatch/error/bad.csv.reason.txt").read_text()


def test_a_row_with_too_few_fields_is_a_bad_row(sent: FilesWms, partner: Partner) -> None:
    partner.put_text("dispatch", "d.csv", "order_ref;line_id\r\norder-1\r\norder-1;l1\r\n\r\n")
    page = sent.poll_fulfilment(None)
    assert len(page.events) == 1
    assert "row 2: 1 fields, the header has 2" in page.unreadable[0]


def test_the_same_content_under_another_name_is_read_once(sent: FilesWms, partner: Partner) -> None:
    partner.put("dispatch", "d.csv", [SHIPPED])
    first = sent.poll_fulfilment(None)
    partner.put("dispatch", "d2.csv", [SHIPPED])
    second = sent.poll_fulfilment(first.next_cursor)
    assert (len(first.events), second.events, second.unreadable) == (1, (), ())
    note = partner.root / "dispatch/processed/d2.csv.reason.txt"
    assert "the same content as d.csv" in note.read_text()


def test_rows_that_were_told_before_are_no_news_in_a_longer_file_of_the_same_name(
    sent: FilesWms, partner: Partner
) -> None:
    short = {"order_ref": "order-1", "event": "SHORT_PICKED", "line_id": "l2"}
    short |= {"occurred_at": "2026-06-02T09:00:00Z"}
    partner.put("dispatch", "day.csv", [short])
    first = sent.poll_fulfilment(None)
    partner.put("dispatch", "day.csv", [short, SHIPPED])
    second = sent.poll_fulfilment(first.next_cursor)
    assert [event.kind for event in first.events] == [EventKind.SHORT_PICKED]
    assert [event.kind for event in second.events] == [EventKind.DISPATCHED]
    assert len([name for name in partner.files("dispatch/processed") if "day" in name]) == 2


def test_a_file_without_line_ids_names_units_by_their_article(
    make_adapter: AdapterMaker, partner: Partner
) -> None:
    wms = make_adapter()
    wms.submit_orders([an_order(skus=("A", "A", "B"))])
    row = {"order_ref": "order-1", "sku": "A", "quantity": "1"}
    partner.put("dispatch", "d.csv", [row | {"parcel_id": "p1"}, row | {"parcel_id": "p2"}])
    partner.put("dispatch", "e.csv", [row | {"parcel_id": "p3"}])
    page = wms.poll_fulfilment(None)
    lines = [[line.line_id for line in event.lines] for event in page.events]
    assert sorted(lines) == [["l1"], ["l2"]]
    assert "0 such units open" in page.unreadable[0]


def test_words_and_times_are_those_of_the_partner(
    make_adapter: AdapterMaker, partner: Partner
) -> None:
    wms = make_adapter(
        encoding="cp1252",
        date_format="%d.%m.%Y %H:%M",
        dispatch={
            "pattern": "RM_*.txt",
            "columns": {"order_ref": "Auftrag", "event": "Status", "occurred_at": "Zeit"},
            "events": {"Fehlmenge": "SHORT_PICKED"},
        },
    )
    wms.submit_orders([an_order(skus=("A",))])
    text = "Zeit;Größe;Auftrag;Status\r\n01.07.2026 12:00;x;order-1;FEHLMENGE\r\n"
    partner.put_text("dispatch", "other.txt", text, "cp1252")
    partner.put_text("dispatch", "RM_1.txt", text, "cp1252")
    (event,) = wms.poll_fulfilment(None).events
    assert event.kind is EventKind.SHORT_PICKED
    assert event.occurred_at.isoformat() == "2026-07-01T10:00:00+00:00"
    assert partner.files("dispatch") == ["other.txt"]


def test_pages_follow_each_other_without_gap_or_repeat(
    make_adapter: AdapterMaker, partner: Partner
) -> None:
    wms = make_adapter()
    wms.submit_orders([an_order(skus=["A"] * 5)])
    rows = [SHIPPED | {"line_id": f"l{n}", "parcel_id": f"p{n}"} for n in range(1, 6)]
    partner.put("dispatch", "d.csv", rows)
    cursor, seen, more = None, list[str](), True
    while more:
        page = make_adapter().poll_fulfilment(cursor, limit=2)
        seen += [event.parcels[0].parcel_id for event in page.events]
        cursor, more = page.next_cursor, page.has_more
    assert sorted(seen) == [f"order-1/p{n}" for n in range(1, 6)]
    assert [e.event_id for e in wms.poll_fulfilment(None).events] == [
        e.event_id for e in wms.poll_fulfilment("0").events
    ]
