"""Settings and the clients that runs open from them: complete, explained, and silent on secrets."""

from pathlib import Path

import dagster as dg
import pytest

from resources.bindings import all_resources
from resources.clock import RemoteClock, SystemClock
from resources.operations.database import OperationsDatabase, OperationsDatabaseError
from resources.settings import SettingsError, settings_from_environment

SECRET, KEY = "very-secret-client-secret", "very-secret-wms-key"
COMPLETE = {
    "OTTO_API_BASE_URL": "https://sandbox.api.otto.market/",
    "OTTO_CLIENT_ID": "seller",
    "OTTO_CLIENT_SECRET": SECRET,
    "WMS_BASE_URL": "http://wms.example/",
    "WMS_API_KEY": KEY,
}


def test_all_missing_variables_are_named_at_once() -> None:
    with pytest.raises(SettingsError) as caught:
        settings_from_environment({"OTTO_CLIENT_ID": "seller", "WMS_API_KEY": ""})
    missing = COMPLETE.keys() - {"OTTO_CLIENT_ID"}
    assert [name for name in missing if name not in str(caught.value)] == []
    assert "OTTO_CLIENT_ID" not in str(caught.value)


@pytest.mark.parametrize("name", ["WMS_ADAPTER", "OTTO_CLIENT_AUTH"])
def test_a_value_outside_its_list_is_refused_with_what_is_allowed(name: str) -> None:
    with pytest.raises(SettingsError, match=name) as caught:
        settings_from_environment({**COMPLETE, name: "pigeon"})
    assert "pigeon" in str(caught.value)
    assert "http" in str(caught.value) or "form" in str(caught.value)


def test_no_secret_is_shown_by_the_settings() -> None:
    settings = settings_from_environment(COMPLETE)
    assert settings.otto_client_secret == SECRET
    assert settings.wms_api_key == KEY
    assert SECRET not in repr(settings) + str(settings)
    assert KEY not in repr(settings) + str(settings)


def test_addresses_lose_their_last_slash_and_files_have_a_home(tmp_path: Path) -> None:
    settings = settings_from_environment({**COMPLETE, "OTTO_PIPELINES_DATA": str(tmp_path)})
    assert settings.otto_base_url == "https://sandbox.api.otto.market"
    assert settings.wms_base_url == "http://wms.example"
    assert settings.operations_database_url == f"sqlite:///{tmp_path}/operations.sqlite"
    assert settings.finance_database_path == tmp_path / "finance.duckdb"
    assert settings.state_dir == tmp_path


def test_a_variable_that_is_set_to_nothing_counts_as_not_set() -> None:
    optional = (
        "OTTO_PIPELINES_DATA",
        "OPERATIONS_DATABASE_URL",
        "FINANCE_DATABASE_PATH",
        "OPERATING_MODEL",
        "OTTO_CLIENT_AUTH",
        "WMS_ADAPTER",
    )
    empty = settings_from_environment({**COMPLETE, **dict.fromkeys(optional, "")})
    assert empty == settings_from_environment(COMPLETE)


@pytest.fixture
def environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    example = Path(__file__).resolve().parents[2] / "operating_model.example.yaml"
    values = {
        **COMPLETE,
        "OTTO_PIPELINES_DATA": str(tmp_path),
        "OPERATING_MODEL": str(example),
        "OPERATIONS_DATABASE_URL": f"sqlite:///{tmp_path}/operations.sqlite",
    }
    for name, value in values.items():
        monkeypatch.setenv(name, value)
    return tmp_path


def test_every_resource_opens_from_the_environment_alone(environment: Path) -> None:
    with dg.build_resources(all_resources()) as opened:
        for name in ("model", "otto", "wms", "operations", "finance", "clock"):
            assert getattr(opened, name) is not None
        assert opened.model.ship_from.city == "Dresden"
        assert opened.finance.path == environment / "finance.duckdb"
        assert [r for r in (repr(opened.otto), repr(opened.wms)) if SECRET in r or KEY in r] == []


def test_business_time_is_the_systems_unless_a_sandbox_gives_it(
    environment: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = {"clock": all_resources()["clock"]}
    with dg.build_resources(clock) as opened:
        assert isinstance(opened.clock, SystemClock)
    monkeypatch.setenv("BUSINESS_CLOCK_URL", "http://127.0.0.1:9/clock")
    with dg.build_resources(clock) as opened:
        assert isinstance(opened.clock, RemoteClock)


def test_a_run_without_credentials_says_which_are_missing(
    environment: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("OTTO_CLIENT_SECRET")
    with (
        pytest.raises(Exception, match="resource") as caught,
        dg.build_resources({"otto": all_resources()["otto"]}),
    ):
        pytest.fail("it must not open")
    cause = caught.value.__cause__
    assert isinstance(cause, SettingsError)
    assert "OTTO_CLIENT_SECRET" in str(cause)


def test_a_database_that_nobody_prepared_is_named_with_the_remedy(tmp_path: Path) -> None:
    database = OperationsDatabase(f"sqlite:///{tmp_path}/empty.sqlite")
    with pytest.raises(OperationsDatabaseError):
        database.check()
    database.close()
