"""Commands about money: wishes are written down, refusals are words, PDFs stay private."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from otto_pipelines.cli import app
from otto_pipelines.commands import flows, receipts
from resources.operations.database import OperationsDatabase
from resources.operations.wms_returns import match_units, store_wms_returns
from resources.otto.errors import OttoPermanent
from resources.wms.port import Condition, Disposition, ReturnedLine, ReturnReceipt
from tests.resources.operations.money_books import NOW, put_order, table

REPOSITORY = Path(__file__).resolve().parents[2]


@pytest.fixture
def db(
    sqlite_template: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[OperationsDatabase]:
    path = tmp_path / "operations.sqlite"
    path.write_bytes(sqlite_template.read_bytes())
    monkeypatch.setenv("OPERATIONS_DATABASE_URL", f"sqlite:///{path}")
    monkeypatch.setenv("OPERATING_MODEL", str(REPOSITORY / "operating_model.example.yaml"))
    for name in ("OTTO_API_BASE_URL", "WMS_BASE_URL"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    for name in ("OTTO_CLIENT_ID", "OTTO_CLIENT_SECRET", "WMS_API_KEY"):
        monkeypatch.setenv(name, "x")
    opened = OperationsDatabase(f"sqlite:///{path}")
    put_order(opened, "o", {"i1": {}, "i2": {}, "i3": {"fulfilment_status": "PROCESSABLE"}})
    yield opened
    opened.close()


def command(*arguments: str) -> Any:
    return CliRunner().invoke(app, list(arguments))


def refusal(result: Any) -> str:
    """What a refused command says, without the terminal's line breaks."""
    assert result.exit_code == 2, result.output
    return " ".join(result.stderr.split())


def messages(db: OperationsDatabase) -> list[str]:
    return [row["business_key"] for row in table(db, "outbox")]


def receive(db: OperationsDatabase, line_id: str | None, sku: str = "A") -> None:
    line = ReturnedLine(
        sku=sku, quantity=1, condition=Condition.DEFECT, disposition=Disposition.SCRAP,
        line_id=line_id, reason="R07",
    )  # fmt: skip
    receipt = ReturnReceipt(receipt_id=f"RCV-{line_id}", received_at=NOW, lines=(line,))
    with db.write() as conn:
        store_wms_returns(conn, [receipt], NOW)
        match_units(conn, lambda sku: sku, NOW)


def test_units_that_wait_for_a_person_are_listed_and_leave_the_list_when_decided(
    db: OperationsDatabase,
) -> None:
    receive(db, "i1")
    receive(db, None, "unknown article")
    owned, blind = json.loads(command("returns", "list", "--json").output)
    assert (owned["position_item_id"], owned["condition"], owned["reason"]) == (
        "i1",
        "DEFECT",
        "R07",
    )
    assert (blind["position_item_id"], blind["sku"]) == (None, "unknown article")
    shown = command("returns", "list").output
    assert "DEFECT, SCRAP, reason R07" in shown
    assert "2 unit(s) wait for a person" in shown

    done = command("returns", "reject", "o", "i1", "--condition", "E", "--reason", "ITEM_DAMAGED",
                   "--by", "Eva", "--note", "broken in two")  # fmt: skip
    assert done.exit_code == 0, done.output
    assert messages(db) == ["o/i1/REJECT"]
    [decision] = table(db, "return_decisions")
    assert (decision["decided_by"], decision["note"]) == ("Eva", "broken in two")
    assert "1 unit(s) wait" in command("returns", "list").output


def test_a_decision_is_written_down_once_and_an_acceptance_is_final(
    db: OperationsDatabase,
) -> None:
    accept = ("returns", "accept", "o", "i1", "--condition", "E", "--reason", "SHIPMENT_LOST")
    assert command(*accept, "--by", "Eva").exit_code == 0
    again = command(*accept, "--by", "Finn")
    assert (again.exit_code, "decided so before" in again.output) == (0, True)
    reject = command("returns", "reject", "o", "i1", "--condition", "E", "--reason", "EXCHANGE")
    assert "cannot become a rejection" in refusal(reject)
    assert messages(db) == ["o/i1/ACCEPT"]


