"""The systemd units: what systemd says of them, and what each service may see."""

import configparser
import subprocess
from pathlib import Path

import pytest

from tests.deploy.conftest import program

REPOSITORY = Path(__file__).resolve().parents[2]
UNITS = sorted((REPOSITORY / "deploy" / "systemd").glob("*.service"))
WEBSERVERS = [unit for unit in UNITS if "webserver" in unit.name]
# 10 is a service without any fence.
WORST_EXPOSURE = 2.5


def text_of(unit: Path) -> str:
    return unit.read_text(encoding="utf-8")


def command_of(unit: Path) -> list[str]:
    parser = configparser.ConfigParser(strict=False, interpolation=None)
    parser.optionxform = str  # type: ignore[assignment]
    parser.read_string(text_of(unit))
    return parser["Service"]["ExecStart"].split()


@pytest.mark.parametrize("unit", UNITS, ids=lambda unit: unit.stem)
def test_systemd_takes_the_unit_and_finds_it_fenced_in(unit: Path, tmp_path: Path) -> None:
    analyze = program("systemd-analyze", "systemd")
    here = tmp_path / unit.name
    here.write_text(text_of(unit).replace("/opt/otto_pipelines", str(REPOSITORY)), encoding="utf-8")
    verified = subprocess.run(
        [analyze, "verify", here], capture_output=True, text=True, check=False
    )
    assert (verified.returncode, verified.stderr) == (0, "")
    fenced = subprocess.run(
        [analyze, "security", "--offline=true", f"--threshold={WORST_EXPOSURE * 10:g}", here],
        capture_output=True,
        text=True,
        check=False,
    )
    assert fenced.returncode == 0, fenced.stdout


def test_an_open_unit_would_be_found(tmp_path: Path) -> None:
    analyze = program("systemd-analyze", "systemd")
    bare = tmp_path / "bare.service"
    bare.write_text("[Service]\nExecStart=/bin/true\n", encoding="utf-8")
    command = [analyze, "security", "--offline=true", f"--threshold={WORST_EXPOSURE * 10:g}", bare]
    assert subprocess.run(command, capture_output=True, check=False).returncode != 0


def test_only_the_daemon_gets_the_secrets() -> None:
    knowing = [unit.stem for unit in UNITS if "/etc/otto_pipelines/secrets" in text_of(unit)]
    assert knowing == ["otto-daemon"]


@pytest.mark.parametrize("unit", UNITS, ids=lambda unit: unit.stem)
def test_every_service_finds_dagsters_storage(unit: Path) -> None:
    text = text_of(unit)
    assert "\nEnvironmentFile=/etc/otto_pipelines/places\n" in text
    assert "\nEnvironmentFile=-/etc/otto_pipelines/storage\n" in text


@pytest.mark.parametrize("unit", WEBSERVERS, ids=lambda unit: unit.stem)
def test_webservers_listen_on_the_loopback_only(unit: Path) -> None:
    command = command_of(unit)
    assert command[command.index("-h") + 1] == "127.0.0.1"
    assert "IPAddressDeny=any\nIPAddressAllow=localhost\n" in text_of(unit)


def test_finance_has_a_webserver_that_only_reads_behind_the_name_that_the_proxy_gives_it() -> None:
    ports = {
        "--read-only" in command: command[command.index("-p") + 1]
        for command in map(command_of, WEBSERVERS)
    }
    proxy = (REPOSITORY / "deploy" / "nginx.conf").read_text(encoding="utf-8")
    assert f"finance.example.com  127.0.0.1:{ports[True]};" in proxy
    assert f"dagster.example.com  127.0.0.1:{ports[False]};" in proxy


@pytest.mark.parametrize("unit", UNITS, ids=lambda unit: unit.stem)
def test_no_service_leaves_a_dump_of_its_memory(unit: Path) -> None:
    assert "\nLimitCORE=0\n" in text_of(unit)
