"""The live demo with canaries for secrets and buyers: what all its processes leave, byte by byte.

Sandbox, code server, daemon and webserver run as they do for a person; commands are typed, some
with wrong secrets, two processes are aborted. Then every file is looked through.
"""

import os
import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing, contextmanager
from pathlib import Path

import msgspec
import pytest

from tests.canaries import scan

REPOSITORY = Path(__file__).resolve().parents[1]
BUYER = "Canary-Buyer-2b7e"
TYPED = {
    "signing_key": "canary-signing-key-6ac5",
    "wrong_otto_secret": "canary-wrong-secret-77aa",
    "database_password": "canary-database-word-31c9",
    "sftp_passphrase": "canary-sftp-phrase-5e5e",
}
COMMANDS = (("status", "--json"), ("errors", "list"), ("breaks", "list"), ("check-connection",))
MAY_DUMP = ("sh", "-c", 'ulimit -c "$(ulimit -H -c)"; exec "$@"', "sh")
# As the kernel writes them: a state of a socket; 127.0.0.1, also in a socket of IPv6, and ::1.
LISTENS = "0A"
LOOPBACK = {"0100007F", "0000000000000000FFFF00000100007F", "00000000000000000000000001000000"}


def command(*words: str) -> list[str]:
    return [str(Path(sys.executable).with_name("otto-pipelines")), *words]


@contextmanager
def live_demo(folder: Path, environment: Mapping[str, str]) -> Iterator[subprocess.Popen[bytes]]:
    """A demo that may dump its memory, as far as the system is concerned."""
    with (folder.parent / "printed-by-demo").open("wb") as out:
        demo = subprocess.Popen(
            [*MAY_DUMP, *command("demo", "--orders", "12", "--days", "1", "--folder", str(folder))],
            env=environment,
            stdout=out,
            stderr=out,
        )
        try:
            yield demo
        finally:
            demo.terminate()
            demo.wait(timeout=120)


def await_that(what: str, is_so: Callable[[], object], seconds: float = 900) -> None:
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if is_so():
            return
        time.sleep(3)
    raise AssertionError(f"{what}: not within {seconds:g} s")


def confirmed_shipments(folder: Path) -> int:
    try:
        with closing(sqlite3.connect(folder / "data" / "operations.sqlite")) as conn:
            query = "SELECT count(*) FROM outbox WHERE kind='otto_shipment' AND state='confirmed'"
            return int(conn.execute(query).fetchone()[0])
    except sqlite3.OperationalError:
        return 0


def descendants(pid: int) -> list[int]:
    found = []
    for task in Path(f"/proc/{pid}/task").iterdir():
        for child in (task / "children").read_text().split():
            found += [int(child), *descendants(int(child))]
    return found


def listening_addresses(pids: list[int]) -> set[str]:
    """Local addresses, as the kernel writes them, on which these processes listen."""
    sockets = set()
    for pid in pids:
        for handle in Path(f"/proc/{pid}/fd").iterdir():
            try:
                sockets.add(str(handle.readlink()))
            except FileNotFoundError:
                continue  # closed meanwhile
    lines = [
        line.split()
        for table in ("tcp", "tcp6")
        for line in Path(f"/proc/net/{table}").read_text().splitlines()[1:]
    ]
    return {
        parts[1].partition(":")[0]
        for parts in lines
        if parts[3] == LISTENS and f"socket:[{parts[9]}]" in sockets
    }


