"""Adapter `files`, the way out: each order is one file, once, and so is each cancellation."""

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from resources.wms.errors import WmsRetryable, WmsUnknownOutcome
from resources.wms.files.adapter import FilesWms
from resources.wms.files.folder import LocalFolder
from resources.wms.port import CancelOutcome, LineState, SubmitOutcome
from tests.resources.wms.conftest import AdapterMaker
from tests.resources.wms.files_partner import Partner, an_order


def test_an_order_is_one_file_with_a_row_per_line(wms: FilesWms, partner: Partner) -> None:
    (result,) = wms.submit_orders([an_order()])
    assert result.outcome is SubmitOutcome.CREATED
    (name,) = partner.files("orders")
    first, second = partner.rows("orders", name)
    assert (first["line_id"], first["sku"], first["unit_price"]) == ("l1", "A", "19.99")
    assert (second["line_id"], second["sku"]) == ("l2", "B")
    assert (first["name"], first["street"], first["city"]) == ("Änne", "Am Weg; links", "Köln")
    assert first["addition"] == "Hof Tor 2"
    assert first["ordered_at"] == "2026-06-01T08:00:00+00:00"


def test_columns_and_formats_are_those_of_the_partner(
    make_adapter: AdapterMaker, partner: Partner
) -> None:
    wms = make_adapter(
        decimal_comma=True,
        delimiter="|",
        encoding="cp1252",
        date_format="%d.%m.%Y %H:%M",
        orders={
            "folder": "out/auftrag",
            "columns": {"order_ref": "Auftrag", "unit_price": "Preis", "ordered_at": "Datum"},
            "fields": [
                "order_ref",
                "line_id",
                "sku",
                "quantity",
                "unit_price",
                "ordered_at",
                "city",
            ],
        },
    )
    wms.submit_orders([an_order(skus=("A",))])
    (name,) = partner.files("out/auftrag")
    content = (partner.root / "out/auftrag" / name).read_bytes()
    assert content.decode("cp1252").splitlines() == [
        "Auftrag|line_id|sku|quantity|Preis|Datum|city",
        "order-1|l1|A|1|19,99|01.06.2026 10:00|Köln",
    ]


def test_a_repeated_order_is_not_written_again_even_after_the_partner_took_it(
    wms: FilesWms, partner: Partner, make_adapter: AdapterMaker
) -> None:
    wms.submit_orders([an_order()])
    (name,) = partner.files("orders")
    (partner.root / "orders" / name).unlink()
    (result,) = make_adapter().submit_orders([an_order()])
    assert result.outcome is SubmitOutcome.UNCHANGED
    assert partner.files("orders") == []


def test_parallel_callers_write_one_file(make_adapter: AdapterMaker, partner: Partner) -> None:
    adapters = [make_adapter() for _ in range(4)]
    with ThreadPoolExecutor(4) as pool:
        results = list(pool.map(lambda wms: wms.submit_orders([an_order()])[0], adapters))
    outcomes = sorted(result.outcome for result in results)
    assert outcomes == ["CREATED", "UNCHANGED", "UNCHANGED", "UNCHANGED"]
    assert len(partner.files("orders")) == 1


