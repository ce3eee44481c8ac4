"""Closing days and months: what refuses it, what it leaves, what arrives late, and reopening."""

import json
import random
import stat
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import pytest

import assets.closing.close
import assets.closing.report
from assets.closing.close import Close, close_period, reopen_period
from assets.closing.periods import ClosingError, period_named
from assets.reconciliation.decisions import accept_break
from resources.finance import FinanceDatabase
from resources.operations import schema

DAY, NEXT_DAY, MONTH = "2026-03-02", "2026-03-03", "2026-03"


@pytest.fixture(autouse=True)
def no_charts(monkeypatch: pytest.MonkeyPatch) -> None:
    """Charts are drawn in test_close_files; here they would only take time."""
    for chart in ("stacked_days", "bars"):
        monkeypatch.setattr(assets.closing.report, chart, lambda *_: "")


def close(world: Any, period: str = DAY, **changes: Any) -> Close:
    given = {"by": "Finn", "now": world.now, "key": None} | changes
    return close_period(world.finance, period, **given)


def settled(world: Any, days: int = 1) -> None:
    """One healthy order of DAY, reconciled when it is over."""
    world.shipped("o")
    world.later(days=days)
    world.reconcile()


def on_day(world: Any, ref: str, day: str) -> None:
    world.change(schema.orders, {"sales_order_id": ref}, order_day=date.fromisoformat(day))


def accept_all(world: Any) -> None:
    for (break_id,) in world.query("SELECT break_id FROM reports.open_breaks"):
        accept_break(world.finance, break_id, "agreed", world.now, by="Finn")
    world.finance.publish()


def events(world: Any) -> list[tuple[Any, ...]]:
    return world.query(
        "SELECT period, sequence, event, decided_by, reopen_reason "
        "FROM reconciliation.period_close ORDER BY happened_at, sequence, event"
    )


def files_of(folder: Path) -> dict[str, bytes]:
    return {str(path): path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()}


def test_a_day_with_open_material_breaks_is_refused_with_the_largest_and_what_to_do(
    world: Any,
) -> None:
    for number, price in enumerate((3099, 3299, 3199, 3399)):
        world.waiting(f"o{number}", line={"price_seen_cents": price})
    world.waiting("small", line={"price_seen_cents": 2000})
    world.later(days=1)
    world.reconcile()
    with pytest.raises(ClosingError) as caught:
        close(world)
    message = str(caught.value)
    assert "4 material break(s) are open, 50.00 EUR at risk" in message
    assert message.index("14.00 EUR, order o3") < message.index("13.00 EUR, order o1")
    assert "order o2" in message
    assert "order o0" not in message
    assert "breaks list --severity high --period 2026-03-02" in message
    assert "breaks accept <break id> --reason <why>" in message
    assert not world.finance.closes_path.exists()


def test_a_day_can_be_closed_when_its_material_breaks_are_accepted(world: Any) -> None:
    world.waiting("large", line={"price_seen_cents": 3999})
    world.waiting("small", line={"price_seen_cents": 2000})
    world.later(days=1)
    world.reconcile()
    (break_id,) = world.query("SELECT break_id FROM reports.open_breaks WHERE severity = 'high'")[0]
    accept_break(world.finance, break_id, "agreed", world.now, by="Finn")
    done = close(world)
    assert done.is_new
    assert done.folder == world.finance.closes_path / DAY
    assert world.query(
        "SELECT period, kind, sequence, event, decided_by, signature, open_breaks, accepted_breaks "
        "FROM reconciliation.period_close"
    ) == [(DAY, "day", 1, "closed", "Finn", "none", 1, 1)]
    found = {(area["status"], area["cents"]) for area in done.manifest["areas"]}
    assert found == {("open", 1), ("accepted", 2000)}


def test_every_file_of_a_close_is_read_only_and_nothing_else_lies_there(world: Any) -> None:
    settled(world)
    folder = close(world).folder
    modes = {path.name: stat.S_IMODE(path.stat().st_mode) for path in folder.iterdir()}
    names = ("manifest.json", "report.html", "snapshot.duckdb", "workbook.xlsx")
    assert modes == dict.fromkeys(names, 0o444)
    assert [path.name for path in world.finance.closes_path.iterdir()] == [DAY]


def test_a_period_that_is_not_over_or_was_not_reconciled_since_is_refused(world: Any) -> None:
    world.shipped("o")
    world.reconcile()
    with pytest.raises(ClosingError, match="it ends at 2026-03-02 23:00 UTC: close it after that"):
        close(world)
    world.later(days=1)
    with pytest.raises(ClosingError, match="saw it before it was over: run `otto-pipelines reconc"):
        close(world)
    world.reconcile()
    assert close(world).is_new


