"""Files of a close: verified and tampered with, a workbook that ties, a page without the world."""

import json
import re
import shutil
from decimal import Decimal
from pathlib import Path
from typing import Any

import duckdb
import openpyxl
import pytest

from assets.closing.close import Close, close_period, reopen_period
from assets.closing.manifest import read_manifest
from assets.closing.periods import ClosingError
from assets.closing.report import money
from assets.closing.verify import verify_closes
from assets.reconciliation.decisions import accept_break
from resources.operations import schema

DAY, MONTH, KEY = "2026-03-02", "2026-03", "key of finance"
BUYER = "Kanarienvogel"
EVIL_SKU = "=HYPERLINK(<script>)"


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """Where the closed day of this module lies once it is made, and when that was."""
    return {"folder": tmp_path_factory.mktemp("made")}


@pytest.fixture
def closed(world: Any, tmp_path: Path, made: dict[str, Any]) -> Close:
    """A closed day with breaks in several areas, one of them with a SKU like a formula."""
    if "now" not in made:
        _close_a_day(world)
        # Making it costs seconds, a copy does not.
        shutil.copytree(tmp_path, made["folder"], dirs_exist_ok=True)
        made["now"] = world.now
    else:
        world.db.close()
        shutil.copytree(made["folder"], tmp_path, dirs_exist_ok=True)
        world.now = made["now"]
    folder = world.finance.closes_path / DAY
    return Close(folder, read_manifest(folder / "manifest.json"), is_new=True)


def _close_a_day(world: Any) -> None:
    world.waiting("small", line={"price_seen_cents": 2010})
    world.waiting("evil", line={"price_seen_cents": 2009, "sku_seen": EVIL_SKU})
    world.shipped("carrier", item={"otto_carrier": "UPS"})
    world.waiting("gone", line={"price_seen_cents": 2029})
    world.later(hours=5)
    world.reconcile()
    world.change_line("gone", price_seen_cents=1999)
    world.later(days=1)
    world.reconcile()
    for (break_id,) in world.query(
        "SELECT break_id FROM reports.open_breaks WHERE severity = 'high'"
    ):
        accept_break(world.finance, break_id, "-agreed", world.now, by="Finn")
    close_period(world.finance, DAY, by="@Finn", now=world.now, key=KEY)


def faults(world: Any, name: str | None = None, key: str | None = KEY) -> list[str]:
    return [
        fault for each in verify_closes(world.finance, name=name, key=key) for fault in each.faults
    ]


def overwrite(path: Path, content: bytes) -> None:
    path.chmod(0o600)
    path.write_bytes(content)


def edit_manifest(close: Close, **changes: Any) -> None:
    path = close.folder / "manifest.json"
    overwrite(path, json.dumps({**close.manifest, **changes}, indent=2, sort_keys=True).encode())


def test_an_untouched_close_is_whole_and_its_signature_holds(world: Any, closed: Close) -> None:
    assert faults(world) == []
    assert [each.signature for each in verify_closes(world.finance, key=KEY)] == ["hmac-sha256"]
    assert [each.signature for each in verify_closes(world.finance)] == ["not checked"]
    assert KEY not in (closed.folder / "manifest.json").read_text()


def test_a_changed_row_of_the_snapshot_is_found_by_file_and_by_table(
    world: Any, closed: Close
) -> None:
    snapshot = closed.folder / "snapshot.duckdb"
    snapshot.chmod(0o600)
    with duckdb.connect(str(snapshot)) as con:
        con.execute("UPDATE reconciliation.prices SET wms_price_cents = 1 WHERE sku = 'OTTO-1'")
    assert faults(world) == [
        "snapshot.duckdb was changed after the close",
        "table prices of the snapshot does not hold the rows that were closed",
    ]


@pytest.mark.parametrize("name", ["workbook.xlsx", "report.html"])
def test_a_changed_or_missing_file_is_found(world: Any, closed: Close, name: str) -> None:
    overwrite(closed.folder / name, b"prettier")
    assert faults(world) == [f"{name} was changed after the close"]
    (closed.folder / name).unlink()
    assert faults(world) == [f"{name} is missing"]


def test_a_manifest_that_was_changed_is_found_by_hash_and_signature(
    world: Any, closed: Close
) -> None:
    edit_manifest(closed, closed_by="Somebody else")
    recorded = "manifest.json is not the one that was recorded at the close"
    signature = "its signature is not that of FINANCE_SIGNING_KEY"
    assert faults(world) == [recorded, signature]
    edit_manifest(closed, signature={"method": "none", "name": "Finn"})
    assert faults(world) == [recorded, "it is not signed, though FINANCE_SIGNING_KEY is set"]


