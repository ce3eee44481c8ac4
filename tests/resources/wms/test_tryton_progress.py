"""What an order's state in Tryton says: line states and events, without a server."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from resources.wms.port import Discrepancy, EventKind, FulfilmentEvent, LineState
from resources.wms.tryton.books import (
    History,
    Move,
    Order,
    OrderRecord,
    Package,
    RecordedLine,
    Shipment,
)
from resources.wms.tryton.lines import snapshot
from resources.wms.tryton.policy import TrytonPolicy
from resources.wms.tryton.progress import events

NOON = datetime(2026, 6, 8, 12, tzinfo=UTC)
POLICY = TrytonPolicy(return_carrier="DHL")


def line(number: int, **changes: Any) -> RecordedLine:
    values: dict[str, Any] = {
        "line_id": f"line-{number}",
        "sku": f"SKU-{number}",
        "price_cents": 1999,
        "currency": "EUR",
        "moves": (number,),
    }
    return RecordedLine(**(values | changes))


def move(number: int, **changes: Any) -> Move:
    values: dict[str, Any] = {
        "id": number,
        "sku": f"SKU-{number}",
        "quantity": 1,
        "state": "draft",
        "price_cents": 1999,
        "currency": "EUR",
        "package": None,
    }
    return Move(**(values | changes))


def shipment(state: str, *moves: Move, number: int = 1, **changes: Any) -> Shipment:
    values: dict[str, Any] = {
        "id": number,
        "number": f"S{number}",
        "order_ref": "order",
        "state": state,
        "partially_assigned": False,
        "carrier": "DHL-PAKET",
        "tracking": None,
        "address": 1,
        "modified_at": NOON,
        "moves": moves,
        "allocated": frozenset(),
        "packages": (),
    }
    return Shipment(**(values | changes))


def order(*shipments: Shipment, lines: int = 2, cancelled: str | None = None) -> Order:
    recorded = tuple(line(number, cancelled=cancelled) for number in range(1, lines + 1))
    record = OrderRecord(payload_hash="h", shipment=1, address=1, lines=recorded)
    return Order("order", record, shipments)


def states(held: Order) -> list[LineState]:
    return [told.state for told in snapshot(held).lines]


def told(held: Order, kind: EventKind, history: History | None = None) -> list[FulfilmentEvent]:
    return [e for e in events(held, history or History(), POLICY) if e.kind is kind]


@pytest.mark.parametrize(
    ("state", "expected"),
    [
        ("draft", LineState.ACCEPTED),
        ("waiting", LineState.ACCEPTED),
        ("picked", LineState.PICKED),
        ("packed", LineState.PICKED),
        ("shipped", LineState.SHIPPED),
        ("done", LineState.SHIPPED),
        ("cancelled", LineState.CANCELLED),
    ],
)
def test_a_line_follows_its_shipment(state: str, expected: LineState) -> None:
    assert states(order(shipment(state, move(1), move(2)))) == [expected, expected]


def test_a_line_is_allocated_by_its_own_reservation() -> None:
    held = order(shipment("waiting", move(1), move(2), allocated=frozenset({2})))
    assert states(held) == [LineState.ACCEPTED, LineState.ALLOCATED]


@pytest.mark.parametrize("rest", [(), (move(2, quantity=0),)], ids=["gone", "empty"])
def test_a_unit_that_is_missing_after_the_pick_is_short(rest: tuple[Move, ...]) -> None:
    held = order(shipment("picked", move(1), *rest))
    assert states(held) == [LineState.PICKED, LineState.SHORT]
    (event,) = told(held, EventKind.SHORT_PICKED)
    assert [(ln.line_id, ln.quantity_short, ln.discrepancy) for ln in event.lines] == [
        ("line-2", 1, Discrepancy.COMPLETE)
    ]


def test_a_unit_that_we_cancelled_is_never_short() -> None:
    held = order(shipment("picked", move(1), move(2)), cancelled="cancelled at OTTO")
    assert states(held) == [LineState.PICKED, LineState.PICKED]
    gone = order(shipment("picked", move(1, quantity=0), move(2)), cancelled="cancelled at OTTO")
    assert states(gone) == [LineState.CANCELLED, LineState.PICKED]
    assert told(gone, EventKind.SHORT_PICKED) == []
    (event,) = told(gone, EventKind.CANCELLED)
    assert event.lines[0].reason == "cancelled at OTTO"


def test_a_unit_that_is_missing_before_the_pick_is_cancelled_unless_somebody_is_changing_it() -> (
    None
):
    assert states(order(shipment("waiting", move(1)))) == [
        LineState.ACCEPTED,
        LineState.CANCELLED,
    ]
    changing = order(shipment("waiting", move(1)), shipment("draft", number=2))
    assert states(changing) == [LineState.ACCEPTED, LineState.ACCEPTED]
    assert told(changing, EventKind.CANCELLED) == []


def test_a_part_that_waits_unreserved_after_the_rest_was_picked_is_a_backorder() -> None:
    later = shipment("waiting", move(2), number=2)
    held = order(shipment("shipped", move(1)), later)
    (event,) = told(held, EventKind.SHORT_PICKED)
    assert [(ln.line_id, ln.discrepancy) for ln in event.lines] == [
        ("line-2", Discrepancy.BACKORDER)
    ]
    reserved = shipment("assigned", move(2), number=2, allocated=frozenset({2}))
    assert told(order(shipment("shipped", move(1)), reserved), EventKind.SHORT_PICKED) == []


def test_a_move_that_nobody_ordered_is_a_line_of_its_own() -> None:
    held = order(shipment("shipped", move(1), move(9, sku="OTHER")), lines=1)
    assert [(ln.line_id, ln.sku) for ln in snapshot(held).lines] == [
        ("line-1", "SKU-1"),
        ("tryton:9", "OTHER"),
    ]
    nobodys = Order("order", None, (shipment("waiting", move(9)),))
    assert [ln.line_id for ln in snapshot(nobodys).lines] == ["tryton:9"]
    assert told(nobodys, EventKind.ACCEPTED)[0].order_ref == "order"


def test_another_article_and_another_price_are_shown() -> None:
    held = order(shipment("shipped", move(1, sku="OTHER", price_cents=1)), lines=1)
    (shown,) = snapshot(held).lines
    assert (shown.sku, shown.unit_price_cents) == ("OTHER", 1)
    assert told(held, EventKind.DISPATCHED)[0].lines[0].sku == "OTHER"


def test_more_units_than_ordered_are_told() -> None:
    held = order(shipment("shipped", move(1, quantity=3)), lines=1)
    (outcome,) = told(held, EventKind.DISPATCHED)[0].lines
    assert (outcome.quantity_shipped, outcome.discrepancy) == (3, Discrepancy.OVER)


def test_packages_are_parcels_and_labels_give_their_return_numbers() -> None:
    packages = (
        Package(5, "P5", "Parcel", "TR5"),
        Package(6, "P6", "Parcel", "TR6"),
        Package(7, "P7", "Return label", "RET7"),
        Package(8, "P8", "Return label", "RET8"),
    )
    held = order(shipment("shipped", move(1, package=5), move(2, package=6), packages=packages))
    (event,) = told(held, EventKind.DISPATCHED)
    assert [
        (p.parcel_id, p.tracking_number, p.return_tracking_number, p.lines[0].line_id)
        for p in event.parcels
    ] == [("P5", "TR5", "RET7", "line-1"), ("P6", "TR6", "RET8", "line-2")]
    assert {p.return_carrier_code for p in event.parcels} == {"DHL"}


def test_without_a_carrier_of_returns_the_parcels_own_counts() -> None:
    packages = (Package(5, "P5", "Parcel", "TR5"), Package(7, "P7", "Return label", "RET7"))
    held = order(shipment("shipped", move(1, package=5), packages=packages), lines=1)
    event = next(e for e in events(held, History(), TrytonPolicy()) if e.parcels)
    assert event.parcels[0].return_carrier_code == "DHL-PAKET"


def test_one_label_serves_all_parcels_and_a_shipment_without_packages_is_one_parcel() -> None:
    label = Package(7, "P7", "Return label", "RET7")
    boxes = (Package(5, "P5", "Parcel", "TR5"), Package(6, "P6", "Parcel", "TR6"), label)
    held = order(shipment("shipped", move(1, package=5), move(2, package=6), packages=boxes))
    parcels = told(held, EventKind.DISPATCHED)[0].parcels
    assert [p.return_tracking_number for p in parcels] == ["RET7", "RET7"]
    plain = order(shipment("done", move(1), move(2), tracking="TR1"))
    (parcel,) = told(plain, EventKind.DISPATCHED)[0].parcels
    assert (parcel.parcel_id, parcel.tracking_number, len(parcel.lines)) == ("S1", "TR1", 2)


def test_only_a_number_that_was_written_after_the_departure_is_a_correction() -> None:
    box = Package(5, "P5", "Parcel", "NEW")
    held = order(shipment("done", move(1, package=5), packages=(box,)), lines=1)
    left = {(1, "shipped"): NOON}
    before = History(left, {"stock.package,5": NOON - timedelta(minutes=1)})
    after = History(left, {"stock.package,5": NOON + timedelta(minutes=1)})
    assert told(held, EventKind.TRACKING_CHANGED, before) == []
    (event,) = told(held, EventKind.TRACKING_CHANGED, after)
    assert (event.occurred_at, event.parcels[0].tracking_number) == (
        NOON + timedelta(minutes=1),
        "NEW",
    )


def test_the_same_state_gives_the_same_events_whatever_their_time() -> None:
    held = order(shipment("shipped", move(1), move(2)))
    later = order(shipment("shipped", move(1), move(2), modified_at=NOON + timedelta(hours=1)))
    first, again = (events(each, History(), POLICY) for each in (held, later))
    assert [event.event_id for event in first] == [event.event_id for event in again]
    assert len({event.event_id for event in first}) == len(first)


def test_an_order_whose_record_is_lost_is_there_with_unknown_lines() -> None:
    lost = Order("order", None, (shipment("waiting", move(1)),), "its record is gone")
    assert (snapshot(lost).status, snapshot(lost).lines) == ("unreadable", ())