@pytest.mark.parametrize("name", ["2026-13", "2026-02-30", "yesterday", "2026-3-2", "../2026-03"])
def test_a_name_that_is_no_period_is_refused(world: Any, name: str) -> None:
    with pytest.raises(ClosingError, match="write a day as 2026-11-20 or a month as 2026-11"):
        close(world, name)


def test_a_period_ends_in_berlin_on_days_of_23_and_25_hours_too() -> None:
    ends = {name: f"{period_named(name).ends_at:%d %H:%M}" for name in ("2026-03-29", "2026-10-25")}
    assert ends == {"2026-03-29": "29 22:00", "2026-10-25": "25 23:00"}
    assert period_named("2024-02").last_day == date(2024, 2, 29)


def test_closing_a_closed_day_again_changes_nothing(world: Any) -> None:
    settled(world)
    first = close(world)
    before = files_of(world.finance.path.parent)
    world.later(hours=1)
    again = close(world, by="Somebody else")
    assert (again.is_new, again.manifest) == (False, first.manifest)
    # Even the file that finance has open stays the same file.
    assert files_of(world.finance.path.parent) == before


def test_a_reconciliation_of_a_closed_day_leaves_no_change_where_nothing_happened(
    world: Any,
) -> None:
    world.waiting("open", line={"price_seen_cents": 2000})
    settled(world)
    close(world)
    world.later(hours=2)
    world.reconcile()
    world.reconcile(full=True)
    assert world.query("FROM reconciliation.changes_after_close") == []


def test_two_closes_of_equal_rows_have_equal_hashes(world: Any, tmp_path: Path) -> None:
    world.waiting("open", line={"price_seen_cents": 2000})
    settled(world)
    other = FinanceDatabase(tmp_path / "other" / "finance.duckdb")
    twin = type(world)(world.db, other)
    twin.now = world.now
    twin.reconcile()
    # First sight is when a file first saw a break; the twin saw it at the same moment.
    assert close(world).manifest["tables"] == close(twin).manifest["tables"]


def test_a_row_that_changes_after_the_close_is_named_with_what_and_why(world: Any) -> None:
    world.waiting("m", line={"price_seen_cents": 2000})
    world.waiting("n")
    world.later(days=1)
    world.reconcile()
    close(world)
    world.later(days=1)
    world.change_line("m", price_seen_cents=2100)
    world.change_line("n", state="PICKED")
    world.waiting("late")
    world.reconcile()
    found = {
        (table, key): (change, nature, what, why)
        for table, key, change, nature, what, why in world.query(
            "SELECT table_name, row_key, change, nature, what_changed, why "
            "FROM reconciliation.changes_after_close WHERE period = '2026-03-02'"
        )
    }
    change, nature, what, why = found["order_lines", "m/1"]
    assert (change, nature) == ("changed", "money")
    assert what.endswith("wms_price: 20.00 -> 21.00")
    assert why == "price_mismatch value_changed at 2026-03-04 12:00 UTC"
    assert found["order_lines", "n/1"][:3] == ("changed", "state", "wms_status: ACCEPTED -> PICKED")
    assert found["order_lines", "late/1"][:2] == ("added", "money")
    assert "buyer_price: - -> 19.99" in found["order_lines", "late/1"][2]
    assert [key[0] for key in found if key[1] not in {"m/1", "n/1", "late/1"}] == ["breaks"]
    state = "SELECT rows_changed, amounts_changed FROM reports.closed_periods"
    assert world.query(state) == [(len(found), len(found) - 1)]


def test_what_arrives_late_is_booked_once_in_the_day_that_is_closed_next(world: Any) -> None:
    world.waiting("m", line={"price_seen_cents": 2000})
    world.waiting("x")
    on_day(world, "x", NEXT_DAY)
    world.later(days=1)
    world.reconcile()
    first = close(world)
    before = files_of(first.folder)
    world.change_line("m", price_seen_cents=2100)
    world.later(days=1)
    world.reconcile()
    second = close(world, NEXT_DAY)
    assert files_of(first.folder) == before
    booked = world.query(
        "SELECT late_for, booked_in, table_name, amount_name, before_cents, after_cents, "
        "difference_cents FROM reconciliation.late_for_period ORDER BY table_name, amount_name"
    )
    assert booked == [
        (DAY, NEXT_DAY, "breaks", "open_at_risk", 1, 101, 100),
        (DAY, NEXT_DAY, "order_lines", "wms_price", 2000, 2100, 100),
        (DAY, NEXT_DAY, "prices", "difference", 1, 101, 100),
        (DAY, NEXT_DAY, "prices", "wms_price", 2000, 2100, 100),
    ]
    held = {table["name"]: table["rows"] for table in second.manifest["tables"]}
    assert (held["late_for_period"], held["order_lines"]) == (4, 1)

    world.later(days=1)
    world.change_line("m", price_seen_cents=2000)
    world.waiting("y")
    on_day(world, "y", "2026-03-04")
    world.later(days=1)
    world.reconcile()
    close(world, "2026-03-04")
    taken_back = world.query(
        "SELECT table_name, amount_name, before_cents, after_cents, difference_cents "
        "FROM reconciliation.late_for_period WHERE booked_in = '2026-03-04' ORDER BY ALL"
    )
    assert taken_back == [
        (table, name, after, before, -100) for _, _, table, name, before, after, _ in booked
    ]


