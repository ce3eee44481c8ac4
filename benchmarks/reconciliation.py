"""How long a comparison of both sides takes, in full and for one day, beside a scan of its columns.

Each size is generated into staged tables (`reconciliation_data.py`) and rebuilt once; then each
run measures, in a process of its own, the product's own steps (`assets.reconciliation`); what they
write is rolled back. With `--with-datacompy` a Python with datacompy, pandas, polars and pyarrow
compares the same lines (`reconciliation_datacompy.py`).

    python -m benchmarks.reconciliation [--lines 1000000 10000000] [--runs 3] [--folder F]
        [--with-datacompy PYTHON]
"""

import argparse
import json
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent
FOLDER = Path(tempfile.gettempdir()) / "otto_pipelines_benchmark_reconciliation"
TIMES_SCAN = 1.5
TIMES_DATACOMPY = {"polars": 15, "pandas": 50}
SHARE_OF_FULL = 0.03
MEGABYTES = 2_500
CHANGED_DAY = "2026-06-01"

# All that is compared, and where it lies.
COMPARED = {
    "position_items": "sales_order_id, position_item_id, fulfilment_status, sku, currency, "
    "buyer_price_cents, otto_carrier, otto_tracking_number, processable_at, sent_at, returned_at, "
    "cancelled_at, ship_by_at",
    "wms_orders": "order_ref, submitted_at, last_event_at, audited_at, present",
    "wms_order_lines": "order_ref, line_id, state, sku_sent, sku_seen, price_sent_cents, "
    "price_seen_cents, currency_seen, short_discrepancy, recorded_at",
    "parcels": "parcel_id, order_ref, carrier_raw, carrier, tracking_number, "
    "corrected_tracking_number, shipped_at, state, parked_rules",
    "parcel_lines": "parcel_id, order_ref, line_id",
    "outbox": "kind, business_key, order_ref, state",
}

Times = dict[str, float]


def main() -> None:
    """Measure each size and print medians, ratios and whether the targets are met."""
    arguments = _arguments()
    if arguments.child:
        job = _JOBS[arguments.child]
        print(json.dumps(job(arguments.folder, arguments.lines[0])))
        return
    missed = []
    for lines in arguments.lines:
        folder = arguments.folder / str(lines)
        folder.mkdir(parents=True, exist_ok=True)
        _once("generate", folder, lines)
        result = _medians("classify", folder, lines, arguments.runs)
        for side in TIMES_DATACOMPY if arguments.with_datacompy else ():
            result |= _datacompy(arguments.with_datacompy, side, folder)
        result |= _once("rebuild", folder, lines)
        changes = _medians("change", folder, lines, arguments.runs)
        result |= changes | {"megabytes": max(result["megabytes"], changes["megabytes"])}
        missed += _report(lines, result)
    if missed:
        sys.exit("missed: " + "; ".join(missed))


def generate(folder: Path, lines: int) -> Times:
    """Make the staged tables and fingerprints, and write both sides flat for other tools."""
    from assets.reconciliation.reconcile import run_steps  # noqa: PLC0415
    from assets.reconciliation.scope import portions, take_portion  # noqa: PLC0415
    from benchmarks.reconciliation_data import generate as generate_lines  # noqa: PLC0415

    result: Times = {}
    with _finance(folder).writer() as con:
        # What was generated before a run was broken off is kept.
        if not con.execute("SELECT count(*) FROM staging.orders").fetchall()[0][0]:
            con.begin()
            generate_lines(con, lines)
            con.execute("CREATE OR REPLACE TABLE main.planted AS FROM planted")
            con.commit()
        con.begin()
        _prepare(con)
        with _timed(result, "fingerprints"):
            for days in list(portions(con)):
                take_portion(con, days)
                run_steps(con, ["fingerprints"])
        con.commit()
        con.execute("CHECKPOINT finance")
        for side, query in _FLAT.items():
            con.execute(f"COPY ({query}) TO '{folder / side}.parquet' (COMPRESSION zstd)")
    return result


def classify(folder: Path, lines: int) -> Times:
    """Scan, then find and record all breaks from none; seconds, CPU seconds, megabytes."""
    from assets.reconciliation.reconcile import CLASSIFY, FEEDS, run_steps  # noqa: PLC0415
    from assets.reconciliation.scope import add_suspects  # noqa: PLC0415

    result: Times = {}
    with _finance(folder).writer() as con:
        _warm_up(con)
        with _timed(result, "scan"):
            for table, columns in COMPARED.items():
                con.execute(f"SELECT bit_xor(hash({columns})) FROM staging.{table}").fetchall()
        with _rolled_back(con):
            con.execute("DELETE FROM reconciliation.breaks")
            con.execute("DELETE FROM reconciliation.break_history")
            _prepare(con)
            with _timed(result, "classify"):
                run_steps(con, ["suspects"])
                add_suspects(con)
                run_steps(con, [*FEEDS, "lines", *CLASSIFY, "breaks"])
            _check_found(con, lines)
    result["megabytes"] = _peak_megabytes()
    return result


