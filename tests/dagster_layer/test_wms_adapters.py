"""Which adapter WMS_ADAPTER opens, and which variables each one needs."""

from pathlib import Path

import pytest

from resources.bindings import open_wms
from resources.operating_model import OperatingModel, load_operating_model
from resources.settings import Settings, SettingsError, settings_from_environment
from resources.wms.errors import WmsAuthError

ROOT = Path(__file__).resolve().parents[2]
OTTO = {
    "OTTO_API_BASE_URL": "https://sandbox.api.otto.market",
    "OTTO_CLIENT_ID": "seller",
    "OTTO_CLIENT_SECRET": "very-secret",
}
SERVER = {"WMS_BASE_URL": "http://127.0.0.1:9", "WMS_API_KEY": "user:very-secret"}


@pytest.fixture
def model() -> OperatingModel:
    model = load_operating_model(ROOT / "operating_model.example.yaml")
    ongoing = model.wms.ongoing.model_copy(update={"goods_owner_id": 159})
    return model.model_copy(update={"wms": model.wms.model_copy(update={"ongoing": ongoing})})


def _settings(tmp_path: Path, **more: str) -> Settings:
    return settings_from_environment({**OTTO, "OTTO_PIPELINES_DATA": str(tmp_path), **more})


@pytest.mark.parametrize("adapter", ["http", "tryton", "ongoing"])
def test_a_server_is_opened_by_its_name(
    tmp_path: Path, model: OperatingModel, adapter: str
) -> None:
    with open_wms(_settings(tmp_path, WMS_ADAPTER=adapter, **SERVER), model) as wms:
        assert wms.capabilities().name == adapter


def test_a_folder_needs_no_address_and_no_key(tmp_path: Path, model: OperatingModel) -> None:
    settings = _settings(tmp_path, WMS_ADAPTER="files", WMS_FILES_DIR=str(tmp_path))
    with open_wms(settings, model) as wms:
        assert wms.capabilities().name == "files"
        assert wms.health().ok
    assert (tmp_path / "orders").is_dir()
    assert (tmp_path / "wms_files.sqlite").stat().st_mode & 0o077 == 0


def test_what_is_missing_is_named_for_the_adapter(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="WMS_FILES_DIR") as files:
        _settings(tmp_path, WMS_ADAPTER="files")
    assert "WMS_BASE_URL" not in str(files.value)
    with pytest.raises(SettingsError, match="WMS_BASE_URL") as server:
        _settings(tmp_path, WMS_ADAPTER="ongoing")
    assert "WMS_FILES_DIR" not in str(server.value)


def test_sftp_without_the_servers_key_is_refused_by_name(
    tmp_path: Path, model: OperatingModel
) -> None:
    settings = _settings(
        tmp_path,
        WMS_ADAPTER="files",
        WMS_FILES_DIR="sftp://me@127.0.0.1/x",
        WMS_API_KEY="very-secret",
    )
    with (
        pytest.raises(WmsAuthError, match="WMS_SFTP_HOST_KEY") as caught,
        open_wms(settings, model),
    ):
        pass
    assert "very-secret" not in str(caught.value) + repr(settings)
