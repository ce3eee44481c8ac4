"""A new installation: what `init` asks, what it writes, and who can read it."""

import stat
from collections.abc import Callable
from pathlib import Path

import pytest
from dotenv import dotenv_values
from typer.testing import CliRunner

from otto_pipelines.cli import app
from otto_pipelines.commands import environment_file
from resources.operating_model import load_operating_model
from resources.settings import settings_from_environment

SECRET = 'secret $HOME ${PATH} "quoted" #1'
ANSWERS = ["Musterstadt", "12345", "DEU", "my-client", SECRET, "https://wms.example", "wms-key"]
Init = Callable[..., tuple[int, str]]


@pytest.fixture
def init(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Init:
    for name in ("OTTO_CLIENT_ID", "OTTO_CLIENT_SECRET", "WMS_BASE_URL", "WMS_API_KEY"):
        monkeypatch.delenv(name, raising=False)
    for name in ("DAGSTER_HOME", "OTTO_PIPELINES_DATA", "OPERATIONS_DATABASE_URL"):
        monkeypatch.delenv(name, raising=False)

    def run(*options: str, answers: list[str] = ANSWERS) -> tuple[int, str]:
        given = "\n".join([*answers, ""])
        arguments = ["init", "--folder", str(tmp_path / "shop"), *options]
        result = CliRunner().invoke(app, arguments, input=given)
        return result.exit_code, result.output

    return run


def test_what_init_writes_is_what_the_product_reads(init: Init, tmp_path: Path) -> None:
    code, said = init()
    assert code == 0, said
    shop = tmp_path / "shop"
    written = {
        name: value or "" for name, value in dotenv_values(shop / ".env", interpolate=False).items()
    }
    settings = settings_from_environment(written)
    assert settings.otto_base_url == "https://sandbox.api.otto.market"
    assert settings.otto_client_secret == SECRET
    assert settings.wms_api_key == "wms-key"
    assert len(written["FINANCE_SIGNING_KEY"]) == 64
    assert Path(written["DAGSTER_HOME"], "dagster.yaml").exists()
    model = load_operating_model(settings.operating_model_path)
    assert model.ship_from.city == "Musterstadt"
    assert "# Where parcels leave" in settings.operating_model_path.read_text(encoding="utf-8")


def test_only_its_user_can_read_the_environment_and_no_secret_is_shown(
    init: Init, tmp_path: Path
) -> None:
    _, said = init()
    assert stat.S_IMODE((tmp_path / "shop" / ".env").stat().st_mode) == 0o600
    assert SECRET not in said
    assert "wms-key" not in said


def test_a_shell_reads_the_same_secret(init: Init, tmp_path: Path) -> None:
    import subprocess

    init()
    shown = subprocess.run(
        ["sh", "-c", '. "$1"; printf %s "$OTTO_CLIENT_SECRET"', "sh", tmp_path / "shop" / ".env"],
        capture_output=True,
        text=True,
        check=True,
    )
    assert shown.stdout == SECRET


@pytest.mark.parametrize(("secret", "code"), [("it's", 0), ("it's $5", 2), ("back\\\\slash", 2)])
def test_a_secret_is_written_as_it_is_or_refused(
    init: Init, tmp_path: Path, secret: str, code: int
) -> None:
    ended, said = init(answers=[*ANSWERS[:4], secret, *ANSWERS[5:]])
    assert ended == code
    assert secret not in said
    file = tmp_path / "shop" / ".env"
    if code:
        assert "OTTO_CLIENT_SECRET has signs" in said
        assert not file.exists()
    else:
        assert dotenv_values(file)["OTTO_CLIENT_SECRET"] == secret


def test_a_variable_of_the_environment_is_not_asked_for(
    init: Init, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OTTO_CLIENT_SECRET", "from-outside")
    code, _ = init(answers=[*ANSWERS[:4], *ANSWERS[5:]])
    assert code == 0
    assert dotenv_values(tmp_path / "shop" / ".env")["OTTO_CLIENT_SECRET"] == "from-outside"


def test_what_is_there_is_not_overwritten(init: Init, tmp_path: Path) -> None:
    init()
    before = (tmp_path / "shop" / ".env").read_bytes()
    code, said = init()
    assert code == 2
    assert "--force" in said
    assert (tmp_path / "shop" / ".env").read_bytes() == before
    model = tmp_path / "shop" / "operating_model.yaml"
    model.write_text(model.read_text(encoding="utf-8") + "# mine\n", encoding="utf-8")
    code, _ = init("--force", answers=ANSWERS[3:])
    assert code == 0
    assert model.read_text(encoding="utf-8").endswith("# mine\n")


def test_an_answer_that_the_operating_model_refuses_writes_nothing(
    init: Init, tmp_path: Path
) -> None:
    code, said = init(answers=["Musterstadt", "12345", "Germany"])
    assert code == 2
    assert "ship_from.country_code" in said
    assert not (tmp_path / "shop" / ".env").exists()
    assert not list((tmp_path / "shop").glob("*.tmp"))


def test_an_unknown_adapter_is_refused_before_anything_is_asked(init: Init) -> None:
    code, said = init("--wms", "abacus", answers=[])
    assert code == 2
    assert "known adapters: http" in " ".join(said.split())


def test_the_file_of_the_folder_is_read_and_the_environment_wins(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    entries = [environment_file.Entry(f"OTTO_TEST_{n}", "file", "a test") for n in "AB"]
    environment_file.write(tmp_path / ".env", {"Test": entries})
    monkeypatch.setenv("OTTO_TEST_A", "shell")
    monkeypatch.setenv("OTTO_TEST_B", "")
    monkeypatch.delenv("OTTO_TEST_B")
    assert environment_file.load(tmp_path) is None
    import os

    assert (os.environ["OTTO_TEST_A"], os.environ["OTTO_TEST_B"]) == ("shell", "file")


def test_a_file_that_others_can_read_is_warned_of(tmp_path: Path) -> None:
    environment_file.write(tmp_path / ".env", {})
    (tmp_path / ".env").chmod(0o644)
    warning = environment_file.load(tmp_path)
    assert warning is not None
    assert f"chmod 600 {tmp_path / '.env'}" in warning
