"""The services of one machine, and a supervisor that starts again what ends.

Belongs here: code server and daemon as processes of their own, and what a supervisor such as
systemd does: start again after a second, and where it was told so end everything that belonged to
the service that died. Runs are processes of the code server.
"""

import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path

import yaml

REPOSITORY = Path(__file__).resolve().parents[2]
HOST = "127.0.0.1"
CODE_SERVER, DAEMON = "code server", "daemon"
RESTART_SECONDS = 1.0
_WORKER = "from multiprocessing.spawn import spawn_main"


class Services:
    """Starts, watches and ends them. `environment` leads them to their workplace."""

    def __init__(self, folder: Path, port: int, environment: Mapping[str, str]) -> None:
        self._logs = folder / "logs"
        self._logs.mkdir(exist_ok=True)
        self._port = port
        self._environment = {**os.environ, **environment}
        workspace = folder / "workspace.yaml"
        server = {"host": HOST, "port": port, "location_name": "otto_pipelines"}
        workspace.write_text(yaml.safe_dump({"load_from": [{"grpc_server": server}]}))
        module = ["-m", "otto_pipelines.definitions", "--location-name", "otto_pipelines"]
        self._commands = {
            CODE_SERVER: [_tool("dagster"), "api", "grpc", *module, "-h", HOST, "-p", str(port)],
            DAEMON: [_tool("dagster-daemon"), "run", "-w", str(workspace)],
        }
        self._processes: dict[str, subprocess.Popen[bytes]] = {}
        self._groups: set[int] = set()
        self._lock = threading.Lock()
        self._ending = threading.Event()
        self._takes_all_along = True
        self.starts = 0

    @contextmanager
    def running(self) -> Iterator["Services"]:
        with (self._logs / "migrate.log").open("wb") as log:
            subprocess.run(
                [_tool("dagster"), "instance", "migrate"],
                env=self._environment,
                stdout=log,
                stderr=subprocess.STDOUT,
                check=True,
            )
        self._start(CODE_SERVER)
        while not self._listens():
            time.sleep(0.2)
        self._start(DAEMON)
        watch = threading.Thread(target=self._watch, daemon=True)
        watch.start()
        try:
            yield self
        finally:
            self._ending.set()
            watch.join()
            for group in self._groups:
                _end_group(group)

    def kill(self, name: str, *, whole_group: bool) -> int:
        """SIGKILL to a service; with `whole_group` its runs end with it, else they live on."""
        with self._lock:
            self._takes_all_along = whole_group
            process = self._processes[name]
            process.kill()
            return process.pid

    def workers(self) -> list[int]:
        """Processes of runs, also such as outlived their code server."""
        with self._lock:
            groups = set(self._groups)
        return [
            pid for pid, group in _processes() if group in groups and _WORKER in _command_line(pid)
        ]

    def _watch(self) -> None:
        while not self._ending.wait(0.1):
            for name, process in list(self._processes.items()):
                if process.poll() is None:
                    continue
                if self._takes_all_along:
                    _end_group(process.pid)
                self._takes_all_along = True
                if not self._ending.wait(RESTART_SECONDS):
                    self._start(name)

    def _listens(self) -> bool:
        with socket.socket() as probe:
            return probe.connect_ex((HOST, self._port)) == 0

    def _start(self, name: str) -> None:
        with (self._logs / f"{name.replace(' ', '-')}.log").open("ab") as log, self._lock:
            process = subprocess.Popen(
                self._commands[name],
                env=self._environment,
                cwd=REPOSITORY,
                stdout=log,
                stderr=subprocess.STDOUT,
                # A group of its own: what it starts can be ended with it.
                start_new_session=True,
            )
            self._processes[name] = process
            self._groups.add(process.pid)
            self.starts += 1


def lives(pid: int) -> bool:
    """Whether it runs (a zombie does not)."""
    return _state(pid) not in {None, "Z"}


def _state(pid: int) -> str | None:
    try:
        stat = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8")
    except (FileNotFoundError, ProcessLookupError):
        return None
    return stat.rpartition(")")[2].split()[0]


def _processes() -> Iterator[tuple[int, int]]:
    """Each process with its group."""
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            with suppress(ProcessLookupError, PermissionError):
                yield int(entry.name), os.getpgid(int(entry.name))


def _command_line(pid: int) -> str:
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ").decode()
    except (FileNotFoundError, ProcessLookupError):
        return ""


def _end_group(group: int) -> None:
    for _ in range(50):
        try:
            os.killpg(group, signal.SIGKILL)
        except ProcessLookupError:
            return
        time.sleep(0.02)


def _tool(name: str) -> str:
    return str(Path(sys.executable).with_name(name))
