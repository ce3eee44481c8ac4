"""Commands on alerts: the list, taking one on, ending one, and the test button."""

import json
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest
import yaml
from click.testing import Result
from typer.testing import CliRunner

from assets.alerting import intake
from otto_pipelines.cli import app
from otto_pipelines.commands import connections
from resources.alerts.channels import ChannelError
from resources.alerts_policy import AlertsPolicy
from resources.operations.database import OperationsDatabase
from tests.alerting.servers import Hook, http_hook
from tests.alerting.test_dispatch import failing

REPOSITORY = Path(__file__).resolve().parents[2]
ROUTES = {"operations": {"error": ["desk"], "urgent": ["pager"]}}
Cli = Callable[..., Result]


@pytest.fixture
def hook() -> Iterator[Hook]:
    with http_hook() as hook:
        yield hook


@pytest.fixture
def cli(sqlite_template: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, hook: Hook) -> Cli:
    """The command line beside a database with two open alerts."""
    path = tmp_path / "operations.sqlite"
    path.write_bytes(sqlite_template.read_bytes())
    db = OperationsDatabase(f"sqlite:///{path}")
    with db.write() as conn:
        now = datetime(2026, 6, 8, 12, tzinfo=UTC)
        found = [failing("first", failing_rows=3), failing("second")]
        intake.take(conn, AlertsPolicy(), found, now)
    db.close()
    model = yaml.safe_load((REPOSITORY / "operating_model.example.yaml").read_text("utf-8"))
    model["alerts"] = {"routes": ROUTES}
    (tmp_path / "model.yaml").write_text(yaml.safe_dump(model), encoding="utf-8")
    monkeypatch.setenv("OPERATIONS_DATABASE_URL", f"sqlite:///{path}")
    monkeypatch.setenv("OPERATING_MODEL", str(tmp_path / "model.yaml"))
    monkeypatch.setenv("ALERT_URL_DESK", hook.address)
    return lambda *words: CliRunner().invoke(app, ["alerts", *words])


def test_the_list_shows_what_is_wrong_and_what_to_do(cli: Cli) -> None:
    shown = cli("list").output
    for part in ("#1 error parcels: first", "rows: 3", "to do: Enter the number", "2 alert(s)"):
        assert part in shown
    [first, _] = json.loads(cli("list", "--json").output)
    assert (first["title"], first["failing_rows"]) == ("parcels: first", 3)


def test_one_is_taken_on_and_another_is_ended(cli: Cli) -> None:
    assert "taken on: parcels: first" in cli("ack", "1", "--by", "Eva", "--note", "I call").output
    assert "closed: parcels: second" in cli("close", "2", "--reason", "gone").output
    shown = cli("list").output
    assert "taken on: by Eva: I call" in shown
    assert "1 alert(s)" in shown
    assert "gone" in cli("list", "--all").output
    refused = cli("ack", "2")
    assert (refused.exit_code, "alert 2 is over already" in refused.output) == (2, True)


def test_the_test_button_shows_each_channel_and_the_list_one_that_does_not_deliver(
    cli: Cli, hook: Hook
) -> None:
    tried = cli("test", "--route", "operations")
    assert tried.exit_code == 1
    assert "set ALERT_URL_PAGER" in " ".join(tried.output.split())
    [body] = hook.take()
    assert "Trial of the route 'operations'" in body["title"]
    assert "channel pager: 1 message(s) in a row did not arrive" in cli("list").output
    assert cli("test", "--route", "sales").exit_code == 2


@pytest.mark.usefixtures("cli")
def test_check_connection_names_channels_without_an_address(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    with pytest.raises(ChannelError, match="set ALERT_URL_PAGER to"):
        connections._alert_channels()
    monkeypatch.setenv("ALERT_URL_PAGER", "json://127.0.0.1")
    assert connections._alert_channels().startswith("desk, pager have addresses")
