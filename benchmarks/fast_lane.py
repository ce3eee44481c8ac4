"""How long a dispatch takes to reach OTTO under the running daemon, as a ratio to an empty job.

One Dagster daemon serves two code locations: ours and one with an empty asset. Trials alternate:
a dispatch in the sandbox's warehouse until OTTO accepted the shipment, and an empty job from the
sensor's request to the finished run. With --busy a backfill and reconciliations run all the while.

    python -m benchmarks.fast_lane --trials 30 [--busy] [--linger 0]
"""

import argparse
import os
import random
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Sequence
from contextlib import ExitStack
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import dagster as dg
import httpx
import yaml

from otto_pipelines.demo.workplace import credentials, prepare, start_sandbox
from resources.operations.database import OperationsDatabase

HOST = "127.0.0.1"
_MODEL = {
    "automation": {
        "enabled": True,
        "orders_cron": "0 0 1 1 *",
        "reconciliation_cron": "0 0 1 1 *",
    },
}
_NEVER = dict.fromkeys(("snapshot_cron", "full_push_cron", "read_back_cron"), "0 0 1 1 *")
_PORTS = {"otto_pipelines": 14801, "empty": 14802}


def main() -> None:
    """Run the trials and print medians, p95 and ratio."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--trials", type=int, default=30)
    parser.add_argument("--history", type=int, default=200, help="orders already in the world")
    parser.add_argument("--busy", action="store_true", help="backfill and reconcile meanwhile")
    parser.add_argument("--linger", type=float, default=30.0, help="0: every dispatch meets no run")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as name, ExitStack() as stack:
        bench = Bench(Path(name), stack, arguments.history, arguments.linger)
        bench.run(arguments.trials, arguments.busy)


class Bench:
    """The daemon, the two locations and the sandbox of one benchmark."""

    def __init__(
        self,
        folder: Path,
        stack: ExitStack,
        history: int,
        linger: float,
        further_flags: Sequence[str] = (),
    ) -> None:
        shared = credentials()
        start = datetime.now(UTC) - timedelta(days=3)
        flags = ["--orders", str(history), "--days", "2", "--start", start.isoformat()]
        flags += ["--speed", "1000000", "--transport-fault-rate", "0", *further_flags]
        sandbox, addresses = start_sandbox(flags, shared, folder / "sandbox.log")
        stack.callback(_stop, sandbox)
        model = {
            "automation": {**_MODEL["automation"], "linger_seconds": linger},
            "availability": _NEVER,
        }
        self.place = prepare(folder, addresses, shared, model)
        self._trigger = folder / "trigger"
        os.environ.update(self.place.environment, BENCHMARK_TRIGGER=str(self._trigger))
        self.world = httpx.Client(base_url=f"{addresses['otto']}/_sandbox", timeout=60)
        self._dagster(folder, stack)
        self._instance = stack.enter_context(dg.DagsterInstance.get())
        self.database = OperationsDatabase(self.place.operations_url)

    def _dagster(self, folder: Path, stack: ExitStack) -> None:
        command = str(Path(sys.executable).with_name("dagster"))
        with (folder / "migrate.log").open("w") as log:
            subprocess.run([command, "instance", "migrate"], check=True, stdout=log, stderr=log)
        modules = {
            "otto_pipelines": "otto_pipelines.definitions",
            "empty": "benchmarks.empty_location",
        }
        servers = []
        for name, port in _PORTS.items():
            self._start(
                stack,
                folder / f"{name}.log",
                [
                    command,
                    "api",
                    "grpc",
                    "-m",
                    modules[name],
                    "-h",
                    HOST,
                    "-p",
                    str(port),
                    "--location-name",
                    name,
                ],
            )
            servers.append({"grpc_server": {"host": HOST, "port": port, "location_name": name}})
        workspace = folder / "workspace.yaml"
        workspace.write_text(yaml.safe_dump({"load_from": servers}))
        time.sleep(12)
        daemon = [str(Path(command).with_name("dagster-daemon")), "run", "-w", str(workspace)]
        self._start(stack, folder / "daemon.log", daemon)
        time.sleep(10)

    def _start(self, stack: ExitStack, log: Path, command: list[str]) -> None:
        with log.open("wb") as sink:
            process = subprocess.Popen(command, stdout=sink, stderr=subprocess.STDOUT)
        stack.callback(_stop, process)

    def run(self, trials: int, busy: bool) -> None:
        """Alternate both kinds of trial."""
        orders = self.orders([{"lines": 2}] * trials)
        stop = threading.Event()
        load = threading.Thread(target=self._load, args=(stop,), daemon=True)
        if busy:
            load.start()
        empty: list[float] = []
        ours: list[float] = []
        for number, order in enumerate(orders, start=1):
            time.sleep(random.uniform(0.5, 6.0))
            empty.append(self._empty())
            time.sleep(random.uniform(0.5, 6.0))
            ours.append(self.dispatch(order))
            print(f"{number:3} empty {empty[-1]:6.2f} s   ours {ours[-1]:6.2f} s", flush=True)
        stop.set()
        if busy:
            load.join()
        _report(empty, ours, busy)

    def orders(self, wanted: Sequence[dict[str, Any]]) -> list[str]:
        """Create orders and have the warehouse take them; wait until its news are worked off."""
        made = [
            self.world.post("/orders", json=order).raise_for_status().json() for order in wanted
        ]
        command = str(Path(sys.executable).with_name("otto-pipelines"))
        subprocess.run([command, "sync", "orders"], check=True, stdout=subprocess.DEVNULL)
        quiet_since = time.monotonic()
        while time.monotonic() - quiet_since < 20:
            if self._active("fast_lane") or self._active("stock_lane"):
                quiet_since = time.monotonic()
            time.sleep(0.5)
        return [order["sales_order_id"] for order in made]

    def _active(self, job: str) -> bool:
        runs = self._instance.get_runs(dg.RunsFilter(job_name=job), limit=5)
        return any(not run.is_finished for run in runs)

    def _empty(self) -> float:
        asked = time.time()
        self._trigger.touch()
        while True:
            for record in self._instance.get_run_records(dg.RunsFilter(job_name="empty_job"), 1):
                requested = float(record.dagster_run.tags["requested_at"])
                if requested >= asked and record.end_time:
                    return record.end_time - requested
            time.sleep(0.2)

    def dispatch(self, sales_order_id: str) -> float:
        """Dispatch an order; seconds until OTTO has all of its parcels."""
        body = {"sales_order_id": sales_order_id}
        before = time.time()
        numbers = set(
            self.world.post("/warehouse/dispatch", json=body)
            .raise_for_status()
            .json()["tracking_numbers"]
        )
        while True:
            sent = self.world.get("/sent-shipments").raise_for_status().json()
            accepted = [s["accepted_at"] for s in sent if s["tracking_number"] in numbers]
            if len(accepted) == len(numbers):
                return max(accepted) - before
            time.sleep(0.2)

    def _load(self, stop: threading.Event) -> None:
        """Keep a backfill and a reconciliation running, as other processes."""
        days = [(datetime.now(UTC) - timedelta(days=d)).date().isoformat() for d in (3, 0)]
        code = (
            "import sys; import dagster as dg\n"
            "from otto_pipelines.definitions import build_definitions\n"
            "quiet={'loggers': {'console': {'config': {'log_level': 'CRITICAL'}}}}\n"
            "with dg.DagsterInstance.get() as i:\n"
            "  d=build_definitions()\n"
            "  d.resolve_job_def('reconcile').execute_in_process(instance=i, run_config=quiet)\n"
            "  dg.materialize([d.get_assets_def('otto_orders')], instance=i,"
            " resources=dict(d.resources), run_config=quiet,"
            " tags={'dagster/asset_partition_range_start': sys.argv[1],"
            " 'dagster/asset_partition_range_end': sys.argv[2]})\n"
        )
        while not stop.is_set():
            subprocess.run(
                [sys.executable, "-c", code, *days],
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                check=True,
            )


def p95(values: list[float]) -> float:
    """The 95th percentile."""
    return statistics.quantiles(values, n=20, method="inclusive")[18]


def _report(empty: list[float], ours: list[float], busy: bool) -> None:
    print(f"\ntrials {len(ours)}, {'busy' if busy else 'idle'}")
    for name, values in (("empty job", empty), ("dispatch to OTTO", ours)):
        print(f"{name:>18}: median {statistics.median(values):.2f} s, p95 {p95(values):.2f} s")
    print(f"p95 dispatch / median empty: {p95(ours) / statistics.median(empty):.2f}")
    print(f"p95 dispatch / p95 empty:    {p95(ours) / p95(empty):.2f}")


def _stop(process: subprocess.Popen[bytes] | subprocess.Popen[str]) -> None:
    process.terminate()
    try:
        process.wait(timeout=15)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


if __name__ == "__main__":
    main()
