"""The live demo: sandbox, code server, daemon and webserver side by side until Ctrl-C.

Belongs here: starting and stopping these processes and telling a person what to look at. Time runs
as it is; only the hold at OTTO and the work of the warehouse are short, so minutes show what takes
days elsewhere.
"""

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import yaml
from filelock import FileLock, Timeout
from rich.console import Console

from otto_pipelines.demo import tryton
from otto_pipelines.demo.incidents import play
from otto_pipelines.demo.workplace import (
    REPOSITORY,
    DemoError,
    Workplace,
    clear,
    credentials,
    prepare,
    start_sandbox,
)

HOST = "127.0.0.1"
FIRST_UI_PORT = 3000
TEMPO = 0.008
ORDERS_PER_HOUR = 120
# Real time is the ceiling of virtual time, so a huge speed means: history at once, then real time.
CATCH_UP_SPEED = 1_000_000

_MODEL_CHANGES: dict[str, dict[str, Any]] = {
    "reconciliation": {
        "missing_in_wms": 1,
        "cancellation": 3,
        "confirmation": 10,
        "confirmed_not_dispatched": 3,
        "stock_drift": 3,
        "stock_oversold": 3,
    },
    "availability": {"snapshot_cron": "*/2 * * * *", "stale_after_minutes": 5},
    "automation": {
        "enabled": True,
        "orders_cron": "* * * * *",
        "reconciliation_cron": "*/2 * * * *",
    },
    "http": {"timeout_seconds": 5.0},
}
# With the sandbox's warehouse all is ready at once, and its stock list goes wrong by and by.
_SIGHTS = """\
  within a minute    Runs: [cyan]sync_orders[/cyan] reads the orders and hands them to the warehouse
  within 2 minutes   Assets > [cyan]parcels[/cyan] > Checks: parcels without a valid number
  within 3 minutes   Assets > [cyan]otto_shipments[/cyan]: confirmed shipments, plotted
                     Assets > reconciliation > [cyan]breaks[/cyan] > Checks: where both differ
                     Assets > [cyan]available_to_sell[/cyan] > Checks: a SKU that means two articles
  after 3 minutes    Assets > [cyan]wms_stock[/cyan] > Checks: a stock list that is refused
"""


def run_live(*, orders: int, days: int, seed: int, folder: Path | None = None) -> int:
    """Start everything and wait for Ctrl-C; returns the exit code."""
    console = Console(stderr=True)
    folder = (folder or Path.cwd() / ".demo").absolute()
    lock = FileLock(folder.with_name(folder.name + ".lock"))
    try:
        lock.acquire(blocking=False)
    except Timeout:
        console.print(f"[red]another demo is running in {folder}[/red]: stop it, or use --folder")
        return 1
    logs = folder / "logs"
    with ExitStack() as running:
        running.callback(console.print, "stopped")
        try:
            clear(folder)
            logs.mkdir()
            with console.status("starting the sandbox (OTTO and a warehouse)") as status:
                place = _sandbox_and_workplace(
                    running, folder, orders=orders, days=days, seed=seed, say=status.update
                )
                status.update("preparing the Dagster instance")
                _prepare_instance(place, logs)
                status.update("starting code server, daemon and webserver")
                url = _start_dagster(running, place, logs)
        except DemoError as error:
            console.print(f"[red]the demo did not start:[/red] {error}")
            return 1
        console.print(_welcome(url, place))
        # The incidents are of the sandbox's warehouse.
        sandbox = None if _with_tryton() else place.environment["OTTO_API_BASE_URL"]
        return _until_the_end(console, sandbox)


def _sandbox_and_workplace(
    running: ExitStack,
    folder: Path,
    *,
    orders: int,
    days: int,
    seed: int,
    say: Callable[[str], None],
) -> Workplace:
    if _with_tryton():
        # People work in real time, so there are no days of history.
        orders, days = min(orders, tryton.ORDERS), 1
    start = datetime.now(UTC) - timedelta(days=days)
    arguments = {
        "--orders": orders,
        "--days": days,
        "--seed": seed,
        "--start": start.isoformat(),
        "--speed": CATCH_UP_SPEED,
        "--tempo": TEMPO,
        "--after-orders-trickle": ORDERS_PER_HOUR,
        "--stall-seconds": 6,
        # Some of the further articles, so that none is ordered that a guard keeps from sale.
        "--skus": 80,
        "--colliding-skus": 1,
        "--orphan-skus": 1,
    }
    shared, changes = credentials(), _MODEL_CHANGES
    flat = [str(part) for pair in arguments.items() for part in pair]
    process, addresses = start_sandbox(flat, shared, folder / "logs" / "sandbox.log")
    running.callback(_stop, process)
    if _with_tryton():
        server = running.enter_context(tryton.warehouse(seed, say))
        addresses = {**addresses, "wms": server.url}
        shared = {**shared, "WMS_ADAPTER": "tryton", "WMS_API_KEY": server.adapter_key}
        changes = {
            section: {**changes.get(section, {}), **tryton.MODEL_CHANGES.get(section, {})}
            for section in changes | tryton.MODEL_CHANGES
        }
    return prepare(folder, addresses, shared, changes)


