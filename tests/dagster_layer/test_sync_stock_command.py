"""`otto-pipelines sync stock` starts what its options mean and refuses what makes no sense."""

from typing import Any

import pytest
from typer.testing import CliRunner

from otto_pipelines.cli import app
from otto_pipelines.commands import flows


@pytest.fixture
def started(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, dict[str, Any]]]:
    """Jobs that were started, each with the config of stock."""
    runs: list[tuple[str, dict[str, Any]]] = []

    def execute(job: str, *, config: dict[str, Any], **_: object) -> None:
        runs.append((job, config["ops"]["stock"]["config"]))

    monkeypatch.setattr(flows, "_execute", execute)
    return runs


@pytest.mark.parametrize(
    ("options", "job", "changed"),
    [
        ([], "sync_stock", {}),
        (["--sku", "A", "--sku", "B"], "sync_stock", {"skus": ["A", "B"]}),
        (["--confirm-drop"], "sync_stock", {"confirm_drop": True}),
        (["--full"], "push_all_stock", {"task": "push"}),
    ],
)
def test_options_choose_job_and_config(
    started: list[tuple[str, dict[str, Any]]],
    options: list[str],
    job: str,
    changed: dict[str, Any],
) -> None:
    result = CliRunner().invoke(app, ["sync", "stock", *options])
    assert result.exit_code == 0, result.output
    usual = {"task": "all", "skus": [], "confirm_drop": False}
    assert started == [(job, usual | changed)]


@pytest.mark.parametrize(
    "arguments",
    [["orders", "--full"], ["all", "--confirm-drop"], ["stock", "--full", "--sku", "A"]],
)
def test_options_that_do_not_belong_together_start_nothing(
    started: list[tuple[str, dict[str, Any]]], arguments: list[str]
) -> None:
    result = CliRunner().invoke(app, ["sync", *arguments])
    assert result.exit_code == 2
    assert started == []
