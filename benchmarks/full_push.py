"""How fast all figures reach OTTO: SKUs per second against what OTTO's limit allows.

Each run is a fresh process with a new database, so that its peak memory is its own; the server
(`stock_server.py`) is another process and keeps OTTO's limits. While the push is under way, some
figures change again and again: in the end the server must hold the newest of each.

    python benchmarks/full_push.py [--skus 25000 100000] [--latency 0 150] [--postgres URL]
"""

import argparse
import json
import os
import random
import resource
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

HERE = Path(__file__).parent
ALLOWED = 4_000
"""SKUs per second: 20 requests of 200."""
LEAST_SHARE = 0.9
MOST_GROWTH = 1.1
"""Of the peak memory, from the smallest number of SKUs to the largest."""
CHUNK = 5_000
CHANGE_EVERY_SECONDS, CHANGED_AT_ONCE = 0.25, 5


def main() -> None:
    """Push each number of SKUs over each latency and print what came of it."""
    arguments = _arguments()
    if arguments.child:
        folder = Path(arguments.folder)
        print(json.dumps(push_all(arguments.url, folder, arguments.skus[0], arguments.postgres)))
        return
    results = []
    for latency in arguments.latency:
        for skus in arguments.skus:
            with _server(latency) as url:
                results.append({"latency": latency, **_run(url, skus, arguments)})
            print(results[-1], file=sys.stderr)
    _report(results)


def push_all(url: str, folder: Path, skus: int, database_url: str | None) -> dict[str, float]:
    """Store figures, queue all of them, send until nothing is due; then compare both sides."""
    # Imported here, so that the parent process does not pay for it.
    import httpx  # noqa: PLC0415
    import sqlalchemy as sa  # noqa: PLC0415

    from assets.stock_figures import Parts, StockReport  # noqa: PLC0415
    from assets.stock_flow import send  # noqa: PLC0415
    from resources.clock import SystemClock  # noqa: PLC0415
    from resources.operating_model import load_operating_model  # noqa: PLC0415
    from resources.operations.availability import (  # noqa: PLC0415
        Lane,
        NewFigure,
        request_push,
        store_figures,
    )
    from resources.operations.database import OperationsDatabase  # noqa: PLC0415
    from resources.operations.schema import availability  # noqa: PLC0415
    from resources.otto.client import OttoClient, OttoSettings  # noqa: PLC0415
    from resources.wms.http import HttpWms  # noqa: PLC0415

    model = load_operating_model(HERE.parent / "operating_model.example.yaml")
    database = OperationsDatabase(database_url or f"sqlite:///{folder / 'operations.sqlite'}")
    database.migrate()
    draw = random.Random(7)

    def store(numbers: Iterable[int], lane: Lane) -> None:
        now = datetime.now(UTC)
        terms = {"sellable": 20, "otto_open": 1, "as_of": now.isoformat()}
        figures = [
            NewFigure(f"Artikel-ÄÖ-{number:06d}", draw.randrange(100), terms, lane)
            for number in numbers
        ]
        with database.write() as conn:
            store_figures(conn, figures, now)

    with database.write() as conn:
        conn.execute(sa.delete(availability))
    for begin in range(0, skus, CHUNK):
        store(range(begin, min(begin + CHUNK, skus)), Lane.REST)
    settings = OttoSettings(
        base_url=url, client_id="id", client_secret=url, state_dir=folder, http=model.http
    )
    stop = threading.Event()

    def move() -> None:
        while not stop.wait(CHANGE_EVERY_SECONDS):
            store(draw.sample(range(skus), CHANGED_AT_ONCE), Lane.MOVING)

    mover = threading.Thread(target=move)
    wms = HttpWms(url, "", model.http)  # sending does not ask it
    with OttoClient(settings) as client:
        parts = Parts(database, wms, client, model, SystemClock())
        with database.write() as conn:
            request_push(conn, None, Lane.REST, datetime.now(UTC))
        started, cpu = time.perf_counter(), time.process_time()
        mover.start()
        send(parts, StockReport(), Lane.REST)
        seconds, cpu = time.perf_counter() - started, time.process_time() - cpu
        megabytes = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
        stop.set()
        mover.join()
        send(parts, StockReport(), Lane.REST)
    told = httpx.get(f"{url}/report", timeout=60).json()
    with database.read() as conn:
        columns = availability.c.sku, availability.c.quantity
        newest = dict(row._tuple() for row in conn.execute(sa.select(*columns)))
    database.close()
    return {
        "skus": skus,
        "seconds": seconds,
        "cpu_seconds": cpu,
        "rows": told["rows"],
        "too_many": told["answers"].get("429", 0),
        "wrong": sum(told["figures"].get(sku) != quantity for sku, quantity in newest.items()),
        "megabytes": megabytes,
    }


