"""The asset and the commands by which a person closes a period."""

import json
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import dagster as dg
import pytest
from typer.testing import CliRunner

from assets.closing.changes import note_reconciled
from assets.period_close import period_close
from otto_pipelines.cli import app
from resources.clock import Clock
from resources.finance import FinanceDatabase

DAY, NOW = "2026-03-02", datetime(2026, 3, 4, 12, 0, tzinfo=UTC)


class Noon:
    """A clock that stands still."""

    def now(self) -> datetime:
        return NOW


@pytest.fixture
def finance(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> FinanceDatabase:
    """A finance file with one order line and one material break of DAY."""
    database = FinanceDatabase(tmp_path / "finance.duckdb")
    with database.writer() as con:
        con.execute(
            "INSERT INTO reconciliation.order_lines BY NAME SELECT 'o' AS sales_order_id, "
            "'1' AS position_item_id, $1::DATE AS order_day, 'EUR' AS currency, "
            "1999 AS buyer_price_cents",
            [date.fromisoformat(DAY)],
        )
        con.execute(
            "INSERT INTO reconciliation.breaks BY NAME SELECT 'b1' AS break_id, 'open' AS status, "
            "'price_mismatch' AS kind, 'prices' AS area, 'o' AS sales_order_id, "
            "'finance' AS owner, '1' AS position_item_id, $1::DATE AS order_day, "
            "2000 AS amount_at_risk_cents, 0 AS age_days, "
            "20.00 AS amount_at_risk, 'EUR' AS currency, 'high' AS severity, "
            "$2::TIMESTAMPTZ AS first_seen_at, $2::TIMESTAMPTZ AS last_seen_at",
            [date.fromisoformat(DAY), NOW],
        )
        note_reconciled(con, NOW)
    database.publish()
    monkeypatch.setenv("FINANCE_DATABASE_PATH", str(database.path))
    monkeypatch.delenv("FINANCE_SIGNING_KEY", raising=False)
    return database


def run(finance: FinanceDatabase, clock: Clock) -> dg.ExecuteInProcessResult:
    config = {"config": {"period": DAY, "closed_by": "Finn"}}
    return dg.materialize(
        [period_close],
        resources={"finance": finance, "clock": clock},
        run_config={"ops": {period_close.op.name: config}},
        raise_on_error=False,
    )


def command(*words: str) -> Any:
    return CliRunner().invoke(app, list(words))


def listed(*words: str) -> list[str]:
    result = command("breaks", "list", *words, "--json")
    assert result.exit_code == 0, result.output
    return [found["break_id"] for found in json.loads(result.output)]


def test_the_asset_refuses_an_open_material_break_and_says_why(finance: FinanceDatabase) -> None:
    result = run(finance, Noon())
    assert not result.success
    failure = result.failure_data_for_node(period_close.op.name)
    assert failure is not None
    assert "1 material break(s) are open, 20.00 EUR" in str(failure.user_failure_data)


def test_the_asset_closes_links_the_report_and_does_nothing_a_second_time(
    finance: FinanceDatabase,
) -> None:
    assert command("breaks", "accept", "b1", "--reason", "agreed", "--by", "Finn").exit_code == 0
    first, second = run(finance, Noon()), run(finance, Noon())
    one, two = (
        result.asset_materializations_for_node(period_close.op.name)[0].metadata
        for result in (first, second)
    )
    report = finance.closes_path / DAY / "report.html"
    assert one["report"].value == report.as_uri()
    assert one["report_file"].value == str(report)
    assert one["prices_accepted_EUR_cents"].value == 2000
    assert (one["was_closed_already"].value, two["was_closed_already"].value) == (False, True)


def test_breaks_are_filtered_by_kind_area_owner_severity_period_and_age(
    finance: FinanceDatabase,
) -> None:
    filters = {
        "--kind": ("price_mismatch", "late_shipment"),
        "--area": ("prices", "orders"),
        "--owner": ("finance", "warehouse"),
        "--severity": ("high", "low"),
        "--period": ("2026-03", "2026-03-03"),
        "--older-than-days": ("-1", "0"),
    }
    for option, (passes, hides) in filters.items():
        assert listed(option, passes) == ["b1"], option
        assert listed(option, hides) == [], option
    wrong = command("breaks", "list", "--period", "March")
    assert wrong.exit_code == 2


def test_explaining_a_break_leaves_its_status_and_shows_the_note_and_who_wrote_it(
    finance: FinanceDatabase,
) -> None:
    assert (
        command("breaks", "explain", "b1", "--note", "asked the WMS", "--by", "Grete").exit_code
        == 0
    )
    assert listed() == ["b1"]
    with finance.read() as con:
        shown = con.execute("SELECT note, note_by FROM reports.open_breaks").fetchall()
        history = con.execute(
            "SELECT event, note, decided_by FROM reconciliation.break_history"
        ).fetchall()
    assert shown == [("asked the WMS", "Grete")]
    assert history == [("explained", "asked the WMS", "Grete")]


def test_without_by_the_user_of_the_machine_decides(
    finance: FinanceDatabase, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LOGNAME", "operator")
    assert command("breaks", "accept", "b1", "--reason", "agreed").exit_code == 0
    with finance.read() as con:
        assert con.execute("SELECT decided_by FROM reconciliation.break_history").fetchall() == [
            ("operator",)
        ]


def test_the_commands_close_show_verify_and_reopen_a_day(
    finance: FinanceDatabase, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FINANCE_SIGNING_KEY", "secret of finance")
    refused = command("close", "day", DAY, "--by", "Finn")
    assert refused.exit_code == 2
    assert command("close", "month", DAY).exit_code == 2
    assert command("breaks", "accept", "b1", "--reason", "agreed").exit_code == 0
    closed = command("close", "day", DAY, "--by", "Finn", "--json")
    assert closed.exit_code == 0, closed.output
    assert json.loads(closed.output)["manifest"]["signature"]["method"] == "hmac-sha256"
    again = command("close", "day", DAY, "--by", "Grete")
    assert "was closed by Finn" in again.output
    status = json.loads(command("close", "status", "--json").output)
    assert [(day["day"], day["state"], day["order_lines"]) for day in status["days"]] == [
        (DAY, "closed", 1)
    ]
    assert command("close", "status").exit_code == 0
    sound = command("close", "verify")
    assert (sound.exit_code, "whole" in sound.output) == (0, True)
    workbook = finance.closes_path / DAY / "workbook.xlsx"
    workbook.chmod(0o600)
    workbook.write_bytes(b"prettier")
    faulty = command("close", "verify", DAY, "--json")
    assert faulty.exit_code == 1
    assert json.loads(faulty.output)["closes"][0]["faults"] == [
        "workbook.xlsx was changed after the close"
    ]
    reopened = command("close", "reopen", DAY, "--by", "Finn", "--reason", "a parcel was found")
    assert (reopened.exit_code, reopened.output.strip()) == (0, f"{DAY} is open again")
    assert "secret of finance" not in closed.output + sound.output + faulty.output