def rebuild(folder: Path, lines: int) -> Times:
    """Judge everything and write all tables."""
    from assets.reconciliation.reconcile import finish, judge_everything  # noqa: PLC0415

    result: Times = {}
    with _finance(folder).writer() as con:
        con.begin()
        with _timed(result, "full rebuild"):
            _prepare(con)
            judge_everything(con)
            finish(con)
            con.commit()
        con.execute("CHECKPOINT finance")
        _check_found(con, lines)
    result["rebuild megabytes"] = _peak_megabytes()
    return result


def change(folder: Path, lines: int) -> Times:
    """Judge again after a changed tolerance, and after one day's changes."""
    from assets.reconciliation.reconcile import finish, judge_changed  # noqa: PLC0415

    result: Times = {}
    with _finance(folder).writer() as con:
        _warm_up(con)

        def judge(condition: str, *, all_suspects: bool) -> None:
            con.execute(
                "CREATE OR REPLACE TEMP TABLE changed_orders AS SELECT sales_order_id AS order_ref,"
                f" order_day, order_key FROM staging.orders WHERE {condition}"
            )
            _prepare(con)
            judge_changed(con, all_suspects=all_suspects)
            finish(con)

        with _rolled_back(con), _timed(result, "changed tolerance"):
            judge("false", all_suspects=True)
        with _rolled_back(con):
            # What a day of new facts looks like: a tenth of its prices differ now.
            con.execute(
                "UPDATE staging.wms_order_lines SET price_seen_cents = price_seen_cents + 1 "
                f"WHERE order_day = '{CHANGED_DAY}' AND order_key % 10 = 0"
            )
            with _timed(result, "one day"):
                judge(f"order_day = '{CHANGED_DAY}'", all_suspects=False)
    result["megabytes"] = _peak_megabytes()
    return result


_JOBS = {"generate": generate, "classify": classify, "rebuild": rebuild, "change": change}

_FLAT = {
    "otto": """
        SELECT sales_order_id, position_item_id, sku, buyer_price_cents AS price, currency,
            fulfilment_status = 'SENT' AS gone, otto_carrier AS carrier,
            otto_tracking_number AS number
        FROM staging.position_items WHERE fulfilment_status NOT LIKE 'CANCELLED%'
        """,
    "wms": """
        SELECT l.order_ref AS sales_order_id, line_id AS position_item_id, sku_seen AS sku,
            price_seen_cents AS price, currency_seen AS currency, l.state = 'SHIPPED' AS gone,
            carrier, tracking_number AS number
        FROM staging.wms_order_lines AS l
        LEFT JOIN (staging.parcel_lines JOIN staging.parcels USING (parcel_id))
            USING (line_id)
        WHERE l.state <> 'CANCELLED'
        """,
}


def _finance(folder: Path) -> Any:
    from resources.finance import FinanceDatabase  # noqa: PLC0415

    return FinanceDatabase(folder / "finance.duckdb")


def _prepare(con: Any) -> None:
    from assets.reconciliation.preparation import prepare  # noqa: PLC0415
    from benchmarks.reconciliation_data import NOW  # noqa: PLC0415
    from resources.operating_model import Reconciliation  # noqa: PLC0415

    prepare(con, Reconciliation(), {}, NOW)


def _check_found(con: Any, lines: int) -> None:
    found = "SELECT kind, sales_order_id, position_item_id FROM reconciliation.breaks"
    wrong = con.execute(
        f"SELECT count(*) FROM ((FROM main.planted EXCEPT ALL {found}) "
        f"UNION ALL ({found} EXCEPT ALL FROM main.planted))"
    ).fetchall()[0][0]
    if wrong:
        sys.exit(f"{wrong} breaks of {lines} lines were missed, or found without being planted")


def _peak_megabytes() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def _warm_up(con: Any) -> None:
    """Read the file once, so that no side pays for the disk."""
    for table in (*COMPARED, "orders", "otto_fingerprints", "wms_fingerprints"):
        con.execute(f"SELECT bit_xor(hash(t)) FROM staging.{table} AS t").fetchall()


@contextmanager
def _timed(result: Times, name: str) -> Iterator[None]:
    started, cpu = time.perf_counter(), time.process_time()
    yield
    result[name] = time.perf_counter() - started
    result[f"{name} cpu"] = time.process_time() - cpu


@contextmanager
def _rolled_back(con: Any) -> Iterator[None]:
    con.begin()
    try:
        yield
    finally:
        con.rollback()