def _run(url: str, skus: int, arguments: argparse.Namespace) -> dict[str, float]:
    with tempfile.TemporaryDirectory(prefix="full-push-") as folder:
        command = [sys.executable, str(HERE / "full_push.py"), "--child", "--skus", str(skus)]
        command += ["--url", url, "--folder", folder]
        if arguments.postgres:
            command += ["--postgres", arguments.postgres]
        environment = {**os.environ, "PYTHONPATH": str(HERE.parent)}
        done = subprocess.run(command, stdout=subprocess.PIPE, check=True, env=environment)
    result: dict[str, float] = json.loads(done.stdout.splitlines()[-1])
    return result


@contextmanager
def _server(latency: float) -> Iterator[str]:
    command = [sys.executable, str(HERE / "stock_server.py"), "--latency", str(latency)]
    environment = {**os.environ, "PYTHONPATH": str(HERE.parent)}
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment) as process:
        try:
            assert process.stdout is not None  # noqa: S101 - it was asked for
            yield process.stdout.readline().strip()
        finally:
            process.terminate()


def _report(results: list[dict[str, float]]) -> None:
    print("| latency ms | SKUs | seconds | SKUs/s | of the limit | 429 | cpu s | peak MB | wrong |")
    print("|---|---|---|---|---|---|---|---|---|")
    for run in results:
        cells = [
            f"{run['latency']:g}",
            f"{run['skus']:,}",
            f"{run['seconds']:.1f}",
            f"{run['skus'] / run['seconds']:,.0f}",
            f"{run['skus'] / run['seconds'] / ALLOWED:.1%}",
            f"{run['too_many']}",
            f"{run['cpu_seconds']:.1f}",
            f"{run['megabytes']:.0f}",
            f"{run['wrong']}",
        ]
        print("|", " | ".join(cells), "|")
    peaks = [run["megabytes"] for run in results]
    most = max(run["skus"] for run in results)
    slowest = min(run["skus"] / run["seconds"] for run in results if run["skus"] == most)
    least = LEAST_SHARE * ALLOWED
    verdicts = {
        f"{most:,} SKUs at {least:,.0f} SKUs/s or more, whatever the latency": slowest >= least,
        f"memory is flat: largest peak / smallest below {MOST_GROWTH}": max(peaks)
        < MOST_GROWTH * min(peaks),
        "OTTO holds the newest figure of each SKU": not any(run["wrong"] for run in results),
    }
    print()
    for target, met in verdicts.items():
        print(f"{'met ' if met else 'MISSED'} {target}")
    if not all(verdicts.values()):
        raise SystemExit(1)


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="Measure a full push against OTTO's limit.")
    parser.add_argument("--skus", type=int, nargs="+", default=[25_000, 100_000])
    parser.add_argument("--latency", type=float, nargs="+", default=[0, 150], help="milliseconds")
    parser.add_argument("--postgres", help="URL of an empty database, instead of SQLite")
    parser.add_argument("--child", action="store_true", help=argparse.SUPPRESS)
    parser.add_argument("--url", help=argparse.SUPPRESS)
    parser.add_argument("--folder", help=argparse.SUPPRESS)
    return parser.parse_args()


if __name__ == "__main__":
    main()