def test_an_order_whose_file_did_not_arrive_is_unknown_and_written_at_the_next_attempt(
    wms: FilesWms, partner: Partner, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(self: Path, target: Path) -> Path:
        raise OSError(5, "Input/output error")

    with monkeypatch.context() as patched:
        patched.setattr(Path, "replace", broken)
        with pytest.raises(WmsUnknownOutcome, match="Input/output error"):
            wms.submit_orders([an_order()])
    assert wms.get_orders(["order-1"]) == []
    (result,) = wms.submit_orders([an_order()])
    assert result.outcome is SubmitOutcome.CREATED
    assert len(partner.files("orders")) == 1


def test_nobody_sees_half_a_file(
    wms: FilesWms, partner: Partner, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[tuple[list[str], int]] = []
    rename = Path.replace

    def watched(self: Path, target: Path) -> Path:
        visible = [entry.name for entry in LocalFolder(partner.root).entries("orders")]
        seen.append((visible, self.stat().st_size))
        return rename(self, target)

    monkeypatch.setattr(Path, "replace", watched)
    wms.submit_orders([an_order()])
    (visible, size) = seen[0]
    (name,) = partner.files("orders")
    assert visible == []
    assert size == (partner.root / "orders" / name).stat().st_size


def test_other_content_replaces_the_order_until_it_is_picked(
    wms: FilesWms, partner: Partner
) -> None:
    wms.submit_orders([an_order()])
    (updated,) = wms.submit_orders([an_order(skus=("A",), content="v2")])
    assert updated.outcome is SubmitOutcome.UPDATED
    assert len(partner.files("orders")) == 2
    (shown,) = wms.get_orders(["order-1"])
    assert {line.line_id: line.state for line in shown.lines} == {
        "l1": LineState.NEW,
        "l2": LineState.CANCELLED,
    }
    partner.put("dispatch", "p.csv", [{"order_ref": "order-1", "event": "PICKED", "line_id": "l1"}])
    wms.poll_fulfilment(None)
    (refused,) = wms.submit_orders([an_order(content="v3")])
    assert refused.outcome is SubmitOutcome.REJECTED
    assert "picked" in (refused.error or "")


def test_a_partner_that_cannot_replace_orders_gets_no_second_file(
    make_adapter: AdapterMaker, partner: Partner
) -> None:
    wms = make_adapter(orders={"replaceable": False})
    wms.submit_orders([an_order()])
    (refused,) = wms.submit_orders([an_order(content="v2")])
    assert refused.outcome is SubmitOutcome.REJECTED
    assert len(partner.files("orders")) == 1


def test_a_letter_that_the_partner_cannot_read_costs_this_order_and_is_not_shown(
    make_adapter: AdapterMaker, partner: Partner
) -> None:
    wms = make_adapter(encoding="cp1252")
    bad, good = wms.submit_orders([an_order("bad", name="Łucja"), an_order("good")])
    assert (bad.outcome, good.outcome) == (SubmitOutcome.REJECTED, SubmitOutcome.CREATED)
    assert "'name'" in (bad.error or "")
    assert "Łucja" not in (bad.error or "")
    assert len(partner.files("orders")) == 1


def test_an_order_that_the_partner_never_spoke_of_counts_as_not_arrived(
    make_adapter: AdapterMaker, partner: Partner, monkeypatch: pytest.MonkeyPatch
) -> None:
    wms = make_adapter(silent_after_minutes=1)
    wms.submit_orders([an_order("silent"), an_order("answered")])
    assert {order.order_ref for order in wms.get_orders(["silent", "answered"])} == {
        "silent",
        "answered",
    }
    partner.put("dispatch", "a.csv", [{"order_ref": "answered", "event": "ACCEPTED"}])
    now = wms._now  # time passes
    monkeypatch.setattr(wms, "_now", lambda: now().replace(year=now().year + 1))
    assert [order.order_ref for order in wms.get_orders(["silent", "answered"])] == ["answered"]


def test_a_cancellation_is_asked_once_and_answered_by_file(wms: FilesWms, partner: Partner) -> None:
    wms.submit_orders([an_order()])
    for _ in range(2):
        with pytest.raises(WmsRetryable, match="has not answered yet"):
            wms.cancel_order("order-1", ("l1",), "cancelled at OTTO")
    (name,) = partner.files("cancellations")
    (row,) = partner.rows("cancellations", name)
    assert (row["order_ref"], row["line_id"], row["sku"]) == ("order-1", "l1", "A")
    partner.put(
        "dispatch", "c.csv", [{"order_ref": "order-1", "event": "CANCELLED", "line_id": "l1"}]
    )
    result = wms.cancel_order("order-1", ("l1",), "cancelled at OTTO")
    assert (result.outcome, result.cancelled_line_ids) == (CancelOutcome.CANCELLED, ("l1",))


def test_a_cancellation_after_the_dispatch_is_too_late_and_asks_nobody(
    wms: FilesWms, partner: Partner
) -> None:
    wms.submit_orders([an_order()])
    partner.put("dispatch", "d.csv", [{"order_ref": "order-1", "line_id": "l1", "parcel_id": "p"}])
    result = wms.cancel_order("order-1", ("l1",), "cancelled at OTTO")
    assert (result.outcome, result.cancelled_line_ids) == (CancelOutcome.TOO_LATE, ())
    assert partner.files("cancellations") == []


def test_a_unit_that_is_short_for_good_counts_as_cancelled_and_the_shipped_one_does_not(
    wms: FilesWms, partner: Partner
) -> None:
    wms.submit_orders([an_order()])
    partner.put(
        "dispatch",
        "s.csv",
        [
            {"order_ref": "order-1", "event": "SHORT_PICKED", "line_id": "l1", "discrepancy": "CP"},
            {"order_ref": "order-1", "event": "DISPATCHED", "line_id": "l2", "discrepancy": ""},
        ],
    )
    result = wms.cancel_order("order-1", None, "cancelled at OTTO")
    assert (result.outcome, result.cancelled_line_ids) == (CancelOutcome.PARTIAL, ("l1",))


def test_an_order_of_nobody_is_not_found(wms: FilesWms) -> None:
    assert wms.cancel_order("nobody", None, "x").outcome is CancelOutcome.NOT_FOUND
    assert wms.get_orders(["nobody"]) == []


def test_a_folder_that_is_not_mounted_is_named(tmp_path: Path, make_adapter: AdapterMaker) -> None:
    wms = make_adapter()
    wms._folder._root = tmp_path / "gone"  # type: ignore[attr-defined]
    health = wms.health()
    assert not health.ok
    assert "create or mount it" in health.detail
    with pytest.raises(WmsRetryable, match="create or mount it"):
        wms.submit_orders([an_order()])


def test_prices_are_known_only_where_the_partner_tells_them(
    wms: FilesWms, partner: Partner
) -> None:
    wms.submit_orders([an_order()])
    row = {"order_ref": "order-1", "event": "ACCEPTED", "currency": "EUR"}
    partner.put(
        "dispatch",
        "a.csv",
        [
            row | {"line_id": "l1", "unit_price": "19.98"},
            row | {"line_id": "l2", "unit_price": ""},
            row | {"line_id": "l2", "unit_price": "19.999"},
        ],
    )
    page = wms.poll_fulfilment(None)
    (shown,) = wms.get_orders(["order-1"])
    assert [line.unit_price_cents for line in shown.lines] == [1998, None]
    assert "column 'unit_price' must be an amount" in page.unreadable[0]


def test_an_order_without_article_is_refused_by_line(wms: FilesWms, partner: Partner) -> None:
    (refused,) = wms.submit_orders([an_order(skus=("A", " "))])
    assert refused.outcome is SubmitOutcome.REJECTED
    assert "line l2 names no article" in (refused.error or "")
    assert wms.get_orders(["order-1"]) == []