def named(pids: list[int], words: str) -> int:
    lines = {pid: Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ") for pid in pids}
    return next(pid for pid, line in lines.items() if words.encode() in line)


def environment_of(folder: Path) -> dict[str, str]:
    lines = (folder / "environment").read_text(encoding="utf-8").splitlines()
    return {name: value.strip("'") for name, _, value in (line.partition("=") for line in lines)}


def failing_commands(folder: Path) -> Iterator[tuple[tuple[str, ...], dict[str, str]]]:
    """Commands, with the settings that make them fail."""
    key = folder / "key"
    make_key = ["ssh-keygen", "-q", "-t", "ed25519", "-f", key, "-N", TYPED["sftp_passphrase"]]
    subprocess.run(make_key, check=True)
    database = f"postgresql://otto:{TYPED['database_password']}@127.0.0.1:1/operations"
    files = {
        "WMS_ADAPTER": "files",
        "WMS_FILES_DIR": "sftp://otto@127.0.0.1:1/in",
        "WMS_SFTP_HOST_KEY": " ".join(key.with_suffix(".pub").read_text().split()[:2]),
        "WMS_SFTP_KEY_FILE": str(key),
        "WMS_API_KEY": TYPED["sftp_passphrase"],
    }
    yield ("status",), {"OPERATIONS_DATABASE_URL": database}
    yield ("sync", "shipments"), {"OPERATIONS_DATABASE_URL": database}
    yield ("sync", "shipments"), files
    elsewhere = {"OTTO_PIPELINES_DATA": str(folder / "elsewhere")}
    yield ("sync", "orders"), {"OTTO_CLIENT_SECRET": TYPED["wrong_otto_secret"], **elsewhere}


def type_commands(folder: Path, typed: Path, environment: Mapping[str, str]) -> None:
    """Type all commands; what they print goes into files of its own."""
    for number, words in enumerate(COMMANDS):
        with (typed / f"{number}").open("wb") as out:
            subprocess.run(command(*words), env=environment, stdout=out, stderr=out, check=False)
    for number, (words, changes) in enumerate(failing_commands(typed)):
        with (typed / f"failing-{number}").open("wb") as out:
            done = subprocess.run(
                command(*words),
                env={**environment, **changes},
                stdout=out,
                stderr=out,
                check=False,
            )
        assert done.returncode != 0, (words, changes.keys())


@pytest.mark.campaign
@pytest.mark.timeout(2400)
def test_the_live_demo_leaves_no_secret_and_no_buyer_where_none_belongs(tmp_path: Path) -> None:
    folder, typed = tmp_path / "demo", tmp_path / "typed"
    typed.mkdir()
    marked = {
        **os.environ,
        "SANDBOX_BUYER_MARK": BUYER,
        "FINANCE_SIGNING_KEY": TYPED["signing_key"],
    }
    cores = set(REPOSITORY.glob("core*"))
    with live_demo(folder, marked) as demo:
        await_that("a confirmed shipment", lambda: confirmed_shipments(folder))
        await_that("the finance file", (folder / "data" / "finance.duckdb").exists)
        processes = descendants(demo.pid)
        listening = listening_addresses(processes)
        assert listening
        assert listening <= LOOPBACK
        environment = {**marked, **environment_of(folder)}
        type_commands(folder, typed, environment)
        os.kill(named(processes, "dagster-daemon"), signal.SIGABRT)
        os.kill(named(processes, "api grpc"), signal.SIGABRT)
        time.sleep(3)
    assert set(REPOSITORY.glob("core*")) == cores
    tokens = list((folder / "data").glob("otto-token-*.json"))
    token = msgspec.json.decode(tokens[0].read_bytes())["value"]
    given = environment_of(folder)
    secrets = {
        **TYPED,
        "otto_secret": given["OTTO_CLIENT_SECRET"],
        "wms_key": given["WMS_API_KEY"],
    }
    seen = scan({**secrets, "token": token, "buyer": BUYER}, tmp_path)
    print(f"{seen.files} files, {seen.bytes} bytes")  # noqa: T201 - the campaign's figures
    places = {
        name: {"/".join(path.relative_to(tmp_path).parts[:3]) for path in seen.where(name)}
        for name in (*secrets, "token", "buyer")
    }
    assert {name: places[name] for name in TYPED} == {name: set() for name in TYPED}
    assert places["otto_secret"] == places["wms_key"] == {"demo/environment"}
    assert places["token"] == {f"demo/data/{path.name}" for path in tokens}
    database = {f"demo/data/operations.sqlite{end}" for end in ("", "-wal")}
    assert "demo/data/evidence" in places["buyer"]
    assert places["buyer"] <= {*database, "demo/data/evidence"}
    holding = seen.where("otto_secret", "token", "buyer")
    assert {path.stat().st_mode & 0o077 for path in holding} == {0}