def balance(world: Any) -> list[tuple[Any, ...]]:
    """Amounts of the live rows of closed days, minus those of their closes and late bookings."""
    return world.query(
        """
        WITH closed AS (SELECT period, sequence FROM reports.closed_periods WHERE state = 'closed'
            AND kind = 'day'),
        live AS (
            SELECT 'order_lines' AS table_name, 'wms_price' AS amount_name,
                sum(wms_price_cents) AS cents
            FROM reconciliation.order_lines WHERE order_day::VARCHAR IN (SELECT period FROM closed)
            UNION ALL
            SELECT 'breaks', 'open_at_risk', sum(amount_at_risk_cents) FILTER (status = 'open')
            FROM reconciliation.breaks WHERE order_day::VARCHAR IN (SELECT period FROM closed)
        ),
        books AS (
            SELECT table_name, amount_name, amount_cents AS cents
            FROM reconciliation.closed_amounts JOIN closed USING (period, sequence)
            UNION ALL
            SELECT table_name, amount_name, difference_cents FROM reconciliation.late_for_period
        )
        SELECT table_name, amount_name, coalesce(l.cents, 0) - coalesce(sum(b.cents), 0)
        FROM live AS l LEFT JOIN books AS b USING (table_name, amount_name)
        GROUP BY table_name, amount_name, l.cents ORDER BY ALL
        """
    )


@pytest.mark.parametrize("seed", [1])
def test_closes_and_late_bookings_together_are_what_the_live_tables_hold(
    world: Any, seed: int
) -> None:
    dice = random.Random(seed)
    days = [DAY, NEXT_DAY, "2026-03-04"]
    for number, day in enumerate(days * 2):
        world.waiting(f"o{number}")
        on_day(world, f"o{number}", day)
    for day in days:
        world.later(days=1)
        for _ in range(3):
            price = dice.choice([1999, 2000, 2100, None])
            world.change_line(f"o{dice.randrange(6)}", price_seen_cents=price)
        world.reconcile()
        again = [each for (each,) in world.query("SELECT period FROM reports.closed_periods")]
        if again and dice.random() < 0.6:
            chosen = dice.choice(again)
            reopen_period(world.finance, chosen, by="Finn", reason="late", now=world.now)
            close(world, chosen)
        close(world, day)
        assert balance(world) == [("breaks", "open_at_risk", 0), ("order_lines", "wms_price", 0)]


def test_reopening_is_an_event_with_name_and_reason_and_the_next_close_lies_beside_the_first(
    world: Any,
) -> None:
    settled(world)
    first = close(world)
    before = files_of(first.folder)
    world.later(hours=1)
    reopen_period(world.finance, DAY, by="Grete", reason="a parcel was found", now=world.now)
    assert world.query("SELECT period, state, reopen_reason FROM reports.closed_periods") == [
        (DAY, "reopened", "a parcel was found")
    ]
    with pytest.raises(ClosingError, match="is not closed, so it cannot be reopened"):
        reopen_period(world.finance, DAY, by="Grete", reason="again", now=world.now)
    world.later(hours=1)
    second = close(world)
    assert second.folder.name == f"{DAY}.2"
    assert second.manifest["reopenings"][0]["reason"] == "a parcel was found"
    assert files_of(first.folder) == before
    assert events(world) == [
        (DAY, 1, "closed", "Finn", None),
        (DAY, 1, "reopened", "Grete", "a parcel was found"),
        (DAY, 2, "closed", "Finn", None),
    ]


def test_reopening_and_closing_need_a_name_and_reopening_a_reason(world: Any) -> None:
    settled(world)
    with pytest.raises(ClosingError, match=r"say who closes it \(--by\)"):
        close(world, by=" ")
    close(world)
    with pytest.raises(ClosingError, match=r"say who opens it \(--by\)"):
        reopen_period(world.finance, DAY, by="", reason="x", now=world.now)
    with pytest.raises(ClosingError, match=r"say why \(--reason\)"):
        reopen_period(world.finance, DAY, by="Finn", reason=" ", now=world.now)