@pytest.mark.parametrize(
    ("item", "options", "says"),
    [
        ("i9", [], "not in the operations database"),
        ("i3", [], "only a SENT unit can come back"),
        ("i1", ["--condition", "F"], "take one of A"),
        ("i1", ["--reason", "WRONG_ITEM"], "RETURN_RECEIVED"),
    ],
)
def test_a_decision_that_cannot_be_is_refused_with_what_can(
    db: OperationsDatabase, item: str, options: list[str], says: str
) -> None:
    result = command("returns", "accept", "o", item, "--condition", "A", *options)
    assert says in refusal(result)
    assert messages(db) == table(db, "return_decisions") == []


def test_a_reduction_is_asked_for_to_the_cent_and_once_by_its_id(db: OperationsDatabase) -> None:
    create = ("reductions", "create", "o", "i1", "--reason", "scratched", "--by", "Eva")
    for _ in range(2):
        result = command(*create, "--amount", "5.05", "--request-id", "q1")
        assert result.exit_code == 0, result.output
    assert command(*create, "--amount", "1").exit_code == 0
    rows = json.loads(command("reductions", "list", "--json").output)
    assert sorted((row["amount_cents"], row["state"]) for row in rows) == [
        (100, "pending"),
        (505, "pending"),
    ]
    assert "q1" in command("reductions", "list").output
    other = command(*create, "--amount", "6.00", "--request-id", "q1")
    assert "use a new id" in refusal(other)


@pytest.mark.parametrize(
    ("item", "amount", "says"),
    [
        ("i1", "5,00", "write it like 5.00"),
        ("i1", "5.001", "write it like 5.00"),
        ("i1", "19.95", "below what is left"),
        ("i1", "0", "above zero"),
        ("i3", "5.00", "only a SENT unit"),
        ("i9", "5.00", "import its order"),
    ],
)
def test_a_reduction_that_is_not_possible_is_refused_in_words(
    db: OperationsDatabase, item: str, amount: str, says: str
) -> None:
    result = command("reductions", "create", "o", item, "--amount", amount, "--reason", "scratched")
    assert says in refusal(result)
    assert table(db, "price_reduction_requests") == messages(db) == []


class Receipts:
    def pdf(self, number: str) -> bytes:
        if number != "R-1":
            raise OttoPermanent("OTTO GET /v3/receipts/{number}.pdf: 404", status=404)
        return b"%PDF-1.4 of Erika Muster"


class Otto:
    receipts = Receipts()

    def __enter__(self) -> "Otto":
        return self

    def __exit__(self, *_: object) -> None:
        return None


def test_a_receipt_goes_to_a_new_file_of_its_owner_and_nowhere_else(
    db: OperationsDatabase, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(receipts, "open_otto", lambda *_: Otto())
    file = tmp_path / "receipt.pdf"
    saved = command("receipt", "pdf", "R-1", "--to", str(file))
    assert saved.exit_code == 0, saved.output
    assert "Muster" not in saved.output
    assert file.read_bytes().startswith(b"%PDF-")
    assert file.stat().st_mode & 0o777 == 0o600
    again = command("receipt", "pdf", "R-1", "--to", str(file))
    assert "name a new file" in refusal(again)
    unknown = command("receipt", "pdf", "R-2", "--to", str(tmp_path / "other.pdf"))
    assert "404" in refusal(unknown)
    assert not (tmp_path / "other.pdf").exists()


@pytest.mark.parametrize(
    ("flow", "jobs"),
    [
        ("returns", ["sync_returns"]),
        ("receipts", ["sync_receipts"]),
        ("prices", ["sync_prices"]),
        (
            "all",
            ["sync_orders", "sync_shipments", "sync_stock", "sync_returns", "sync_receipts",
             "sync_prices"],
        ),
    ],
)  # fmt: skip
def test_sync_starts_the_jobs_of_its_flow(
    monkeypatch: pytest.MonkeyPatch, flow: str, jobs: list[str]
) -> None:
    started: list[tuple[str, dict[str, Any]]] = []
    monkeypatch.setattr(flows, "_execute", lambda job, **options: started.append((job, options)))
    result = CliRunner().invoke(app, ["sync", flow])
    assert result.exit_code == 0, result.output
    assert [job for job, _ in started] == jobs
    for job, options in started:
        if job == "sync_receipts":
            assert options["config"] == {"ops": {"otto_receipts": {"config": {"mode": "changes"}}}}
            assert options["partition_key"]
