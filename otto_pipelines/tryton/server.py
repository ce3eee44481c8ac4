"""A Tryton server over one database, as a process of its own on a free port.

Belongs here: starting, waiting until it answers, stopping. Tryton is never imported: it is a
program under the GPL in its own virtual environment.
"""

import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx

from otto_pipelines.tryton.postgres import free_port

_READY_SECONDS = 120.0
_UNAUTHORIZED = 401


def write_configuration(folder: Path, cluster_url: str, port: int) -> Path:
    """Write Tryton's configuration file."""
    file = folder / "trytond.conf"
    file.write_text(
        f"[web]\nlisten = 127.0.0.1:{port}\n"
        f"[database]\nuri = {cluster_url}/\npath = {folder}\n"
        "[session]\nauthentications = password\n"
        "[queue]\nworker = False\n",
        encoding="utf-8",
    )
    return file


@contextmanager
def serve(programs: Path, cluster_url: str, database: str) -> Iterator[str]:
    """Address of a running server with its database: `http://127.0.0.1:port/database`.

    `programs` is the folder of the virtual environment's programs.

    Raises:
        RuntimeError: it ended or did not answer; the message holds the end of its log.
    """
    with tempfile.TemporaryDirectory(prefix="otto-tryton-") as name:
        folder, port = Path(name), free_port()
        configuration = write_configuration(folder, cluster_url, port)
        log = folder / "log"
        with log.open("wb") as output:
            server = subprocess.Popen(  # noqa: S603 - a program of our own environment
                [programs / "trytond", "-c", configuration, "-d", database],
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                env={"TZ": "UTC", "PATH": f"{programs}:/usr/bin:/bin"},
            )
        try:
            url = f"http://127.0.0.1:{port}/{database}"
            _await(server, url, log)
            yield url
        finally:
            server.terminate()
            try:
                server.wait(10)
            except subprocess.TimeoutExpired:
                server.kill()
                server.wait()


def _await(server: subprocess.Popen[bytes], url: str, log: Path) -> None:
    """Wait for the answer that a request without key gets."""
    until = time.monotonic() + _READY_SECONDS
    while time.monotonic() < until and server.poll() is None:
        try:
            answer = httpx.get(f"{url}/rest/model/ir.lang", timeout=30)
        except httpx.TransportError:
            time.sleep(0.1)
            continue
        if answer.status_code == _UNAUTHORIZED:
            return
        time.sleep(0.1)
    tail = log.read_text(encoding="utf-8", errors="replace")[-2000:]
    raise RuntimeError(f"Tryton does not answer at {url}; the end of its log:\n{tail}")
