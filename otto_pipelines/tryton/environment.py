"""Tryton on this machine: its programs and a database that is set up, made once and kept.

Belongs here: installing and caching. Both lie in a folder named by the hash of the locked
requirements, outside of what git keeps, so a change of the lock makes a new one. The first time
takes a minute or two, later ones a few seconds.
"""

import hashlib
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from filelock import FileLock

from otto_pipelines.tryton import master_data, postgres
from otto_pipelines.tryton.server import serve, write_configuration

ROOT = Path(__file__).resolve().parents[2]
REQUIREMENTS = ROOT / "requirements" / "tryton.txt"
_MODULES = ("stock", "stock_package_shipping", "stock_split")


@dataclass(frozen=True)
class Installation:
    """Where Tryton's programs are, the file with its database, and the keys for it."""

    programs: Path
    template: Path
    floor_key: str
    adapter_key: str


@dataclass(frozen=True)
class RunningTryton:
    """A server: its address as WMS_BASE_URL wants it, and the keys of two users."""

    url: str
    floor_key: str
    adapter_key: str


def cache_folder() -> Path:
    """Where installations are kept: OTTO_PIPELINES_CACHE, else `.cache` beside the product."""
    return Path(os.environ.get("OTTO_PIPELINES_CACHE", ROOT / ".cache")).absolute()


def install(say: Callable[[str], None] = lambda text: None) -> Installation:
    """The installation of the locked version, made where it is missing.

    Raises:
        Unavailable: PostgreSQL is missing, or the packages cannot be fetched.
    """
    postgres.binaries()
    folder = cache_folder() / f"tryton-{_digest(REQUIREMENTS)}"
    folder.mkdir(parents=True, exist_ok=True)
    programs = folder / "venv" / "bin"
    template = folder / f"{_template_name()}.dump"
    keys = template.with_suffix(".json")
    with FileLock(folder / "lock"):
        if not (folder / "installed").exists():
            say("installing Tryton")
            _install_packages(folder / "venv")
            (folder / "installed").touch()
        if not keys.exists():
            say("setting up Tryton's database (about a minute)")
            made = _make_template(programs, template, folder)
            keys.write_text(json.dumps(made), encoding="utf-8")
            keys.chmod(0o600)
    known = json.loads(keys.read_text(encoding="utf-8"))
    return Installation(programs, template, known["floor"], known["adapter"])


@contextmanager
def running(installation: Installation, cluster_url: str, database: str) -> Iterator[RunningTryton]:
    """A server over a fresh copy of the database; the copy is dropped at the end."""
    source = _template_name()
    if not postgres.exists(cluster_url, source):
        postgres.restore(cluster_url, source, installation.template)
    postgres.create(cluster_url, database, source)
    try:
        with serve(installation.programs, cluster_url, database) as url:
            yield RunningTryton(url, installation.floor_key, installation.adapter_key)
    finally:
        postgres.drop(cluster_url, database)


def _template_name() -> str:
    return f"template_{_digest(REQUIREMENTS, Path(master_data.__file__))}"


def _digest(*files: Path) -> str:
    return hashlib.sha256(b"".join(file.read_bytes() for file in files)).hexdigest()[:12]


def _install_packages(venv: Path) -> None:
    """With uv where it is there, else with pip; both check the hashes of the lock."""
    shutil.rmtree(venv, ignore_errors=True)
    uv = shutil.which("uv")
    python = venv / "bin" / "python"
    wanted = ["--require-hashes", "-r", str(REQUIREMENTS)]
    steps: list[list[str]] = (
        [
            [uv, "venv", "--quiet", "--python", sys.executable, str(venv)],
            [uv, "pip", "install", "--quiet", "--python", str(python), *wanted],
        ]
        if uv
        else [
            [sys.executable, "-m", "venv", str(venv)],
            [str(python), "-m", "pip", "install", "--quiet", *wanted],
        ]
    )
    for step in steps:
        done = subprocess.run(step, capture_output=True, text=True, check=False)  # noqa: S603
        if done.returncode != 0:
            why = done.stderr.strip().splitlines()[-1:] or ["no reason given"]
            raise postgres.Unavailable(f"Tryton cannot be installed from PyPI: {why[0]}")


def _make_template(programs: Path, template: Path, folder: Path) -> dict[str, str]:
    password = folder / "password"
    password.write_text(master_data.ADMIN_PASSWORD, encoding="utf-8")
    name = "tryton"
    with postgres.cluster() as cluster_url:
        postgres.create(cluster_url, name)
        configuration = write_configuration(folder, cluster_url, 0)
        postgres.run(
            [
                programs / "trytond-admin", "-c", configuration, "-d", name,
                "-u", *_MODULES, "--activate-dependencies", "--email", "nobody@example.invalid",
            ],
            {"TRYTONPASSFILE": str(password), "TZ": "UTC"},
        )  # fmt: skip
        with serve(programs, cluster_url, name) as url:
            keys = master_data.set_up(url)
        postgres.dump(cluster_url, name, template)
    return keys