def _once(job: str, folder: Path, lines: int) -> Times:
    """What `job` measured when it was run on this folder, now or at an earlier time."""
    kept = folder / f"{job}.json"
    if not kept.exists():
        kept.write_text(json.dumps(_child(job, folder, lines)))
    result: Times = json.loads(kept.read_text())
    return result


def _medians(job: str, folder: Path, lines: int, runs: int) -> Times:
    each = [_child(job, folder, lines) for _ in range(runs)]
    return {name: statistics.median(run[name] for run in each) for name in each[0]}


def _child(job: str, folder: Path, lines: int) -> Times:
    command = [sys.executable, "-m", "benchmarks.reconciliation", "--child", job]
    command += ["--lines", str(lines), "--folder", str(folder)]
    done = subprocess.run(command, check=True, stdout=subprocess.PIPE, cwd=HERE.parent)
    result: Times = json.loads(done.stdout)
    print(f"{lines:,} lines, {job}: {result}", file=sys.stderr)
    return result


def _datacompy(python: str, side: str, folder: Path) -> Times:
    """One run of datacompy; nothing where it does not end well, as when memory is too small."""
    script = str(HERE / "reconciliation_datacompy.py")
    done = subprocess.run([python, script, side, str(folder)], stdout=subprocess.PIPE, check=False)
    if done.returncode:
        print(f"datacompy {side} ended with {done.returncode}", file=sys.stderr)
        return {}
    run: Times = json.loads(done.stdout)
    print(f"datacompy {side}: {run}", file=sys.stderr)
    return {
        side: run["seconds"],
        f"{side} cpu": run["cpu"],
        f"{side} reading": run["reading"],
        f"{side} megabytes": run["megabytes"],
    }


def _report(lines: int, result: Times) -> list[str]:
    """Print the table of one size; returns the targets that are missed."""
    print(f"\n{lines:,} OTTO lines against as many of the WMS, {lines // 200:,} breaks")
    scan, classify, day = result["scan"], result["classify"], result["one day"]
    full = result["full rebuild"]
    checks: list[tuple[str, float, float, str, bool]] = [
        ("scan of the columns", scan, result["scan cpu"], "", True),
        (
            "all breaks classified",
            classify,
            result["classify cpu"],
            f"{classify / scan:.2f} x the scan (target {TIMES_SCAN}), "
            f"{result['classify cpu'] / result['scan cpu']:.2f} x by CPU",
            classify <= TIMES_SCAN * scan,
        ),
        (
            "all judged again, written",
            result["changed tolerance"],
            result["changed tolerance cpu"],
            "as after a changed tolerance",
            True,
        ),
        (
            "one day changed",
            day,
            result["one day cpu"],
            f"{day / full:.2%} of the rebuild (target {SHARE_OF_FULL:.0%}), "
            f"{result['one day cpu'] / result['full rebuild cpu']:.2%} by CPU",
            day < SHARE_OF_FULL * full,
        ),
        ("full rebuild of all tables", full, result["full rebuild cpu"], "", True),
    ]
    checks += [
        (
            f"datacompy on {side}",
            result[side],
            result[f"{side} cpu"],
            f"{_times_ours(result, side)} (target {times})",
            result[side] >= times * classify,
        )
        for side, times in TIMES_DATACOMPY.items()
        if side in result
    ]
    for name, wall, cpu, text, _ in checks:
        print(f"  {name:28} {wall:8.2f} s {cpu:8.2f} s CPU  {text}")
    print(
        f"  peak memory {result['megabytes']:,.0f} MB (target {MEGABYTES:,}), "
        f"of the rebuild {result['rebuild megabytes']:,.0f} MB"
    )
    missed = [f"{name} at {lines:,} lines" for name, *_, met in checks if not met]
    return missed + ([f"memory at {lines:,}"] if result["megabytes"] > MEGABYTES else [])


def _times_ours(result: Times, side: str) -> str:
    wall, cpu = (result[f"{side}{kind}"] / result[f"classify{kind}"] for kind in ("", " cpu"))
    reading, megabytes = result[f"{side} reading"], result[f"{side} megabytes"]
    return (
        f"{wall:.1f} x ours, {cpu:.1f} x by CPU, {megabytes:,.0f} MB, reading {reading:.1f} s more"
    )


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--lines", type=int, nargs="+", default=[1_000_000, 10_000_000])
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--folder", type=Path, default=FOLDER, help="kept for the next time")
    parser.add_argument("--with-datacompy", metavar="PYTHON")
    parser.add_argument("--child", choices=_JOBS, help=argparse.SUPPRESS)
    return parser.parse_args()


if __name__ == "__main__":
    main()