def test_a_month_is_refused_while_a_day_is_open_and_holds_its_days_when_closed(world: Any) -> None:
    settled(world)
    world.shipped("p")
    on_day(world, "p", NEXT_DAY)
    world.later(days=40)
    world.reconcile()
    close(world)
    with pytest.raises(ClosingError, match=r"1 day\(s\) of it are not closed: 2026-03-03\. Close"):
        close(world, MONTH)
    close(world, NEXT_DAY)
    month = close(world, MONTH)
    assert [day["period"] for day in month.manifest["days"]] == [DAY, NEXT_DAY]
    held = {table["name"]: table["rows"] for table in month.manifest["tables"]}
    assert held["order_lines"] == 2
    with pytest.raises(ClosingError, match="the month 2026-03 is closed: reopen it before"):
        reopen_period(world.finance, DAY, by="Finn", reason="late", now=world.now)
    reopen_period(world.finance, MONTH, by="Finn", reason="late", now=world.now)
    reopen_period(world.finance, DAY, by="Finn", reason="late", now=world.now)
    assert close(world).manifest["sequence"] == 2
    assert close(world, MONTH).folder.name == "2026-03.2"


def test_a_month_is_refused_while_an_amount_of_a_day_is_not_that_of_its_close(world: Any) -> None:
    world.waiting("m", item={"ship_by_at": world.now + timedelta(days=60)})
    world.later(days=40)
    world.reconcile()
    close(world)
    world.change_line("m", price_seen_cents=2000)
    world.reconcile()
    with pytest.raises(ClosingError, match=r"2026-03-02 \(3 row\(s\)\).*reopen each day"):
        close(world, MONTH)
    reopen_period(world.finance, DAY, by="Finn", reason="price corrected", now=world.now)
    close(world)
    assert close(world, MONTH).is_new


def test_a_day_of_a_closed_month_cannot_be_closed_anew(world: Any) -> None:
    settled(world, days=40)
    close(world)
    close(world, MONTH)
    world.shipped("p")
    on_day(world, "p", NEXT_DAY)
    world.reconcile()
    with pytest.raises(ClosingError, match="the month 2026-03 is closed: reopen it first"):
        close(world, NEXT_DAY)


def test_a_run_that_ends_before_the_close_is_recorded_is_made_good_by_the_next(
    world: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    settled(world)

    def pull_the_plug(*_: Any) -> None:
        raise RuntimeError("plug pulled")

    monkeypatch.setattr(assets.closing.close, "record", pull_the_plug)
    with pytest.raises(RuntimeError, match="pulled"):
        close(world)
    monkeypatch.undo()
    before = files_of(world.finance.closes_path)
    assert close(world).is_new is False
    assert events(world) == [(DAY, 1, "closed", "Finn", None)]
    assert files_of(world.finance.closes_path) == before


def test_a_run_that_ends_while_writing_leaves_no_close(
    world: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    settled(world)

    def no_space(*_: Any, **__: Any) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(assets.closing.close, "write_workbook", no_space)
    with pytest.raises(ClosingError, match=r"No space left .* nothing was recorded"):
        close(world)
    assert list(world.finance.closes_path.iterdir()) == []
    monkeypatch.undo()
    assert close(world).is_new


def test_closes_on_disk_are_recorded_again_when_the_finance_file_was_lost(world: Any) -> None:
    settled(world)
    close(world)
    world.later(hours=1)
    reopen_period(world.finance, DAY, by="Grete", reason="found", now=world.now)
    world.later(hours=1)
    close(world)
    before = events(world)
    late = "SELECT * FROM reconciliation.closed_amounts ORDER BY ALL"
    amounts = world.query(late)
    world.finance.working_path.unlink()
    world.reconcile()
    assert close(world).is_new is False
    assert (events(world), world.query(late)) == (before, amounts)


def test_the_manifest_is_json_that_names_hashes_totals_and_the_close_before(world: Any) -> None:
    settled(world)
    world.shipped("p")
    on_day(world, "p", NEXT_DAY)
    world.later(days=1)
    world.reconcile()
    first, second = close(world), close(world, NEXT_DAY)
    written = json.loads((second.folder / "manifest.json").read_text())
    assert written == second.manifest
    assert first.manifest["previous_manifest_sha256"] is None
    assert (
        written["previous_manifest_sha256"]
        == world.query(
            "SELECT manifest_sha256 FROM reconciliation.period_close WHERE period = '2026-03-02'"
        )[0][0]
    )
    lines = next(table for table in written["tables"] if table["name"] == "order_lines")
    assert {"amount": "buyer_price", "cents": 1999, "currency": "EUR"} in lines["totals"]
    assert set(written["files"]) == {"snapshot.duckdb", "workbook.xlsx", "report.html"}
    assert written["signature"] == {"method": "none", "name": "Finn"}
