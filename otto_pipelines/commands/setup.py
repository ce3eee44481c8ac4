"""The command `init`: a new installation's operating model, environment and Dagster folder.

Belongs here: asking for what only the seller knows, and writing it down. Whether it works is what
`check-connection` says.
"""

import os
import secrets
import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated

import typer

from otto_pipelines.commands.environment_file import NAME, Entry, write
from otto_pipelines.commands.opening import console, explained
from resources.operating_model import load_operating_model
from resources.settings import WMS_ADAPTERS, SettingsError

REPOSITORY = Path(__file__).resolve().parents[2]
OTTO = {"sandbox": "https://sandbox.api.otto.market", "live": "https://api.otto.market"}
_EXAMPLE = REPOSITORY / "operating_model.example.yaml"


def init(
    folder: Annotated[Path, typer.Option(help="Where to write; the folder you work in.")] = Path(),
    otto: Annotated[
        str, typer.Option(help="OTTO's system: sandbox, live, or an address.")
    ] = "sandbox",
    wms: Annotated[str, typer.Option(help=f"Adapter: {', '.join(WMS_ADAPTERS)}.")] = "http",
    force: Annotated[bool, typer.Option("--force", help="Write an existing .env anew.")] = False,
) -> None:
    """Write operating_model.yaml and .env; asks for secrets without showing them.

    A variable that is set in the environment is taken from there and not asked for.
    """
    folder = folder.absolute()
    with explained():
        _refuse(folder, wms, force=force)
    folder.mkdir(parents=True, exist_ok=True)
    model = folder / "operating_model.yaml"
    if model.exists():
        console.print(f"{model} is there and stays as it is")
    else:
        _write_model(model)
        console.print(f"{model} is written: add your carriers and return numbers")
    home = _dagster_home(folder)
    file = folder / NAME
    with explained():
        write(file, _sections(folder, home, model, OTTO.get(otto, otto), wms))
    console.print(f"{file} is written, readable by you only")
    console.print("\nnext, in this folder: otto-pipelines check-connection")


def _refuse(folder: Path, wms: str, *, force: bool) -> None:
    if wms not in WMS_ADAPTERS:
        raise SettingsError(f"--wms is {wms!r}; known adapters: {', '.join(WMS_ADAPTERS)}")
    if (folder / NAME).exists() and not force:
        raise SettingsError(
            f"{folder / NAME} is there already: edit it, or write it anew with --force"
        )


def _write_model(file: Path) -> None:
    """Copy the commented example, with this seller's place of departure."""
    text = _EXAMPLE.read_text(encoding="utf-8")
    for setting, example, question in (
        ("city", "Dresden", "City from which parcels leave"),
        ("zip_code", '"01067"', "its postal code"),
        ("country_code", "DEU", "its country (ISO 3166-1 alpha-3)"),
    ):
        answer = typer.prompt(question, default=example.strip('"'))
        quoted = '"' + answer.replace("\\", "\\\\").replace('"', '\\"') + '"'
        text = text.replace(f"  {setting}: {example}\n", f"  {setting}: {quoted}\n", 1)
    fresh = file.with_name(f"{file.name}.{os.getpid()}.tmp")
    try:
        fresh.write_text(text, encoding="utf-8")
        with explained():
            load_operating_model(fresh)
        fresh.replace(file)
    finally:
        fresh.unlink(missing_ok=True)


def _dagster_home(folder: Path) -> Path:
    home = Path(os.environ.get("DAGSTER_HOME") or folder / "dagster").absolute()
    home.mkdir(mode=0o700, parents=True, exist_ok=True)
    if not (home / "dagster.yaml").exists():
        shutil.copyfile(REPOSITORY / "deploy" / "dagster.yaml", home / "dagster.yaml")
    return home


def _sections(
    folder: Path, home: Path, model: Path, otto_url: str, wms: str
) -> Mapping[str, Sequence[Entry]]:
    def kept(name: str, default: str, meaning: str) -> Entry:
        return Entry(name, os.environ.get(name, default), meaning)

    return {
        "OTTO Market": [
            Entry("OTTO_API_BASE_URL", otto_url, "its address: sandbox and live are two systems"),
            _asked("OTTO_CLIENT_ID", "Client id (OTTO Partner Connect, API access)"),
            _asked("OTTO_CLIENT_SECRET", "Client secret", secret=True),
        ],
        "The warehouse system": [
            Entry("WMS_ADAPTER", wms, "how it is spoken to; docs/wms.md"),
            *_warehouse(wms),
        ],
        "Files and databases": [
            Entry("OPERATING_MODEL", str(model), "how you work"),
            kept("OTTO_PIPELINES_DATA", str(folder / "data"), "our own files"),
            kept("OPERATIONS_DATABASE_URL", "", "postgresql://…; else SQLite in the folder above"),
            kept("FINANCE_DATABASE_PATH", "", "finance's file; else in the folder above"),
            Entry("DAGSTER_HOME", str(home), "runs and their history"),
        ],
        "Finance": [
            kept(
                "FINANCE_SIGNING_KEY",
                secrets.token_hex(32),
                "signs the closes of periods; keep a copy, an old close is proven with it only",
            ),
        ],
    }


def _warehouse(wms: str) -> list[Entry]:
    if wms == "files":
        return [
            _asked("WMS_FILES_DIR", "Folder of the partner's files, or sftp://user@host/folder"),
            _asked("WMS_API_KEY", "Password of SFTP (empty: none)", secret=True, needed=False),
        ]
    return [
        _asked("WMS_BASE_URL", "Address of the warehouse system"),
        _asked("WMS_API_KEY", "Key of the warehouse system", secret=True),
    ]


def _asked(name: str, question: str, *, secret: bool = False, needed: bool = True) -> Entry:
    value = os.environ.get(name)
    if value is None:
        value = typer.prompt(
            question,
            default=None if needed else "",
            hide_input=secret,
            show_default=False,
        )
    return Entry(name, value.strip(), question)
