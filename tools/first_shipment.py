"""How long a newcomer waits: from a fresh clone to the first confirmed shipment, step by step.

Belongs here: doing what README says in a folder of its own, and timing it. Run it where nothing
else runs; the figures stand in docs/setup.md.

    .venv/bin/python -m tools.first_shipment
"""

import re
import sqlite3
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import httpx

REPOSITORY = Path(__file__).resolve().parents[1]
_LONGEST_SECONDS = 1800.0


def main() -> None:
    """Clone, `make demo`, and print when each thing was first there."""
    with tempfile.TemporaryDirectory(prefix="first-shipment-") as name:
        began = time.monotonic()
        clone = Path(name) / "otto_pipelines"
        subprocess.run(["git", "clone", "--quiet", REPOSITORY, clone], check=True)  # noqa: S603, S607
        _tell(began, "git clone")
        subprocess.run(["make", "setup"], cwd=clone, check=True, stdout=subprocess.DEVNULL)  # noqa: S607
        _tell(began, "make setup: locked packages installed")
        said = Path(name) / "said.txt"
        with said.open("w", encoding="utf-8") as out:
            demo = subprocess.Popen(["make", "demo"], cwd=clone, stdout=out, stderr=out)  # noqa: S607
        try:
            _watch(began, clone, said, demo)
        finally:
            # make hands the signal on to the demo, which ends its processes in order.
            subprocess.run(["pkill", "-TERM", "-P", str(demo.pid)], check=False)  # noqa: S603, S607
            demo.wait(timeout=120)


def _watch(began: float, clone: Path, said: Path, demo: "subprocess.Popen[bytes]") -> None:
    database = clone / ".demo" / "data" / "operations.sqlite"
    steps: list[tuple[str, Callable[[], bool]]] = [
        ("make demo: the UI answers", lambda: _ui_answers(said)),
        ("first order imported", lambda: _there(database, "orders")),
        ("first order at the warehouse", lambda: _confirmed(database, "wms_order")),
        ("first shipment confirmed by OTTO", lambda: _confirmed(database, "otto_shipment")),
    ]
    for what, reached in steps:
        while not reached():
            if demo.poll() is not None:
                sys.exit(f"the demo ended by itself:\n{said.read_text(encoding='utf-8')}")
            if time.monotonic() - began > _LONGEST_SECONDS:
                sys.exit(f"not within {_LONGEST_SECONDS:g} s: {what}")
            time.sleep(0.5)
        _tell(began, what)


def _tell(began: float, what: str) -> None:
    print(f"{time.monotonic() - began:6.0f} s  {what}", flush=True)


def _ui_answers(said: Path) -> bool:
    address = re.search(r"http://127\.0\.0\.1:\d+", said.read_text(encoding="utf-8"))
    try:
        return address is not None and httpx.get(f"{address[0]}/server_info").is_success
    except httpx.TransportError:
        return False


def _there(database: Path, table: str, condition: str = "1") -> bool:
    if not database.exists():
        return False
    with closing(sqlite3.connect(f"file:{database}?mode=ro", uri=True, timeout=10)) as conn:
        try:
            query = f"SELECT EXISTS (SELECT 1 FROM {table} WHERE {condition})"
            return bool(conn.execute(query).fetchone()[0])
        except sqlite3.OperationalError:
            # The schema is being made at this moment.
            return False


def _confirmed(database: Path, kind: str) -> bool:
    return _there(database, "outbox", f"kind = '{kind}' AND state = 'confirmed'")


if __name__ == "__main__":
    main()
