"""How fast orders come in: fetched, validated and stored, against dlt's REST source into DuckDB.

Both sides read the same prerendered pages over HTTP from a server in a process of its own, and each
run is a fresh process, so that its peak memory is its own. Times start after imports, at the first
request, and end when the last row is committed.

    python benchmarks/ingest.py [--orders 50000] [--runs 3] [--without-dlt]
"""

import argparse
import json
import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

import ingest_server

HERE = Path(__file__).parent
DLT_ENVIRONMENT = Path(tempfile.gettempdir()) / "otto_pipelines_benchmark_dlt"
DLT_REQUIREMENTS = ["dlt[duckdb,parquet]==1.31.*"]
ORDERS_PER_SECOND = 5_120
TIMES_DLT = 10
MEGABYTES = 400


def main() -> None:
    """Run both sides in turn and print medians, ratios and whether the targets are met."""
    arguments = _arguments()
    if arguments.child:
        print(json.dumps(import_twice(arguments.url, Path(arguments.folder))))
        return
    sides = {"ours": [sys.executable, str(HERE / "ingest.py"), "--child"]}
    if not arguments.without_dlt:
        sides["dlt"] = [str(_dlt_python()), str(HERE / "ingest_dlt.py")]
    results: dict[str, list[dict[str, float]]] = {side: [] for side in sides}
    with _server(arguments.orders) as url:
        for run in range(arguments.runs):
            for side, command in sides.items():
                results[side].append(_run(command, url))
                print(f"run {run + 1} {side}: {results[side][-1]}", file=sys.stderr)
    _report(results, arguments.orders)


def import_twice(url: str, folder: Path) -> dict[str, float]:
    """Import all orders into a new SQLite database, then once more; seconds, counts, megabytes."""
    # Imported here, so that the server and the parent process do not pay for it.
    from assets.order_import import import_orders  # noqa: PLC0415
    from resources.operating_model import Http, load_operating_model  # noqa: PLC0415
    from resources.operations.database import OperationsDatabase  # noqa: PLC0415
    from resources.otto.client import OrdersQuery, OttoClient, OttoSettings  # noqa: PLC0415

    model = load_operating_model(HERE.parent / "operating_model.example.yaml")
    database = OperationsDatabase(f"sqlite:///{folder / 'operations.sqlite'}")
    database.migrate()
    # The server is ours: OTTO's limits would only measure waiting.
    unlimited = Http(requests_per_second=100_000, requests_per_minute=6_000_000)
    settings = OttoSettings(
        base_url=url, client_id="id", client_secret=url, state_dir=folder, http=unlimited
    )
    with OttoClient(settings) as client:
        # Pandera loads its checks at first use; that is import time, as dlt's imports are.
        scratch = OperationsDatabase(f"sqlite:///{folder / 'warm_up.sqlite'}")
        scratch.migrate()
        first_page = [next(client.order_pages(OrdersQuery(limit=256)))]
        import_orders(first_page, scratch, model, datetime.now(UTC))
        scratch.close()
    result: dict[str, float] = {}
    for name in ("first", "again"):
        with OttoClient(settings) as client:
            started, cpu = time.perf_counter(), time.process_time()
            outcome = import_orders(
                client.order_pages(OrdersQuery(limit=256)), database, model, datetime.now(UTC)
            )
            result[f"{name}_seconds"] = time.perf_counter() - started
            result[f"{name}_cpu_seconds"] = time.process_time() - cpu
        result["orders"], result["items"] = outcome.orders_read, outcome.items_read
        result[f"{name}_stored"] = outcome.new + outcome.changed
        result["quarantined"] = outcome.quarantined_orders
        result["buyer_cents"] = outcome.buyer_cents
    database.close()
    return {**result, "megabytes": _peak_megabytes()}


