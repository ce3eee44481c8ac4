"""How long a short-pick takes to reach OTTO under the running daemon, beside the fast-lane figure.

Trials alternate: a dispatch until OTTO accepted the shipment, which is the fast-lane figure, and a
unit that the warehouse does not find until OTTO accepted the article's lower figure. With --busy
full pushes of the whole assortment run all the while, each in a process of its own, and a trial
begins only while one of them is sending.

    python -m benchmarks.short_pick --trials 30 [--busy] [--skus 100000] [--linger 0]
"""

import argparse
import random
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path

from benchmarks.fast_lane import Bench, p95
from otto_pipelines.sandbox.catalogue import PRODUCTS
from resources.operations import availability_desk
from resources.operations.availability import Lane

_SENDING = 2_000
"""So many waiting figures of the last lane are a push under way that goes on for a while."""
_PATIENCE_SECONDS = 180
_PUSH = (
    "import dagster as dg\n"
    "from otto_pipelines.definitions import build_definitions\n"
    "quiet = {'loggers': {'console': {'config': {'log_level': 'CRITICAL'}}}}\n"
    "with dg.DagsterInstance.get() as instance:\n"
    "    job = build_definitions().resolve_job_def('push_all_stock')\n"
    "    config = {**job.run_config, **quiet} if job.run_config else quiet\n"
    "    job.execute_in_process(instance=instance, run_config=config)\n"
)


def main() -> None:
    """Run the trials and print medians, p95 and ratio."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--trials", type=int, default=30, help=f"at most {len(PRODUCTS)}")
    parser.add_argument("--skus", type=int, default=100_000)
    parser.add_argument("--busy", action="store_true", help="push everything meanwhile")
    parser.add_argument("--linger", type=float, default=30.0, help="0: every short meets no run")
    arguments = parser.parse_args()
    flags = ["--skus", str(arguments.skus), "--stock-moves-per-day", "0"]
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as name, ExitStack() as stack:
        bench = Bench(Path(name), stack, 20, arguments.linger, flags)
        ShortPicks(bench).run(arguments.trials, arguments.busy)


class ShortPicks:
    """Trials against one sandbox with its daemon."""

    def __init__(self, bench: Bench) -> None:
        self._bench = bench

    def run(self, trials: int, busy: bool) -> None:
        """Alternate both kinds of trial."""
        self._wait_until(lambda: self._waiting() == 0, "the first list to be sent")
        skus = [sku for sku in (p.sku for p in PRODUCTS) if self._stock(sku)["available"] > 1]
        skus = skus[:trials]
        plain = [{"lines": 2}] * len(skus)
        orders = self._bench.orders([*plain, *({"lines": 1, "sku": sku} for sku in skus)])
        stop = threading.Event()
        load = threading.Thread(target=self._push, args=(stop,), daemon=True)
        if busy:
            load.start()
        told: list[float] = []
        short: list[float] = []
        pairs = zip(orders[: len(skus)], orders[len(skus) :], skus, strict=True)
        for number, (sent, missing, sku) in enumerate(pairs, start=1):
            self._pause(busy)
            told.append(self._bench.dispatch(sent))
            self._pause(busy)
            short.append(self._short(missing, sku))
            print(f"{number:3} dispatch {told[-1]:6.2f} s   short {short[-1]:6.2f} s", flush=True)
        stop.set()
        if busy:
            load.join()
        _report(told, short, busy)

    def _pause(self, busy: bool) -> None:
        time.sleep(random.uniform(0.5, 6.0))
        if busy:
            self._wait_until(lambda: self._waiting() > _SENDING, "a full push to be under way")

    def _short(self, sales_order_id: str, sku: str) -> float:
        body = {"sku": sku, "sales_order_id": sales_order_id}
        answer = self._bench.world.post("/stock/short", json=body).raise_for_status().json()
        happened = float(answer["happened_at"])
        while True:
            now = self._stock(sku)
            # Under a push OTTO may still get the figure of before; it counts when it is right.
            if now["accepted_at"] > happened and now["otto_shown"] <= max(0, now["available"]):
                return float(now["accepted_at"]) - happened
            time.sleep(0.1)

    def _stock(self, sku: str) -> dict[str, float]:
        answer = self._bench.world.get("/stock", params={"sku": sku}).raise_for_status()
        found: dict[str, float] = answer.json()["skus"][0]
        return found

    def _waiting(self) -> int:
        """Figures of the last lane that wait to be sent; before the first list, one."""
        with self._bench.database.read() as conn:
            overview = availability_desk.overview(conn)
        return overview.pending_by_lane.get(int(Lane.REST), 0) if overview.skus else 1

    def _push(self, stop: threading.Event) -> None:
        while not stop.is_set():
            subprocess.run(
                [sys.executable, "-c", _PUSH],
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                check=True,
            )

    @staticmethod
    def _wait_until(there: Callable[[], bool], what: str) -> None:
        until = time.monotonic() + _PATIENCE_SECONDS
        while not there():
            if time.monotonic() > until:
                raise SystemExit(f"waited {_PATIENCE_SECONDS} s for {what}: look at the logs")
            time.sleep(0.2)


def _report(told: list[float], short: list[float], busy: bool) -> None:
    print(f"\ntrials {len(short)}, {'under a full push' if busy else 'idle'}")
    for name, values in (("dispatch to OTTO", told), ("short-pick to OTTO", short)):
        print(f"{name:>18}: median {statistics.median(values):.2f} s, p95 {p95(values):.2f} s")
    print(f"p95 short-pick / p95 dispatch: {p95(short) / p95(told):.2f}")


if __name__ == "__main__":
    main()