def _prepare_instance(place: Workplace, logs: Path) -> None:
    """Create the instance's databases once: several processes doing so at a time corrupt them."""
    with (logs / "migrate.log").open("w", encoding="utf-8") as log:
        done = subprocess.run(  # noqa: S603 - our own environment's command
            [_command("dagster"), "instance", "migrate"],
            env=_environment(place),
            stdout=log,
            stderr=subprocess.STDOUT,
            check=False,
        )
    if done.returncode:
        raise DemoError(f"the Dagster instance could not be prepared; see {log.name}")


def _start_dagster(running: ExitStack, place: Workplace, logs: Path) -> str:
    code_port, ui_port = _free_port(0), _free_port(FIRST_UI_PORT)
    workspace = place.folder / "workspace.yaml"
    server = {"host": HOST, "port": code_port, "location_name": "otto_pipelines"}
    workspace.write_text(yaml.safe_dump({"load_from": [{"grpc_server": server}]}), encoding="utf-8")
    module = ["-m", "otto_pipelines.definitions"]
    code = [*module, "-h", HOST, "-p", str(code_port), "--location-name", "otto_pipelines"]
    ui = ["-w", str(workspace), "-h", HOST, "-p", str(ui_port)]
    commands = {
        "code-server": [_command("dagster"), "api", "grpc", *code],
        "webserver": [_command("dagster-webserver"), *ui],
        "daemon": [_command("dagster-daemon"), "run", "-w", str(workspace)],
    }
    url = f"http://{HOST}:{ui_port}"
    ready: dict[str, Callable[[], bool]] = {
        "code-server": lambda: _listens(code_port),
        "webserver": lambda: _answers(f"{url}/server_info"),
    }
    for name, command in commands.items():
        process = _start(name, command, place, logs)
        running.callback(_stop, process)
        _await(name, process, ready.get(name, lambda: True), logs)
    return url


def _start(
    name: str, command: Sequence[str], place: Workplace, logs: Path
) -> subprocess.Popen[bytes]:
    with (logs / f"{name}.log").open("wb") as log:
        return subprocess.Popen(  # noqa: S603 - our own environment's commands
            command,
            env=_environment(place),
            cwd=REPOSITORY,
            stdout=log,
            stderr=subprocess.STDOUT,
            # Ctrl-C reaches this process only; it ends the others in order.
            start_new_session=True,
        )


def _await(
    name: str, process: subprocess.Popen[bytes], ready: Callable[[], bool], logs: Path
) -> None:
    for _ in range(600):
        if process.poll() is not None:
            raise DemoError(f"{name} ended by itself; see {logs / name}.log")
        if ready():
            return
        time.sleep(0.2)
    raise DemoError(f"{name} was not ready within two minutes; see {logs / name}.log")


def _environment(place: Workplace) -> Mapping[str, str]:
    return {**os.environ, **place.environment}


def _command(name: str) -> str:
    return str(Path(sys.executable).with_name(name))


def _free_port(wanted: int) -> int:
    """Return `wanted` if it is free, else any free one."""
    for port in (wanted, 0):
        with socket.socket() as probe:
            try:
                probe.bind((HOST, port))
            except OSError:
                continue
            return int(probe.getsockname()[1])
    raise DemoError(f"no free port on {HOST}")


def _listens(port: int) -> bool:
    with socket.socket() as probe:
        probe.settimeout(1)
        return probe.connect_ex((HOST, port)) == 0


def _answers(url: str) -> bool:
    try:
        return httpx.get(url, timeout=2).is_success
    except httpx.TransportError:
        return False


def _stop(process: subprocess.Popen[Any]) -> None:
    if process.poll() is None:
        process.terminate()
        try:
            process.wait(timeout=15)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _with_tryton() -> bool:
    return os.environ.get("WMS_ADAPTER") == "tryton"


def _until_the_end(console: Console, sandbox_url: str | None) -> int:
    """Let incidents happen until a person or a signal ends the demo."""

    def end(*_: object) -> None:
        raise KeyboardInterrupt

    def say(told: str) -> None:
        now = datetime.now(UTC).astimezone()
        console.print(f"[bold]{now:%H:%M}[/bold]  {told}\n", highlight=False)

    signal.signal(signal.SIGTERM, end)
    try:
        try:
            if sandbox_url is not None:
                play(sandbox_url, say)
        except httpx.HTTPError as error:
            console.print(f"[red]the sandbox does not answer:[/red] {error}")
        while True:
            time.sleep(3600)
    except KeyboardInterrupt:
        console.print("\nstopping")
        return 0


def _welcome(url: str, place: Workplace) -> str:
    return f"""
[bold]Dagster UI:[/bold] {url}

What to look at, in the order in which it appears:
{tryton.SIGHTS if _with_tryton() else _SIGHTS}
Finance opens, read-only and at any time:
  {place.finance_file}
  {_command("otto-pipelines")} breaks list --file {place.finance_file}

Any otto-pipelines command on this demo, after:  set -a; . {place.folder / "environment"}

Logs: {place.folder / "logs"}    Stop: Ctrl-C
"""