def _run(command: list[str], url: str) -> dict[str, float]:
    with tempfile.TemporaryDirectory(prefix="ingest-") as folder:
        environment = {**os.environ, "PYTHONPATH": str(HERE.parent)}
        done = subprocess.run(
            [*command, "--url", url, "--folder", folder],
            stdout=subprocess.PIPE,
            check=True,
            cwd=folder,
            env=environment,
        )
    result: dict[str, float] = json.loads(done.stdout.splitlines()[-1])
    return result


@contextmanager
def _server(orders: int) -> Iterator[str]:
    command = [sys.executable, ingest_server.__file__, "--orders", str(orders)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None  # noqa: S101 - it was asked for
            yield process.stdout.readline().strip()
        finally:
            process.terminate()


def _dlt_python() -> Path:
    """Python of an environment with dlt, made on first use; dlt is no dependency of ours."""
    python = DLT_ENVIRONMENT / "bin" / "python"
    if not python.exists():
        subprocess.run(["uv", "venv", "--python", sys.executable, DLT_ENVIRONMENT], check=True)
        subprocess.run(["uv", "pip", "install", "--python", python, *DLT_REQUIREMENTS], check=True)
    return python


def _report(results: dict[str, list[dict[str, float]]], orders: int) -> None:
    ours = results["ours"]
    if any(run["orders"] != orders or run["again_stored"] for run in ours):
        raise SystemExit(f"the import is wrong, its speed means nothing: {ours}")
    median = _medians(ours)
    table = [
        ("ours, first import", *(median[name] for name in ("first_seconds", "first_cpu_seconds"))),
        (
            "ours, same pages again",
            *(median[name] for name in ("again_seconds", "again_cpu_seconds")),
        ),
    ]
    peaks = [median["megabytes"], median["megabytes"]]
    dlt = results.get("dlt", [])
    if dlt:
        if any(run["orders"] != orders or run["items"] != ours[0]["items"] for run in dlt):
            raise SystemExit(f"both sides must land the same rows: {dlt}")
        medians = _medians(dlt)
        table.append(("dlt, parquet", medians["seconds"], medians["cpu_seconds"]))
        peaks.append(medians["megabytes"])
    base = table[-1][1:] if dlt else None
    print(f"{orders:,} orders, {int(ours[0]['items']):,} items, {len(ours)} runs, medians\n")
    print("| side | seconds | orders/s | times dlt | cpu s | times dlt | peak MB |")
    print("|---|---|---|---|---|---|---|")
    for (name, seconds, cpu), peak in zip(table, peaks, strict=True):
        times = [f"{base[0] / seconds:.1f}", f"{base[1] / cpu:.1f}"] if base else ["-", "-"]
        cells = [name, f"{seconds:.2f}", f"{orders / seconds:,.0f}", times[0]]
        print("|", " | ".join([*cells, f"{cpu:.1f}", times[1], f"{peak:.0f}"]), "|")
    verdicts = {
        f"at least {ORDERS_PER_SECOND:,} orders/s": orders / median["first_seconds"]
        >= ORDERS_PER_SECOND,
        f"below {MEGABYTES} MB": median["megabytes"] < MEGABYTES,
        "again no slower than first": median["again_seconds"] <= median["first_seconds"],
    }
    if base:
        verdicts[f"at least {TIMES_DLT} times dlt"] = base[0] / median["first_seconds"] >= TIMES_DLT
    print()
    for target, met in verdicts.items():
        print(f"{'met ' if met else 'MISSED'} {target}")
    if not all(verdicts.values()):
        raise SystemExit(1)


def _medians(runs: list[dict[str, float]]) -> dict[str, float]:
    return {name: statistics.median(run[name] for run in runs) for name in runs[0]}


def _peak_megabytes() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="Measure the import of orders against dlt.")
    parser.add_argument("--orders", type=int, default=50_000)
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--without-dlt", action="store_true", help="measure our side only")
    parser.add_argument("--child", action="store_true", help=argparse.SUPPRESS)
    parser.add_argument("--url", help=argparse.SUPPRESS)
    parser.add_argument("--folder", help=argparse.SUPPRESS)
    return parser.parse_args()


if __name__ == "__main__":
    main()
