"""A PostgreSQL cluster of its own, thrown away afterwards, and its databases.

Belongs here: the programs of PostgreSQL. It is for demos and tests: nothing is kept, nothing is
flushed to disk, whoever reaches the port is trusted.
"""

import os
import shutil
import socket
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import urlsplit


class Unavailable(Exception):
    """Something that this machine lacks; the message says what, and how to get it.

    What to do: install what it names, then start again.
    """


def binaries() -> Path:
    """Folder of the newest installation.

    Raises:
        Unavailable: there is none.
    """
    installed = sorted(
        Path("/usr/lib/postgresql").glob("*/bin/initdb"), key=lambda path: float(path.parts[-3])
    )
    found = installed[-1] if installed else shutil.which("initdb")
    if found is None:
        raise Unavailable("PostgreSQL is not installed (apt install postgresql)")
    return Path(found).parent


@contextmanager
def cluster() -> Iterator[str]:
    """URL of a cluster on 127.0.0.1, without a database; stopped and removed at the end."""
    tools = binaries()
    with tempfile.TemporaryDirectory(prefix="otto-pg-") as folder:
        data = Path(folder) / "data"
        owner: list[str | Path] = [*_owner(Path(folder))]
        run([*owner, tools / "initdb", "-A", "trust", "-U", "postgres", "-N", "-D", data])
        port = free_port()
        settings = (
            f"-p {port} -c listen_addresses=127.0.0.1 -c unix_socket_directories='' "
            "-c fsync=off -c synchronous_commit=off -c full_page_writes=off"
        )
        control = [*owner, tools / "pg_ctl", "-D", data, "-w"]
        run([*control, "-l", Path(folder) / "log", "-o", settings, "start"])
        try:
            yield f"postgresql://postgres@127.0.0.1:{port}"
        finally:
            run([*control, "-m", "immediate", "stop"])


def create(cluster_url: str, name: str, template: str | None = None) -> None:
    """Create an empty database, or a copy of another one."""
    of = ["--template", template] if template else []
    run([*_tool(cluster_url, "createdb"), *of, name])


def drop(cluster_url: str, name: str) -> None:
    """Remove a database, with whoever is still connected to it."""
    run([*_tool(cluster_url, "dropdb"), "--force", "--if-exists", name])


def exists(cluster_url: str, name: str) -> bool:
    """Whether there is such a database."""
    query = f"SELECT datname FROM pg_database WHERE datname = '{name}'"
    ask = ["--tuples-only", "--no-align", "--command", query, "postgres"]
    return run([*_tool(cluster_url, "psql"), *ask]).strip() == name


def dump(cluster_url: str, name: str, file: Path) -> None:
    """Write a database to a file."""
    run([*_tool(cluster_url, "pg_dump"), "--format=custom", "--file", file, name])


def restore(cluster_url: str, name: str, file: Path) -> None:
    """Create a database from such a file."""
    create(cluster_url, name)
    run([*_tool(cluster_url, "pg_restore"), "--no-owner", "--dbname", name, file])


def free_port() -> int:
    """A port on 127.0.0.1 that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def run(command: list[str | Path], environment: dict[str, str] | None = None) -> str:
    """Run a program to its end; returns what it wrote.

    Raises:
        RuntimeError: it failed; the message holds what it said.
    """
    done = subprocess.run(  # noqa: S603 - programs of this machine, arguments of our own
        command,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
        cwd="/",
        env={**os.environ, **(environment or {})},
    )
    if done.returncode != 0:
        raise RuntimeError(f"{command} ended with {done.returncode}:\n{done.stdout}{done.stderr}")
    return done.stdout


def _tool(cluster_url: str, name: str) -> list[str | Path]:
    place = urlsplit(cluster_url)
    at = ["--host", str(place.hostname), "--port", str(place.port), "--username", "postgres"]
    return [binaries() / name, *at]


def _owner(folder: Path) -> list[str]:
    """PostgreSQL refuses to run as root: then it runs as its own user, who owns the folder."""
    if os.geteuid() != 0:
        return []
    shutil.chown(folder, "postgres", "postgres")
    return ["runuser", "-u", "postgres", "--"]
