"""Switching schedules and sensors in groups, in the state that the daemon itself reads."""

import json
from collections.abc import Callable
from pathlib import Path

import dagster as dg
import pytest
from typer.testing import CliRunner

from otto_pipelines.cli import app
from otto_pipelines.definitions import build_definitions
from sensors.groups import GROUP_TAG, GROUPS, in_group

# Dagster reads a property that it deprecated itself when it describes a schedule.
pytestmark = pytest.mark.filterwarnings("ignore:Property `ScheduleDefinition.environment_vars`")
Command = Callable[..., tuple[int, str]]


@pytest.fixture
def command(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Command:
    monkeypatch.setenv("DAGSTER_HOME", str(tmp_path))
    monkeypatch.delenv("OPERATING_MODEL", raising=False)
    (tmp_path / "dagster.yaml").write_text("telemetry: {enabled: false}\n", encoding="utf-8")

    def run(*arguments: str) -> tuple[int, str]:
        result = CliRunner().invoke(app, ["automation", *arguments])
        return result.exit_code, f"{result.output}{result.exception or ''}"

    return run


def running(command: Command) -> set[str]:
    code, said = command("list", "--json")
    assert code == 0, said
    return {one["name"] for one in json.loads(said) if one["running"]}


def all_names() -> set[str]:
    definitions = build_definitions()
    return {each.name for each in [*definitions.schedules, *definitions.sensors]}


def test_every_schedule_and_sensor_is_of_a_group_and_every_group_has_one() -> None:
    definitions = build_definitions()
    groups = {each.name: each.tags.get(GROUP_TAG) for each in definitions.sensors}
    groups |= {each.name: each.tags.get(GROUP_TAG) for each in definitions.schedules}
    assert {name for name, group in groups.items() if group is None} == set()
    assert set(groups.values()) == set(GROUPS)


def test_a_group_that_does_not_exist_is_refused() -> None:
    with pytest.raises(ValueError, match="no such group: flights"):
        in_group("flights")


def test_a_group_is_switched_off_and_on_again_and_the_others_stay(command: Command) -> None:
    everything = all_names()
    assert running(command) == everything
    code, said = command("disable", "stock")
    assert code == 0, said
    stock = {"stock", "stock_full_push", "stock_read_back", "stock_news"}
    assert running(command) == everything - stock
    assert "4 were off before" in command("disable", "stock")[1]
    command("enable", "stock")
    assert running(command) == everything


def test_the_master_switch_stops_everything_and_one_sensor_may_be_started_alone(
    command: Command,
) -> None:
    command("disable", "all")
    assert running(command) == set()
    command("enable", "--name", "warehouse_news")
    assert running(command) == {"warehouse_news"}


def test_the_switch_is_the_one_that_dagster_keeps(command: Command, tmp_path: Path) -> None:
    command("disable", "orders")
    with dg.DagsterInstance.from_config(str(tmp_path)) as instance:
        stored = {one.instigator_name: one.status.value for one in instance.all_instigator_state()}
    assert stored == {"orders": "STOPPED"}


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["disable", "flights"], "no such group: flights"),
        (["disable"], "name a group"),
        (["enable", "--name", "alarm_clock"], "no such schedule or sensor: alarm_clock"),
    ],
)
def test_a_wrong_name_switches_nothing(command: Command, arguments: list[str], said: str) -> None:
    code, output = command(*arguments)
    assert code == 2
    assert said in " ".join(output.split())


def test_without_an_instance_the_command_says_which_variable_to_set(
    command: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("DAGSTER_HOME")
    code, said = command("list")
    assert code == 2
    assert "DAGSTER_HOME is not set" in said
