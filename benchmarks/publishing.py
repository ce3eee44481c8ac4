"""Publishing under readers: 20 times, while two processes open, count and close without a pause.

A reader that fails, or that sees half a run, ends the benchmark with an error.

    python -m benchmarks.publishing [--source FOLDER] [--publishes 20]

`--source` is the folder of a size that `reconciliation.py` built; without it the file is small.
"""

import argparse
import multiprocessing
import shutil
import statistics
import sys
import tempfile
import time
from multiprocessing.synchronize import Event
from pathlib import Path
from typing import Any

from resources.finance import FinanceDatabase

# One transaction always changes both tables.
_BOTH = (
    "SELECT (SELECT count(*) FROM reconciliation.breaks), "
    "(SELECT count(*) FROM reconciliation.break_history)"
)


def main() -> None:
    """Publish under two readers and print seconds and what was read."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--source", type=Path)
    parser.add_argument("--publishes", type=int, default=20)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory(dir=arguments.source) as folder:
        path = Path(folder) / "finance.duckdb"
        finance = FinanceDatabase(path)
        if arguments.source:
            shutil.copyfile(arguments.source / "finance.work.duckdb", finance.working_path)
        with finance.writer() as con:
            con.execute("DELETE FROM reconciliation.breaks")
            con.execute("DELETE FROM reconciliation.break_history")
        finance.publish()
        processes = multiprocessing.get_context("spawn")
        stop, seen = processes.Event(), processes.Queue()
        readers = [processes.Process(target=_read, args=(path, stop, seen)) for _ in range(2)]
        for reader in readers:
            reader.start()
        seconds = [_publish(finance) for _ in range(arguments.publishes)]
        stop.set()
        counts = [seen.get(timeout=60) for _ in readers]
        for reader in readers:
            reader.join(60)
    size = f"{statistics.median(seconds):.2f} s median, {max(seconds):.2f} s at most"
    print(f"{len(seconds)} publishes: {size}")
    print(f"{sum(sum(reader.values()) for reader in counts):,} reads by 2 readers")
    print(f"versions seen: {[len(reader) for reader in counts]}")
    if any(reader.exitcode for reader in readers):
        sys.exit("missed: a reader failed")


def _publish(finance: FinanceDatabase) -> float:
    with finance.writer() as con:
        con.begin()
        con.execute("INSERT INTO reconciliation.breaks (break_id) VALUES ('one')")
        con.execute("INSERT INTO reconciliation.break_history (break_id) VALUES ('one')")
        con.commit()
    started = time.perf_counter()
    finance.publish()
    return time.perf_counter() - started


def _read(path: Path, stop: Event, seen: Any) -> None:
    """Count in a fresh connection until told to stop; hands back versions with their reads."""
    finance = FinanceDatabase(path, threads=1)
    counts: dict[int, int] = {}
    last = -1
    while not stop.is_set():
        with finance.read() as con:
            breaks, events = con.execute(_BOTH).fetchall()[0]
        if breaks != events or breaks < last:
            sys.exit(f"half a run was seen: {breaks} breaks, {events} events, {last} before")
        last = breaks
        counts[breaks] = counts.get(breaks, 0) + 1
    seen.put(counts)


if __name__ == "__main__":
    main()