def test_another_key_does_not_make_the_same_signature(world: Any, closed: Close) -> None:
    assert faults(world, key="another key") == ["its signature is not that of FINANCE_SIGNING_KEY"]


def test_a_missing_or_damaged_snapshot_is_named(world: Any, closed: Close) -> None:
    overwrite(closed.folder / "snapshot.duckdb", b"no database")
    assert any("cannot be read: restore the folder" in fault for fault in faults(world))
    # A reconciliation goes on, and shows that the day cannot be compared.
    world.later(hours=1)
    world.change_line("small", price_seen_cents=2011)
    world.reconcile()
    said = world.query("SELECT DISTINCT what_changed FROM reconciliation.changes_after_close")
    assert said == [("the snapshot cannot be read: see otto-pipelines close verify",)]


def test_a_missing_manifest_and_an_unknown_folder_are_named(world: Any, closed: Close) -> None:
    (closed.folder / "manifest.json").unlink()
    (closed.folder.parent / "2026-03-09").mkdir()
    found = faults(world)
    assert "manifest.json is missing: restore the folder from a backup" in found[0]
    assert found[1] == "the finance file does not know of it"
    with pytest.raises(ClosingError, match="2026-03-01 was never closed"):
        verify_closes(world.finance, name="2026-03-01")


def test_a_close_taken_out_of_the_finance_file_breaks_the_chain(world: Any, closed: Close) -> None:
    world.shipped("next")
    world.change(schema.orders, {"sales_order_id": "next"}, order_day=world.now.date())
    world.later(days=1)
    world.reconcile()
    close_period(world.finance, "2026-03-03", by="Finn", now=world.now, key=KEY)
    assert faults(world) == []
    with world.finance.writer() as con:
        con.execute("DELETE FROM reconciliation.period_close WHERE period = '2026-03-02'")
    world.finance.publish()
    assert faults(world, "2026-03-03") == [
        "the close that it follows is missing from the finance file"
    ]


def test_a_month_tells_when_a_day_is_no_longer_the_one_it_was_made_of(
    world: Any, closed: Close
) -> None:
    world.later(days=40)
    for (break_id,) in world.query("SELECT break_id FROM reports.open_breaks"):
        accept_break(world.finance, break_id, "agreed", world.now, by="Finn")
    world.reconcile()
    for (break_id,) in world.query("SELECT break_id FROM reports.open_breaks"):
        accept_break(world.finance, break_id, "agreed", world.now, by="Finn")
    reopen_period(world.finance, DAY, by="Finn", reason="accepted", now=world.now)
    close_period(world.finance, DAY, by="Finn", now=world.now, key=KEY)
    close_period(world.finance, MONTH, by="Finn", now=world.now, key=KEY)
    assert faults(world) == []
    with world.finance.writer() as con:
        con.execute(
            "UPDATE reconciliation.period_close SET manifest_sha256 = 'x' WHERE period = $1 "
            "AND sequence = 2",
            [DAY],
        )
    world.finance.publish()
    assert f"the close of {DAY} is not the one that the month was made of" in faults(world, MONTH)


def test_the_snapshot_explains_itself_and_holds_the_rows_of_the_period_alone(
    world: Any, closed: Close
) -> None:
    with duckdb.connect(str(closed.folder / "snapshot.duckdb"), read_only=True) as con:
        silent = con.execute(
            "SELECT table_name || '.' || column_name FROM duckdb_columns() "
            "WHERE NOT internal AND comment IS NULL"
        ).fetchall()
        days = con.execute("SELECT DISTINCT order_day FROM reconciliation.order_lines").fetchall()
    assert silent == []
    assert [str(day) for (day,) in days] == [DAY]


def cells(sheet: Any) -> list[dict[str, Any]]:
    head, *rows = sheet.iter_rows(values_only=True)
    return [dict(zip(head, row, strict=True)) for row in rows]


