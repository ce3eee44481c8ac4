"""The demo's own folder: settings, operating model and Dagster instance for one sandbox.

Belongs here: what has to exist on disk and in the environment before the pipelines can meet the
sandbox. Nothing of it is used in production.
"""

import json
import os
import secrets
import shlex
import shutil
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from assets.rules.tracking import check_digit
from resources.operations.database import OperationsDatabase

REPOSITORY = Path(__file__).resolve().parents[2]
_RETURN_NUMBERS = 200
_MARK = ".otto-pipelines-demo"


class DemoError(Exception):
    """The demo cannot go on; the message says what failed and where its log is.

    What to do: look at the log that it names. The demo touches nothing but its own folder.
    """


@dataclass(frozen=True)
class Workplace:
    """A prepared folder and the environment that leads every process to it."""

    folder: Path
    environment: dict[str, str]

    @property
    def operations_url(self) -> str:
        """Where the operations database is."""
        return self.environment["OPERATIONS_DATABASE_URL"]

    @property
    def finance_file(self) -> Path:
        """The file that finance opens."""
        return Path(self.environment["FINANCE_DATABASE_PATH"])


def credentials() -> dict[str, str]:
    """Invent the credentials that sandbox and pipelines share for this run."""
    return {
        "OTTO_CLIENT_ID": "demo-seller",
        "OTTO_CLIENT_SECRET": secrets.token_urlsafe(24),
        "WMS_API_KEY": secrets.token_urlsafe(24),
    }


def clear(folder: Path) -> None:
    """Make room for a run: what an earlier one left in `folder` goes, the folder stays.

    Raises:
        DemoError: the folder holds something else.
    """
    folder.mkdir(parents=True, exist_ok=True)
    if any(folder.iterdir()) and not (folder / _MARK).exists():
        raise DemoError(f"{folder} is not empty and no demo made it: name another --folder")
    shutil.rmtree(folder)
    folder.mkdir()
    (folder / _MARK).touch()


def start_sandbox(
    arguments: Sequence[str], environment: Mapping[str, str], log: Path
) -> tuple[subprocess.Popen[str], dict[str, str]]:
    """Start the sandbox as a process of its own; returns it with its addresses.

    Raises:
        DemoError: it did not start.
    """
    with log.open("w", encoding="utf-8") as errors:
        process = subprocess.Popen(  # noqa: S603 - our own module
            [sys.executable, "-m", "otto_pipelines.sandbox", *arguments],
            env={**os.environ, **environment},
            stdout=subprocess.PIPE,
            stderr=errors,
            text=True,
        )
    line = process.stdout.readline() if process.stdout else ""
    if not line:
        process.wait()
        raise DemoError(f"the sandbox did not start; its log: {log}")
    return process, json.loads(line)


def prepare(
    folder: Path,
    addresses: Mapping[str, str],
    secrets_of_run: Mapping[str, str],
    model_changes: Mapping[str, Mapping[str, Any]],
) -> Workplace:
    """Write operating model and Dagster settings, create the operations database."""
    home = folder / "dagster"
    home.mkdir(parents=True, exist_ok=True)
    shutil.copyfile(REPOSITORY / "deploy" / "dagster.yaml", home / "dagster.yaml")
    model_file = folder / "operating_model.yaml"
    model_file.write_text(_operating_model(model_changes), encoding="utf-8")
    data = folder / "data"
    place = Workplace(
        folder,
        {
            **secrets_of_run,
            "OTTO_API_BASE_URL": addresses["otto"],
            "WMS_BASE_URL": addresses["wms"],
            "BUSINESS_CLOCK_URL": addresses["clock"],
            "OTTO_PIPELINES_DATA": str(data),
            "OPERATIONS_DATABASE_URL": f"sqlite:///{data / 'operations.sqlite'}",
            "FINANCE_DATABASE_PATH": str(data / "finance.duckdb"),
            "OPERATING_MODEL": str(model_file),
            "DAGSTER_HOME": str(home),
        },
    )
    _write_environment(place)
    database = OperationsDatabase(place.operations_url)
    database.migrate()
    database.close()
    return place


def _write_environment(place: Workplace) -> None:
    """Let a person's shell join: `set -a; . <folder>/environment`. Readable by this user only."""
    file = place.folder / "environment"
    file.touch(mode=0o600)
    lines = [f"{name}={shlex.quote(value)}" for name, value in place.environment.items()]
    file.write_text("\n".join(lines) + "\n", encoding="utf-8")


def _operating_model(changes: Mapping[str, Mapping[str, Any]]) -> str:
    example = REPOSITORY / "operating_model.example.yaml"
    model = yaml.safe_load(example.read_text(encoding="utf-8"))
    model["return_shipping"]["number_pool"] = list(_return_numbers())
    for section, values in changes.items():
        model[section] = {**model.get(section, {}), **values}
    return yaml.safe_dump(model, allow_unicode=True, sort_keys=False)


def _return_numbers() -> Sequence[str]:
    """DHL numbers of a range that the sandbox's warehouse does not use."""
    bodies = [f"{90_000_000_000 + n}" for n in range(_RETURN_NUMBERS)]
    return [body + str(check_digit(body, (4, 9))) for body in bodies]