def test_the_workbook_ties_sheets_totals_and_manifest_to_the_cent(closed: Close) -> None:
    values = openpyxl.load_workbook(closed.workbook, data_only=True)
    formulas = openpyxl.load_workbook(closed.workbook)["Totals"]
    assert len(closed.manifest["areas"]) >= 4
    for row, stated in enumerate(closed.manifest["areas"], start=6):
        shown = [cell.value for cell in values["Totals"][row]]
        in_sheet = [
            Decimal(str(found["amount at risk"]))
            for found in cells(values[stated["area"].capitalize()])
            if (found["currency"], found["status"]) == (stated["currency"], stated["status"])
        ]
        assert shown[:4] == [stated[n] for n in ("area", "currency", "status", "breaks")]
        assert len(in_sheet) == stated["breaks"]
        assert sum(in_sheet) * 100 == stated["cents"]
        assert Decimal(str(shown[4])) * 100 == Decimal(str(shown[5])) * 100 == stated["cents"]
        assert shown[6] == "ties"
        formula = formulas.cell(row, 5).value
        assert formula.startswith(f"=ROUND(SUMIFS('{stated['area'].capitalize()}'!$L$2:$L$")
    total = values["Totals"][6 + len(closed.manifest["areas"])]
    everything = sum(each["cents"] for each in closed.manifest["areas"])
    assert (total[0].value, Decimal(str(total[4].value)) * 100) == ("all areas", everything)


def test_sheets_have_a_frozen_header_a_filter_and_money_with_two_decimals(closed: Close) -> None:
    book = openpyxl.load_workbook(closed.workbook)
    areas = {each["area"].capitalize() for each in closed.manifest["areas"]}
    assert set(book.sheetnames) == {"Totals", "Booked late", "Tables"} | areas
    for name in areas:
        sheet = book[name]
        assert (sheet.freeze_panes, sheet.auto_filter.ref is not None) == ("A2", True)
        assert sheet["L1"].value == "amount at risk"
        assert (sheet["L2"].data_type, sheet["L2"].number_format) == ("n", "#,##0.00")


def test_text_that_looks_like_a_formula_is_text(closed: Close) -> None:
    book = openpyxl.load_workbook(closed.workbook)
    assert book["Totals"]["B3"].value == "@Finn"
    for sheet in book.worksheets:
        for row in sheet.iter_rows():
            formulas = [cell for cell in row if cell.data_type == "f"]
            assert sheet.title == "Totals" or formulas == []
    evil = [cell for row in book["Orders"].iter_rows() for cell in row if cell.value == EVIL_SKU]
    assert [(cell.data_type, cell.quotePrefix) for cell in evil] == [("s", True)]


def test_the_report_links_to_nothing_outside_and_escapes_what_it_shows(closed: Close) -> None:
    page = closed.report.read_text(encoding="utf-8")
    assert re.findall(r"""(?:src|href|action)\s*=\s*["']?(?!["']?#)""", page) == []
    places = set(re.findall(r"https?://[^\s\"'<]+", page))
    # Names of vocabularies, which no browser loads.
    assert places <= {"http://www.w3.org/2000/svg", "http://www.w3.org/1999/xlink"}
    assert "<script" not in page
    assert "&lt;script&gt;" in page
    assert page.count("<svg") == 3
    assert "default-src 'none'" in page
    for text in ("price_mismatch", "carrier_mismatch", ">0-1</text>", "Signed with", "@Finn"):
        assert text in page


def test_the_report_names_what_carries_the_open_breaks(world: Any) -> None:
    world.shipped("o")
    world.later(days=1)
    world.reconcile()
    with world.finance.writer() as con:
        con.execute(
            "INSERT INTO reconciliation.attribution BY NAME SELECT 'carrier' AS dimension, "
            "'HERMES' AS value, 'EUR' AS currency, 4 AS breaks, 12345 AS amount_at_risk_cents, "
            "123.45 AS amount_at_risk, 10.5 AS lift"
        )
    report = close_period(world.finance, DAY, by="Finn", now=world.now).report
    cells = re.findall(r"<td[^>]*>(.*?)</td>", report.read_text(encoding="utf-8"))
    assert cells[:5] == ["carrier", "HERMES", "4", "123.45 EUR", "10.50"]


def test_a_close_holds_no_personal_data(closed: Close) -> None:
    book = openpyxl.load_workbook(closed.workbook)
    texts = [
        str(cell.value) for sheet in book.worksheets for row in sheet.iter_rows() for cell in row
    ]
    assert [text for text in texts if BUYER in text] == []
    for path in closed.folder.iterdir():
        assert BUYER.encode() not in path.read_bytes()


@pytest.mark.parametrize(
    ("cents", "text"),
    [
        (0, "0.00"),
        (5, "0.05"),
        (-5, "-0.05"),
        (-123456, "-1,234.56"),
        (2**53 + 1, "90,071,992,547,409.93"),
    ],
)
def test_money_is_shown_exactly(cents: int, text: str) -> None:
    assert money(cents) == text
